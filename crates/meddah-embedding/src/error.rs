//! What can go wrong with the embedding model.

use std::fmt::Display;
use std::path::Path;

use meddah_inference::{ErrorKind, ModelError};

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingErrorKind {
    /// There is no such file.
    NotFound,
    /// The file is not the model, or not one that can be run.
    BadModel,
    /// The model did not do what it did before.
    Broken,
}

/// A model that cannot be opened, or a text that could not be embedded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EmbeddingError {
    /// What to branch on.
    pub kind: EmbeddingErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it.
    pub help: String,
}

impl EmbeddingError {
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        EmbeddingError {
            kind: if missing { EmbeddingErrorKind::NotFound } else { EmbeddingErrorKind::BadModel },
            message: format!("cannot read {}: {error}", path.display()),
            help: "Install it with `meddah models pull minilm`, or name the file in the setting `embedder`."
                .into(),
        }
    }

    pub(crate) fn bad_model(why: impl Display) -> Self {
        EmbeddingError {
            kind: EmbeddingErrorKind::BadModel,
            message: format!("this is not the embedding model: {why}"),
            help: "Only all-MiniLM-L6-v2 as an ONNX file is known: `meddah models pull minilm`.".into(),
        }
    }

    pub(crate) fn broken(why: impl Display) -> Self {
        EmbeddingError {
            kind: EmbeddingErrorKind::Broken,
            message: format!("the embedding model failed: {why}"),
            help: "Start Meddah again; if it stays, remove the model with `meddah models remove` and pull it again."
                .into(),
        }
    }
}

impl From<EmbeddingError> for ModelError {
    fn from(error: EmbeddingError) -> ModelError {
        let kind = match error.kind {
            EmbeddingErrorKind::NotFound => ErrorKind::NotFound,
            EmbeddingErrorKind::BadModel => ErrorKind::BadModel,
            EmbeddingErrorKind::Broken => ErrorKind::Broken,
        };
        ModelError::new(kind, error.message).with_help(error.help)
    }
}
