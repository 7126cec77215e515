//! Any number of engines behind one pool.
//!
//! An [`Engine`] takes an OpenAI chat completion request and streams the events of its answer as they came;
//! [`HttpEngine`] is one over HTTP. The [`Pool`] gives each request to one of them: never more than an engine has
//! slots, the same conversation to the same engine where that is fair, and to another engine when the first fails
//! before it said anything. A [`Meter`] goes along with each request and knows at any moment what it has cost.

mod aimd;
mod error;
mod facts;
mod http;
mod meter;
mod pool;
mod reading;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub use aimd::{Aimd, Sample};
pub use error::{EngineError, EngineErrorKind};
pub use facts::{Dialect, EngineFacts};
pub use http::{HttpEngine, HttpEngineSettings, HttpLimits};
pub use meter::{Expected, Meter};
pub use pool::{EngineSettings, EngineState, Health, Pool, PoolReply, PoolSettings};
pub use reading::{Reading, Usage, read};

/// A server, or anything else, that answers chat completion requests.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What it is called in settings, states and metrics.
    fn name(&self) -> &str;

    /// Asks what it has and whether it is well. Bounded in time by the engine itself.
    ///
    /// # Errors
    /// What a chat would most likely fail with as well.
    async fn probe(&self) -> Result<EngineFacts, EngineError>;

    /// Sends a request and gives back its events, before the first of them has come if the engine does so.
    ///
    /// # Errors
    /// Whatever stands in the way of a stream. Dropping the future or the reply stops the engine.
    async fn chat(&self, request: EngineRequest) -> Result<EngineReply, EngineError>;

    /// Whether it takes requests for this model, by what it told of itself last.
    fn serves(&self, model: &str, facts: &EngineFacts) -> bool {
        facts.models.is_empty() || facts.models.iter().any(|name| name == model)
    }
}

/// One chat completion. A clone is cheap.
#[derive(Clone, Debug)]
pub struct EngineRequest {
    /// OpenAI's request, with `"stream": true` and `"stream_options": {"include_usage": true}`.
    pub body: Bytes,
    /// The model that the body asks for; `None` leaves it to the engine.
    pub model: Option<Arc<str>>,
    /// A hash of the conversation, or of what its prompt begins with; no two players share one.
    pub affinity: u64,
    /// Ends the answer with [`EngineErrorKind::Cancelled`].
    pub cancel: CancellationToken,
}

/// The events of an answer: the JSON of each `data:`, as it came, without `[DONE]`. An error is the last item.
pub type EventStream = BoxStream<'static, Result<Bytes, EngineError>>;

/// The same with what was read in each event.
pub type ReadStream = BoxStream<'static, Result<(Bytes, Reading), EngineError>>;

/// An answer that has begun.
pub struct EngineReply {
    /// Dropping it stops the engine.
    pub events: EventStream,
}
