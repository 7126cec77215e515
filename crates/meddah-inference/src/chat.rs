//! The chat port and its vocabulary.

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::ModelError;

/// Who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Rules, world and character.
    System,
    /// What is said to the character.
    User,
    /// What the character answered.
    Assistant,
    /// What came of a tool that it called; only in requests of mods that write their own prompts.
    Tool,
}

/// One message of the prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who it is from.
    pub role: Role,
    /// Its text.
    pub text: String,
    /// Tools that the assistant called with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Of [`Role::Tool`]: which call it answers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call_id: String,
}

/// A tool call of an earlier reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Joins it with its result.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments, a JSON object.
    pub arguments: Value,
}

impl Message {
    /// A message of words alone.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Message { role, text: text.into(), calls: Vec::new(), call_id: String::new() }
    }
}

/// A question that the model settles before it speaks, by picking one of a few choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What is decided, `action` or `emotion`; comes back in [`Chunk::Decided`].
    pub name: String,
    /// Text of the reply that leads up to the choice, for example `"Mood:"`.
    pub lead: String,
    /// At least one. The first is the neutral one, taken when nothing speaks for another.
    pub choices: Vec<Choice>,
}

/// One way to settle a [`Decision`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What comes back.
    pub id: String,
    /// How it stands in the reply, after the lead.
    pub text: String,
    /// What it means; adapters with tool calling pass it on.
    #[serde(default)]
    pub description: String,
    /// Added to its log-probability (natural logarithm), for what the caller knows already.
    #[serde(default)]
    pub bias: f32,
    /// JSON Schema of the arguments to fill in once it is picked.
    #[serde(default)]
    pub arguments: Option<Value>,
}

/// How words are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the most likely token.
    pub temperature: f32,
    /// Tokens less likely than this share of the best are never drawn.
    pub min_p: f32,
    /// Strength of the don't-repeat-yourself penalty; 0 turns it off.
    pub dry_multiplier: f32,
    /// The same seed, prompt and model give the same words.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        // Values of the min-p and DRY proposals, see docs/decisions.
        Sampling { temperature: 0.7, min_p: 0.08, dry_multiplier: 0.8, seed: 0 }
    }
}

/// One reply to be thought up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// Whose conversation this is. A local model keeps what it has read under this key.
    pub conversation: String,
    /// The prompt; parts that stay the same come first.
    pub messages: Vec<Message>,
    /// Settled in order, before the words.
    pub decisions: Vec<Decision>,
    /// A player's line that says nothing, to measure how a model leans without cause: the choices'
    /// likelihoods after it are subtracted. Empty: not measured.
    #[serde(default)]
    pub neutral_text: String,
    /// The decisions are no part of the reply: once they are taken, the words follow the prompt as if nothing had
    /// been decided. Only models that score choices can do so; others decide in the reply all the same.
    #[serde(default)]
    pub decide_aside: bool,
    /// Text of the reply that leads from the decisions to the words.
    pub speech_lead: String,
    /// At most so many tokens of words.
    pub max_tokens: u32,
    /// The reply ends before any of these.
    pub stop: Vec<String>,
    /// How words are drawn.
    pub sampling: Sampling,
    /// If set, the words are one JSON value of this schema.
    #[serde(default)]
    pub json_schema: Option<Value>,
    /// If set, the text that the reply continues, as it stands. A local model reads it instead of the messages;
    /// models that only take messages read those.
    #[serde(default)]
    pub raw_prompt: Option<String>,
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    /// A decision was taken.
    Decided {
        /// Of which [`Decision`].
        decision: String,
        /// The id of the [`Choice`]. Of the emotion it may also be a word that was none of the choices, or empty
        /// if the model wrote none: whoever asked knows best what that means.
        choice: String,
        /// Its arguments, if it has any.
        arguments: Option<Value>,
    },
    /// Words, in any chunking; stop strings may still be among them.
    Text(String),
    /// What it cost so far, for a caller that ends it early.
    Usage(TokenUsage),
    /// Something that the player should know; the reply goes on.
    Notice(Notice),
    /// The end; nothing follows.
    Done {
        /// Why it ended.
        stop: StopReason,
        /// What it cost.
        usage: TokenUsage,
    },
}

/// A remark on how the reply is made: a step down the ladder, a budget near its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A stable word.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What a player can do about it.
    pub help: String,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    End,
    /// A stop string.
    Stop,
    /// `max_tokens`.
    Length,
}

/// What a reply cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt, the cached ones among them.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that were not read again.
    pub cached_tokens: u32,
    /// Tokens of the reply, decisions and reasoning among them.
    pub completion_tokens: u32,
    /// Tokens of the prompt that were written to a cache that costs extra.
    #[serde(default)]
    pub cache_write_tokens: u32,
    /// What the provider itself says that it charged, in millionths of its currency (US dollars).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_micro: Option<u64>,
}

/// Where a model is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// Nothing in memory yet.
    Unloaded,
    /// Being loaded; percent.
    Loading(u8),
    /// Answers at once.
    Ready,
    /// Cannot answer at the moment.
    Failed,
}

/// What is known of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// For people and for `timing.model`.
    pub name: String,
    /// `local`, `online`, `hosted`, `service` or `scripted`.
    pub kind: String,
    /// Tokens of prompt and reply together.
    pub context_tokens: u32,
    /// Tokens that the chat template adds to each message, at most.
    pub message_overhead_tokens: u32,
    /// How many weights it has, if that is known.
    pub parameters: Option<u64>,
}

/// A reply as it comes. Ends with [`Chunk::Done`] or one error.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<Chunk, ModelError>> + Send>>;

/// Anything that can play a character's part.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// What is known of it. Loads the model if that is needed to know.
    async fn info(&self) -> Result<ModelInfo, ModelError>;

    /// Name and kind without loading anything.
    fn label(&self) -> (String, String);

    /// Where it is in its life, without waiting.
    fn state(&self) -> ModelState;

    /// Tokens of each text, by the model's own tokenizer.
    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError>;

    /// Whether [`read_ahead`](ChatModel::read_ahead) is of use now: the model is loaded, thinks for nothing, and keeps
    /// what it has read. Of a model that is paid for or far away it is not.
    fn reads_ahead(&self) -> bool {
        false
    }

    /// Reads the prompt of a request that may be made soon, and thinks up the reply, so that less is left to do then.
    /// Whoever asks the very same takes the reply up where it is; to the caller nothing is told of it. It ends with the
    /// next request, of anybody, because who waits for a reply goes first, and when the future is dropped. What was read
    /// by then stays. Tells how long prompt and reply were, and how much of the prompt had been read before.
    async fn read_ahead(&self, _request: ChatRequest) -> Result<TokenUsage, ModelError> {
        Ok(TokenUsage::default())
    }

    /// Begins a reply. Dropping the stream or cancelling ends it within 50 ms.
    async fn stream(&self, request: ChatRequest, cancel: CancellationToken)
    -> Result<ChatStream, ModelError>;
}
