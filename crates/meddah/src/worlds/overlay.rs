//! Changes to worlds as files: `<data>/worlds/<world>/{characters,lore}/<id>.json`.
//!
//! Names of files are only made from ids, never the other way round: the id stands inside the file. So an
//! id may be any text, and no id leads out of the folder or means a device on Windows.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use meddah_engine::world::{CHARACTERS_MAX, FILE_BYTES_MAX, LORE_MAX};
use meddah_protocol::{ErrorCode, WireError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{Change, Part, WORLDS_MAX};

/// Files of one folder that are looked at.
const FILES_MAX: usize = CHARACTERS_MAX + LORE_MAX;
/// A longer name is cut and ends in a hash; file systems stop at 255 bytes.
const STEM_BYTES_MAX: usize = 120;

/// The overlay folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the changed worlds in {folder}: {source}. Check that you may read this folder, or move it away."
)]
pub struct OverlayError {
    folder: String,
    source: std::io::Error,
}

/// The folder.
pub(super) struct Overlay {
    folder: PathBuf,
}

/// What a file says. Without a value: deleted.
#[derive(Serialize, Deserialize)]
struct Kept {
    world: String,
    id: String,
    /// The world is a pack's: without that pack the change means nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_pack: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

impl Overlay {
    pub fn new(folder: PathBuf) -> Overlay {
        Overlay { folder }
    }

    /// Everything kept, in a fixed order, and whether it changes a pack.
    pub fn read(&self) -> Result<Vec<(Change, bool)>, OverlayError> {
        let fail = |source| OverlayError { folder: self.folder.display().to_string(), source };
        let mut changes = Vec::new();
        for world in entries(&self.folder, WORLDS_MAX).map_err(fail)? {
            for part in [Part::Character, Part::Lore] {
                for file in entries(&world.join(part.folder()), FILES_MAX).map_err(fail)? {
                    match read_file(&file) {
                        Ok(Some(Kept { world, id, of_pack, value })) => {
                            changes.push((Change { world, part, id, value }, of_pack));
                        }
                        Ok(None) => {}
                        Err(error) => warn!(file = %file.display(), error, "a kept change cannot be read"),
                    }
                }
            }
        }
        Ok(changes)
    }

    /// Keeps a change. Either the whole file is there afterwards or the former one.
    pub fn write(&self, change: &Change, of_pack: bool) -> Result<(), WireError> {
        let Change { world, id, value, .. } = change.clone();
        let file = self.file(change);
        let write = || {
            let folder = file.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder)?;
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut draft, &Kept { world, id, of_pack, value })?;
            draft.flush()?;
            draft.as_file().sync_data()?;
            draft.persist(&file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| not_kept(&file, &error))
    }

    /// Forgets a change.
    pub fn remove(&self, change: &Change) -> Result<(), WireError> {
        let file = self.file(change);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(not_kept(&file, &error)),
            _ => Ok(()),
        }
    }

    fn file(&self, change: &Change) -> PathBuf {
        let folder = self.folder.join(file_stem(&change.world)).join(change.part.folder());
        folder.join(format!("{}.json", file_stem(&change.id)))
    }
}

impl Part {
    fn folder(self) -> &'static str {
        match self {
            Part::Character => "characters",
            Part::Lore => "lore",
        }
    }
}

/// What is in a folder, sorted; a folder that is not there is empty.
fn entries(folder: &Path, count_max: usize) -> std::io::Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(Vec::new()),
        read => read?,
    };
    let mut paths =
        read.take(count_max).map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// `None` for files that are none of ours, such as what a crash left half written.
fn read_file(file: &Path) -> Result<Option<Kept>, String> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Ok(None);
    }
    let bytes = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        return Err(format!("it has {bytes} bytes, {FILE_BYTES_MAX} are allowed"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let kept: Kept = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // A copied file would otherwise silently stand for the character it was copied from.
    let expected = format!("{}.json", file_stem(&kept.id));
    if file.file_name().is_none_or(|name| name != expected.as_str()) {
        return Err(format!("the id inside belongs to a file named {expected}"));
    }
    Ok(Some(kept))
}

/// A file name that belongs to this id alone, on every file system.
pub(crate) fn file_stem(id: &str) -> String {
    let mut stem = String::new();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => stem.push(char::from(byte)),
            // Capital letters too: many file systems do not tell them from small ones.
            _ => write!(stem, "%{byte:02x}").expect("writing to a string cannot fail"),
        }
    }
    if stem.len() > STEM_BYTES_MAX {
        let hash: String = Sha256::digest(id).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        stem.truncate(STEM_BYTES_MAX - hash.len());
        stem.push_str(&hash);
    }
    if is_device_name(&stem) {
        stem.insert(0, '%');
    }
    stem
}

/// Names that mean a device on Windows, whatever the extension.
fn is_device_name(stem: &str) -> bool {
    matches!(stem, "con" | "prn" | "aux" | "nul")
        || matches!(stem.as_bytes(), [b'c', b'o', b'm', b'0'..=b'9'] | [b'l', b'p', b't', b'0'..=b'9'])
}

fn not_kept(file: &Path, error: &std::io::Error) -> WireError {
    WireError::new(ErrorCode::Internal, format!("cannot keep the change in {}: {error}", file.display()))
        .with_help("Check that there is room on the disk and that the data folder can be written.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leads_out_of_the_folder_or_to_a_device() {
        for id in ["../../etc/passwd", "..", "/", "C:\\x", "con", "com1", "a.b", "Mira", "ü", "%2e"] {
            let stem = file_stem(id);
            assert!(
                stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"%_-".contains(&b))
            );
            assert!(!is_device_name(&stem), "{stem}");
        }
        assert_eq!(file_stem("mira"), "mira");
        assert_ne!(file_stem("mira"), file_stem("Mira"));
        assert_ne!(file_stem("con"), file_stem("%con"));
    }

    #[test]
    fn long_ids_get_short_names_of_their_own() {
        let (one, two) = ("ü".repeat(64), format!("{}v", "ü".repeat(63)));
        assert!(file_stem(&one).len() <= STEM_BYTES_MAX);
        assert_ne!(file_stem(&one), file_stem(&two));
    }
}
