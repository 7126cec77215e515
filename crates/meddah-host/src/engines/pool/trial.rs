//! A question of the pool's own, to find out whether an engine is sound. No player waits for its answer.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::member::Member;
use crate::engines::{Engine, EngineError, EngineErrorKind, EngineRequest, reading};

/// The most tokens that are asked for: whoever answers these may fail later, and is tried so.
const TOKENS_MAX: u32 = 64;
/// Beyond the event behind which answers failed, so many tokens are asked for.
const TOKENS_BEYOND: u32 = 8;
/// The longest that a whole trial takes, as so many of the longest waits for an event; a slow engine is a sound one.
const WAITS_MAX: u32 = 3;

pub(super) struct Trial {
    engine: Arc<dyn Engine>,
    model: Option<String>,
    tokens: u32,
}

impl Trial {
    /// One token, or beyond the place where answers failed.
    pub fn of(member: &Member) -> Trial {
        Trial {
            engine: member.engine.clone(),
            model: member.settings.models.first().or(member.facts.models.first()).cloned(),
            tokens: match member.failed_after {
                0 => 1,
                events => events.saturating_add(TOKENS_BEYOND).min(TOKENS_MAX),
            },
        }
    }

    /// # Errors
    /// What the engine did instead of answering; `Timeout` if no event came for so long.
    pub async fn ask(self, wait: Duration) -> Result<(), EngineError> {
        let begun = Instant::now();
        let error = |kind, what: &str| EngineError::new(kind, format!("{} {what}", self.engine.name()));
        let silent = |_| error(EngineErrorKind::Timeout, "was silent in a trial");
        let asking = self.engine.chat(self.request());
        let mut events = timeout_at(begun + wait, asking).await.map_err(silent)??.events;
        let mut any = false;
        while begun.elapsed() < wait * WAITS_MAX {
            let since = if any { Instant::now() } else { begun };
            let Some(event) = timeout_at(since + wait, events.next()).await.map_err(silent)? else { break };
            if reading::read(&event?).is_none_or(|reading| reading.error.is_some()) {
                return Err(error(EngineErrorKind::Broken, "failed in a trial"));
            }
            any = true;
        }
        if any { Ok(()) } else { Err(error(EngineErrorKind::Protocol, "sent no event in a trial")) }
    }

    fn request(&self) -> EngineRequest {
        let words = if self.tokens == 1 { "Hi" } else { "Count from one to a hundred." };
        let mut body = json!({
            "messages": [{"role": "user", "content": words}],
            "max_tokens": self.tokens, "stream": true, "stream_options": {"include_usage": true},
        });
        if let Some(model) = &self.model {
            body["model"] = model.as_str().into();
        }
        let body = Bytes::from(body.to_string());
        EngineRequest { body, model: None, affinity: 0, cancel: CancellationToken::new() }
    }
}
