//! Entries of a lorebook, and what did not fit a description, as lore.

use std::collections::HashSet;

use meddah_engine::world::{LIST_MAX, LoreEntry, NAME_CHARS_MAX};
use serde_json::{Map, Value};

use super::{CardNames, Mapped, decorators, names_in, own};
use crate::book::{self, Book, is_enabled, strings, text};
use crate::card::{Card, OWN};
use crate::ids::slug;
use crate::limits::*;
use crate::text::{Names, clip_chars, harmless, pieces, plain};

/// What a piece of lore was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The entry under this key or number.
    Entry(String),
    /// What the description has no place for.
    Rest,
}

/// A piece of lore and its origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub entry: LoreEntry,
    pub origin: Origin,
}

/// Who the lore is for and which ids it has so far.
struct Shelf<'a> {
    /// What stands before the colon of each id.
    owner: &'a str,
    audience: Vec<String>,
    names: Names<'a>,
    known: &'a dyn Fn(&str) -> bool,
    ids: HashSet<String>,
}

/// The lore of a card's own book. Only the character itself knows it.
pub(super) fn of_card(mapped: &mut Mapped, card: &Card, names: &CardNames, known: &dyn Fn(&str) -> bool) {
    let Some(book) = card.field("character_book").and_then(Value::as_object) else { return };
    let id = mapped.character.id.clone();
    let shelf = Shelf {
        owner: &id,
        audience: vec![id.clone()],
        names: names.as_macros(),
        known,
        ids: HashSet::new(),
    };
    shelf.fill(mapped, book);
}

/// The lore of a lorebook that stands alone. Everybody knows it.
pub(crate) fn book(book: &Book, owner: &str, known: &dyn Fn(&str) -> bool) -> Mapped {
    let names = Names { character: "", player: super::PLAYER };
    let shelf = Shelf { owner, audience: Vec::new(), names, known, ids: HashSet::new() };
    let mut mapped = Mapped::default();
    shelf.fill(&mut mapped, book.data());
    mapped
}

impl Shelf<'_> {
    fn fill(mut self, mapped: &mut Mapped, book: &Map<String, Value>) {
        let entries = book::entries(book).unwrap_or_default();
        let (mut disabled, mut without_keys) = (0, 0);
        for (place, entry) in entries.iter().take(BOOK_ENTRIES_MAX) {
            if let Some(exact) = own::lore(entry, self.owner, self.known, &self.names) {
                for mut exact in exact {
                    exact.id = self.free_id(&exact.id);
                    mapped.lore.push(Piece { entry: exact, origin: Origin::Entry(place.clone()) });
                }
            } else if !is_enabled(entry) {
                disabled += 1;
            } else {
                let pieces = self.pieces(place, entry);
                without_keys += usize::from(pieces.is_none());
                mapped.lore.extend(pieces.unwrap_or_default());
            }
        }
        let left_out = [
            (disabled, "are switched off"),
            (without_keys, "have no key that can be used"),
            (entries.len().saturating_sub(BOOK_ENTRIES_MAX), "are more than a book may have"),
        ];
        let told = left_out.iter().filter(|(count, _)| *count > 0);
        mapped.remarks.extend(
            told.map(|(count, why)| {
                format!("{count} entries of the lorebook {why}: they stay in the original")
            }),
        );
    }

    /// The pieces of an entry; `None` where nothing could call it up.
    fn pieces(&mut self, place: &str, entry: &Map<String, Value>) -> Option<Vec<Piece>> {
        let (head, content) = decorators::split(text(entry, "content"));
        let head = [decorators_beside(entry), head].join("\n");
        let decorators = decorators::understood(&head);
        let has = |name: &str| decorators.iter().any(|found| found.name == name);
        if has("dont_activate") || has("is_user_icon") {
            return Some(Vec::new());
        }
        let mut keys = strings(entry, ["keys", "key"]);
        let more = decorators.iter().find(|found| found.name == "additional_keys");
        keys.extend(more.into_iter().flat_map(|found| found.value.split(',')).map(str::to_owned));
        let keys = self.clean_keys(keys, entry);
        let texts = pieces(&plain(content, &self.names), LORE_TEXT_CHARS_MAX);
        if texts.is_empty() {
            return Some(Vec::new());
        }
        if keys.is_empty() {
            return None;
        }
        let named = [text(entry, "name"), text(entry, "comment"), &keys[0]];
        let name = named.into_iter().map(|name| slug(name, ID_BYTES_MAX / 2)).find(|slug| !slug.is_empty());
        let name = name.unwrap_or_else(|| format!("entry_{}", slug(place, 8)));
        let made = texts.into_iter().map(|text| LoreEntry {
            id: self.free_id(&name),
            text,
            keys: keys.clone(),
            audience: self.audience.clone(),
            ..LoreEntry::default()
        });
        Some(made.map(|entry| Piece { entry, origin: Origin::Entry(place.to_owned()) }).collect())
    }

    /// Keys that our form can hold. Patterns are no keys; they stay in the original.
    fn clean_keys(&self, keys: Vec<String>, entry: &Map<String, Value>) -> Vec<String> {
        let patterns = entry.get("use_regex").and_then(Value::as_bool).unwrap_or(false);
        let is_pattern =
            |key: &str| patterns || (key.len() > 2 && key.starts_with('/') && key[1..].contains('/'));
        let clean = keys
            .iter()
            .filter(|key| !is_pattern(key.trim()))
            .map(|key| harmless(&crate::text::resolve(key, &self.names)));
        let mut seen = HashSet::new();
        let usable = clean
            .filter(|key| key.chars().any(char::is_alphanumeric) && key.chars().count() <= NAME_CHARS_MAX);
        usable.filter(|key| seen.insert(key.to_lowercase())).take(LIST_MAX).collect()
    }

    /// `mira:mill`, then `mira:mill_2`.
    fn free_id(&mut self, name: &str) -> String {
        let mut id = format!("{}:{name}", self.owner);
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{}:{name}_{number}", self.owner);
            number += 1;
        }
        id
    }
}

/// Decorators that an export as V2 put beside the content, where V2 has no decorators.
pub(crate) fn decorators_beside(entry: &Map<String, Value>) -> &str {
    let own = entry.get("extensions").and_then(|extensions| extensions.get(OWN));
    own.and_then(|own| own.get("decorators")).and_then(Value::as_str).unwrap_or_default()
}

/// What the form has no place for becomes lore that only the character has. Called up by the names in it, else by
/// the character's own name.
pub(super) fn of_rest(mapped: &mut Mapped, rest: impl Iterator<Item = String>, names: &CardNames) {
    let id = mapped.character.id.clone();
    let texts: Vec<String> = rest.flat_map(|text| pieces(&text, LORE_TEXT_CHARS_MAX)).collect();
    let left = texts.len().saturating_sub(REST_PIECES_MAX);
    for (number, text) in texts.into_iter().take(REST_PIECES_MAX).enumerate() {
        let mut keys = names_in(&text);
        keys.retain(|key| *key != names.name && !names.name.split(' ').any(|part| part == key));
        if keys.is_empty() {
            keys.push(clip_chars(&names.name, NAME_CHARS_MAX).fit);
        }
        let entry = LoreEntry {
            id: format!("{id}:more_{}", number + 1),
            text,
            keys,
            audience: vec![id.clone()],
            ..LoreEntry::default()
        };
        mapped.lore.push(Piece { entry, origin: Origin::Rest });
    }
    if left > 0 {
        mapped.remarks.push(format!("{left} passages of the description are kept in the original only"));
    }
}
