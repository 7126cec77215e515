//! What the relay faces keep beside worlds and timelines: what a mod said of a character, field by field, what
//! everybody knows, and which campaign is which. Small JSON files in `<data>/relay`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use meddah_protocol::{ErrorCode, WireError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::worlds::file_stem;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Files of one folder that are looked at.
const FILES_MAX: usize = 2048;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    folder: PathBuf,
}

impl Notes {
    /// Notes in the data folder `data`.
    pub fn new(data: &Path) -> Notes {
        Notes { folder: data.join("relay") }
    }

    /// A note; none if there is none or it cannot be read, which costs a warning.
    pub fn read<T: DeserializeOwned>(&self, names: &[&str]) -> Option<T> {
        read_file(&self.file(names))
    }

    /// All notes of a folder.
    pub fn read_all<T: DeserializeOwned>(&self, names: &[&str]) -> Vec<T> {
        let folder = names.iter().fold(self.folder.clone(), |folder, name| folder.join(file_stem(name)));
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut files: Vec<PathBuf> =
            entries.take(FILES_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files.iter().filter_map(|file| read_file(file)).collect()
    }

    /// Keeps a note. Either the whole file is there afterwards or the former one.
    pub fn write(&self, names: &[&str], note: &impl Serialize) -> Result<(), WireError> {
        let file = self.file(names);
        let write = || {
            let folder = file.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder)?;
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut draft, note)?;
            draft.flush()?;
            draft.persist(&file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| {
            WireError::new(ErrorCode::Internal, format!("cannot write {}: {error}", file.display()))
                .with_help("Check that there is room on the disk and that the data folder can be written.")
        })
    }

    /// Forgets a note.
    pub fn remove(&self, names: &[&str]) {
        std::fs::remove_file(self.file(names)).ok(); // it may never have been written
    }

    fn file(&self, names: &[&str]) -> PathBuf {
        let mut file = self.folder.clone();
        for (place, name) in names.iter().enumerate() {
            let stem = file_stem(name);
            file.push(if place + 1 == names.len() { format!("{stem}.json") } else { stem });
        }
        file
    }
}

fn read_file<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let length = std::fs::metadata(file).ok()?.len();
    let read = || {
        if length > FILE_BYTES_MAX {
            return Err(format!("it has {length} bytes, {FILE_BYTES_MAX} are allowed"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    read().inspect_err(|error| warn!(file = %file.display(), error, "a note cannot be used")).ok()
}
