//! A character card as it came: its JSON, and the picture or archive that it was in.
//!
//! The JSON is never changed by reading. What it says is looked up here, wherever V1, V2, V3 and older programs
//! put it, and a field of a wrong type is no field.

use serde_json::{Map, Value, json};

/// The key under `extensions` that is ours.
pub(crate) const OWN: &str = "meddah";
/// `spec` of the versions.
pub(crate) const SPEC_V2: &str = "chara_card_v2";
pub(crate) const SPEC_V3: &str = "chara_card_v3";

/// Names that fields have in cards older than V1.
const OLD_NAMES: [(&str, &str); 5] = [
    ("name", "char_name"),
    ("description", "char_persona"),
    ("scenario", "world_scenario"),
    ("first_mes", "char_greeting"),
    ("mes_example", "example_dialogue"),
];

/// A card.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    pub(crate) json: Map<String, Value>,
    pub(crate) container: Option<Container>,
    pub(crate) place: String,
}

/// What a card was in, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Which kind.
    pub kind: ContainerKind,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// Files that cards are in, beside plain JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// PNG or APNG.
    Png,
    /// A zip with `card.json`.
    Charx,
}

impl ContainerKind {
    /// The ending of such files.
    pub fn extension(self) -> &'static str {
        match self {
            ContainerKind::Png => "png",
            ContainerKind::Charx => "charx",
        }
    }
}

impl Card {
    /// A card from its JSON, if it looks like one.
    pub fn from_json(json: Map<String, Value>) -> Option<Card> {
        let card = Card { json, container: None, place: String::new() };
        let has = |key: &str| card.field(key).is_some_and(Value::is_string);
        let spec = card.json.get("spec").and_then(Value::as_str);
        let is_card = spec.is_some_and(|spec| spec.starts_with("chara_card"))
            || (has("name")
                && ["description", "personality", "first_mes", "mes_example", "scenario"]
                    .iter()
                    .any(|key| has(key)));
        is_card.then_some(card)
    }

    /// A card that another form of file was made into. `data` are the fields of a card.
    pub(crate) fn made(data: Value, place: String) -> Card {
        let json = json!({"spec": SPEC_V3, "spec_version": "3.0", "data": data});
        let Value::Object(json) = json else { unreachable!("an object is written above") };
        Card { json, container: None, place }
    }

    /// With what it was in.
    pub fn with_container(mut self, kind: ContainerKind, bytes: Vec<u8>) -> Card {
        self.container = Some(Container { kind, bytes });
        self
    }

    /// The JSON as it came.
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }

    /// What it was in.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Where in its file it stands: "row 12"; empty for a file of one card.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The name of the character as the card writes it; may be empty.
    pub fn name(&self) -> String {
        self.text("name")
    }

    /// A field: of `data` where there is one, else of the card itself.
    pub(crate) fn field(&self, key: &str) -> Option<&Value> {
        let data = self.json.get("data").and_then(Value::as_object);
        let old = || OLD_NAMES.iter().find(|(name, _)| *name == key).and_then(|(_, old)| self.json.get(*old));
        data.and_then(|data| data.get(key)).or_else(|| self.json.get(key)).or_else(old)
    }

    /// A field as text; a list is its items, one a line.
    pub(crate) fn text(&self, key: &str) -> String {
        match self.field(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    /// What is under our key in the card: `character` and `rest` were written by an export, `fields` by a reader
    /// of another form of file.
    pub(crate) fn own(&self, key: &str) -> Option<&Value> {
        self.field("extensions")?.get(OWN)?.get(key)
    }
}
