//! A character as its author writes it down: who they are, how they talk, what they know.
//!
//! The comments on the fields are read by authors: they become the descriptions in the JSON schema that
//! an editor shows while typing. The file is kept flat and short, because a small model reads the whole
//! of it before every conversation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::Finding;
use super::error::{WorldError, WorldErrors};
use super::goal::{self, Goal};
use super::relationship::Relationship;
use super::{limits::*, schema};
use crate::condition::{Condition, GameState};
use crate::emotion::EmotionLabel;

/// A character of a world: the file `characters/ID.toml`. The id is the name of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Character {
    #[serde(skip)]
    #[schemars(skip)]
    pub id: String,
    /// The name as others say it.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"Mira")]
    pub name: String,
    /// How others speak of the character, for example "she/her".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = NAME_CHARS_MAX), example = "she/her")]
    pub pronouns: String,
    /// What the character is in this world, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = SENTENCE_CHARS_MAX), example = "innkeeper of the Lantern")]
    pub role: String,
    /// Who the character is, in a few plain sentences. Up to 120 words also suit a small model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = TEXT_CHARS_MAX), example = "Mira runs the inn alone. She likes order.")]
    pub description: String,
    /// A few traits, one or two words each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = SENTENCE_CHARS_MAX)))]
    #[schemars(extend("examples" = [["warm", "curious"]]))]
    pub personality: Vec<String>,
    /// What the character knows and others may not. A sentence each; `{ text = "…", condition = "…" }` is known
    /// only while the condition holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX))]
    #[schemars(extend("examples" = [["The cellar door sticks in wet weather."]]))]
    pub knows: Vec<Fact>,
    /// What the character has no idea of. A few words each: "who stole the bell".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = SENTENCE_CHARS_MAX)))]
    #[schemars(extend("examples" = [["who stole the bell"]]))]
    pub does_not_know: Vec<String>,
    /// What the character always wants, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = SENTENCE_CHARS_MAX)))]
    #[schemars(extend("examples" = [["to keep the peace in the house"]]))]
    pub goals: Vec<String>,
    /// How the character feels when the story begins.
    #[serde(default = "neutral", skip_serializing_if = "is_neutral")]
    #[schemars(extend("enum" = mood_labels()), example = &"neutral")]
    pub mood: String,
    /// What the character says when no model can answer. Plain lines that fit almost anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = SENTENCE_CHARS_MAX)))]
    #[schemars(extend("examples" = [["Give me a moment, will you?"]]))]
    pub fallback_lines: Vec<String>,
    /// Models and services that suit this character, if not those of the world.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LADDER_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["convai", "local"]]))]
    pub ladder: Vec<String>,
    /// How the character talks.
    #[serde(default, skip_serializing_if = "Speech::is_empty")]
    pub speech: Speech,
    /// How the character stands to others: their id, then a sentence, or a section with the sentence as `text`
    /// and numbers. `player` is the player.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = LIST_MAX))]
    pub relationships: BTreeMap<String, Relationship>,
    /// How the character sounds.
    #[serde(default, skip_serializing_if = "Voice::is_default")]
    pub voice: Voice,
    /// What the character tells nobody until the game says that a condition holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX))]
    pub secrets: Vec<Secret>,
    /// What the character pursues for a time, each under a line `[[goal]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = GOALS_MAX))]
    pub goal: Vec<Goal>,
}

/// Something that a character knows. In a file it is a text, or a text and its condition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "FactForm", into = "FactForm")]
pub struct Fact {
    /// In a sentence.
    pub text: String,
    /// It is known only while this holds.
    pub condition: Option<Condition>,
}

impl Fact {
    /// Whether it is known now.
    pub fn is_open(&self, state: &GameState) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(state))
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum FactForm {
    Text(String),
    If { text: String, condition: Condition },
}

impl From<FactForm> for Fact {
    fn from(form: FactForm) -> Self {
        match form {
            FactForm::Text(text) => Fact { text, condition: None },
            FactForm::If { text, condition } => Fact { text, condition: Some(condition) },
        }
    }
}

impl From<Fact> for FactForm {
    fn from(fact: Fact) -> Self {
        match fact.condition {
            None => FactForm::Text(fact.text),
            Some(condition) => FactForm::If { text: fact.text, condition },
        }
    }
}

/// A fact that is always known is no more than its text.
impl PartialEq<&str> for Fact {
    fn eq(&self, text: &&str) -> bool {
        self.condition.is_none() && self.text == *text
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Fact { text: text.to_owned(), condition: None }
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Fact { text, condition: None }
    }
}

impl JsonSchema for Fact {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fact".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": SENTENCE_CHARS_MAX,
            "required": ["text", "condition"],
            "properties": {
                "text": { "type": "string", "minLength": 1, "maxLength": SENTENCE_CHARS_MAX,
                    "description": "What the character knows.", "examples": ["The bell was in the mill."] },
                "condition": { "type": "string", "minLength": 1, "maxLength": SENTENCE_CHARS_MAX,
                    "description": "It is known only while this holds.", "examples": ["bell_found"] },
            },
            "additionalProperties": false,
        })
    }
}

/// How a character talks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Speech {
    /// The manner of speaking, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = SENTENCE_CHARS_MAX), example = "Short and friendly. Never swears.")]
    pub style: String,
    /// The longest answer in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 400), example = 40, with = "u32")]
    pub words_max: Option<u32>,
    /// Two or three exchanges that show the voice. They teach a small model more than any rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SAMPLES_MAX))]
    pub samples: Vec<Sample>,
}

/// Something said to the character, and the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What the player says.
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = "Any rooms left?")]
    pub player: String,
    /// What the character answers.
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = "One. It has a window and a draught.")]
    pub reply: String,
    /// How the character feels while answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = mood_labels()), example = &"joy", with = "String")]
    pub emotion: Option<String>,
    /// The name of the action that goes with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"give_item", with = "String")]
    pub action: Option<String>,
}

/// How a character sounds. Everything is optional; Meddah chooses a voice where none is named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// A voice on this computer; `meddah voices` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = "en_US-joe-medium", with = "String")]
    pub name: Option<String>,
    /// Which speaker, where a voice has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9999), example = 0, with = "u32")]
    pub speaker: Option<u32>,
    /// 1.0 is the usual speed, 0.9 a little slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.5, max = 2.0), example = 1.0, with = "f64")]
    pub speed: Option<f64>,
    /// Semitones higher (2) or lower (-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -4.0, max = 4.0), example = -1.5, with = "f64")]
    pub pitch: Option<f64>,
    /// 1.0 is the usual volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0), example = 1.0, with = "f64")]
    pub volume: Option<f64>,
    /// Short sounds that the character makes when an answer takes a moment, such as "Hm.". Without any it is silent
    /// until it speaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = THINKING_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["Hm.", "Let me see."]]))]
    pub thinking: Vec<String>,
    /// The voice to use at an online service: the service's name, then its name for the voice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = LIST_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    pub services: BTreeMap<String, String>,
}

/// What a character keeps to itself. It reaches no model before its condition holds, so no trick of a
/// player can get it out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The secret, in a sentence or two.
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX), example = "The key is under the third stone.")]
    pub text: String,
    /// What the game must report: a name in the mod's own words, or several joined by `and`, `or`, `not`; also
    /// `gold >= 40`, `place = "mill"`, `trust >= 0.5`.
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"helped_mira", with = "String")]
    pub condition: Condition,
}

impl Character {
    /// A character sent as data. `id` comes from the address; an `id` inside must be the same.
    pub fn from_json(id: &str, value: Value) -> Result<Character, WorldErrors> {
        let file = format!("character `{id}`");
        let value = schema::take_id(&file, id, value)?;
        let mut character: Character = schema::character().read_json(&file, value)?;
        character.id = id.to_owned();
        let findings = character.findings().into_iter();
        let errors: Vec<WorldError> =
            findings.map(|finding| WorldError::of_file(&file, finding.message, finding.help)).collect();
        if errors.is_empty() { Ok(character) } else { Err(WorldErrors(errors)) }
    }

    /// The character as it may be shown to whoever thinks for it now: without secrets, and without what it
    /// knows only under a condition that does not hold. Prompts are composed from this one, so what is closed
    /// cannot get into them.
    pub fn as_open(&self, state: &GameState) -> Cow<'_, Character> {
        if self.secrets.is_empty()
            && self.goal.is_empty()
            && self.knows.iter().all(|fact| fact.is_open(state))
        {
            return Cow::Borrowed(self);
        }
        let knows = self.knows.iter().filter(|fact| fact.is_open(state)).cloned().collect();
        Cow::Owned(Character { knows, secrets: Vec::new(), goal: Vec::new(), ..self.clone() })
    }

    /// What may not be told now: secrets and knowledge whose condition does not hold.
    pub fn closed(&self, state: &GameState) -> impl Iterator<Item = &str> {
        let knows = self.knows.iter().filter(|fact| !fact.is_open(state)).map(|fact| fact.text.as_str());
        let secrets = self.secrets.iter().filter(|secret| !secret.condition.holds(state));
        knows.chain(secrets.map(|secret| secret.text.as_str()))
    }

    /// What is wrong with it beyond the form of its fields.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let facts = self
            .knows
            .iter()
            .enumerate()
            .filter_map(|(n, fact)| Some((format!("/knows/{n}/condition"), fact.condition.as_ref()?)));
        let secrets = self.secrets.iter().enumerate();
        let secrets = secrets.map(|(n, secret)| (format!("/secrets/{n}/condition"), &secret.condition));
        let conditions = facts.chain(secrets);
        let mut findings: Vec<Finding> =
            conditions.filter_map(|(pointer, condition)| broken(pointer, condition)).collect();
        findings.extend(goal::findings(&self.goal));
        findings
    }

    /// The character as data, with its `id`.
    pub fn to_json(&self) -> Value {
        schema::with_id(&self.id, self)
    }

    /// The text of `characters/ID.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a character has text keys and finite numbers only")
    }
}

impl Speech {
    fn is_empty(&self) -> bool {
        *self == Speech::default()
    }
}

impl Voice {
    fn is_default(&self) -> bool {
        *self == Voice::default()
    }
}

/// What is wrong with a condition.
pub(super) fn broken(pointer: String, condition: &Condition) -> Option<Finding> {
    let problem = condition.problem()?;
    Some(Finding::value(pointer, problem.message.clone(), problem.help.clone()))
}

/// The words that `mood` and `emotion` may have.
pub(super) fn mood_labels() -> Value {
    EmotionLabel::ALL.iter().map(|label| label.name()).collect()
}

fn neutral() -> String {
    EmotionLabel::Neutral.name().to_owned()
}

fn is_neutral(mood: &str) -> bool {
    mood == EmotionLabel::Neutral.name()
}
