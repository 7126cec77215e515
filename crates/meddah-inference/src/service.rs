//! The port to character services: programs elsewhere that have a character of their own, with its own prompt.
//!
//! A service gets no prompt and needs no parser of heads: it hears what was said and answers with words,
//! a feeling and actions in its own terms. An adapter maps those onto [`Chunk`](crate::Chunk)s: a feeling is
//! `Decided { decision: "emotion" }` with one of [`ServiceRequest::emotions`], an action is
//! `Decided { decision: "action" }` with a name of [`ServiceRequest::actions`]; narration is text between
//! asterisks. The caller's gate, memory and budget treat them like a model's.

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{ChatStream, ModelError, ModelState};

/// Name of the decision that carries a feeling.
pub const EMOTION_DECISION: &str = "emotion";
/// Name of the decision that carries an action.
pub const ACTION_DECISION: &str = "action";

/// What a service's character hears and may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRequest {
    /// Whose conversation this is; an adapter keeps the service's session under this key.
    pub conversation: String,
    /// The character's id in its world. What the service calls it is the adapter's configuration.
    pub character: String,
    /// The character's name.
    pub character_name: String,
    /// Who the character is, in a few sentences, for services that take a description.
    pub description: String,
    /// Id of who plays.
    pub player: String,
    /// Name of who plays.
    pub player_name: String,
    /// The language asked for, as in `en`; empty for the service's own choice.
    pub language: String,
    /// What is answered.
    pub heard: Heard,
    /// The moment.
    pub scene: ServiceScene,
    /// What the game can carry out.
    pub actions: Vec<ServiceAction>,
    /// Names of feelings that the caller knows; the first is the neutral one.
    pub emotions: Vec<String>,
    /// What the character should remember, oldest first, for services that take it.
    pub memories: Vec<String>,
    /// What the character knows that belongs to what was said.
    pub knowledge: Vec<String>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Somebody said this.
    Said(String),
    /// This happened, and a remark is wanted.
    Happened(String),
}

impl Default for Heard {
    fn default() -> Self {
        Heard::Said(String::new())
    }
}

/// Where and among whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceScene {
    /// Where.
    pub place: String,
    /// When.
    pub time: String,
    /// Names of who else is there.
    pub present: Vec<String>,
    /// What is true at the moment.
    pub facts: Vec<String>,
}

/// Something the character may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceAction {
    /// Its name, as declared by the game.
    pub name: String,
    /// What it means.
    pub description: String,
    /// JSON Schema of its arguments; `target` among them if it has one.
    pub arguments: Option<Value>,
    /// Whom or what it can be done to.
    pub targets: Vec<String>,
}

/// A service that plays a character.
#[async_trait]
pub trait CharacterService: Send + Sync {
    /// Name and kind (`service`) without asking anybody.
    fn label(&self) -> (String, String);

    /// Whether it can answer, without waiting.
    fn state(&self) -> ModelState;

    /// Begins a reply. Dropping the stream or cancelling ends it within 50 ms.
    async fn stream(
        &self,
        request: ServiceRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError>;

    /// Forgets the service's own session of this conversation: the game loaded an older save.
    async fn forget(&self, conversation: &str);
}
