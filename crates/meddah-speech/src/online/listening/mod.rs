//! Ears of services. Most of them take an utterance as a whole, when it is over; Deepgram listens along.

mod deepgram;
mod elevenlabs;
mod inworld;
mod openai;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::server::Server;
use super::{KnownService, fault};
use crate::{
    LISTEN_RATE_HZ, ListenRequest, NAMES_MAX, Partial, SoundStream, SpeechError, SpeechToText, Transcript,
    TranscriptStream, UTTERANCE_MAX, WavWriter,
};
use crate::{Pcm, SpeechErrorKind};

/// A shorter sound is no word, samples (60 ms); services refuse it.
const SOUND_SAMPLES_MIN: usize = 960;
/// Names that are told, bytes of all of them: prompts and addresses have limits.
const NAMES_BYTES_MAX: usize = 800;
/// A transcript is never longer, bytes.
const TRANSCRIPT_BYTES_MAX: usize = 16 << 10;
/// Transcripts that nobody has read.
const TRANSCRIPTS_WAITING_MAX: usize = 16;

/// The model that listens where none is named.
pub(super) fn model(known: &KnownService) -> &'static str {
    match known.name {
        "openai" => "gpt-4o-mini-transcribe",
        "elevenlabs" => "scribe_v1",
        "inworld" => "inworld/inworld-stt-1",
        "openai-compatible" => "whisper-1",
        _ => known.model,
    }
}

pub(super) fn open(name: &str, server: Server) -> Result<Arc<dyn SpeechToText>, SpeechError> {
    Ok(match name {
        "deepgram" => Arc::new(deepgram::Deepgram(Arc::new(server))),
        "elevenlabs" => Arc::new(Whole { server: Arc::new(server), ears: Arc::new(elevenlabs::ElevenLabs) }),
        "inworld" => Arc::new(Whole { server: Arc::new(server), ears: Arc::new(inworld::Inworld) }),
        _ => Arc::new(Whole { server: Arc::new(server), ears: Arc::new(openai::Transcriptions) }),
    })
}

/// What helps to understand an utterance.
struct Hints {
    language: Option<String>,
    names: Vec<String>,
    partial: bool,
}

/// A service that takes an utterance as a whole.
#[async_trait]
trait Ears: Send + Sync {
    /// Asks what was said. What is understood on the way goes to `partial`.
    async fn understand(
        &self,
        server: &Server,
        sound: &[f32],
        hints: &Hints,
        partial: &mpsc::Sender<String>,
    ) -> Result<String, SpeechError>;
}

/// Such a service behind the port.
struct Whole {
    server: Arc<Server>,
    ears: Arc<dyn Ears>,
}

#[async_trait]
impl SpeechToText for Whole {
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let (server, ears) = (self.server.clone(), self.ears.clone());
        let (told, partial) = mpsc::channel(TRANSCRIPTS_WAITING_MAX);
        let hints = hints(&server, &request);
        let whole = async move {
            let sound = collect(request.sound).await?;
            let text = match sound.len() < SOUND_SAMPLES_MIN {
                true => String::new(),
                false => ears.understand(&server, &sound, &hints, &told).await?,
            };
            if text.len() > TRANSCRIPT_BYTES_MAX {
                return Err(fault::nonsense(&server.name, "a transcript without an end"));
            }
            Ok(Transcript::last(text.trim()))
        };
        Ok(with_partial(partial, whole))
    }
}

/// What is understood on the way, and then the whole. Both come from one future, so that nothing runs on when the stream
/// is dropped.
fn with_partial(
    partial: mpsc::Receiver<String>,
    whole: impl Future<Output = Result<Transcript, SpeechError>> + Send + 'static,
) -> TranscriptStream {
    let state = (Some(Box::pin(whole)), partial);
    let transcripts = stream::unfold(state, |(whole, mut partial)| async move {
        let mut whole = whole?;
        tokio::select! {
            biased;
            Some(text) = partial.recv() => {
                Some((Ok(Transcript::so_far(text)), (Some(whole), partial)))
            }
            whole = &mut whole => Some((whole, (None, partial))),
        }
    });
    transcripts.boxed()
}

/// All of the sound, up to the longest utterance.
async fn collect(mut sound: SoundStream) -> Result<Vec<f32>, SpeechError> {
    let most = (UTTERANCE_MAX.as_secs() as usize) * LISTEN_RATE_HZ as usize;
    let mut samples = Vec::new();
    while let Some(piece) = sound.next().await {
        check(&piece)?;
        samples.extend_from_slice(&piece.samples);
        if samples.len() >= most {
            samples.truncate(most);
            break;
        }
    }
    Ok(samples)
}

fn check(piece: &Pcm) -> Result<(), SpeechError> {
    if piece.sample_rate_hz == LISTEN_RATE_HZ {
        return Ok(());
    }
    Err(SpeechError::new(
        SpeechErrorKind::BadRequest,
        format!("sound of {} samples per second", piece.sample_rate_hz),
        format!("Send sound of {LISTEN_RATE_HZ} samples per second."),
    ))
}

fn hints(server: &Server, request: &ListenRequest) -> Hints {
    let mut left = NAMES_BYTES_MAX;
    let names = request.names.iter().take(NAMES_MAX).filter(|name| !name.trim().is_empty());
    let names = names.take_while(|name| {
        left = left.saturating_sub(name.len() + 2);
        left > 0
    });
    Hints {
        names: names.map(|name| name.trim().to_owned()).collect(),
        language: request.language.clone().or_else(|| server.language.clone()),
        partial: request.partial == Partial::Always,
    }
}

/// `en` of `en-US` and `en_US`, for services that know no more.
fn short(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// As a WAV file.
fn wav(server: &Server, sound: &[f32]) -> Result<Vec<u8>, SpeechError> {
    let broken = |error| fault::nonsense(&server.name, error);
    let mut file = std::io::Cursor::new(Vec::with_capacity(sound.len() * 2 + 44));
    let mut writer = WavWriter::new(&mut file, LISTEN_RATE_HZ).map_err(broken)?;
    writer.write(&Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: sound.to_vec() }).map_err(broken)?;
    writer.finish().map_err(broken)?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests;
