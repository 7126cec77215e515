//! Where and when a conversation takes place, and who is in it.

use serde::{Deserialize, Serialize};

/// The game's description of the moment. Each field replaces the former one as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The place, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The time of day or date in the game, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Ids of the characters (and players) who are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present: Vec<String>,
    /// Ids of those who can hear what is said. Empty: all who are present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hearing: Vec<String>,
    /// Further facts that hold now, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// The game's own clock in whole units of its choice, rising; `load {game_time}` uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_time: Option<i64>,
}
