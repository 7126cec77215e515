//! World packs: the folder of text files that an author writes, read into a [`World`].
//!
//! Text comes in, a world or a list of mistakes goes out; reading the disk is somebody else's work. All
//! mistakes of all files are found in one go, each with its line and a way out.

mod action;
mod character;
mod check;
mod cross;
mod document;
mod error;
mod goal;
mod keys;
mod leak;
mod limits;
mod lore;
mod pack;
mod relationship;
mod reminder;
mod schema;
mod syntax;
mod wording;

use std::collections::BTreeMap;

use meddah_protocol::ActionDeclaration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use action::TARGET_PRESENT;
pub use character::{Character, Fact, Sample, Secret, Speech, Voice};
pub use cross::PLAYER_ID;
pub use document::FILE_BYTES_MAX;
pub use error::{ERRORS_MAX, ERRORS_SHOWN_MAX, Position, WARNINGS_MAX, Warning, WorldError, WorldErrors};
pub use goal::{Goal, GoalOutcome};
pub use keys::LORE_SCAN_BYTES_MAX;
pub use leak::gives_away;
pub use limits::*;
pub use lore::FoldedUtterance;
pub use lore::{
    AUDIENCE_PRESENT, AlsoRule, CHAIN_STEPS_MAX, CalledUp, Find, KEY_CHARS_MAX, LoreBudget, LoreEntry,
    LoreKey, LoreQuery, LoreTimers, SCAN_UTTERANCES, call_up,
};
pub use relationship::Relationship;
pub use reminder::{closest, reminder};
pub use schema::schemas;

/// A world and everybody in it. `world.toml` holds the first few fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct World {
    #[serde(skip)]
    #[schemars(skip)]
    pub id: String,
    /// The name of the world.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX), example = "The Lantern")]
    pub name: String,
    /// The language that the characters speak: "en", "de", "tr", "pt-BR".
    #[serde(default = "english")]
    #[schemars(regex(pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"), example = &"en")]
    pub language: String,
    /// The mood of the stories, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = SENTENCE_CHARS_MAX), example = "warm, with a little mystery")]
    pub tone: String,
    /// Whom the content suits.
    #[serde(default)]
    #[schemars(schema_with = "rating_schema")]
    pub rating: Rating,
    /// Whether characters may describe what they do, as in "*wipes a glass*".
    #[serde(default = "allowed")]
    #[schemars(example = true)]
    pub narration: bool,
    /// What everybody in this world knows, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = SENTENCE_CHARS_MAX)))]
    #[schemars(extend("examples" = [["The village lies by a great forest."]]))]
    pub everybody_knows: Vec<String>,
    /// How names of this world are said: syllables with the stressed one in capitals, or the IPA between slashes.
    /// A name that is not here is read by rules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = PRONUNCIATIONS_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [{"Dovahkiin": "DOH-vah-keen", "Brann": "/bɹˈɑːn/"}]))]
    pub pronunciation: BTreeMap<String, String>,
    /// How many seconds in the story one unit of the game's clock (`game_time` in a scene) is: 1 if it counts
    /// seconds, 60 minutes, 3600 hours. With it, anger cools and moods pass by the clock of the story; without
    /// it, by the real one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 100000000.0), example = 60, with = "f64")]
    pub seconds_per_time_unit: Option<f64>,
    /// Models and services that suit this world, in the order in which they are asked; the player's own come
    /// after them. Names of `[rungs.NAME]`, or "provider:model".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LADDER_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    #[schemars(extend("examples" = [["host", "local"]]))]
    pub ladder: Vec<String>,
    /// The settings of these models and services, as in Meddah's own settings. A key is never among them, and
    /// an address that is not the provider's own needs the player's yes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = LADDER_MAX))]
    pub rungs: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// By id.
    #[serde(skip)]
    #[schemars(skip)]
    pub characters: BTreeMap<String, Character>,
    /// In the order of the files.
    #[serde(skip)]
    #[schemars(skip)]
    pub lore: Vec<LoreEntry>,
    /// What the game offers unless it declares other actions at run time. A target list of
    /// [`TARGET_PRESENT`] alone stands for the ids present in the scene.
    #[serde(skip)]
    #[schemars(skip)]
    pub actions: Vec<ActionDeclaration>,
}

/// Whom the content of a world suits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// No cruelty, no swearing.
    #[default]
    Everyone,
    /// Danger and some rough words.
    Teen,
    /// For adults.
    Mature,
}

/// A file of a pack as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFile {
    /// Within the pack's folder, with `/` between folders: `characters/mira.toml`.
    pub path: String,
    /// The content.
    pub text: String,
}

impl World {
    /// Reads a pack. `id` is what games call the world: the name of its folder.
    pub fn from_files(id: &str, files: &[PackFile]) -> Result<(World, Vec<Warning>), WorldErrors> {
        pack::assemble(id, files)
    }

    /// What somebody is called: a character by its name, anybody else by the id.
    pub fn name_of<'n>(&'n self, id: &'n str) -> &'n str {
        self.characters.get(id).map_or(id, |character| &character.name)
    }

    /// The lore that the talk calls up for a character.
    pub fn lore_for(&self, query: &LoreQuery<'_>) -> CalledUp<'_> {
        call_up(&self.lore, query)
    }
}

fn rating_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "enum": [Rating::Everyone, Rating::Teen, Rating::Mature],
        "examples": [Rating::Everyone],
    })
}

fn english() -> String {
    "en".to_owned()
}

fn allowed() -> bool {
    true
}

#[cfg(test)]
mod tests;
