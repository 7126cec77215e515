//! A deterministic double for tests and measurements: it says what its script tells it to.
//!
//! Never chosen by itself; it has to be asked for by name (`--model scripted:FILE`).

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::service::EMOTION_DECISION;
use crate::{
    ChatModel, ChatRequest, ChatStream, Chunk, ErrorKind, ModelError, ModelInfo, ModelState, Role,
    StopReason, TokenUsage,
};

/// Replies, taken in turn (round and round), or by what the player said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Wait before each chunk.
    pub delay_ms: u64,
    /// Characters per chunk of text.
    pub chunk_chars: usize,
    /// The replies.
    pub reply: Vec<ScriptedReply>,
}

/// One scripted reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptedReply {
    /// Used when the last user message contains this; a reply without it serves in turn.
    pub when: String,
    /// Its words.
    pub text: String,
    /// Choice per decision name; missing ones take the first choice.
    pub decide: std::collections::BTreeMap<String, String>,
    /// Arguments for the choice of a decision.
    pub arguments: std::collections::BTreeMap<String, Value>,
    /// Fail with this message after the text.
    pub fail: String,
}

/// The double.
pub struct ScriptedModel {
    script: Script,
    next: Mutex<usize>,
    seen: Mutex<Vec<ChatRequest>>,
    read_ahead: Mutex<Vec<ChatRequest>>,
}

/// How many requests the double remembers for a test to look at.
const SEEN_MAX: usize = 64;

impl ScriptedModel {
    /// Plays this script.
    pub fn new(script: Script) -> Self {
        ScriptedModel { script, next: Mutex::new(0), seen: Mutex::default(), read_ahead: Mutex::default() }
    }

    /// Always says this text.
    pub fn saying(text: &str) -> Self {
        let reply = ScriptedReply { text: text.into(), ..Default::default() };
        Self::new(Script { reply: vec![reply], ..Default::default() })
    }

    /// What it was asked, oldest first.
    pub fn seen(&self) -> Vec<ChatRequest> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// What it was given to read ahead, oldest first.
    pub fn was_read_ahead(&self) -> Vec<ChatRequest> {
        self.read_ahead.lock().map(|read| read.clone()).unwrap_or_default()
    }

    fn pick(&self, request: &ChatRequest) -> ScriptedReply {
        let said = request.messages.iter().rev().find(|m| m.role == Role::User);
        let said = said.map(|m| m.text.as_str()).unwrap_or_default();
        let keyed = self.script.reply.iter().find(|r| !r.when.is_empty() && said.contains(&r.when));
        if let Some(reply) = keyed {
            return reply.clone();
        }
        let in_turn: Vec<_> = self.script.reply.iter().filter(|r| r.when.is_empty()).collect();
        let Ok(mut next) = self.next.lock() else { return ScriptedReply::default() };
        let Some(reply) = in_turn.get(*next % in_turn.len().max(1)) else {
            return ScriptedReply::default();
        };
        *next += 1;
        (*reply).clone()
    }
}

fn remember(requests: &Mutex<Vec<ChatRequest>>, request: ChatRequest) {
    let Ok(mut requests) = requests.lock() else { return };
    if requests.len() == SEEN_MAX {
        requests.remove(0);
    }
    requests.push(request);
}

fn words(text: &str) -> u32 {
    text.split_whitespace().count() as u32
}

fn chunks_of(request: &ChatRequest, reply: &ScriptedReply, chunk_chars: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for decision in &request.decisions {
        let wanted = reply.decide.get(&decision.name);
        let choice = decision.choices.iter().find(|c| Some(&c.id) == wanted).or(decision.choices.first());
        // Models write moods that are no choice, or none.
        let written = wanted.filter(|_| decision.name == EMOTION_DECISION);
        if let Some(choice) = written.or(choice.map(|choice| &choice.id)) {
            chunks.push(Chunk::Decided {
                decision: decision.name.clone(),
                choice: choice.clone(),
                arguments: reply.arguments.get(&decision.name).cloned(),
            });
        }
    }
    let characters: Vec<char> = reply.text.chars().collect();
    let size = if chunk_chars == 0 { characters.len().max(1) } else { chunk_chars };
    chunks.extend(characters.chunks(size).map(|piece| Chunk::Text(piece.iter().collect())));
    let prompt_tokens = request.messages.iter().map(|m| words(&m.text)).sum();
    let completion_tokens = words(&reply.text);
    let usage = TokenUsage { prompt_tokens, completion_tokens, ..TokenUsage::default() };
    chunks.push(Chunk::Done { stop: StopReason::End, usage });
    chunks
}

#[async_trait]
impl ChatModel for ScriptedModel {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        let (name, kind) = self.label();
        Ok(ModelInfo { name, kind, context_tokens: 4096, message_overhead_tokens: 4, parameters: None })
    }

    fn label(&self) -> (String, String) {
        ("scripted".into(), "scripted".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        Ok(texts.iter().map(|text| words(text)).collect())
    }

    fn reads_ahead(&self) -> bool {
        true
    }

    async fn read_ahead(&self, request: ChatRequest) -> Result<TokenUsage, ModelError> {
        remember(&self.read_ahead, request);
        Ok(TokenUsage::default())
    }

    async fn stream(
        &self,
        request: ChatRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let reply = self.pick(&request);
        let mut chunks = chunks_of(&request, &reply, self.script.chunk_chars);
        let failure = (!reply.fail.is_empty()).then(|| {
            chunks.pop();
            Err(ModelError::new(ErrorKind::Broken, reply.fail.clone()))
        });
        remember(&self.seen, request);
        let delay = Duration::from_millis(self.script.delay_ms);
        let items = futures::stream::iter(chunks.into_iter().map(Ok).chain(failure));
        let paced = items.then(move |item| {
            let cancel = cancel.clone();
            async move {
                if delay.is_zero() {
                    return item;
                }
                tokio::select! {
                    () = cancel.cancelled() => {
                        Err(ModelError::new(ErrorKind::Cancelled, "cancelled"))
                    }
                    () = tokio::time::sleep(delay) => item,
                }
            }
        });
        Ok(Box::pin(paced))
    }
}
