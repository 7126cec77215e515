//! Entries of a lorebook, and what did not fit a description, as lore.

use std::collections::HashSet;

use meddah_engine::world::{KEY_CHARS_MAX, LIST_MAX, LoreEntry, LoreKey, NAME_CHARS_MAX};
use serde_json::{Map, Value};

use super::{CardNames, Mapped, decorators, names_in, own, rules};
use crate::book::{self, Book, is_enabled, strings, text};
use crate::card::{Card, OWN};
use crate::ids::slug;
use crate::limits::*;
use crate::text::{Names, clip_chars, harmless, pieces, plain, resolve};

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
                let pieces = self.pieces(place, entry, book);
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
    fn pieces(
        &mut self,
        place: &str,
        entry: &Map<String, Value>,
        book: &Map<String, Value>,
    ) -> Option<Vec<Piece>> {
        let (head, content) = decorators::split(text(entry, "content"));
        let head = [decorators_beside(entry), head].join("\n");
        let decorators = decorators::understood(&head);
        let has = |name: &str| decorators.iter().any(|found| found.name == name);
        if has("dont_activate") && !has("activate") {
            return Some(Vec::new());
        }
        let texts = pieces(&plain(content, &self.names), LORE_TEXT_CHARS_MAX);
        if texts.is_empty() {
            return Some(Vec::new());
        }
        let keys = self.clean_keys(strings(entry, ["keys", "key"]), entry);
        let mut made =
            LoreEntry { keys: keys.clone(), audience: self.audience.clone(), ..LoreEntry::default() };
        rules::apply(&mut made, entry, book, &decorators, &|keys| self.clean_keys(keys, entry));
        if keys.is_empty() && !made.always {
            return None;
        }
        let first_key = keys.first().map_or("", |key| key.as_str());
        let named = [text(entry, "name"), text(entry, "comment"), first_key];
        let name = named.into_iter().map(|name| slug(name, ID_BYTES_MAX / 2)).find(|slug| !slug.is_empty());
        let name = name.unwrap_or_else(|| format!("entry_{}", slug(place, 8)));
        let made = texts.into_iter().map(|text| LoreEntry { id: self.free_id(&name), text, ..made.clone() });
        Some(made.map(|entry| Piece { entry, origin: Origin::Entry(place.to_owned()) }).collect())
    }

    /// Keys that our form can hold; `/…/` is a pattern there too. What cannot be understood is left out.
    fn clean_keys(&self, keys: Vec<String>, entry: &Map<String, Value>) -> Vec<LoreKey> {
        let patterns = entry.get("use_regex").and_then(Value::as_bool).unwrap_or(false);
        let key = |source: &String| {
            let source = source.trim();
            let pattern =
                if patterns && !source.starts_with('/') { format!("/{source}/") } else { source.to_owned() };
            let key = LoreKey::new(pattern);
            // Patterns are full of braces, and never told to anybody.
            if key.is_pattern() { key } else { LoreKey::new(harmless(&resolve(source, &self.names))) }
        };
        let usable = keys
            .iter()
            .map(key)
            .filter(|key| key.problem().is_none() && key.as_str().chars().any(char::is_alphanumeric));
        let mut seen = HashSet::new();
        let fitting = usable.filter(|key| key.as_str().chars().count() <= KEY_CHARS_MAX);
        fitting.filter(|key| seen.insert(key.as_str().to_lowercase())).take(LIST_MAX).collect()
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
            keys: keys.into_iter().map(LoreKey::from).collect(),
            audience: vec![id.clone()],
            ..LoreEntry::default()
        };
        mapped.lore.push(Piece { entry, origin: Origin::Rest });
    }
    if left > 0 {
        mapped.remarks.push(format!("{left} passages of the description are kept in the original only"));
    }
}
