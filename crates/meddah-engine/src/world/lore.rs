//! World knowledge that is called up by what is being talked about.
//!
//! An entry waits outside the prompt until one of its keys is said. Only those who may know it ever get
//! it: the audience is checked here, before anything reaches a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::WorldErrors;
use super::keys::{FoldedText, key_match};
use super::{limits::*, schema};

/// A file `lore/NAME.toml`: any number of entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoreFile {
    /// The entries, each under a line `[[lore]]`.
    #[serde(default)]
    #[schemars(length(max = LORE_MAX))]
    pub lore: Vec<LoreEntry>,
}

/// A piece of knowledge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoreEntry {
    /// A short name of its own, for example "old-mill".
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = &"old-mill")]
    pub id: String,
    /// What there is to know, in one to three sentences.
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX), example = "The old mill burned down last winter.")]
    pub text: String,
    /// Words that call it up. Small and capital letters and the plural do not matter; `mill*` is every
    /// word that begins with mill.
    #[schemars(length(min = 1, max = LIST_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["mill", "fire"]]))]
    pub keys: Vec<String>,
    /// The ids of the characters who know it. Left out: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CHARACTERS_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["mira"]]))]
    pub audience: Vec<String>,
    /// The name of a condition that the game must report before anybody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SENTENCE_CHARS_MAX), example = &"mill_is_rebuilt", with = "String")]
    pub condition: Option<String>,
}

/// Whose turn it is, what is being talked about, and how much knowledge fits.
#[derive(Clone, Copy, Debug)]
pub struct LoreQuery<'a> {
    /// The last few lines of talk, the newest last.
    pub recent_text: &'a str,
    /// The id of the character who would know.
    pub character: &'a str,
    /// The conditions that hold now.
    pub conditions_met: &'a [String],
    /// Entries at most.
    pub entries_max: usize,
    /// Characters of text at most, over all entries.
    pub chars_max: usize,
}

impl LoreEntry {
    /// An entry sent as data. `id` comes from the address; an `id` inside must be the same.
    pub fn from_json(id: &str, value: Value) -> Result<LoreEntry, WorldErrors> {
        let file = format!("lore `{id}`");
        let mut value = schema::take_id(&file, id, value)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("id".into(), id.into());
        }
        schema::lore_entry().read_json(&file, value)
    }

    /// The entry as data, with its `id`.
    pub fn to_json(&self) -> Value {
        schema::with_id(&self.id, self)
    }

    /// Whether a character may know it now.
    pub fn open_to(&self, character: &str, conditions_met: &[String]) -> bool {
        let audience = self.audience.is_empty() || self.audience.iter().any(|id| id == character);
        audience && self.condition.as_ref().is_none_or(|condition| conditions_met.contains(condition))
    }
}

/// The entries that the talk calls up: those with more of their keys first, then those mentioned last.
/// An entry that does not fit any more is left out in favour of a shorter one behind it.
pub fn matching<'l>(lore: &'l [LoreEntry], query: &LoreQuery<'_>) -> Vec<&'l LoreEntry> {
    let text = FoldedText::new(query.recent_text);
    let mut found: Vec<(usize, usize, &LoreEntry)> = Vec::new();
    for entry in lore.iter().filter(|entry| entry.open_to(query.character, query.conditions_met)) {
        let places: Vec<usize> = entry.keys.iter().filter_map(|key| key_match(&text, key)).collect();
        if let Some(last) = places.iter().max() {
            found.push((places.len(), *last, entry));
        }
    }
    found.sort_by_key(|(keys, last, _)| (std::cmp::Reverse(*keys), std::cmp::Reverse(*last)));
    let mut chars_left = query.chars_max;
    let mut chosen = Vec::new();
    for (_, _, entry) in found {
        let chars = entry.text.chars().count();
        if chosen.len() < query.entries_max && chars <= chars_left {
            chars_left -= chars;
            chosen.push(entry);
        }
    }
    chosen
}
