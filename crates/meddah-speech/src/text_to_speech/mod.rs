//! The port to anything that speaks.
//!
//! Speech is a stream of pieces, so that a game plays the first while the rest is made. With the sound come marks:
//! when which phoneme and which word is spoken. Dropping the stream ends the work.

mod error;
mod voice;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use meddah_inference::Notice;

pub use error::{SpeechError, SpeechErrorKind};
pub use voice::{PITCH, SPEED, VOLUME, Voice, VoiceSettings};

use crate::{Lexicon, Pcm};

/// Bytes of text that are spoken in one request; a line of a character has about a hundred.
pub const TEXT_BYTES_MAX: usize = 4000;

/// Something that speaks.
#[async_trait]
pub trait TextToSpeech: Send + Sync {
    /// The voices that can be asked for now, the one that is taken without a name first.
    async fn voices(&self) -> Vec<Voice>;

    /// Begins to speak. May wait for its turn; the first piece comes as soon as it is made.
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError>;

    /// The same, with what the player should know of it: another voice speaks than the last time.
    async fn speak_and_tell(
        &self,
        request: SpeechRequest,
    ) -> Result<(SpeechStream, Option<Notice>), SpeechError> {
        Ok((self.speak(request).await?, None))
    }
}

/// What is to be spoken, and how.
#[derive(Clone, Debug, Default)]
pub struct SpeechRequest {
    /// One line, or a few sentences; at most [`TEXT_BYTES_MAX`].
    pub text: String,
    /// By whom and how.
    pub settings: VoiceSettings,
    /// How the names of this world are said.
    pub lexicon: Arc<Lexicon>,
    /// A line of an author's, which will be said again; only such are kept on disk.
    pub authored: bool,
}

impl SpeechRequest {
    /// This text, with everything as usual.
    pub fn new(text: impl Into<String>) -> Self {
        SpeechRequest { text: text.into(), ..SpeechRequest::default() }
    }

    /// Whether it can be asked for.
    pub fn check(&self) -> Result<(), SpeechError> {
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(SpeechError::bad_request(
                format!("the text has {} bytes", self.text.len()),
                format!("Speak at most {TEXT_BYTES_MAX} at once, best sentence by sentence."),
            ));
        }
        self.settings.check()
    }
}

/// Pieces in order. Ends after the last one, or after the first error.
pub type SpeechStream = BoxStream<'static, Result<SpeechPiece, SpeechError>>;

/// Sound, and what is known of it by now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeechPiece {
    /// Follows the sound before it without a gap. Every piece of a stream has the same rate.
    pub pcm: Pcm,
    /// In order. Those of a sentence come with its first piece, ahead of the sound where the voice allows.
    pub marks: Vec<Mark>,
}

impl SpeechPiece {
    /// Puts what follows behind it.
    pub fn add(&mut self, next: &SpeechPiece) {
        self.pcm.sample_rate_hz = next.pcm.sample_rate_hz;
        self.pcm.samples.extend_from_slice(&next.pcm.samples);
        self.marks.extend_from_slice(&next.marks);
    }

    /// All of a stream as one piece; without sound if there was no word.
    ///
    /// # Errors
    /// The first of the stream.
    pub async fn whole(mut stream: SpeechStream) -> Result<SpeechPiece, SpeechError> {
        let mut whole = SpeechPiece::default();
        while let Some(piece) = stream.next().await.transpose()? {
            whole.add(&piece);
        }
        Ok(whole)
    }
}

/// Something that happens in the sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When, from the beginning of the stream.
    pub at: Duration,
    /// For how long.
    pub duration: Duration,
    /// What.
    pub kind: MarkKind,
}

/// What a mark marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A sound of the IPA, or a silence if it is empty. They follow each other without a gap.
    Phoneme(String),
    /// A word of the text, as bytes of it. So far counts what was heard when somebody cuts in.
    Word(Range<usize>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_nobody_would_listen_to_is_refused() {
        assert!(SpeechRequest::new("Good evening.").check().is_ok());
        let error = SpeechRequest::new("a".repeat(TEXT_BYTES_MAX + 1)).check().unwrap_err();
        assert_eq!(error.kind, SpeechErrorKind::BadRequest);
        assert!(error.help.contains("4000"));
    }
}
