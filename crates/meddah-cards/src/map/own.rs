//! What Meddah itself wrote into a card, under `extensions.meddah`. A card may come from a stranger, so it is read
//! as carefully as the rest, and never decides which model is asked (`ladder`).

use meddah_engine::world::{AUDIENCE_PRESENT, Character, LIST_MAX, LoreEntry, SENTENCE_CHARS_MAX};
use serde_json::{Map, Value};

use super::Mapped;
use super::lore::{Origin, Piece};
use crate::card::{Card, OWN};
use crate::text::{Names, bounded, clip_chars, harmless, resolve};

/// What stands for the character's own id in an audience: a card may get another id where it is read.
pub(crate) const SELF: &str = "{self}";
/// Fields that no card decides.
const NEVER: [&str; 2] = ["ladder", "id"];
/// Sentences of one field of `fields` together, in bytes, that stand in every prompt.
const LIST_BYTES_MAX: usize = 600;

/// Applies the fields that a table or a relay's file has and cards have not. They may be of any length; what does
/// not fit of what a character knows is the rest.
pub(super) fn fields(mapped: &mut Mapped, card: &Card, names: &Names<'_>) -> Vec<String> {
    let Some(Value::Object(fields)) = card.own("fields") else { return Vec::new() };
    let mut fields = clean_fields(fields, names);
    let mut rest = Vec::new();
    for (field, value) in &mut fields {
        match value {
            Value::String(text) => *text = clip_chars(text, SENTENCE_CHARS_MAX / 2).fit,
            Value::Array(items) => {
                let (kept, more) = bounded_list(items);
                *items = kept;
                if field == "knows" {
                    rest = more;
                }
            }
            Value::Object(inner) => inner.values_mut().for_each(|value| {
                if let Value::String(text) = value {
                    *text = clip_chars(text, SENTENCE_CHARS_MAX / 2).fit;
                }
            }),
            _ => {}
        }
    }
    fields.retain(|_, value| value.as_str() != Some(""));
    overlay(mapped, fields);
    rest
}

/// The sentences that fit, and those that do not.
fn bounded_list(items: &[Value]) -> (Vec<Value>, Vec<String>) {
    let (mut kept, mut rest, mut left) = (Vec::new(), Vec::new(), LIST_BYTES_MAX);
    for item in items.iter().filter_map(Value::as_str).filter(|item| !item.is_empty()) {
        let clipped = clip_chars(item, SENTENCE_CHARS_MAX);
        let fits = kept.len() < LIST_MAX && clipped.fit.len() <= left && rest.is_empty();
        if fits {
            left -= clipped.fit.len();
            kept.push(clipped.fit.into());
            rest.extend(Some(clipped.rest).filter(|rest| !rest.is_empty()));
        } else {
            rest.push(item.to_owned());
        }
    }
    (kept, rest)
}

/// Applies the fields that an export wrote, exactly.
pub(super) fn character(mapped: &mut Mapped, card: &Card, names: &Names<'_>) {
    if let Some(Value::Object(fields)) = card.own("character") {
        overlay(mapped, clean_fields(fields, names));
    }
}

/// The character with these fields; those that are not valid are left out. `null` takes a field away.
fn overlay(mapped: &mut Mapped, fields: Map<String, Value>) {
    let with = |character: &Character, fields: &Map<String, Value>| {
        let Value::Object(mut all) = character.to_json() else { return None };
        for (field, value) in fields {
            match value {
                Value::Null => _ = all.shift_remove(field),
                value => _ = all.insert(field.clone(), value.clone()),
            }
        }
        Character::from_json(&character.id, Value::Object(all)).ok()
    };
    if let Some(character) = with(&mapped.character, &fields) {
        mapped.character = character;
        return;
    }
    for (field, value) in fields {
        match with(&mapped.character, &Map::from_iter([(field.clone(), value)])) {
            Some(character) => mapped.character = character,
            None => mapped.remarks.push(format!("`{field}` in the card is not valid and was left out")),
        }
    }
}

/// The pieces of lore that an export wrote in place of what the description has no room for.
pub(super) fn rest(
    card: &Card,
    owner: &str,
    known: &dyn Fn(&str) -> bool,
    names: &Names<'_>,
) -> Option<Vec<Piece>> {
    let entries = card.own("rest")?.as_array()?;
    let pieces = entries.iter().filter_map(|value| entry(value, owner, known, names));
    let mut ids = std::collections::HashSet::new();
    let unique = pieces.filter(|entry| ids.insert(entry.id.clone()));
    Some(
        unique
            .map(|entry| Piece {
                entry: LoreEntry { id: format!("{owner}:{}", entry.id), ..entry },
                origin: Origin::Rest,
            })
            .collect(),
    )
}

/// The lore that an export wrote beside an entry, exactly; nothing if another program has changed the entry since.
/// Ids come without their owner.
pub(super) fn lore(
    fields: &Map<String, Value>,
    owner: &str,
    known: &dyn Fn(&str) -> bool,
    names: &Names<'_>,
) -> Option<Vec<LoreEntry>> {
    let own = fields.get("extensions")?.get(OWN)?;
    if own.get("of")? != fields.get("content")? {
        return None;
    }
    let entries = own.get("lore")?.as_array()?;
    Some(entries.iter().filter_map(|value| entry(value, owner, known, names)).collect())
}

fn entry(value: &Value, owner: &str, known: &dyn Fn(&str) -> bool, names: &Names<'_>) -> Option<LoreEntry> {
    let mut value = value.clone();
    clean(&mut value, names);
    let name = value["id"].as_str().filter(|id| id.len() <= 40 && !id.contains(':'))?.to_owned();
    if let Some(audience) = value.get_mut("audience").and_then(Value::as_array_mut) {
        for id in audience.iter_mut().filter(|id| **id == SELF) {
            *id = owner.into();
        }
        audience.retain(|id| id.as_str().is_some_and(|id| id == AUDIENCE_PRESENT || known(id)));
        if audience.is_empty() {
            // Known to nobody who is here; never to everybody instead.
            audience.push(known(owner).then(|| owner.into())?);
        }
    }
    if let Some(except) = value.get_mut("except").and_then(Value::as_array_mut) {
        except.iter_mut().filter(|id| **id == SELF).for_each(|id| *id = owner.into());
        except.retain(|id| id.as_str().is_some_and(known));
    }
    LoreEntry::from_json(&name, value).ok()
}

fn clean_fields(fields: &Map<String, Value>, names: &Names<'_>) -> Map<String, Value> {
    let wanted = fields.iter().filter(|(field, _)| !NEVER.contains(&field.as_str()));
    let mut fields: Map<String, Value> =
        wanted.map(|(field, value)| (field.clone(), value.clone())).collect();
    fields.values_mut().for_each(|value| clean(value, names));
    fields
}

/// Every text without macros and commands; line ends stay where nothing else had to change.
fn clean(value: &mut Value, names: &Names<'_>) {
    match value {
        Value::String(text) if text != SELF => {
            let resolved = resolve(bounded(text), names);
            let safe = harmless(&resolved);
            let same = resolved.split_whitespace().eq(safe.split_whitespace());
            *text = if same { resolved } else { safe };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| clean(value, names)),
        _ => {}
    }
}
