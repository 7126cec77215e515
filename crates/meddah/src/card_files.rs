//! Cards on disk: what of them a world's folder has already, and writing what an import plans.
//!
//! All names of files come from ids that the cards part made or checked; here they are only joined to the folder.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use meddah_cards::export::lore_entries;
use meddah_cards::import::{Imported, OutFile, Present, fingerprint};
use meddah_cards::limits::{FILE_BYTES_MAX, KEPT_BYTES_MAX};
use meddah_cards::{Book, Card, CardError, ContainerKind, Ids};
use meddah_engine::world::{LoreEntry, World};
use serde_json::{Map, Value};

use crate::{whole_file, world_files};

/// Continuations of one character's lore that are looked for.
const LORE_FILES_MAX: usize = 64;
/// Folders of a pack that an import writes to.
const FOLDERS: [&str; 2] = ["characters", "lore"];

/// A folder with a world that cards go into.
pub struct CardFolder {
    folder: PathBuf,
    /// What is in it.
    pub present: Present,
}

impl CardFolder {
    /// Opens a world's folder; one that is not there yet becomes a world with this name.
    pub fn open(folder: &Path, name: &str) -> Result<CardFolder, String> {
        if !folder.join("world.toml").exists() {
            begin(folder, name)?;
        }
        for inner in FOLDERS.map(|inner| folder.join(inner)) {
            if fs::symlink_metadata(&inner).is_ok_and(|found| found.is_symlink()) {
                let shown = inner.display();
                return Err(format!("{shown} is a link to another place\nPut a folder in its place."));
            }
            fs::create_dir_all(&inner).map_err(|error| cannot_write(&inner, &error))?;
        }
        let (world, _) = world_files::load(folder).map_err(|errors| errors.to_string())?;
        let present = present(folder, &world).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(CardFolder { folder: folder.to_owned(), present })
    }

    /// Writes a character or lorebook. What only matters later comes first, so that a stop in between leaves a
    /// world that can be read.
    pub fn write(&self, imported: &Imported, replaces: bool) -> Result<(), String> {
        if replaces {
            self.remove_old(&imported.id);
        }
        let rank = |file: &&OutFile| match (file.path.ends_with(".toml"), file.path.starts_with("lore/")) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let mut files: Vec<&OutFile> = imported.files.iter().collect();
        files.sort_by_key(rank);
        for file in files {
            let path = self.folder.join(&file.path);
            whole_file::write(&path, &file.bytes).map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }

    /// What belongs to the character that is replaced, and might have no successor.
    fn remove_old(&self, id: &str) {
        for number in 1..=LORE_FILES_MAX {
            fs::remove_file(lore_path(&self.folder, id, "card", number)).ok(); // most are not there
        }
        for kind in [ContainerKind::Png, ContainerKind::Charx] {
            fs::remove_file(container_path(&self.folder, id, kind)).ok(); // most are not there
        }
    }
}

/// What a world's folder keeps of a character.
pub struct Kept {
    /// The card as it came.
    pub card: Option<Card>,
    /// The lore that came with it; `None` where there is no file of it.
    pub lore: Option<Vec<LoreEntry>>,
}

impl Kept {
    /// Reads it.
    pub fn read(folder: &Path, id: &str) -> Result<Kept, CardError> {
        let mut card = None;
        let path = folder.join("characters").join(format!("{id}.card.json"));
        if let Some(json) = json(&path)? {
            let read = Card::from_json(json).ok_or_else(|| {
                CardError::new(
                    shown(&path),
                    "this is no character card",
                    "delete it, or import the card again",
                )
            });
            card = Some(read?);
        }
        for kind in [ContainerKind::Png, ContainerKind::Charx] {
            let path = container_path(folder, id, kind);
            if let (Some(found), true) = (&card, path.is_file()) {
                let bytes = read_bounded(&path, FILE_BYTES_MAX).map_err(|error| unreadable(&path, &error))?;
                card = Some(found.clone().with_container(kind, bytes));
            }
        }
        Ok(Kept { card, lore: lore(folder, id, "card")? })
    }
}

/// A lorebook as it came, and its lore now.
pub fn kept_book(folder: &Path, id: &str) -> Result<Option<(Book, Vec<LoreEntry>)>, CardError> {
    let path = folder.join("lore").join(format!("{id}.book.json"));
    let book = json(&path)?.and_then(|json| Book::from_json(json, id));
    let Some(book) = book else { return Ok(None) };
    Ok(Some((book, lore(folder, id, "book")?.unwrap_or_default())))
}

/// A file that is to be imported.
pub fn read_card_file(path: &Path) -> Result<Vec<u8>, CardError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|error| unreadable(path, &error))
}

fn begin(folder: &Path, name: &str) -> Result<(), String> {
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Err(format!(
            "{} has no world.toml\nGive the folder of a world pack, or one that does not exist yet.",
            folder.display()
        ));
    }
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let world = World {
        name: name.chars().take(80).collect(),
        language: "en".into(),
        narration: true,
        ..World::default()
    };
    let text = toml::to_string_pretty(&world).map_err(|error| error.to_string())?;
    let path = folder.join("world.toml");
    whole_file::write(&path, text.as_bytes()).map_err(|error| cannot_write(&path, &error))
}

fn present(folder: &Path, world: &World) -> io::Result<Present> {
    let mut present = Present {
        characters: Ids::new(world.characters.keys().map(|id| id.to_lowercase())),
        character_count: world.characters.len(),
        lore_ids: world.lore.iter().map(|entry| entry.id.clone()).collect(),
        ..Present::default()
    };
    for inner in FOLDERS {
        for entry in fs::read_dir(folder.join(inner))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
            if name.ends_with(".toml") {
                present.files += 1;
                present.bytes += usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
            } else if name.ends_with(".card.json") || name.ends_with(".book.json") {
                if let Some(id) = name.strip_suffix(".book.json") {
                    present.books.insert(id);
                }
                // What cannot be read is no reason to import nothing.
                if let Ok(Some(json)) = json(&entry.path()) {
                    present.originals.insert(fingerprint(&json));
                }
            }
        }
    }
    Ok(present)
}

fn lore(folder: &Path, id: &str, kind: &str) -> Result<Option<Vec<LoreEntry>>, CardError> {
    let mut all = None;
    for number in 1..=LORE_FILES_MAX {
        let path = lore_path(folder, id, kind, number);
        if !path.is_file() {
            break;
        }
        let bytes = read_bounded(&path, KEPT_BYTES_MAX).map_err(|error| unreadable(&path, &error))?;
        let entries = lore_entries(&shown(&path), &String::from_utf8_lossy(&bytes))?;
        all.get_or_insert_with(Vec::new).extend(entries);
    }
    Ok(all)
}

fn lore_path(folder: &Path, id: &str, kind: &str, number: usize) -> PathBuf {
    let name = if number == 1 { format!("{id}.{kind}.toml") } else { format!("{id}.{kind}.{number}.toml") };
    folder.join("lore").join(name)
}

fn container_path(folder: &Path, id: &str, kind: ContainerKind) -> PathBuf {
    folder.join("characters").join(format!("{id}.card.{}", kind.extension()))
}

fn json(path: &Path) -> Result<Option<Map<String, Value>>, CardError> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = read_bounded(path, 2 * KEPT_BYTES_MAX).map_err(|error| unreadable(path, &error))?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| CardError::new(shown(path), error.to_string(), "import the card again"))
}

fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("it has more than {} MB", bytes_max >> 20)));
    }
    Ok(bytes)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(path: &Path, error: &io::Error) -> CardError {
    CardError::new(shown(path), format!("the file cannot be read: {error}"), "check the path")
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}\nChoose another folder, or make room on the disk.", path.display())
}
