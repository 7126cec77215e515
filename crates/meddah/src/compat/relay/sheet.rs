//! What a mod says of a character, field by field: the wire form of `/createNewCharacter` and
//! `/updateCharacter`, and of the files that come with the Skyrim mod.
//!
//! Kept as it came, because an update names only what changes: which sentences were for the moment cannot be
//! told from the finished character.

use meddah_engine::world::Character;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Items of a list that are taken.
const LIST_MAX: usize = 128;
/// A text, in characters.
const TEXT_CHARS_MAX: usize = 4000;
/// An item of a list, in characters.
const ITEM_CHARS_MAX: usize = 500;

/// All that is known of one character. Empty is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sheet {
    pub id: String,
    pub name: String,
    pub nicknames: Vec<String>,
    pub description: String,
    /// `PRONOUN_FEMALE`, …
    pub pronoun: String,
    /// `female` or `male`.
    pub gender: String,
    pub age: Option<i64>,
    pub life_stage: String,
    pub role: String,
    pub motivation: String,
    pub flaws: String,
    pub hobbies: Vec<String>,
    pub adjectives: Vec<String>,
    pub facts: Vec<String>,
    /// What holds for the moment; each update replaces all of it.
    pub temporary_facts: Vec<String>,
    pub example_dialog: String,
    pub dialog_style: String,
    /// Positive, peaceful, open, extravert: -100 to 100.
    pub personality: Option<[i64; 4]>,
    /// Joy, fear, trust, surprise: -100 to 100.
    pub mood: Option<[i64; 4]>,
    /// As the mod names it, for when characters speak aloud.
    pub voice: Option<Value>,
    /// Who it is, where one id stands for many people; each has memories of its own.
    pub person: String,
}

impl Sheet {
    /// The fields of a message; what it does not name stays as it was.
    pub fn update(&mut self, fields: &Value) {
        set(&mut self.name, text(&fields["name"]));
        set(&mut self.description, text(&fields["description"]));
        set(&mut self.pronoun, text(&fields["pronoun"]));
        set(&mut self.motivation, text(&fields["motivation"]));
        set(&mut self.example_dialog, text(&fields["exampleDialog"]));
        set(&mut self.dialog_style, text(&fields["exampleDialogStyle"]));
        set(&mut self.life_stage, text(&fields["lifeStage"]));
        set(&mut self.role, text(&fields["characterRole"]));
        set(&mut self.gender, text(&fields["gender"]));
        set(&mut self.gender, flag(&fields["isFemale"]).map(|female| gender(female).to_owned()));
        set(&mut self.facts, list(&fields["facts"]));
        set(&mut self.hobbies, list(&fields["hobbyOrInterests"]));
        self.temporary_facts = list(&fields["temporaryFacts"]).unwrap_or_default();
        self.age = whole(&fields["age"]).filter(|age| (0..=10_000).contains(age)).or(self.age);
        let scales = |key: &str, names: [&str; 4]| four(&fields[key], names);
        self.personality = scales("personality", PERSONALITY).or(self.personality);
        self.mood = scales("initialMood", MOOD).or(self.mood);
        if fields["voice"].is_object() || fields["voice"].is_string() {
            self.voice = Some(fields["voice"].clone());
        }
    }

    /// A character in the form of the service that these mods were written for.
    pub fn from_file(id: &str, value: &Value) -> Sheet {
        let fields = &value["defaultCharacterDescription"];
        let mut sheet = Sheet { id: id.to_owned(), ..Sheet::default() };
        sheet.update(fields);
        set(&mut sheet.name, text(&fields["givenName"]));
        set(&mut sheet.flaws, text(&fields["flaws"]));
        set(&mut sheet.adjectives, list(&fields["personalityAdjectives"]));
        set(&mut sheet.nicknames, list(&fields["nicknames"]));
        let facts = value["facts"].as_array().into_iter().flatten();
        sheet.facts = facts.flat_map(|fact| list(&fact["text"]).unwrap_or_default()).take(LIST_MAX).collect();
        sheet.personality = four(&value["personality"], PERSONALITY);
        sheet.mood = four(&value["initialMood"], MOOD);
        let voice = &value["defaultCharacterAssets"]["voice"];
        sheet.voice = Some(voice.clone()).filter(Value::is_object);
        let styles = fields["customDialogStyles"].as_array().into_iter().flatten();
        if let Some(style) = styles.into_iter().find(|style| flag(&style["isActive"]) == Some(true)) {
            let mut words = list(&style["adjectives"]).unwrap_or_default();
            words.extend(text(&style["colloquialism"]).map(|with| format!("idiom: {with}")));
            sheet.dialog_style = words.iter().map(|word| word.trim()).collect::<Vec<_>>().join(", ");
        }
        sheet
    }

    /// What can be told of a character that somebody else wrote.
    pub fn of(character: &Character) -> Sheet {
        let mood = Some(character.mood.as_str()).filter(|mood| *mood == "joy");
        let always = character.knows.iter().filter(|fact| fact.condition.is_none());
        Sheet {
            id: character.id.clone(),
            name: character.name.clone(),
            description: character.description.clone(),
            role: character.role.clone(),
            motivation: character.goals.join("\n"),
            // What is known only under a condition stays in the world pack.
            facts: always.map(|fact| fact.text.clone()).collect(),
            adjectives: character.personality.clone(),
            dialog_style: character.speech.style.clone(),
            pronoun: character.pronouns.clone(),
            mood: mood.map(|_| [50, 0, 0, 0]),
            ..Sheet::default()
        }
    }
}

const PERSONALITY: [&str; 4] = ["positive", "peaceful", "open", "extravert"];
const MOOD: [&str; 4] = ["joy", "fear", "trust", "surprise"];

fn gender(female: bool) -> &'static str {
    if female { "female" } else { "male" }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A text, also where a number or a list stands for one; an empty one is none.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        _ => return None,
    };
    let text: String = text.trim().chars().take(TEXT_CHARS_MAX).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// A list of texts, also where one text stands for it. An empty list is a list.
pub(super) fn list(value: &Value) -> Option<Vec<String>> {
    let item = |value: &Value| {
        let item = text(value)?;
        Some(item.chars().take(ITEM_CHARS_MAX).collect::<String>())
    };
    match value {
        Value::Array(items) => Some(items.iter().filter_map(item).take(LIST_MAX).collect()),
        other => item(other).map(|item| vec![item]),
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.trim().to_lowercase().parse().ok(),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_f64().map(|number| number.round() as i64),
        Value::String(text) => text.trim().parse::<f64>().ok().map(|number| number.round() as i64),
        _ => None,
    }
}

/// Four numbers of an object, those that are missing are 0.
fn four(value: &Value, names: [&str; 4]) -> Option<[i64; 4]> {
    let numbers = names.map(|name| whole(&value[name]).map(|number| number.clamp(-100, 100)));
    numbers.iter().any(Option::is_some).then(|| numbers.map(Option::unwrap_or_default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_update_changes_what_it_names_and_takes_types_as_they_are_meant() {
        let mut sheet = Sheet::default();
        sheet.update(&json!({"name": "Ira", "isFemale": true, "age": "35", "facts": "One fact.",
            "temporaryFacts": ["It rains."], "personality": {"positive": "40", "open": -7.6},
            "hobbyOrInterests": ["farming", 7, null], "unknown": {"x": 1}}));
        assert_eq!((sheet.age, sheet.gender.as_str()), (Some(35), "female"));
        assert_eq!(sheet.personality, Some([40, 0, -8, 0]));
        assert_eq!(sheet.hobbies, ["farming", "7"]);
        sheet.update(&json!({"age": "old", "name": "", "facts": {"a": 1}, "motivation": "Peace."}));
        assert_eq!((sheet.age, sheet.name.as_str()), (Some(35), "Ira"));
        assert_eq!(sheet.facts, ["One fact."]);
        assert!(sheet.temporary_facts.is_empty(), "what held for the moment is over");
    }
}
