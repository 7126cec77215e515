//! What the tests share: the model file, a worker, requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_inference::{
    ChatModel, ChatRequest, ChatStream, Chunk, Message, ModelError, Role, Sampling, StopReason, TokenUsage,
};
use meddah_llama::{LocalConfig, LocalModel};
use tokio_util::sync::CancellationToken;

pub use crate::model_path::model_path;

pub fn config() -> LocalConfig {
    let worker = env!("CARGO_BIN_EXE_meddah-llama-worker");
    let mut config = LocalConfig::new(model_path(), vec![worker.into()]);
    // Tests measure times; other work on the machine must not push them aside.
    config.background = false;
    config.context_tokens = 2048;
    config
}

pub fn model() -> Arc<LocalModel> {
    LocalModel::new(config())
}

/// A greedy request of one character.
pub fn request(conversation: &str, system: &str, user: &str) -> ChatRequest {
    ChatRequest {
        conversation: conversation.into(),
        messages: vec![Message::new(Role::System, system), Message::new(Role::User, user)],
        max_tokens: 24,
        sampling: Sampling { temperature: 0.0, dry_multiplier: 0.0, ..Sampling::default() },
        ..ChatRequest::default()
    }
}

/// A world of about so many tokens, the same for the same seed.
pub fn lore(seed: u64, words: usize) -> String {
    const WORDS: [&str; 16] = [
        "river", "castle", "north", "miller", "tower", "forest", "keeps", "ancient", "silver", "the", "and",
        "guards", "harbour", "winter", "king", "road",
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    (0..words).map(|_| WORDS[random.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Default)]
pub struct Heard {
    pub text: String,
    pub decided: Vec<(String, String, Option<serde_json::Value>)>,
    pub stop: Option<StopReason>,
    pub usage: TokenUsage,
    pub first: Duration,
    pub error: Option<ModelError>,
}

pub async fn hear(mut stream: ChatStream) -> Heard {
    let begun = Instant::now();
    let mut heard = Heard::default();
    while let Some(piece) = stream.next().await {
        if heard.first.is_zero() {
            heard.first = begun.elapsed();
        }
        match piece {
            Ok(Chunk::Text(text)) => heard.text += &text,
            Ok(Chunk::Decided { decision, choice, arguments }) => {
                heard.decided.push((decision, choice, arguments));
            }
            Ok(Chunk::Usage(usage)) => heard.usage = usage,
            Ok(Chunk::Notice(_)) => {}
            Ok(Chunk::Done { stop, usage }) => (heard.stop, heard.usage) = (Some(stop), usage),
            Err(error) => heard.error = Some(error),
        }
    }
    heard
}

pub async fn say(model: &LocalModel, request: ChatRequest) -> Heard {
    let stream = model.stream(request, CancellationToken::new()).await.expect("the reply begins");
    let heard = hear(stream).await;
    assert!(heard.error.is_none(), "{:?}", heard.error);
    heard
}
