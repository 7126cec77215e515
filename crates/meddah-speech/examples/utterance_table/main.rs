//! How well utterances are found: `cargo run --release -p meddah-speech --example utterance_table -- VOICE.onnx
//! [--tune] [--keep FOLDER]`. Prints markdown tables.
//!
//! Players are made from a Piper voice: three speeds and pitches, pauses put between words, noise over it. Constants
//! were chosen on one half of the sentences and other random numbers (`--tune` prints that half); the tables are of
//! the other. What it is not: people in rooms with microphones.

mod clips;
mod microphones;
mod scenes;
mod tables;

use std::io::Write as _;
use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut voice, mut keep, mut tune) = (None, None, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tune" => tune = true,
            "--keep" => keep = arguments.next().map(PathBuf::from),
            _ => voice = Some(PathBuf::from(argument)),
        }
    }
    let voice = voice.or_else(|| std::env::var_os("MEDDAH_TEST_VOICE").map(PathBuf::from));
    let Some(voice) = voice else { return Err("name a voice file".into()) };
    let clips = clips::all(&voice).await?;
    if let Some(folder) = keep {
        clips::keep(&clips, &folder)?;
    }
    write!(std::io::stdout(), "{}", tables::all(&clips, tune))?;
    Ok(())
}
