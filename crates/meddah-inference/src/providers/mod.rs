//! Chat models of providers elsewhere, one file per protocol.
//!
//! A turn goes through three steps. `ask` decides how this model is asked for mood, action and words, and
//! rewrites the prompt for it. A protocol makes the request of that and takes the provider's frames apart
//! into events. `reading` makes [`Chunk`](crate::Chunk)s of the events, the same for all
//! protocols: one decision each, the mood before the first word, reasoning never.

mod anthropic;
mod ask;
mod catalogue;
mod failure;
mod gemini;
mod heads;
mod host;
mod koboldcpp;
mod ollama;
mod online;
mod openai;
mod openai_responses;
mod reading;
mod server;
mod turn;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::http::Http;
use crate::model_table::ModelTable;
use crate::{ChatModel, Key, ModelError};

pub use ask::{NOTHING, output_tokens_extra};
pub use catalogue::{Protocol, ProviderInfo, known, provider};
pub use failure::{Refusal, classify};
pub use host::share_in_words;

/// How actions are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActionStyle {
    /// What suits the provider and the model.
    #[default]
    Auto,
    /// Native tool calls; the mood as a first line.
    Tools,
    /// One JSON value of mood, action and words.
    Schema,
    /// Lines of text: `Mood:`, `Does:`, `Says:`.
    Lines,
}

/// One model of one provider.
#[derive(Clone, Default)]
pub struct ProviderConfig {
    /// What it is called in labels.
    pub name: String,
    /// A name of [`known`], or another one with a `base_url`, which is then taken to speak as OpenAI does.
    pub provider: String,
    /// The model, as the provider calls it.
    pub model: String,
    /// Where the provider is, if not where it usually is.
    pub base_url: Option<String>,
    /// Its key.
    pub key: Option<Key>,
    /// Tokens of prompt and reply together, if the table does not know better.
    pub context_tokens: Option<u32>,
    /// How actions are asked for.
    pub actions: ActionStyle,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Merged into the body of each request.
    pub extra: Map<String, Value>,
}

impl fmt::Debug for ProviderConfig {
    /// Without what headers and extra parameters hold: people put keys there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .field("context_tokens", &self.context_tokens)
            .field("actions", &self.actions)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Opens a model. Sends nothing.
///
/// # Errors
/// `BadRequest` for an address that is none, or a key that would go in the open; `Unauthorized` where a key
/// is needed and missing; `NotFound` for a provider that is unknown and has no address.
pub fn open(
    config: ProviderConfig,
    http: Http,
    table: &ModelTable,
) -> Result<Arc<dyn ChatModel>, ModelError> {
    online::Online::open(config, http, table).map(|model| Arc::new(model) as Arc<dyn ChatModel>)
}
