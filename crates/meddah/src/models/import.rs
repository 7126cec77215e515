//! Takes a model file that is already on this PC into the models folder.
//!
//! The file is read once: the same pass copies it and makes the hash. A hard link costs no space, but shares
//! its bytes with the original, so it is made only when asked for.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::files::FolderLock;
use super::hash::{READ_BYTES, read_hashed};
use super::kind::description;
use super::pull::{MODEL_BYTES_MAX, already_installed, hash_mismatch, not_a_model, too_large};
use super::{
    Added, Kind, ModelStore, ModelsError, ModelsErrorKind, Progress, Record, Sha256Hash, Verification, files,
};
use crate::whole_file;

/// Begins the name of a copy that is not complete.
pub(super) const LEFTOVER_PREFIX: &str = ".import-";

/// A larger description is not that of a voice.
const DESCRIPTION_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How a file gets into the models folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A copy; the original can go.
    Copy,
    /// A hard link, which takes no space; a copy where the file system cannot link.
    Link,
}

/// A file that may be imported.
struct Original {
    path: PathBuf,
    name: String,
    kind: Kind,
    bytes: u64,
}

impl ModelStore {
    /// Copies or links a model file into the folder. Blocks as long as reading the file takes.
    pub fn import(
        &self,
        path: &Path,
        placement: Placement,
        expected_sha256: Option<Sha256Hash>,
        mut progress: impl FnMut(Progress),
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let original = Original::check(path)?;
        let licence =
            self.check_header(&original.path, original.kind)?.and_then(|inspected| inspected.licence);
        let _lock = FolderLock::take(&self.folder)?;
        self.delete_leftovers()?;
        let name = original.name.clone();
        let installed = self.final_path(&name, original.kind);
        let (sha256, arrived) = if installed.exists() {
            (original.hash(&mut progress, cancel)?, None)
        } else {
            let (sha256, arrived) = self.bring(&original, placement, &mut progress, cancel)?;
            (sha256, Some(arrived))
        };
        let verification = match expected_sha256 {
            Some(expected) if expected != sha256 => return Err(hash_mismatch(expected, sha256)),
            Some(_) => Verification::Expected,
            None => Verification::Unverified,
        };
        let record = Record {
            source: original.path.display().to_string(),
            catalogue: None,
            sha256,
            verification,
            bytes: original.bytes,
            licence,
            added: httpdate::fmt_http_date(SystemTime::now()),
            conversion: Vec::new(),
        };
        let Some(arrived) = arrived else { return self.keep_equal(&original, record, cancel) };
        if original.kind == Kind::Voice {
            self.bring_description(&original)?;
        }
        let arrived =
            arrived.keep().map_err(|error| ModelsError::storage("keep", &installed, &error.error))?;
        let placed = self.put_in_place(&arrived, (&name, original.kind), record);
        let model = placed.inspect_err(|_| {
            files::delete(&arrived).unwrap_or_default();
            if original.kind == Kind::Voice {
                files::delete(&description(&installed)).unwrap_or_default();
            }
        })?;
        Ok(Added { model, verification, was_installed: false })
    }

    /// A file of this name is there: fine if it has the same bytes.
    fn keep_equal(
        &self,
        original: &Original,
        record: Record,
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let mut model = self.read_back(&original.name, original.kind)?;
        let verification = record.verification;
        if model.file.canonicalize().is_ok_and(|file| file == original.path) {
            // It was put into the folder by hand, and gets its record now.
            self.write_record(&model.name, &record)?;
            model = self.read_back(&original.name, original.kind)?;
        } else {
            let hasher = read_hashed(&model.file, cancel, |_| Ok(()));
            let hasher = hasher.map_err(|error| ModelsError::storage("read", &model.file, &error))?;
            if Sha256Hash::of(hasher) != record.sha256 {
                return Err(already_installed(&model.name));
            }
        }
        Ok(Added { model, verification, was_installed: true })
    }

    /// Links or copies the file into the folder, under a name of no meaning.
    fn bring(
        &self,
        original: &Original,
        placement: Placement,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancellationToken,
    ) -> Result<(Sha256Hash, TempPath), ModelsError> {
        let mut builder = whole_file::temporary();
        builder.prefix(LEFTOVER_PREFIX);
        if placement == Placement::Link {
            let link = builder.make_in(&self.folder, |path| std::fs::hard_link(&original.path, path));
            // Another disk, or a file system without links, takes a copy.
            if let Ok(link) = link {
                return Ok((original.hash(progress, cancel)?, link.into_temp_path()));
            }
        }
        self.check_space(original.bytes)?;
        let fail = |error: io::Error| ModelsError::storage("copy", &original.path, &error);
        let temporary = builder.tempfile_in(&self.folder).map_err(fail)?;
        let mut copy = io::BufWriter::with_capacity(READ_BYTES, temporary.as_file());
        let mut bytes = 0;
        let hasher = read_hashed(&original.path, cancel, |piece| {
            copy.write_all(piece)?;
            bytes += piece.len() as u64;
            progress(Progress::Copying { bytes, bytes_total: original.bytes });
            Ok(())
        });
        let hasher = hasher.map_err(fail)?;
        copy.flush().and_then(|()| temporary.as_file().sync_all()).map_err(fail)?;
        drop(copy);
        Ok((Sha256Hash::of(hasher), temporary.into_temp_path()))
    }

    /// A voice without its description would be taken for an embedder, so that comes first.
    fn bring_description(&self, original: &Original) -> Result<(), ModelsError> {
        let (from, to) =
            (description(&original.path), description(&self.final_path(&original.name, original.kind)));
        let text = files::read_small(&from, DESCRIPTION_BYTES_MAX)
            .ok_or_else(|| not_a_model(format!("{} is too large or no text", from.display())))?;
        whole_file::write(&to, text.as_bytes()).map_err(|error| ModelsError::storage("write", &to, &error))
    }

    /// Copies that an earlier run could not finish would hold their space for ever.
    pub(super) fn delete_leftovers(&self) -> Result<(), ModelsError> {
        for name in self.file_names()?.iter().filter(|name| name.starts_with(LEFTOVER_PREFIX)) {
            files::delete(&self.folder.join(name)).ok(); // next time, then
        }
        Ok(())
    }
}

impl Original {
    fn check(path: &Path) -> Result<Original, ModelsError> {
        let fail = |error: io::Error| ModelsError::storage("read", path, &error);
        // Links are followed first: a hard link to a symbolic link would point nowhere later.
        let path = path.canonicalize().map_err(fail)?;
        let metadata = path.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(ModelsError::new(
                ModelsErrorKind::NotAModel,
                format!("{} is not a file", path.display()),
                "Give the .gguf or .onnx file itself, or the folder of a checkpoint with config.json.",
            ));
        }
        if metadata.len() > MODEL_BYTES_MAX {
            return Err(too_large(metadata.len()));
        }
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = Kind::of_file(&path).unwrap_or_default();
        let mut head = Vec::with_capacity(kind.magic().len());
        let file = std::fs::File::open(&path).map_err(fail)?;
        io::Read::read_to_end(&mut io::Read::take(file, kind.magic().len() as u64), &mut head)
            .map_err(fail)?;
        if head != kind.magic() {
            return Err(not_a_model(format!("{} is not {}", path.display(), kind.format())));
        }
        Ok(Original { name: files::model_name(&file_name)?, kind, bytes: metadata.len(), path })
    }

    fn hash(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancellationToken,
    ) -> Result<Sha256Hash, ModelsError> {
        let mut bytes = 0;
        let hasher = read_hashed(&self.path, cancel, |piece| {
            bytes += piece.len() as u64;
            progress(Progress::Checking { bytes, bytes_total: self.bytes });
            Ok(())
        });
        hasher.map(Sha256Hash::of).map_err(|error| ModelsError::storage("read", &self.path, &error))
    }
}
