//! The model of this machine as an engine of the host: no other program is needed.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use meddah_host::engines::{
    Dialect, Engine, EngineError, EngineErrorKind, EngineFacts, EngineReply, EngineRequest,
};
use meddah_inference::{ChatModel, ModelState};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::compat::openai::events;
use crate::compat::passthrough::Thinking;
use crate::config::TurnSettings;

/// A model behind the port, asked as OpenAI's protocol asks.
pub struct OwnEngine {
    model: Arc<dyn ChatModel>,
    turn: TurnSettings,
    name: String,
    slots: u32,
    stop: CancellationToken,
}

impl OwnEngine {
    /// With so many answers at once.
    pub fn new(model: Arc<dyn ChatModel>, turn: TurnSettings, slots: u32, stop: CancellationToken) -> Self {
        let name = model.label().0;
        OwnEngine { model, turn, name, slots, stop }
    }
}

#[async_trait]
impl Engine for OwnEngine {
    fn name(&self) -> &str {
        &self.name
    }

    async fn probe(&self) -> Result<EngineFacts, EngineError> {
        if self.model.state() == ModelState::Failed {
            return Err(EngineError::new(EngineErrorKind::Broken, "the model of this machine cannot be run"));
        }
        // Loads it, if that has not been done: the first player need not wait.
        let info = self.model.info().await.map_err(EngineError::from)?;
        Ok(EngineFacts {
            dialect: Dialect::Other,
            slots: Some(self.slots),
            models: vec![self.name.clone()],
            context_tokens: Some(info.context_tokens),
            parameters: info.parameters,
            ..EngineFacts::default()
        })
    }

    /// Any name means the one model that there is.
    fn serves(&self, _: &str, _: &EngineFacts) -> bool {
        true
    }

    async fn chat(&self, request: EngineRequest) -> Result<EngineReply, EngineError> {
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|_| EngineError::new(EngineErrorKind::BadRequest, "the request is no JSON"))?;
        // The engine stops when the player leaves, and when everything ends.
        let stop = self.stop.child_token();
        let cancelled = request.cancel.clone();
        let thinking = Thinking { model: self.model.clone(), turn: self.turn.clone(), stop: stop.clone() };
        let conversation = format!("host:{:016x}", request.affinity);
        let begun = cancelled.run_until_cancelled(events::answer(&thinking, &body, conversation)).await;
        let events = begun.ok_or_else(EngineError::cancelled)?.map_err(|error| failed(&error))?;
        let guard = stop.drop_guard();
        let events = events.map(move |event| {
            let _held = &guard;
            event.map_err(|error| failed(&error))
        });
        Ok(EngineReply { events: events.boxed() })
    }
}

fn failed(error: &WireError) -> EngineError {
    let kind = match error.code {
        ErrorCode::Busy => EngineErrorKind::Overloaded,
        ErrorCode::ContextFull => EngineErrorKind::ContextFull,
        ErrorCode::InvalidRequest | ErrorCode::BadRequest | ErrorCode::Unsupported => {
            EngineErrorKind::BadRequest
        }
        ErrorCode::Timeout => EngineErrorKind::Timeout,
        ErrorCode::ShuttingDown => EngineErrorKind::Cancelled,
        ErrorCode::Protocol => EngineErrorKind::Protocol,
        _ => EngineErrorKind::Broken,
    };
    EngineError::new(kind, error.message.clone()).with_help(error.help.clone())
}
