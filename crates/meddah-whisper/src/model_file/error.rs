//! What can be wrong with a model file, by what the caller does about it.

use std::io;
use std::path::Path;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFileErrorKind {
    /// A file of the folder is not there.
    Missing,
    /// It is not what it says it is.
    Damaged,
    /// A model that this version cannot use.
    Unsupported,
    /// Reading or writing failed.
    Storage,
    /// The caller cancelled.
    Cancelled,
}

/// A model file that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelFileError {
    /// What to branch on.
    pub kind: ModelFileErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it.
    pub help: String,
}

impl ModelFileError {
    pub(super) fn damaged(why: impl Into<String>) -> Self {
        ModelFileError {
            kind: ModelFileErrorKind::Damaged,
            message: why.into(),
            help: "Get the files again; a download may have stopped half way.".into(),
        }
    }

    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        ModelFileError {
            kind: ModelFileErrorKind::Unsupported,
            message: what.into(),
            help: "Take a Whisper model with weights of 16 bits, in the form of CTranslate2 (model.bin with its \
                   vocabulary) or of whisper.cpp (one ggml .bin file)."
                .into(),
        }
    }

    pub(super) fn missing(what: impl Into<String>) -> Self {
        ModelFileError {
            kind: ModelFileErrorKind::Missing,
            message: what.into(),
            help: "Give the folder with all of its files, as it was published.".into(),
        }
    }

    /// `what` completes "cannot …".
    pub(super) fn storage(what: &str, path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return ModelFileError::damaged(format!("{} ends too early", path.display()));
        }
        ModelFileError {
            kind: ModelFileErrorKind::Storage,
            message: format!("cannot {what} {}: {error}", path.display()),
            help: "Check that the disk has room and that you may read and write there.".into(),
        }
    }

    pub(super) fn cancelled() -> Self {
        ModelFileError {
            kind: ModelFileErrorKind::Cancelled,
            message: "cancelled".into(),
            help: "Run the same command again.".into(),
        }
    }
}
