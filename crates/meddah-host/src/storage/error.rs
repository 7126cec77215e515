//! What can go wrong with storage, sorted by what the caller does about it.

use std::time::Duration;

/// When to try again what failed because the database was away.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// It may work later.
    Unavailable,
    /// The disk is full.
    Full,
    /// What was asked for is not there (any more).
    NotFound,
    /// Somebody else has it already.
    Taken,
    /// The file or the database is not ours, is damaged, or of a newer version.
    Unusable,
    /// This database does not do that.
    Unsupported,
    /// Others took this program for dead and gave its leases back. It has to join anew.
    Expelled,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    pub kind: StorageErrorKind,
    pub message: String,
    /// What a person can do about it.
    pub help: &'static str,
}

impl StorageError {
    pub fn new(kind: StorageErrorKind, message: impl Into<String>, help: &'static str) -> Self {
        StorageError { kind, message: message.into(), help }
    }

    /// When it may work, if ever.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self.kind, StorageErrorKind::Unavailable | StorageErrorKind::Full).then_some(RETRY_AFTER)
    }

    pub(super) fn not_found(what: &str) -> Self {
        let help = "List what there is, and look whether the name or id is spelled right.";
        StorageError::new(StorageErrorKind::NotFound, format!("there is no such {what}"), help)
    }
}
