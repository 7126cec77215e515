//! `meddah listen`: what is said in a sound file, to see how well a model understands.

mod cut;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use meddah_protocol::EventKind;
use meddah_speech::{
    LISTEN_RATE_HZ, ListenRequest, NAMES_MAX, Partial, Pcm, SoundStream, SpeechError, SpeechErrorKind,
    SpeechToText, Transcript, decode,
};

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, INTERRUPTED, NO_ANSWER, WRONG_USAGE, print};
use crate::listening::local_listener;

/// Sound is handed over in pieces of this length, as a microphone gives it.
const PIECE: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub struct ListenArguments {
    /// Sound files: WAV, OGG, Opus or MP3
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A name of `meddah models list`, or a .bin file; without it the model that came last
    #[arg(long)]
    model: Option<String>,
    /// What is spoken, as in `en`; without it the model finds out
    #[arg(long)]
    language: Option<String>,
    /// Names that may be said, with commas between them, so that they are spelled right
    #[arg(long, value_delimiter = ',')]
    names: Vec<String>,
    /// Listen as fast as it was spoken, and show what is understood meanwhile
    #[arg(long)]
    live: bool,
    /// Print `transcript` events, one JSON object a line
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: ListenArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    if arguments.names.len() > NAMES_MAX {
        return Err(Failure::new(WRONG_USAGE, format!("more than {NAMES_MAX} names\nGive the likeliest.")));
    }
    let listener = local_listener(arguments.model.as_deref(), &setup.paths).map_err(failure)?;
    let listening = async {
        for file in &arguments.files {
            let sound = read(file)?;
            for part in cut::utterances(&sound.samples) {
                listen(&listener, part, &arguments).await?;
            }
        }
        Ok(DONE)
    };
    let done = tokio::select! {
        done = listening => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(INTERRUPTED, "stopped")),
    };
    listener.shutdown().await;
    done
}

fn read(file: &Path) -> Result<Pcm, Failure> {
    let bad = |why: &dyn std::error::Error| {
        let message = format!("cannot read {}: {why}\nGive a WAV, OGG, Opus or MP3 file.", file.display());
        Failure::new(BAD_INPUT, message)
    };
    let bytes = std::fs::read(file).map_err(|error| bad(&error))?;
    let pcm = decode(&bytes).map_err(|error| bad(&error))?;
    Ok(pcm.resampled(LISTEN_RATE_HZ))
}

async fn listen(
    listener: &dyn SpeechToText,
    samples: &[f32],
    arguments: &ListenArguments,
) -> Result<(), Failure> {
    let request = ListenRequest {
        sound: pieces(samples, arguments.live),
        language: arguments.language.clone(),
        names: arguments.names.clone(),
        partial: if arguments.live { Partial::Always } else { Partial::No },
    };
    let mut transcripts = listener.listen(request).await.map_err(failure)?;
    let mut told = String::new();
    while let Some(transcript) = transcripts.next().await.transpose().map_err(failure)? {
        if transcript.is_final || transcript.text != told {
            told.clone_from(&transcript.text);
            show(transcript, arguments.json)?;
        }
    }
    Ok(())
}

fn pieces(samples: &[f32], live: bool) -> SoundStream {
    let length = LISTEN_RATE_HZ as usize * PIECE.as_millis() as usize / 1000;
    let pieces: Vec<Pcm> = samples
        .chunks(length)
        .map(|piece| Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: piece.to_vec() })
        .collect();
    let pieces = stream::iter(pieces);
    if !live {
        return pieces.boxed();
    }
    let as_spoken = pieces.then(|piece| async {
        tokio::time::sleep(PIECE).await;
        piece
    });
    as_spoken.boxed()
}

fn show(transcript: Transcript, as_json: bool) -> Result<(), Failure> {
    let Transcript { text, is_final, .. } = transcript;
    if as_json {
        let event = EventKind::Transcript { text, is_final };
        print::line(&serde_json::to_string(&event).map_err(anyhow::Error::from)?);
    } else if is_final && !text.is_empty() {
        print::line(&text);
    } else if !is_final {
        print::note(&text);
    }
    Ok(())
}

fn failure(error: SpeechError) -> Failure {
    let code = match error.kind {
        SpeechErrorKind::BadRequest | SpeechErrorKind::Language => WRONG_USAGE,
        SpeechErrorKind::BadModel => BAD_INPUT,
        _ => NO_ANSWER,
    };
    Failure::new(code, format!("{}\n{}", error.message, error.help))
}
