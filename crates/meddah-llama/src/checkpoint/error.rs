//! Why a checkpoint was not converted.

use std::io;
use std::path::Path;

/// What went wrong, shaped by what a caller does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointErrorKind {
    /// Something that a checkpoint must have is not there.
    Missing,
    /// A file contradicts itself or its neighbours.
    Damaged,
    /// A checkpoint of a kind that is not known.
    Unsupported,
    /// The disk.
    Storage,
    /// The caller changed its mind.
    Cancelled,
}

/// An error that names the file and the tensor, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CheckpointError {
    /// What a caller does about it.
    pub kind: CheckpointErrorKind,
    /// Where and what.
    pub message: String,
    /// A sentence for a player or mod author.
    pub help: String,
}

const HELP_AGAIN: &str = "Download the folder again; if it stays the same, its publisher has to mend it.";

impl CheckpointError {
    fn new(kind: CheckpointErrorKind, message: String, help: &str) -> CheckpointError {
        CheckpointError { kind, message, help: help.into() }
    }

    /// A file is damaged, cut or hostile.
    pub(super) fn damaged(file: &str, what: impl std::fmt::Display) -> CheckpointError {
        Self::new(CheckpointErrorKind::Damaged, format!("{file}: {what}"), HELP_AGAIN)
    }

    /// Nothing that can be converted, and what can.
    pub(super) fn unsupported(message: impl Into<String>, help: &str) -> CheckpointError {
        Self::new(CheckpointErrorKind::Unsupported, message.into(), help)
    }

    /// A file or tensor is not there.
    pub(super) fn missing(message: impl Into<String>, help: &str) -> CheckpointError {
        Self::new(CheckpointErrorKind::Missing, message.into(), help)
    }

    pub(super) fn storage(doing: &str, path: &Path, error: &io::Error) -> CheckpointError {
        let message = format!("cannot {doing} {}: {error}", path.display());
        Self::new(CheckpointErrorKind::Storage, message, "Check the disk, and who may read the folder.")
    }

    /// What is written cannot be taken.
    pub(super) fn writing(error: &io::Error) -> CheckpointError {
        let message = format!("cannot write the model: {error}");
        Self::new(CheckpointErrorKind::Storage, message, "Check that the disk has space left.")
    }

    pub(super) fn cancelled() -> CheckpointError {
        Self::new(CheckpointErrorKind::Cancelled, "stopped".into(), "Start the import again when you like.")
    }
}
