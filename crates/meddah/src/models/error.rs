//! What can go wrong with model files, by what the caller does about it.
//!
//! Most people who meet these have never downloaded a model before, so no error exists without a sentence
//! that says what to do next.

use std::io;
use std::path::Path;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelsErrorKind {
    /// Neither a name of the catalogue nor an address, or nothing of that name is installed.
    UnknownModel,
    /// The address, hash or file name cannot be used.
    BadInput,
    /// The server or the disk has no such file.
    NotFound,
    /// The server wants a login or an accepted licence.
    Denied,
    /// What arrived is not a GGUF file, or its header is damaged.
    NotAModel,
    /// Larger than any model that is accepted.
    TooLarge,
    /// Not enough free space.
    DiskFull,
    /// The connection failed too often, or the server answered nonsense; later may work.
    Network,
    /// A redirect led somewhere less safe.
    UnsafeRedirect,
    /// The bytes are not those of the expected SHA-256.
    HashMismatch,
    /// Another file of this name is installed.
    AlreadyInstalled,
    /// Another download, import or removal is under way.
    Busy,
    /// The caller cancelled; what has arrived is kept.
    Cancelled,
    /// The folder or a file cannot be read or written.
    Storage,
}

/// A failure, told to a player.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelsError {
    /// What to branch on.
    pub kind: ModelsErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it.
    pub help: String,
}

impl ModelsError {
    /// An error with its sentence of help.
    pub fn new(kind: ModelsErrorKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        ModelsError { kind, message: message.into(), help: help.into() }
    }

    /// A failed read or write; `what` completes "cannot …".
    pub(super) fn storage(what: &str, path: &Path, source: &io::Error) -> Self {
        let message = format!("cannot {what} {}: {source}", path.display());
        match source.kind() {
            // Our own readers stop with it; the system's interruptions never get so far.
            io::ErrorKind::Interrupted => Self::cancelled(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(
                ModelsErrorKind::DiskFull,
                message,
                "Free some space on this disk and run the command again; a download goes on where it stopped.",
            ),
            io::ErrorKind::NotFound => Self::new(
                ModelsErrorKind::NotFound,
                message,
                "Check the path; drag the file onto the terminal window to get it right.",
            ),
            _ => Self::new(
                ModelsErrorKind::Storage,
                message,
                "Close programs that use this file, check that you may write to the folder, or set MEDDAH_DATA \
                 to a folder of your own.",
            ),
        }
    }

    pub(super) fn cancelled() -> Self {
        Self::new(
            ModelsErrorKind::Cancelled,
            "cancelled",
            "Run the same command again; a download goes on where it stopped.",
        )
    }
}
