//! `meddah voices`: what there is to speak with on this PC, or at a service.

use std::path::{Path, PathBuf};

use meddah_speech::{LocalSpeech, Voice};

use super::setup::{Common, Setup};
use super::{DONE, Failure, print, say};
use crate::paths::Paths;
use crate::voice;

#[derive(clap::Args)]
pub struct VoicesArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Ask this service for its voices, as in the setting `speech.voices`: elevenlabs or a name of [speech_services.NAME]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub async fn run(arguments: VoicesArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let voices = match &arguments.service {
        Some(service) => {
            voice::voice(service, &setup.settings, &setup.paths).map_err(say::failure)?.voices().await
        }
        None => LocalSpeech::voices_in(&setup.paths.models()),
    };
    if arguments.json {
        print::line(&serde_json::json!({ "voices": voices }).to_string());
        return Ok(DONE);
    }
    for voice in &voices {
        print::line(&shown(voice));
    }
    if let Some(service) = &arguments.service {
        if voices.is_empty() {
            print::aside(&format!(
                "{service} tells of no voices. If it should, `meddah say --service {service} Hail.` says what is wrong."
            ));
        }
        return Ok(DONE);
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
    let language = if language.is_empty() { String::new() } else { format!("{language}, ") };
    format!("{name}  {language}{sample_rate_hz} Hz{speakers}{robotic}")
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
