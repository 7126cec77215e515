//! How a character stands to somebody when the story begins: a sentence, and numbers for those who want them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::SENTENCE_CHARS_MAX;
use crate::relationship::Bond;

/// A sentence, and where the story begins on each axis. In a file it is the plain sentence, or
/// `{ text = "…", trust = 0.4 }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Relationship {
    /// The sentence.
    pub text: String,
    /// Where the story begins; what the file leaves out is 0.
    pub bond: Bond,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    text: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    trust: f32,
    #[serde(default, skip_serializing_if = "is_zero")]
    respect: f32,
    #[serde(default, skip_serializing_if = "is_zero")]
    familiarity: f32,
    #[serde(default, skip_serializing_if = "is_zero")]
    affection: f32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

impl From<&str> for Relationship {
    fn from(text: &str) -> Self {
        Relationship { text: text.to_owned(), bond: Bond::default() }
    }
}

impl From<String> for Relationship {
    fn from(text: String) -> Self {
        Relationship { text, bond: Bond::default() }
    }
}

impl PartialEq<str> for Relationship {
    fn eq(&self, text: &str) -> bool {
        self.bond == Bond::default() && self.text == text
    }
}

impl PartialEq<&str> for Relationship {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl Serialize for Relationship {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.bond == Bond::default() {
            return serializer.serialize_str(&self.text);
        }
        let Bond { trust, respect, familiarity, affection, .. } = self.bond;
        Table { text: self.text.clone(), trust, respect, familiarity, affection }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Relationship {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Text(String),
            Table(Table),
        }
        match Wire::deserialize(deserializer) {
            Ok(Wire::Text(text)) => Ok(text.into()),
            Ok(Wire::Table(Table { text, trust, respect, familiarity, affection })) => {
                let bond = Bond { trust, respect, familiarity, affection, sated: 0.0 };
                Ok(Relationship { text, bond: bond.tame() })
            }
            Err(_) => {
                Err(de::Error::custom("a relationship is a sentence, or a section with `text` and numbers"))
            }
        }
    }
}

impl JsonSchema for Relationship {
    fn schema_name() -> Cow<'static, str> {
        "Relationship".into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// Not a choice of two schemas: one in which each keyword speaks of its own kind of value, so that a mistake
    /// inside the section is found where it is.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let axis = |description: &str, least: f64| {
            json_schema!({
                "type": "number", "minimum": least, "maximum": 1, "description": description, "examples": [0.4],
            })
        };
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": SENTENCE_CHARS_MAX,
            "examples": ["An honest man. She is fond of him."],
            "additionalProperties": false,
            "required": ["text"],
            "properties": {
                "text": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": SENTENCE_CHARS_MAX,
                    "description": "The sentence.",
                    "examples": ["An honest man. She is fond of him."],
                },
                "trust": axis("From -1 (believes nothing they say) to 1.", -1.0),
                "respect": axis("From -1 (looks down on them) to 1.", -1.0),
                "familiarity": axis("From 0 (a stranger) to 1.", 0.0),
                "affection": axis("From -1 (hates them) to 1.", -1.0),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::world::Character;

    #[test]
    fn a_plain_sentence_stays_one_and_numbers_survive() {
        let value = json!({"name": "Mira", "relationships": {
            "bram": "A friend.",
            "corvin": {"text": "She does not trust him.", "trust": -0.5, "familiarity": 0.75},
        }});
        let mira = Character::from_json("mira", value).expect("readable");
        assert_eq!(mira.relationships["bram"], "A friend.");
        assert_eq!(mira.relationships["corvin"].bond.trust, -0.5);
        let json = mira.to_json();
        assert_eq!(json["relationships"]["bram"], "A friend.");
        let back: Character = toml::from_str(&mira.to_toml()).expect("what is written can be read");
        assert_eq!(back.relationships, mira.relationships);
    }
}
