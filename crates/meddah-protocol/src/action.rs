//! What a character can do in the game: declared by the game, called by the character.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One thing that the game can carry out for a character right now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionDeclaration {
    /// The name the game knows it by, for example `give_item`.
    pub name: String,
    /// What it does, in one plain sentence; the model and the chooser both read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of the arguments. Absent: it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// The ids that are valid targets at this moment. Absent: it has no target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    /// The game will answer with `action_result`, and the character should hear of it.
    #[serde(default)]
    pub needs_result: bool,
}

/// How an action went, reported by the game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The `call_id` of the `action` event.
    pub call_id: String,
    /// Whether the game could do it.
    pub ok: bool,
    /// What happened, in words that the character may know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Further values, kept with the timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
}
