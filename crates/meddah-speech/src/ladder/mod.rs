//! An ordered list of voices: a line is spoken by the first that begins in time.
//!
//! A voice is left only before its first piece: what was heard stands. One that fails or is too slow rests for a while,
//! as a model does, so that no line waits for it in vain. The last rung should be one that always speaks, on this PC.
//! [`ListeningLadder`] is the same for listeners.

mod listening;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_inference::Notice;
use meddah_inference::ladder::{Breaker, Pass};
use tokio::time::Instant;

pub use listening::{LISTENING_PATIENCE_DEFAULT, ListeningLadder, ListeningRung};

use crate::online::for_breaker;
use crate::{SpeechError, SpeechErrorKind, SpeechRequest, SpeechStream, TextToSpeech, Voice};

/// How long a line waits for the first sound of a voice that has others below it.
pub const PATIENCE_DEFAULT: Duration = Duration::from_millis(2500);

/// A voice of a ladder.
pub struct SpeechRung {
    name: String,
    voice: Arc<dyn TextToSpeech>,
    patience: Duration,
    breaker: Arc<Breaker>,
}

impl SpeechRung {
    /// `patience` is how long the first piece may take. The last rung of a ladder is waited for.
    pub fn new(name: impl Into<String>, voice: Arc<dyn TextToSpeech>, patience: Duration) -> SpeechRung {
        SpeechRung { name: name.into(), voice, patience, breaker: Arc::default() }
    }

    /// What it is called in notices.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It is passed by at the moment.
    pub fn rests(&self) -> bool {
        self.breaker.rests(Instant::now())
    }
}

/// A line that somebody speaks.
pub struct Spoken {
    /// The place of the rung that speaks, from 0.
    pub rung: usize,
    /// Its name.
    pub name: String,
    /// What the player should know: the ladder stepped down, or up again.
    pub notice: Option<Notice>,
    /// Its pieces, from the first on.
    pub stream: SpeechStream,
}

/// An ordered list of voices, itself a voice.
pub struct SpeechLadder {
    rungs: Vec<SpeechRung>,
    /// The rung that spoke last.
    last: AtomicUsize,
}

/// A rung that was left, and why.
struct Left {
    name: String,
    error: SpeechError,
}

/// How a ladder tells of its steps.
struct Words {
    /// What it has rungs of, for the code of a notice.
    what: &'static str,
    /// What they do.
    does: &'static str,
}

const VOICE: Words = Words { what: "voice", does: "speaks" };

impl SpeechLadder {
    /// The preferred voice first.
    pub fn new(rungs: Vec<SpeechRung>) -> SpeechLadder {
        SpeechLadder { rungs, last: AtomicUsize::new(0) }
    }

    /// The rungs, the preferred one first.
    pub fn rungs(&self) -> &[SpeechRung] {
        &self.rungs
    }

    /// Speaks, and tells who does.
    ///
    /// # Errors
    /// That of the preferred rung if none speaks, with those of the others in its message; `BadRequest` without asking
    /// any.
    pub async fn speak_with(&self, request: SpeechRequest) -> Result<Spoken, SpeechError> {
        request.check()?;
        let mut left = Vec::new();
        for (place, rung) in self.rungs.iter().enumerate() {
            let is_last = place + 1 == self.rungs.len();
            match rung.begin(&request, is_last).await {
                Ok(stream) => {
                    let notice = step(&self.last, place, &rung.name, &left, &VOICE);
                    return Ok(Spoken { rung: place, name: rung.name.clone(), notice, stream });
                }
                Err(error) => left.push(Left { name: rung.name.clone(), error }),
            }
        }
        Err(all_failed(left, "there is no voice to speak with", "Name one in the settings of speech."))
    }
}

/// Notes which rung it is now; what there is to say of it.
fn step(last: &AtomicUsize, place: usize, name: &str, left: &[Left], words: &Words) -> Option<Notice> {
    let Words { what, does } = words;
    match place.cmp(&last.swap(place, Ordering::Relaxed)) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Notice {
            code: format!("{what}_stepped_up"),
            message: format!("{name} {does} again"),
            help: "Nothing is to be done.".into(),
        }),
        std::cmp::Ordering::Greater => {
            let why = left.first();
            let message = match why {
                Some(Left { name: gone, error }) => {
                    format!("{name} {does} instead of {gone} ({}: {})", error.kind.name(), error.message)
                }
                None => format!("{name} {does} now"),
            };
            let help = why.map(|left| left.error.help.clone()).filter(|help| !help.is_empty());
            let help = help.unwrap_or_else(|| "It is tried again by itself.".into());
            Some(Notice { code: format!("{what}_stepped_down"), message, help })
        }
    }
}

/// The error of the preferred rung, with those of the others in its message; of no rungs at all, that `nobody` is there.
fn all_failed(left: Vec<Left>, nobody: &str, help: &str) -> SpeechError {
    let all: Vec<String> = left.iter().map(|left| format!("{}: {}", left.name, left.error.message)).collect();
    match left.into_iter().next() {
        Some(Left { error, .. }) if all.len() == 1 => error,
        Some(Left { error, .. }) => SpeechError { message: all.join("; "), ..error },
        None => SpeechError::new(SpeechErrorKind::NotFound, nobody, help),
    }
}

impl SpeechRung {
    /// The line from its first piece on.
    async fn begin(&self, request: &SpeechRequest, is_last: bool) -> Result<SpeechStream, SpeechError> {
        // The last one is better tried in vain than not at all.
        let pass = self.breaker.pass(Instant::now());
        match pass {
            Pass::Resting(wait) | Pass::Told(wait) if !is_last => return Err(resting(wait)),
            _ => {}
        }
        let mut probe = GivenUp((pass == Pass::Probe).then(|| self.breaker.clone()));
        let patience = if is_last { Duration::MAX } else { self.patience };
        let first = tokio::time::timeout(patience, self.first_piece(request)).await;
        probe.0 = None;
        let error = match first {
            Ok(Ok(stream)) => {
                self.breaker.succeeded();
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            Err(_) => SpeechError::new(
                SpeechErrorKind::Late,
                format!("no sound came within {} ms", patience.as_millis()),
                "Try again, or let another voice speak.",
            ),
        };
        self.breaker.failed(&for_breaker(&error), Instant::now());
        Err(error)
    }

    /// A rung that does not know the voice speaks with its usual one: a ladder has voices of different services, and
    /// their names differ.
    async fn first_piece(&self, request: &SpeechRequest) -> Result<SpeechStream, SpeechError> {
        match self.first_piece_of(request.clone()).await {
            Err(error) if error.kind == SpeechErrorKind::UnknownVoice && request.settings.voice.is_some() => {
                let mut request = request.clone();
                request.settings.voice = None;
                request.settings.speaker = None;
                // Its own fault if it has none.
                self.first_piece_of(request).await.map_err(|_| error)
            }
            begun => begun,
        }
    }

    async fn first_piece_of(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        let mut stream = self.voice.speak(request).await?;
        match stream.next().await {
            // A text without a word.
            None => Ok(stream::empty().boxed()),
            Some(Err(error)) => Err(error),
            Some(first) => {
                let breaker = self.breaker.clone();
                let rest = stream.inspect(move |piece| {
                    if let Err(error) = piece {
                        breaker.failed(&for_breaker(error), Instant::now());
                    }
                });
                Ok(stream::iter([first]).chain(rest).boxed())
            }
        }
    }
}

fn resting(wait: Duration) -> SpeechError {
    let mut error = SpeechError::new(
        SpeechErrorKind::Overloaded,
        format!("it rests for {} s", wait.as_secs() + 1),
        "It is tried again by itself.",
    );
    error.retry_after = Some(wait);
    error
}

/// Frees the place of a probe when the line or the utterance is dropped before its result is known.
struct GivenUp(Option<Arc<Breaker>>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(breaker) = &self.0 {
            breaker.given_up();
        }
    }
}

#[async_trait]
impl TextToSpeech for SpeechLadder {
    /// Of all rungs, the preferred one's first.
    async fn voices(&self) -> Vec<Voice> {
        let mut voices: Vec<Voice> = Vec::new();
        for rung in &self.rungs {
            for voice in rung.voice.voices().await {
                if voices.iter().all(|known| known.name != voice.name) {
                    voices.push(voice);
                }
            }
        }
        voices
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        self.speak_with(request).await.map(|spoken| spoken.stream)
    }

    async fn speak_and_tell(
        &self,
        request: SpeechRequest,
    ) -> Result<(SpeechStream, Option<Notice>), SpeechError> {
        let Spoken { stream, notice, .. } = self.speak_with(request).await?;
        Ok((stream, notice))
    }
}

#[cfg(test)]
mod tests;
