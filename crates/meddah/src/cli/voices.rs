//! `meddah voices`: what there is to speak with on this PC.

use std::path::{Path, PathBuf};

use meddah_speech::{LocalSpeech, Voice};

use super::setup::{Common, Setup};
use super::{DONE, Failure, print};
use crate::paths::Paths;

#[derive(clap::Args)]
pub struct VoicesArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &VoicesArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let voices = LocalSpeech::voices_in(&setup.paths.models());
    if arguments.json {
        print::line(&serde_json::json!({ "voices": voices }).to_string());
        return Ok(DONE);
    }
    for voice in &voices {
        print::line(&shown(voice));
    }
    if voices.iter().all(|voice| voice.robotic) {
        print::aside(
            "`meddah models pull voice-joe` downloads a voice (63 MB), `meddah models list` shows others. One that is on this PC, NAME.onnx with NAME.onnx.json beside it, is taken in with `meddah models import NAME.onnx`.",
        );
    }
    Ok(DONE)
}

fn shown(Voice { name, language, speakers, sample_rate_hz, robotic }: &Voice) -> String {
    let speakers = if *speakers > 1 { format!(", {speakers} speakers") } else { String::new() };
    let robotic = if *robotic { ", made by rules, always there" } else { "" };
    format!("{name}  {language}, {sample_rate_hz} Hz{speakers}{robotic}")
}

/// Where the voices are, and the name of the one that is meant: an installed name, or a file anywhere.
pub fn place(paths: &Paths, voice: Option<&str>) -> (PathBuf, Option<String>) {
    let file = voice.map(Path::new).filter(|path| path.is_file());
    let in_folder = file.and_then(|file| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.to_owned(), Some(file.file_stem()?.to_str()?.to_owned())))
    });
    in_folder.unwrap_or_else(|| (paths.models(), voice.map(str::to_owned)))
}
