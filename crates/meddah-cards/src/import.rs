//! From what a file holds to the files of a world pack.
//!
//! Beside each character lies its card as it came: `characters/ID.card.json`, and the picture or archive that it
//! was in. Readers of world packs look at `.toml` files only.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use meddah_engine::world::{CHARACTERS_MAX, FILES_MAX, LORE_MAX, LoreEntry, PACK_BYTES_MAX};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::CardError;
use crate::ids::Ids;
use crate::map::{self, Mapped, Origin};
use crate::read::Found;
use crate::{Book, Card};

/// A file of lore stays below the limit of a pack's file.
const LORE_FILE_BYTES_MAX: usize = 200 * 1024;

/// What is in a world already. Grows with what is planned.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Ids of characters.
    pub characters: Ids,
    /// How many characters there are.
    pub character_count: usize,
    /// Names of lorebooks that were imported.
    pub books: Ids,
    /// Ids of lore entries.
    pub lore_ids: HashSet<String>,
    /// Files that are read with the world.
    pub files: usize,
    /// Their bytes.
    pub bytes: usize,
    /// [`fingerprint`]s of originals that were imported before.
    pub originals: HashSet<u64>,
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The id of the only character; made from its name without it.
    pub id: Option<String>,
    /// Whether a character with that id is replaced.
    pub replace: bool,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutFile {
    /// Within the pack, with `/` between folders; made from ids alone.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A character or lorebook that will be there when the files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The id of the character, or the name of the lorebook.
    pub id: String,
    /// The name in the card.
    pub name: String,
    /// Whether it is a character.
    pub is_character: bool,
    /// Pieces of lore that come with it.
    pub lore: usize,
    /// What was left out, for the author.
    pub remarks: Vec<String>,
    /// Its files.
    pub files: Vec<OutFile>,
}

/// What becomes of everything in a file.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is new, in the order of the file.
    pub imported: Vec<Imported>,
    /// Names of what was imported before and is left as it is.
    pub already: Vec<String>,
    /// What could not be read; the rest is imported all the same.
    pub errors: Vec<CardError>,
}

/// Plans the import of what [`crate::read`] found in `file`.
pub fn plan(
    file: &str,
    found: Vec<Result<Found, CardError>>,
    present: &mut Present,
    options: &Options,
) -> Plan {
    let mut plan = Plan::default();
    let mut cards = Vec::new();
    for item in found {
        match item {
            Ok(Found::Card(card))
                if !options.replace && present.originals.contains(&fingerprint(card.json())) =>
            {
                plan.already.push(card.name())
            }
            Ok(Found::Book(book)) if present.originals.contains(&fingerprint(book.json())) => {
                plan.already.push(book.name)
            }
            // Ids first: a card may speak of one that stands further down.
            Ok(Found::Card(card)) => match take_id(file, &card, present, options) {
                Ok(id) => cards.push((id, card)),
                Err(error) => plan.errors.push(error.at(card.place.as_str())),
            },
            Ok(Found::Book(book)) => match self::book(file, book, present) {
                Ok(book) => plan.imported.push(book),
                Err(error) => plan.errors.push(error),
            },
            Err(error) => plan.errors.push(error),
        }
    }
    for (id, card) in cards {
        match character(file, &id, &card, present) {
            Ok(imported) => plan.imported.push(imported),
            Err(error) => plan.errors.push(error.at(card.place.as_str())),
        }
    }
    plan
}

/// Tells an original from others, so that it is not imported twice.
pub fn fingerprint(json: &Map<String, Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(json).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

fn take_id(file: &str, card: &Card, present: &mut Present, options: &Options) -> Result<String, CardError> {
    let Some(names) = map::CardNames::of(card) else {
        return Err(CardError::new(file, "the character has no name", "write a name into the card"));
    };
    let Some(id) = &options.id else {
        return Ok(present.characters.take(&names.name));
    };
    crate::check_id(id)
        .map_err(|message| CardError::new(file, message, "choose a short plain name, such as mira"))?;
    if present.characters.has(id) && !options.replace {
        let message = format!("the world has a character `{id}` already");
        return Err(CardError::new(file, message, "choose another id, or replace it with --replace"));
    }
    let own = format!("{id}:");
    present.lore_ids.retain(|lore| !lore.starts_with(&own));
    present.characters.insert(id);
    Ok(id.clone())
}

fn character(file: &str, id: &str, card: &Card, present: &mut Present) -> Result<Imported, CardError> {
    if present.character_count >= CHARACTERS_MAX {
        return Err(full(file, &format!("{CHARACTERS_MAX} characters")));
    }
    let Some(mut mapped) = map::card(card, id, &|other| present.characters.has(other)) else {
        return Err(CardError::new(file, "the character has no name", "write a name into the card"));
    };
    shelve(&mut mapped, present);
    let stem = format!("characters/{id}");
    let mut files =
        vec![OutFile { path: format!("{stem}.toml"), bytes: mapped.character.to_toml().into_bytes() }];
    files.extend(lore_files(&format!("lore/{id}.card"), &mapped.entries()));
    account(file, &files, present)?;
    files.push(OutFile { path: format!("{stem}.card.json"), bytes: pretty(card.json()) });
    if let Some(container) = card.container() {
        let path = format!("{stem}.card.{}", container.kind.extension());
        files.push(OutFile { path, bytes: container.bytes.clone() });
    }
    present.character_count += 1;
    let Mapped { character, lore, remarks } = mapped;
    Ok(Imported {
        id: id.to_owned(),
        name: character.name,
        is_character: true,
        lore: lore.len(),
        remarks,
        files,
    })
}

fn book(file: &str, book: Book, present: &mut Present) -> Result<Imported, CardError> {
    let id = present.books.take(&book.name);
    let mut mapped = map::book(&book, &id, &|other| present.characters.has(other));
    if mapped.lore.is_empty() {
        let message = format!("the lorebook has nothing that can be used ({})", mapped.remarks.join("; "));
        return Err(CardError::new(file, message, "give its entries keys and text"));
    }
    shelve(&mut mapped, present);
    let mut files = lore_files(&format!("lore/{id}.book"), &mapped.entries());
    account(file, &files, present)?;
    files.push(OutFile { path: format!("lore/{id}.book.json"), bytes: pretty(book.json()) });
    let Mapped { lore, remarks, .. } = mapped;
    Ok(Imported { id, name: book.name, is_character: false, lore: lore.len(), remarks, files })
}

/// Keeps as much of the lore as the world has room for: all, or all but what the description had no room for, or
/// none. An id that the world has is left out: another file has it.
fn shelve(mapped: &mut Mapped, present: &mut Present) {
    let room = LORE_MAX.saturating_sub(present.lore_ids.len());
    if mapped.lore.len() > room {
        mapped.remarks.push("the world's lore is full: what has no room stays in the original".to_owned());
        mapped.lore.retain(|piece| piece.origin != Origin::Rest);
    }
    if mapped.lore.len() > room {
        mapped.lore.clear();
    }
    mapped.lore.retain(|piece| present.lore_ids.insert(piece.entry.id.clone()));
}

/// Counts the files that a world reads. What would make it unreadable is refused.
fn account(file: &str, files: &[OutFile], present: &mut Present) -> Result<(), CardError> {
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    if present.files + files.len() > FILES_MAX {
        return Err(full(file, &format!("{FILES_MAX} files")));
    }
    if present.bytes + bytes > PACK_BYTES_MAX {
        return Err(full(file, &format!("{} MB of text", PACK_BYTES_MAX >> 20)));
    }
    present.files += files.len();
    present.bytes += bytes;
    Ok(())
}

fn full(file: &str, limit: &str) -> CardError {
    let message = format!("the world has room for {limit}, and is full");
    CardError::new(file, message, "import the rest into another world: --world OTHER")
}

/// The entries as files of a pack, none too large.
pub(crate) fn lore_files(stem: &str, entries: &[LoreEntry]) -> Vec<OutFile> {
    #[derive(Serialize)]
    struct LoreFile<'e> {
        lore: [&'e LoreEntry; 1],
    }
    let mut texts: Vec<String> = Vec::new();
    for entry in entries {
        let Ok(text) = toml::to_string_pretty(&LoreFile { lore: [entry] }) else { continue };
        match texts.last_mut() {
            Some(last) if last.len() + text.len() < LORE_FILE_BYTES_MAX => {
                last.push_str(&format!("\n{text}"))
            }
            _ => texts.push(text),
        }
    }
    let numbered = texts.into_iter().enumerate();
    let files = numbered.map(|(number, text)| OutFile {
        path: if number == 0 { format!("{stem}.toml") } else { format!("{stem}.{}.toml", number + 1) },
        bytes: text.into_bytes(),
    });
    files.collect()
}

pub(crate) fn pretty(json: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec_pretty(json).expect("JSON that was read can be written")
}
