//! A file that is still arriving: `<file>.part`, beside it `<file>.part.toml` with what it belongs to.
//!
//! The hash runs along with every byte, from the first one on, so the end of the download is also the end of
//! the check. A part left by an earlier run is read once for that, and never trusted to be the right file:
//! only a validator that the server agrees with, or a SHA-256, can say so.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};
use tokio_util::sync::CancellationToken;

use super::hash::READ_BYTES;
use super::{Kind, ModelsError, Progress, Sha256Hash, files};
use crate::whole_file;

/// How the name of an unfinished file ends.
pub(super) const PART_SUFFIX: &str = ".part";
/// Written at once.
const WRITE_BYTES: usize = 1024 * 1024;
/// A larger description is not one of ours.
const ORIGIN_BYTES_MAX: u64 = 16 * 1024;

/// Where the two files are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub part: PathBuf,
    pub origin: PathBuf,
}

impl Paths {
    /// Beside the file that it will become.
    pub fn of(file: &Path) -> Paths {
        let with = |suffix: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Paths { part: with(PART_SUFFIX), origin: with(".part.toml") }
    }
}

/// What the bytes belong to, as the server told it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    /// The address without anything secret.
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The SHA-256 that the server names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced: Option<Sha256Hash>,
}

impl Origin {
    /// What was written for an earlier run.
    pub fn read(path: &Path) -> Option<Origin> {
        toml::from_str(&files::read_small(path, ORIGIN_BYTES_MAX)?).ok()
    }

    /// What makes the server answer with the rest only if the file is still the same. A weak ETag must not.
    pub fn validator(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.last_modified.as_deref())
    }

    /// Whether a change of the file on the server would be noticed at all.
    pub fn can_resume(&self, expected: Option<Sha256Hash>) -> bool {
        self.etag.is_some() || self.last_modified.is_some() || self.announced.or(expected).is_some()
    }
}

/// Bytes that cannot be the beginning of a model.
#[derive(Debug)]
pub(super) struct NotAModel;

/// The open file.
pub(super) struct Part {
    /// What it will do.
    pub kind: Kind,
    /// Bytes that have arrived.
    pub len: u64,
    /// What they belong to.
    pub origin: Origin,
    paths: Paths,
    file: BufWriter<File>,
    hasher: Sha256,
}

impl Part {
    /// Opens the part of an earlier run if it can be continued, else an empty one.
    pub async fn open(
        paths: Paths,
        kind: Kind,
        url: String,
        expected: Option<Sha256Hash>,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<Part, ModelsError> {
        let fail = |error| ModelsError::storage("write", &paths.part, &error);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(&paths.part).await;
        let file = BufWriter::with_capacity(WRITE_BYTES, file.map_err(fail)?);
        let known =
            Origin::read(&paths.origin).filter(|origin| origin.url == url && origin.can_resume(expected));
        let origin = known.clone().unwrap_or(Origin { url, ..Origin::default() });
        let mut part = Part { kind, len: 0, origin, file, hasher: Sha256::new(), paths: paths.clone() };
        let kept = known.is_some() && part.read_existing(progress, cancel).await.map_err(fail)?;
        if cancel.is_cancelled() {
            return Err(ModelsError::cancelled());
        }
        let too_long = part.origin.bytes.is_some_and(|bytes| part.len > bytes);
        if !kept || too_long {
            part.clear().await.map_err(fail)?;
        }
        Ok(part)
    }

    /// Hashes what is there. Whether it can be the beginning of a model.
    async fn read_existing(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> io::Result<bool> {
        let file = self.file.get_mut();
        let bytes_total = file.metadata().await?.len();
        let mut buffer = vec![0; READ_BYTES];
        let magic = self.kind.magic();
        let mut head: Vec<u8> = Vec::with_capacity(magic.len());
        while !cancel.is_cancelled() {
            let count = file.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            let bytes = &buffer[..count];
            head.extend(bytes.iter().take(magic.len() - head.len()));
            self.hasher.update(bytes);
            self.len += count as u64;
            progress(Progress::Checking { bytes: self.len, bytes_total });
        }
        Ok(head == magic)
    }

    /// Forgets all bytes; the next ones belong to `origin`.
    pub async fn start_over(&mut self, origin: Origin) -> Result<(), ModelsError> {
        self.clear().await.map_err(|error| ModelsError::storage("write", &self.paths.part, &error))?;
        self.describe(origin)
    }

    /// Notes what the bytes belong to, for a later run.
    pub fn describe(&mut self, origin: Origin) -> Result<(), ModelsError> {
        if origin != self.origin {
            let text = toml::to_string(&origin).expect("an origin has only plain values under plain keys");
            whole_file::write(&self.paths.origin, text.as_bytes())
                .map_err(|error| ModelsError::storage("write", &self.paths.origin, &error))?;
            self.origin = origin;
        }
        Ok(())
    }

    async fn clear(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        let file = self.file.get_mut();
        file.set_len(0).await?;
        file.seek(io::SeekFrom::Start(0)).await?;
        self.len = 0;
        self.hasher = Sha256::new();
        Ok(())
    }

    /// Whether these bytes may come next, so far as the first ones tell.
    pub fn accepts(&self, bytes: &[u8]) -> Result<(), NotAModel> {
        let Some(expected) = usize::try_from(self.len).ok().and_then(|len| self.kind.magic().get(len..))
        else {
            return Ok(());
        };
        let count = expected.len().min(bytes.len());
        if expected[..count] == bytes[..count] { Ok(()) } else { Err(NotAModel) }
    }

    /// Adds bytes.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<(), ModelsError> {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .await
            .map_err(|error| ModelsError::storage("write", &self.paths.part, &error))
    }

    /// Hands everything to the system, so that a later run finds it.
    pub async fn flush(&mut self) -> Result<(), ModelsError> {
        self.file.flush().await.map_err(|error| ModelsError::storage("write", &self.paths.part, &error))
    }

    /// The hash of what is there.
    pub fn sha256(&self) -> Sha256Hash {
        Sha256Hash::of(self.hasher.clone())
    }

    /// Waits until everything is on the disk, closes the file and says where it is.
    pub async fn close(mut self) -> Result<Paths, ModelsError> {
        self.flush().await?;
        let synced = self.file.get_ref().sync_all().await;
        synced.map_err(|error| ModelsError::storage("write", &self.paths.part, &error))?;
        Ok(self.paths)
    }

    /// Deletes both files, because their bytes are of no use.
    pub fn discard(self) {
        let Part { paths, file, .. } = self;
        drop(file);
        files::delete(&paths.part).ok(); // a left-over is overwritten next time
        files::delete(&paths.origin).ok(); // likewise
    }
}
