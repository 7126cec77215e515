//! What a mod asks for, in no protocol's words.

use meddah_inference::{Message, Role};
use meddah_protocol::WireError;
use serde_json::Value;

use super::sent::invalid;

/// Messages of one request.
pub(crate) const MESSAGES_MAX: usize = 2048;
/// Tools of one request.
pub(crate) const TOOLS_MAX: usize = 128;

/// A request to think, whatever protocol it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// What to think with: anything, or `character:<id>`.
    pub model: String,
    /// Who plays, if the mod says so.
    pub player: Option<String>,
    /// What the player is called, if the mod says so.
    pub player_name: Option<String>,
    /// Groups requests that begin alike, so that a local model need not read the beginning again.
    pub conversation: String,
    /// The prompt as the mod wrote it.
    pub messages: Vec<Message>,
    /// Tools that may be called.
    pub tools: Vec<Tool>,
    /// Whether one has to be.
    pub tool_choice: ToolChoice,
    /// The words have to be JSON of this schema.
    pub json_schema: Option<Value>,
    /// Tokens of the reply at most.
    pub max_tokens: Option<u32>,
    /// Ends the reply.
    pub stop: Vec<String>,
    /// How daring.
    pub temperature: Option<f32>,
    /// Drops unlikely tokens.
    pub min_p: Option<f32>,
    /// Makes the reply repeatable.
    pub seed: Option<u64>,
    /// The text that the reply goes on from, as it stands.
    pub raw_prompt: Option<String>,
    /// The reply begins with it; not part of what is answered.
    pub begun: String,
}

/// A function that the mod carries out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Option<Value>,
}

/// Whether a tool is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None.
    Never,
    /// One of them.
    Always,
    /// This one.
    Named(String),
}

impl Asked {
    /// Refuses more than can be handled.
    pub fn check(&self) -> Result<(), WireError> {
        if self.messages.is_empty() {
            return Err(invalid("`messages` is missing or empty", "Send at least one message."));
        }
        if self.messages.len() > MESSAGES_MAX {
            let message =
                format!("`messages` has {} messages, {MESSAGES_MAX} are allowed", self.messages.len());
            return Err(invalid(message, "Leave out the oldest ones."));
        }
        if self.tools.len() > TOOLS_MAX {
            let message = format!("`tools` has {} tools, {TOOLS_MAX} are allowed", self.tools.len());
            return Err(invalid(message, "Declare only those that make sense now."));
        }
        for Tool { name, .. } in &self.tools {
            if name.trim().is_empty() || NO_TOOL_WORDS.contains(&name.as_str()) {
                let message = format!("a tool has the name {name:?}, which means that none is called");
                return Err(invalid(message, "Give the tool another name."));
            }
        }
        match &self.tool_choice {
            ToolChoice::Named(name) if !self.tools.iter().any(|tool| tool.name == *name) => {
                Err(invalid("`tool_choice` names a tool that is not in `tools`", "Declare it in `tools`."))
            }
            ToolChoice::Always if self.tools.is_empty() => {
                Err(invalid("`tool_choice` wants a tool, and `tools` has none", "Declare one in `tools`."))
            }
            _ => Ok(()),
        }
    }

    /// The last thing that the player said.
    pub fn last_said(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.role == Role::User)
    }
}

/// The id of calling no tool.
pub(crate) const NO_TOOL: &str = "";
/// How a model says that it calls none; no tool can have such a name.
pub(crate) const NO_TOOL_WORDS: [&str; 2] = ["none", "nothing"];
