//! The port to anything that thinks.
//!
//! A [`ChatModel`] gets messages, a list of [`Decision`]s to take first, and then speaks. Decisions come
//! before the words, in the same reply, so that a small model can be asked to pick one of a few choices
//! (which it can) instead of to write a tool call (which it cannot), and no second prompt is read.
//! How a model takes them is its adapter's business: a local one scores the choices on the logits, an
//! online one may use tool calls. This crate knows neither characters nor games.
//!
//! An [`Embedder`] turns text into vectors, for memories that are found by what they mean.
//!
//! [`providers`] are the online ones, over [`http`]; [`model_table`] knows what their models can do and cost.
//! [`budget`] keeps what is paid for under the player's ceilings.

pub mod budget;
mod chat;
pub mod embed;
mod error;
pub mod http;
mod key;
pub mod ladder;
pub mod model_table;
pub mod providers;
pub mod scripted;
pub mod service;
pub mod services;

pub use chat::{
    ChatModel, ChatRequest, ChatStream, Choice, Chunk, Decision, Message, ModelInfo, ModelState, Notice,
    Role, Sampling, StopReason, TokenUsage, ToolCall,
};
pub use embed::{Embedder, Embedding, ScriptedEmbedder, TokenVector};
pub use error::{ErrorKind, ModelError};
pub use key::Key;
pub use service::{CharacterService, ServiceRequest};
