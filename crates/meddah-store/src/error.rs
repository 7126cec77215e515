//! What can go wrong with storage, by what the caller does about it.

use meddah_engine::timeline::{CursorError, EntryError};
use meddah_protocol::{ErrorCode, WireError};

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No such timeline, save or place.
    NotFound,
    /// The file is damaged or is none of ours. It is left untouched.
    Corrupt,
    /// No space is left; what was acknowledged before is safe.
    Full,
    /// It cannot be reached just now: locked, closing, not allowed, too much waiting.
    Unavailable,
    /// The request cannot be carried out as it stands.
    Invalid,
    /// A save was loaded since; what was to be written belongs to another line of time.
    Superseded,
}

/// A failed call to storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What to branch on.
    pub kind: StoreErrorKind,
    /// What happened.
    pub message: String,
    /// What a player or mod author can do about it; may be empty.
    pub help: String,
}

impl StoreError {
    /// An error of this kind.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        StoreError { kind, message: message.into(), help: String::new() }
    }

    /// Adds the sentence of help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl From<CursorError> for StoreError {
    fn from(error: CursorError) -> Self {
        StoreError::new(StoreErrorKind::Invalid, error.to_string())
            .with_help("Send the cursor exactly as the `saved` event gave it.")
    }
}

impl From<EntryError> for StoreError {
    fn from(error: EntryError) -> Self {
        StoreError::new(StoreErrorKind::Invalid, error.to_string())
            .with_help("Correct the entry; nothing of this append was written.")
    }
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        let code = match error.kind {
            StoreErrorKind::NotFound => ErrorCode::UnknownSave,
            StoreErrorKind::Invalid => ErrorCode::InvalidRequest,
            StoreErrorKind::Unavailable => ErrorCode::Busy,
            StoreErrorKind::Corrupt | StoreErrorKind::Full | StoreErrorKind::Superseded => {
                ErrorCode::Internal
            }
        };
        WireError::new(code, error.message).with_help(error.help)
    }
}
