//! CHARX: a zip with `card.json` and the card's pictures and sounds.
//!
//! Nothing of it is unpacked to the disk, so its paths lead nowhere. They are checked all the same, because the
//! archive is written out again for others.

use std::io::{Cursor, Read as _};

use serde_json::{Map, Value};
use zip::ZipArchive;

use super::json;
use crate::error::CardError;
use crate::limits::*;

/// The name of the card in the archive.
pub(crate) const CARD: &str = "card.json";

/// A CHARX whose table of contents is sound.
pub(crate) struct Archive<'b> {
    name: String,
    zip: ZipArchive<Cursor<&'b [u8]>>,
}

/// A file of the archive.
pub(crate) struct Entry {
    pub path: String,
    pub bytes: Vec<u8>,
}

impl<'b> Archive<'b> {
    /// Checks count, paths and announced sizes of all files.
    pub fn open(name: &str, bytes: &'b [u8]) -> Result<Self, CardError> {
        let damaged = |error: zip::result::ZipError| {
            let message = format!("the CHARX cannot be read: {error}");
            CardError::new(name, message, "download or export it again")
        };
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if zip.len() > ZIP_ENTRIES_MAX {
            let message = format!("the CHARX has {} files, at most {ZIP_ENTRIES_MAX} are read", zip.len());
            return Err(CardError::new(name, message, "export it with fewer pictures"));
        }
        let mut archive = Archive { name: name.to_owned(), zip };
        archive.check_entries()?;
        Ok(archive)
    }

    fn check_entries(&mut self) -> Result<(), CardError> {
        let (mut unpacked, mut packed) = (0_u64, 0_u64);
        for index in 0..self.zip.len() {
            let name = self.name.clone();
            let entry = self.zip.by_index_raw(index).map_err(|error| {
                CardError::new(
                    &name,
                    format!("file {} in it cannot be read: {error}", index + 1),
                    "export it again",
                )
            })?;
            let path = entry.name().map_or_else(|_| "..".to_owned(), |path| path.into_owned());
            let shown: String = path.chars().take(80).filter(|c| !c.is_control()).collect();
            let wrong = |message: &str, help: &str| {
                Err(CardError::new(&name, message, help).at(format!("`{shown}`")))
            };
            if entry.encrypted() {
                return wrong("the file is encrypted", "export the card without a password");
            }
            if entry.is_symlink() {
                return wrong(
                    "this is a link to another place",
                    "this file is not trustworthy: get the card elsewhere",
                );
            }
            if !is_inside(&path) {
                return wrong(
                    "this path leads out of the archive",
                    "this file is not trustworthy: get the card elsewhere",
                );
            }
            if entry.size() > ZIP_ENTRY_BYTES_MAX {
                return wrong("the file is too large", "export the card with smaller pictures");
            }
            unpacked = unpacked.saturating_add(entry.size());
            packed = packed.saturating_add(entry.compressed_size());
        }
        let bomb = unpacked > ZIP_SMALL_BYTES && unpacked / packed.max(1) > ZIP_RATIO_MAX;
        if unpacked > ZIP_BYTES_MAX || bomb {
            let message = format!("the CHARX would unpack to {} MB", unpacked >> 20);
            return Err(CardError::new(
                &self.name,
                message,
                "this file is not trustworthy: get the card elsewhere",
            ));
        }
        Ok(())
    }

    /// The JSON of the card.
    pub fn card_json(&mut self) -> Result<Map<String, Value>, CardError> {
        let name = self.name.clone();
        let missing = || {
            CardError::new(
                &name,
                "there is no card.json in this archive",
                "a CHARX has card.json at its top; unpack other archives yourself",
            )
        };
        let index = self.zip.index_for_name(CARD).ok_or_else(missing)?;
        let bytes = self.read(index)?.bytes;
        let value = json::parse(&name, json::decode(&name, &bytes).map_err(|error| error.at(CARD))?);
        match value.map_err(|error| error.at(CARD))? {
            Value::Object(fields) => Ok(fields),
            _ => Err(CardError::new(&name, "card.json is no character card", "export the card again")),
        }
    }

    /// All files but the card, in their order.
    pub fn assets(&mut self) -> Result<Vec<Entry>, CardError> {
        let mut assets = Vec::new();
        let mut left = ZIP_BYTES_MAX;
        for index in 0..self.zip.len() {
            let entry = self.read(index)?;
            left = left.checked_sub(entry.bytes.len() as u64).ok_or_else(|| {
                CardError::new(&self.name, "the CHARX is larger than it says", "get the card elsewhere")
            })?;
            if entry.path != CARD && !entry.path.ends_with('/') {
                assets.push(entry);
            }
        }
        Ok(assets)
    }

    /// A file, never more of it than is allowed, whatever its header says.
    fn read(&mut self, index: usize) -> Result<Entry, CardError> {
        let name = self.name.clone();
        let damaged = |message: String| CardError::new(&name, message, "download or export it again");
        let entry = self
            .zip
            .by_index(index)
            .map_err(|error| damaged(format!("a file in it cannot be read: {error}")))?;
        let path = entry.name().map_or_else(|_| String::new(), |path| path.into_owned());
        let mut bytes = Vec::new();
        let read = entry.take(ZIP_ENTRY_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| damaged(format!("`{path}` cannot be unpacked: {error}")))?;
        if bytes.len() as u64 > ZIP_ENTRY_BYTES_MAX {
            return Err(damaged(format!("`{path}` is larger than it says")));
        }
        Ok(Entry { path, bytes })
    }
}

/// Whether a path stays in its folder, on every system.
pub(crate) fn is_inside(path: &str) -> bool {
    let sound = |part: &str| part != ".." && !part.contains(['\\', ':', '\0']);
    !path.is_empty()
        && path.len() <= ZIP_PATH_BYTES_MAX
        && !path.starts_with('/')
        && path.split('/').all(sound)
}
