//! Asks the models of the background ladder for a summary.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use meddah_engine::reflection::{self, Kept, Material};
use meddah_inference::ladder::{Ladder, Question};
use meddah_inference::{
    ChatModel, ChatRequest, Chunk, ErrorKind, Message, ModelError, Notice, Role, Sampling, ServiceRequest,
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::ReflectionSettings;

/// Kinds of models that run on this PC, and that turns wait for.
pub(super) const LOCAL_KINDS: &[&str] = &["local", "scripted"];
/// What a local model keeps what it has read under: one for all, so that no character's talk makes room.
const CONVERSATION: &str = "reflection";
/// The most of a talk that a model reads, in characters.
const TALK_CHARS_MAX: usize = 8_000;
/// Less than this of a talk is not worth asking about.
const TALK_CHARS_MIN: usize = 200;
/// A longer reply is cut.
const REPLY_BYTES_MAX: usize = 16 * 1024;
/// What a model that thinks aloud puts before its answer.
const THOUGHT_END: &str = "</think>";

/// A talk to ask about.
pub(super) struct Asking<'a> {
    pub material: &'a Material,
    /// The character's last summary.
    pub before: Option<&'a str>,
    pub language: &'a str,
    pub settings: &'a ReflectionSettings,
}

impl Asking<'_> {
    /// What a model wrote; `None` if none could.
    pub async fn ask(&self, ladder: &Ladder, cancel: &CancellationToken) -> Option<Kept> {
        let deadline = Instant::now() + Duration::from_millis(self.settings.timeout_ms);
        let written = timeout_at(deadline, self.written(ladder, deadline, cancel)).await;
        match written {
            Ok(Ok(reply)) => {
                let answer = reply.rsplit_once(THOUGHT_END).map_or(reply.as_str(), |(_, answer)| answer);
                Some(reflection::read(answer, self.material))
            }
            Ok(Err(error)) => {
                debug!(kind = error.kind.name(), "no model thought a talk over");
                None
            }
            Err(_) => {
                debug!("a model took too long to think a talk over");
                None
            }
        }
    }

    async fn written(
        &self,
        ladder: &Ladder,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<String, ModelError> {
        let mut answer = ladder.ask(self, 0, deadline, cancel).await?;
        let mut reply = String::new();
        while let Some(chunk) = answer.stream.next().await {
            if let Chunk::Text(text) = chunk? {
                reply.push_str(&text);
            }
            if reply.len() > REPLY_BYTES_MAX {
                break;
            }
        }
        Ok(reply)
    }

    fn request(&self, detailed: bool, chars_max: usize) -> ChatRequest {
        let asked = reflection::question(self.material, self.before, self.language, detailed, chars_max);
        ChatRequest {
            conversation: CONVERSATION.to_owned(),
            messages: vec![Message::new(Role::System, asked.system), Message::new(Role::User, asked.user)],
            max_tokens: self.settings.reply_tokens_max,
            sampling: Sampling { temperature: 0.2, min_p: 0.1, dry_multiplier: 0.0, seed: 0 },
            json_schema: asked.schema,
            ..ChatRequest::default()
        }
    }
}

#[async_trait]
impl Question for Asking<'_> {
    async fn for_model(&self, model: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        let info = model.info().await?;
        let detailed = info.kind != "local";
        let room = info.context_tokens.saturating_sub(self.settings.reply_tokens_max);
        let mut chars_max = TALK_CHARS_MAX;
        while chars_max >= TALK_CHARS_MIN {
            let request = self.request(detailed, chars_max);
            let texts: Vec<&str> = request.messages.iter().map(|message| message.text.as_str()).collect();
            let overhead = info.message_overhead_tokens * texts.len() as u32;
            let tokens: u32 = model.count_tokens(&texts).await?.iter().sum();
            if tokens + overhead <= room {
                return Ok(request);
            }
            chars_max /= 2;
        }
        Err(ModelError::new(ErrorKind::ContextFull, "no talk fits beside a summary"))
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        None
    }

    fn conversation(&self) -> &str {
        CONVERSATION
    }

    fn tell(&self, notice: Notice) {
        debug!(code = notice.code, "notice of the ladder");
    }
}
