//! The port to anything that understands speech.
//!
//! One utterance at a time: its sound comes in pieces while the player still speaks, and what is understood so far
//! comes back meanwhile. Where an utterance ends is for voice activity detection
//! or the player's key to say; it is the end of the sound.

mod scripted;

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use meddah_inference::Notice;

pub use scripted::ScriptedListener;

use crate::{Pcm, SpeechError};

/// Longer than anybody speaks to a character without a pause; what is beyond is not listened to.
pub const UTTERANCE_MAX: Duration = Duration::from_secs(30);
/// Names that are told to whoever listens, so that they are spelled right.
pub const NAMES_MAX: usize = 64;
/// Samples per second of the sound that is listened to.
pub const LISTEN_RATE_HZ: u32 = 16_000;

/// Something that understands speech.
#[async_trait]
pub trait SpeechToText: Send + Sync {
    /// Begins to listen. What was understood comes back while the sound still comes in.
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError>;

    /// What a player should know since it was asked last: somebody else listens now.
    fn notice(&self) -> Option<Notice> {
        None
    }

    /// Ends what it keeps running, and waits for that. Whoever still listens gets an error.
    async fn shutdown(&self) {}
}

/// The sound of an utterance, as it comes in; it ends where the utterance does. Every piece has the rate
/// [`LISTEN_RATE_HZ`].
pub type SoundStream = BoxStream<'static, Pcm>;

/// What is to be understood, and what helps.
pub struct ListenRequest {
    /// One utterance.
    pub sound: SoundStream,
    /// What is probably spoken, as in `en`; anything if there is none.
    pub language: Option<String>,
    /// Who and what is around, the likeliest first; at most [`NAMES_MAX`] are told.
    pub names: Vec<String>,
    /// What is told before the end.
    pub partial: Partial,
}

/// How much is told of an utterance while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// Nothing.
    No,
    /// What was said before a pause, by listeners to whom it costs nothing: the utterance may be over, and then it is
    /// known already.
    InPauses,
    /// Whatever is understood so far. It costs more.
    Always,
}

/// Transcripts in order. Ends after the final one, or after an error.
pub type TranscriptStream = BoxStream<'static, Result<Transcript, SpeechError>>;

/// What was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// All of the utterance so far, not what is new. Empty if nobody said a word.
    pub text: String,
    /// Nothing comes after it.
    pub is_final: bool,
    /// Nobody has spoken since: it is all, unless they go on.
    pub may_be_all: bool,
}

impl Transcript {
    /// What was understood until now, of an utterance that goes on.
    pub fn so_far(text: impl Into<String>) -> Transcript {
        Transcript { text: text.into(), ..Transcript::default() }
    }

    /// What was understood when they paused.
    pub fn in_pause(text: impl Into<String>) -> Transcript {
        Transcript { may_be_all: true, ..Transcript::so_far(text) }
    }

    /// All of it.
    pub fn last(text: impl Into<String>) -> Transcript {
        Transcript { is_final: true, ..Transcript::in_pause(text) }
    }
}
