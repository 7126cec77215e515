//! What changed in our files since the import, put into the card.
//!
//! The original is mapped once more and compared with what the world has now. What is equal stays untouched, key by
//! key. What differs goes where a card has a place for it; then the new card is mapped again, and what still differs
//! is written exactly under `extensions.meddah`. So whatever the form holds comes back, and a card that nobody
//! changed is the card that came.

use meddah_engine::world::{Character, LoreEntry};
use serde_json::{Map, Value, json};

use super::{Current, spec};
use crate::book::{Book, entries};
use crate::card::{Card, OWN};
use crate::map::{self, Mapped, Origin, PLAYER, SELF, describe, example_text, split_decorators};
use crate::text::Names;

/// Fields that say nothing about the character to others.
const NOT_TOLD: [&str; 2] = ["id", "ladder"];

/// The JSON of the card as it is now, and whether it differs from the original.
pub(super) fn changed(current: &Current<'_>) -> (Map<String, Value>, bool) {
    let blank = || Card::made(json!({"name": current.character.name}), String::new());
    let original = current.original.cloned().unwrap_or_else(blank);
    let mut card = Card { container: None, ..original.clone() };
    let id = current.character.id.as_str();
    let Some(fresh) = map::card(&card, id, current.known) else {
        return (card.json, false);
    };
    let fields = differing(&fresh.character, current.character);
    if !fields.is_empty() {
        card.json = spec::with_data(card.json);
        natural(&mut card, current.character, &fields);
        exact(&mut card, current, &fields);
    }
    if let Some(again) = map::card(&card, id, current.known) {
        change_lore(&mut card, &fresh, &again, current);
    }
    let is_changed = card.json != original.json || current.original.is_none();
    (card.json, is_changed)
}

/// The names of the fields in which two characters differ.
fn differing(before: &Character, now: &Character) -> Vec<String> {
    let (before, now) = (before.to_json(), now.to_json());
    let keys = [&before, &now].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let mut differing: Vec<String> = keys.filter(|key| before.get(*key) != now.get(*key)).cloned().collect();
    differing.retain(|key| !NOT_TOLD.contains(&key.as_str()));
    differing.sort();
    differing.dedup();
    differing
}

/// Puts the fields where a card has a place for them.
fn natural(card: &mut Card, now: &Character, fields: &[String]) {
    let has = |field: &str| fields.iter().any(|changed| changed == field);
    if has("name") {
        set(card, "name", now.name.clone().into());
    }
    if has("description") {
        let called = map::CardNames::of(card).map(|names| names.called).unwrap_or_default();
        let described = describe(card, &Names { character: &called, player: PLAYER });
        // What stood in the form is replaced; what had no room there stays in its field.
        for (field, clipped) in described.parts {
            let text = match (field, clipped.rest.is_empty()) {
                ("description", true) => now.description.clone(),
                ("description", false) => format!("{}\n{}", now.description, clipped.rest),
                _ => clipped.rest,
            };
            if card.field(field).is_some() || !text.is_empty() {
                set(card, field, text.into());
            }
        }
    }
    let is_prose = || {
        !card.text("personality").is_empty()
            && map::traits(card, &Names { character: "", player: PLAYER }).is_none()
    };
    if has("personality") && !is_prose() {
        set(card, "personality", now.personality.join(", ").into());
    }
    if has("speech") {
        set(card, "mes_example", example_text(&now.speech.samples).into());
    }
}

/// Writes what the mapping of the changed card does not give under our own key.
fn exact(card: &mut Card, current: &Current<'_>, fields: &[String]) {
    let mut own: Map<String, Value> =
        card.own("character").and_then(Value::as_object).cloned().unwrap_or_default();
    own.retain(|field, _| !fields.contains(field));
    set_own(card, "character", own.clone().into());
    let Some(again) = map::card(card, &current.character.id, current.known) else { return };
    let now = current.character.to_json();
    for field in differing(&again.character, current.character) {
        let value = now.get(&field).cloned().unwrap_or(Value::Null);
        own.insert(field, value);
    }
    set_own(card, "character", own.into());
}

/// `before` is what the original gives, `fresh` what it gives with the changes of the character.
fn change_lore(card: &mut Card, before: &Mapped, fresh: &Mapped, current: &Current<'_>) {
    let id = current.character.id.as_str();
    let is_rest =
        |entry: &LoreEntry| entry.id.strip_prefix(id).is_some_and(|rest| rest.starts_with(":more_"));
    let lore = current.lore.unwrap_or_default();
    let (rest, book): (Vec<&LoreEntry>, Vec<&LoreEntry>) = lore.iter().partition(|entry| is_rest(entry));
    if current.lore.is_some() {
        change_book(card, fresh, &book, id);
    }
    let passages = |mapped| of(mapped, |origin| *origin == Origin::Rest);
    // No passage at all: the world had no room for them when the card came.
    let is_same = rest == passages(fresh) || (rest.is_empty() && passages(fresh) == passages(before));
    if !is_same {
        card.json = spec::with_data(std::mem::take(&mut card.json));
        let told: Vec<Value> = rest.iter().map(|entry| portable(entry, id)).collect();
        set_own(card, "rest", told.into());
    }
}

fn change_book(card: &mut Card, fresh: &Mapped, now: &[&LoreEntry], owner: &str) {
    let before = card.field("character_book").and_then(Value::as_object).cloned();
    let empty = || json_object(json!({"extensions": {}, "entries": []}));
    let after = BookChanges { fresh, now, owner }.apply(before.clone().unwrap_or_else(empty));
    let has_entries = entries(&after).is_some_and(|list| !list.is_empty());
    if before.as_ref() != Some(&after) && (before.is_some() || has_entries) {
        card.json = spec::with_data(std::mem::take(&mut card.json));
        set(card, "character_book", after.into());
    }
}

/// The JSON of a lorebook that stands alone as it is now.
pub(super) fn changed_book(
    original: &Book,
    id: &str,
    lore: &[LoreEntry],
    known: &dyn Fn(&str) -> bool,
) -> Map<String, Value> {
    let fresh = map::book(original, id, known);
    let now: Vec<&LoreEntry> = lore.iter().collect();
    let changes = BookChanges { fresh: &fresh, now: &now, owner: id };
    let mut json = original.json().clone();
    match json.get_mut("data").and_then(Value::as_object_mut) {
        Some(data) => *data = changes.apply(data.clone()),
        None => json = changes.apply(json),
    }
    json
}

/// The lore that a book gives, and the lore that there is now.
struct BookChanges<'a> {
    fresh: &'a Mapped,
    now: &'a [&'a LoreEntry],
    owner: &'a str,
}

impl BookChanges<'_> {
    /// The book with changed, removed and new entries. Entries that gave no lore stay.
    fn apply(&self, mut book: Map<String, Value>) -> Map<String, Value> {
        let mut places: Vec<String> = Vec::new();
        for piece in &self.fresh.lore {
            if let Origin::Entry(place) = &piece.origin
                && !places.contains(place)
            {
                places.push(place.clone());
            }
        }
        // Backwards, because a removed one moves those behind it.
        for place in places.iter().rev() {
            let before = of(self.fresh, |origin| *origin == Origin::Entry(place.clone()));
            let now: Vec<&LoreEntry> = self
                .now
                .iter()
                .copied()
                .filter(|entry| before.iter().any(|other| other.id == entry.id))
                .collect();
            if now == before {
                continue;
            }
            match (now.is_empty(), entry_mut(&mut book, place)) {
                (false, Some(entry)) => self.rewrite(entry, &before, &now),
                _ => remove(&mut book, place),
            }
        }
        let is_new = |entry: &&LoreEntry| !self.fresh.lore.iter().any(|piece| piece.entry.id == entry.id);
        let new: Vec<Map<String, Value>> =
            self.now.iter().copied().filter(is_new).map(|entry| self.new_entry(entry)).collect();
        for entry in new {
            append(&mut book, entry);
        }
        book
    }

    fn rewrite(&self, entry: &mut Map<String, Value>, before: &[&LoreEntry], now: &[&LoreEntry]) {
        let texts =
            |entries: &[&LoreEntry]| entries.iter().map(|entry| entry.text.clone()).collect::<Vec<_>>();
        if texts(before) != texts(now) {
            let (head, _) = split_decorators(crate::book::text(entry, "content"));
            let content = format!("{head}{}", texts(now).join("\n"));
            entry.insert("content".into(), content.into());
        }
        let keys = if entry.contains_key("key") && !entry.contains_key("keys") { "key" } else { "keys" };
        if before[0].keys != now[0].keys {
            entry.insert(keys.into(), json!(now[0].keys));
        }
        self.write_exact(entry, now);
    }

    /// The entries as they are, beside the text that they were written with.
    fn write_exact(&self, entry: &mut Map<String, Value>, now: &[&LoreEntry]) {
        let content = entry.get("content").cloned().unwrap_or_default();
        let lore: Vec<Value> = now.iter().map(|entry| portable(entry, self.owner)).collect();
        let extensions = object_in(entry, "extensions");
        let own = object_in(extensions, OWN);
        own.insert("of".into(), content);
        own.insert("lore".into(), lore.into());
    }

    fn new_entry(&self, now: &LoreEntry) -> Map<String, Value> {
        let mut entry = json_object(json!({
            "keys": now.keys, "content": now.text, "extensions": {}, "enabled": true, "insertion_order": 100,
            "use_regex": false, "name": tail(&now.id),
        }));
        self.write_exact(&mut entry, &[now]);
        entry
    }
}

fn of(mapped: &Mapped, wanted: impl Fn(&Origin) -> bool) -> Vec<&LoreEntry> {
    mapped.lore.iter().filter(|piece| wanted(&piece.origin)).map(|piece| &piece.entry).collect()
}

/// The entry as data that means the same in another world: its own name without the owner, and the owner as `SELF`.
fn portable(entry: &LoreEntry, owner: &str) -> Value {
    let mut value = entry.to_json();
    value["id"] = tail(&entry.id).into();
    for list in ["audience", "except"] {
        let ids = value.get_mut(list).and_then(Value::as_array_mut);
        ids.into_iter().flatten().filter(|id| **id == owner).for_each(|id| *id = SELF.into());
    }
    value
}

fn tail(id: &str) -> &str {
    id.rsplit_once(':').map_or(id, |(_, tail)| tail)
}

fn entry_mut<'b>(book: &'b mut Map<String, Value>, place: &str) -> Option<&'b mut Map<String, Value>> {
    match book.get_mut("entries")? {
        Value::Array(list) => list.get_mut(place.parse::<usize>().ok()?)?.as_object_mut(),
        Value::Object(map) => map.get_mut(place)?.as_object_mut(),
        _ => None,
    }
}

fn remove(book: &mut Map<String, Value>, place: &str) {
    match book.get_mut("entries") {
        Some(Value::Array(list)) => {
            if let Ok(at) = place.parse::<usize>()
                && at < list.len()
            {
                list.remove(at);
            }
        }
        Some(Value::Object(map)) => _ = map.shift_remove(place),
        _ => {}
    }
}

fn append(book: &mut Map<String, Value>, mut entry: Map<String, Value>) {
    match book.get_mut("entries") {
        Some(Value::Array(list)) => list.push(entry.into()),
        Some(Value::Object(map)) => {
            // SillyTavern's own form: by number, and with other names.
            let number =
                (0..).find(|number: &usize| !map.contains_key(&number.to_string())).unwrap_or_default();
            let keys = entry.shift_remove("keys").unwrap_or_default();
            entry.insert("key".into(), keys);
            entry.insert("uid".into(), number.into());
            map.insert(number.to_string(), entry.into());
        }
        _ => _ = book.insert("entries".into(), json!([entry])),
    }
}

/// Sets a field of `data`, and its copy at the top where older programs look for it.
fn set(card: &mut Card, field: &str, value: Value) {
    if card.json.contains_key("data") && card.json.get(field).is_some_and(Value::is_string) {
        card.json.insert(field.into(), value.clone());
    }
    object_in(&mut card.json, "data").insert(field.into(), value);
}

/// Sets or removes what is under our own key.
fn set_own(card: &mut Card, key: &str, value: Value) {
    let data = object_in(&mut card.json, "data");
    let is_empty = value.as_object().is_some_and(Map::is_empty);
    if is_empty && !data.get("extensions").is_some_and(|extensions| extensions.get(OWN).is_some()) {
        return;
    }
    let own = object_in(object_in(data, "extensions"), OWN);
    if is_empty {
        own.shift_remove(key);
    } else {
        own.insert(key.into(), value);
    }
}

/// The object under a key; made where there is none.
fn object_in<'m>(map: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    let value = map.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    let Value::Object(object) = value else { unreachable!("made an object above") };
    object
}

fn json_object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { return Map::new() };
    object
}
