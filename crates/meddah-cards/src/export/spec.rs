//! Versions of the card format. V3 is V2 with more fields, so changing the version loses nothing.

use serde_json::{Map, Value, json};

use crate::book::text;
use crate::card::{OWN, SPEC_V2, SPEC_V3};
use crate::map::split_decorators;

/// Fields of V1, which are at the top there.
const V1_FIELDS: [(&str, &str); 6] = [
    ("name", "char_name"),
    ("description", "char_persona"),
    ("personality", ""),
    ("scenario", "world_scenario"),
    ("first_mes", "char_greeting"),
    ("mes_example", "example_dialogue"),
];
/// Further fields that V2 wants to be there.
const V2_FIELDS: [&str; 4] = ["creator_notes", "system_prompt", "post_history_instructions", "creator"];

/// A card with `data`: a V1 card gets it, with what was at the top moved in. Keys that V1 does not know stay.
pub(super) fn with_data(mut json: Map<String, Value>) -> Map<String, Value> {
    if json.get("data").is_some_and(Value::is_object) {
        return json;
    }
    let mut data = Map::new();
    for (field, old) in V1_FIELDS {
        let value = json.shift_remove(field).or_else(|| json.shift_remove(old));
        data.insert(field.into(), value.unwrap_or_else(|| "".into()));
    }
    // What belongs to `data` in later versions was found at the top before, and is to be found again.
    for field in ["character_book", "extensions"] {
        data.extend(json.shift_remove(field).map(|value| (field.to_owned(), value)));
    }
    let mut card = Map::new();
    card.insert("spec".into(), SPEC_V2.into());
    card.insert("spec_version".into(), "2.0".into());
    card.insert("data".into(), data.into());
    card.extend(
        json.into_iter().filter(|(key, _)| !["spec", "spec_version", "data"].contains(&key.as_str())),
    );
    card
}

/// As version 2. Decorators, which V2 does not have, stand beside the content then.
pub(super) fn to_v2(json: Map<String, Value>) -> Map<String, Value> {
    let mut json = versioned(json, SPEC_V2, "2");
    each_entry(&mut json, |entry| {
        let content = text(entry, "content").to_owned();
        let (head, rest) = split_decorators(&content);
        if !head.is_empty() {
            entry.insert("content".into(), rest.into());
            let own = own_of(entry);
            own.insert("decorators".into(), head.into());
            // The exact lore goes with the content that it was written for.
            if own.get("of").is_some_and(|of| *of == content) {
                own.insert("of".into(), rest.into());
            }
        }
    });
    json
}

/// As version 3.
pub(super) fn to_v3(json: Map<String, Value>) -> Map<String, Value> {
    let mut json = versioned(json, SPEC_V3, "3");
    if let Some(Value::Object(data)) = json.get_mut("data") {
        data.entry("group_only_greetings").or_insert_with(|| json!([]));
    }
    each_entry(&mut json, |entry| {
        let of_v2 = entry
            .get("extensions")
            .and_then(|extensions| extensions.get(OWN))
            .and_then(|own| own.get("decorators"));
        if let Some(head) = of_v2.and_then(Value::as_str).map(str::to_owned) {
            let before = text(entry, "content").to_owned();
            let content = format!("{head}{before}");
            let own = own_of(entry);
            own.shift_remove("decorators");
            if own.get("of").is_some_and(|of| *of == before) {
                own.insert("of".into(), content.clone().into());
            }
            if own.is_empty()
                && let Some(Value::Object(extensions)) = entry.get_mut("extensions")
            {
                extensions.shift_remove(OWN);
            }
            entry.insert("content".into(), content.into());
        }
        entry.entry("use_regex").or_insert(Value::Bool(false));
    });
    json
}

fn versioned(json: Map<String, Value>, spec: &str, major: &str) -> Map<String, Value> {
    let mut json = with_data(json);
    json.insert("spec".into(), spec.into());
    let version = json.get("spec_version").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with(major) {
        json.insert("spec_version".into(), format!("{major}.0").into());
    }
    if let Some(Value::Object(data)) = json.get_mut("data") {
        let texts = V1_FIELDS.iter().map(|(field, _)| *field).chain(V2_FIELDS).chain(["character_version"]);
        for field in texts {
            data.entry(field).or_insert_with(|| "".into());
        }
        for field in ["alternate_greetings", "tags"] {
            data.entry(field).or_insert_with(|| json!([]));
        }
        data.entry("extensions").or_insert_with(|| json!({}));
    }
    json
}

fn each_entry(json: &mut Map<String, Value>, change: impl Fn(&mut Map<String, Value>)) {
    let book = json.get_mut("data").and_then(|data| data.get_mut("character_book"));
    if let Some(Value::Array(entries)) = book.and_then(|book| book.get_mut("entries")) {
        entries.iter_mut().filter_map(Value::as_object_mut).for_each(change);
    }
}

fn own_of(entry: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let mut place = entry;
    for key in ["extensions", OWN] {
        let value = place.entry(key).or_insert_with(|| json!({}));
        if !value.is_object() {
            *value = json!({});
        }
        let Value::Object(inner) = value else { unreachable!("made an object above") };
        place = inner;
    }
    place
}
