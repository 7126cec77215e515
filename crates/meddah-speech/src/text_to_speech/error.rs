//! What can go wrong with speaking and listening.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechErrorKind {
    /// There is no such voice.
    UnknownVoice,
    /// The voice's files cannot be used.
    BadVoice,
    /// The request makes no sense: a setting out of its range, or too much text.
    BadRequest,
    /// The voice speaks another language than the text can be read in, or the listener does not understand it.
    Language,
    /// The voice took too long.
    Late,
    /// The model that listens cannot be used.
    BadModel,
    /// Whoever listens took no sound for too long.
    Stalled,
    /// The voice did not do what it did before.
    Broken,
    /// The key is missing or wrong, or may not do this.
    Unauthorized,
    /// The account has nothing left; only its owner can change that.
    Quota,
    /// The player's own ceiling is reached: nothing was sent.
    OverBudget,
    /// Asked too often; later works.
    RateLimited,
    /// Too much is waiting on the other side; later may work.
    Overloaded,
    /// A filter of the other side stopped the text.
    Refused,
    /// The other side cannot be reached, or the connection broke.
    Network,
    /// What came back makes no sense.
    Protocol,
    /// There is no such model, service or route.
    NotFound,
}

impl SpeechErrorKind {
    /// A stable word, for logs and notices; where models have the same error it is the same word.
    pub fn name(self) -> &'static str {
        match self {
            SpeechErrorKind::UnknownVoice => "unknown_voice",
            SpeechErrorKind::BadVoice => "bad_voice",
            SpeechErrorKind::BadRequest => "bad_request",
            SpeechErrorKind::Language => "language",
            SpeechErrorKind::BadModel => "bad_model",
            SpeechErrorKind::Late => "timeout",
            SpeechErrorKind::Stalled => "stalled",
            SpeechErrorKind::Broken => "broken",
            SpeechErrorKind::Unauthorized => "auth",
            SpeechErrorKind::Quota => "quota",
            SpeechErrorKind::OverBudget => "over_budget",
            SpeechErrorKind::RateLimited => "rate_limited",
            SpeechErrorKind::Overloaded => "overloaded",
            SpeechErrorKind::Refused => "moderation",
            SpeechErrorKind::Network => "network",
            SpeechErrorKind::Protocol => "protocol",
            SpeechErrorKind::NotFound => "not_found",
        }
    }
}

/// A voice that cannot be had, a text that could not be spoken, or sound that could not be understood.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SpeechError {
    /// What to branch on.
    pub kind: SpeechErrorKind,
    /// What happened.
    pub message: String,
    /// What a player or mod author can do about it.
    pub help: String,
    /// When to try again, if the other side said so.
    pub retry_after: Option<Duration>,
}

impl SpeechError {
    /// An error with its sentence of help.
    pub fn new(kind: SpeechErrorKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        SpeechError { kind, message: message.into(), help: help.into(), retry_after: None }
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        SpeechError::bad_voice(path, error)
    }

    pub(crate) fn bad_voice(path: &Path, why: impl Display) -> Self {
        SpeechError::new(
            SpeechErrorKind::BadVoice,
            format!("{} is no voice that can be used: {why}", path.display()),
            "A voice is a Piper voice of two files, NAME.onnx and NAME.onnx.json, both unchanged and in one folder.",
        )
    }

    pub(crate) fn bad_request(message: impl Into<String>, help: impl Into<String>) -> Self {
        SpeechError::new(SpeechErrorKind::BadRequest, message, help)
    }

    pub(crate) fn stalled() -> Self {
        SpeechError::new(
            SpeechErrorKind::Stalled,
            "nobody took the sound",
            "Read the stream or drop it: the lines of others wait behind it.",
        )
    }

    /// No sound came for so long.
    pub fn late(after: std::time::Duration) -> Self {
        SpeechError::new(
            SpeechErrorKind::Late,
            format!("no sound came within {} s", after.as_secs()),
            "The text of the lines goes on. Choose a smaller voice, or leave it more of the processor.",
        )
    }

    /// It did not do what it did before.
    pub fn broken(why: impl Display) -> Self {
        SpeechError::new(
            SpeechErrorKind::Broken,
            format!("the voice failed: {why}"),
            "Start Meddah again; if it stays, remove the voice and install it anew.",
        )
    }
}
