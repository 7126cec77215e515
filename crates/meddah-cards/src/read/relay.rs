//! The files of the Skyrim mod's relay: `{"characters": […]}` with characters in the form of a service that is
//! gone, and `{"list": […]}` with what everybody knows.

use serde_json::{Map, Value, json};

use super::{Found, check_count};
use crate::book::Book;
use crate::card::{Card, OWN};
use crate::error::CardError;
use crate::map::names_in;

/// Whether a file has this shape.
pub(super) fn is_relay(fields: &Map<String, Value>) -> bool {
    let first = |key: &str| fields.get(key).and_then(Value::as_array).and_then(|list| list.first());
    first("characters").is_some_and(|character| character.get("defaultCharacterDescription").is_some())
        || first("list").is_some_and(|entry| entry.get("memoryRecords").is_some())
}

/// Checks how much it holds.
pub(super) fn check(name: &str, fields: &Map<String, Value>) -> Result<(), CardError> {
    let counts =
        ["characters", "list"].map(|key| fields.get(key).and_then(Value::as_array).map_or(0, Vec::len));
    check_count(name, counts[0].max(counts[1]))
}

/// Characters as cards, knowledge as a lorebook.
pub(super) fn read(name: &str, fields: &mut Map<String, Value>) -> Vec<Result<Found, CardError>> {
    let mut found = Vec::new();
    if let Some(Value::Array(characters)) = fields.remove("characters") {
        for (number, character) in characters.into_iter().enumerate() {
            let place = format!("character {}", number + 1);
            found.push(card(name, character, place).map(|card| Found::Card(Box::new(card))));
        }
    }
    if let Some(Value::Array(list)) = fields.remove("list") {
        found.push(Ok(Found::Book(book(name, list))));
    }
    found
}

fn card(name: &str, original: Value, place: String) -> Result<Card, CardError> {
    let fields = &original["defaultCharacterDescription"];
    let text = |key: &str| fields[key].as_str().unwrap_or_default().trim();
    if text("givenName").is_empty() {
        let help = "give it a `givenName` in `defaultCharacterDescription`";
        return Err(CardError::new(name, "the character has no name", help).at(place));
    }
    let mut description = vec![named(text("description")), named(text("flaws"))];
    let stage = constant(text("lifeStage"), "LIFE_STAGE_");
    if !stage.is_empty() {
        description.push(format!("{{{{char}}}} is in {stage}."));
    }
    let hobbies = list(&fields["hobbyOrInterests"]);
    if !hobbies.is_empty() {
        description.push(format!("{{{{char}}}} cares about {}.", hobbies.join(", ")));
    }
    description.retain(|part| !part.is_empty());
    let facts = original["facts"].as_array().into_iter().flatten();
    let facts: Vec<String> = facts.flat_map(|fact| list(&fact["text"])).collect();
    let mut own = json!({"knows": facts, "goals": text("motivation").lines().map(named).collect::<Vec<_>>()});
    if !text("characterRole").is_empty() {
        own["role"] = named(text("characterRole")).into();
    }
    if let Some(pronouns) = pronouns(text("pronoun")) {
        own["pronouns"] = pronouns.into();
    }
    let data = json!({
        "name": text("givenName"),
        "description": description.join("\n"),
        "personality": list(&fields["personalityAdjectives"]).join(", ").to_lowercase(),
        "mes_example": dialogue(text("exampleDialog")),
        "extensions": {OWN: {"fields": own, "relay": original}},
    });
    Ok(Card::made(data, place))
}

fn pronouns(word: &str) -> Option<&'static str> {
    match word {
        "PRONOUN_FEMALE" => Some("she/her"),
        "PRONOUN_MALE" => Some("he/him"),
        "PRONOUN_OTHER" => Some("they/them"),
        _ => None,
    }
}

/// `{Character}` and `{Player}` are what cards call `{{char}}` and `{{user}}`.
fn named(text: &str) -> String {
    let text = text.replace("{Character}", "{{char}}").replace("{character}", "{{char}}");
    text.replace("{Player}", "{{user}}").replace("{player}", "{{user}}")
}

/// The dialogue as cards write it.
fn dialogue(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = named(line.trim());
        let who = ["{{char}}", "{{user}}"].into_iter().find_map(|who| Some((who, line.strip_prefix(who)?)));
        match who {
            Some((who, rest)) => format!("{who}: {}", rest.trim_start_matches(':').trim()),
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `LIFE_STAGE_LATE_ADULTHOOD` is "late adulthood".
fn constant(word: &str, prefix: &str) -> String {
    match word.strip_prefix(prefix) {
        Some("UNSPECIFIED") | None => String::new(),
        Some(rest) => rest.replace('_', " ").to_lowercase(),
    }
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(named).collect()
}

fn book(name: &str, list: Vec<Value>) -> Book {
    let mut entries = Vec::new();
    for entry in &list {
        let records = entry["memoryRecords"].as_array().into_iter().flatten();
        let texts = entry["description"].as_str().into_iter().chain(records.filter_map(Value::as_str));
        for text in texts.filter(|text| !text.trim().is_empty()) {
            entries.push(json!({
                "keys": names_in(text),
                "content": named(text),
                "enabled": true,
                "insertion_order": 100,
                "use_regex": false,
                "name": entry["displayName"],
                "extensions": {},
            }));
        }
    }
    let json =
        json!({"spec": "lorebook_v3", "data": {"entries": entries, "extensions": {OWN: {"relay": list}}}});
    let Value::Object(json) = json else { unreachable!("an object is written above") };
    Book::new(json, name)
}
