//! What can go wrong with a model, by what the caller does about it.

use std::time::Duration;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too much is waiting; later may work.
    Overloaded,
    /// No token within the deadline.
    Timeout,
    /// The model declines, or the request is not allowed.
    Refused,
    /// The prompt does not fit.
    ContextFull,
    /// The key is missing or wrong.
    Unauthorized,
    /// There is no such model, file or server.
    NotFound,
    /// The file is not a model, or not one that this build can run.
    BadModel,
    /// Not enough memory.
    OutOfMemory,
    /// It crashed, hung up or answered nonsense; it is being restarted.
    Broken,
    /// The caller cancelled.
    Cancelled,
}

/// A failed call to a model.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What to branch on.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it; may be empty.
    pub help: String,
    /// When to try again, if the other side said so.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ModelError { kind, message: message.into(), help: String::new(), retry_after: None }
    }

    /// Adds the sentence of help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}
