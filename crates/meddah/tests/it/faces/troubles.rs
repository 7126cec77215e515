//! What goes wrong, in each protocol's words; and mods that hang up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use meddah_inference::{
    ChatModel, ChatRequest, ChatStream, Chunk, ErrorKind, ModelError, ModelInfo, ModelState,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Faces, model, text};
use crate::rig::{PATIENCE, answer};

/// Fails at once, or speaks a word and then thinks for ever; tells how many think.
#[derive(Default)]
struct Troubled {
    fails: Option<ModelError>,
    nameless: bool,
    thinking: Arc<AtomicUsize>,
}

struct Thinking(Arc<AtomicUsize>);

impl Drop for Thinking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ChatModel for Troubled {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        let (name, kind) = self.label();
        Ok(ModelInfo { name, kind, context_tokens: 4096, message_overhead_tokens: 0, parameters: None })
    }

    fn label(&self) -> (String, String) {
        (if self.nameless { String::new() } else { "troubled".into() }, "online".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        Ok(vec![1; texts.len()])
    }

    async fn stream(&self, _: ChatRequest, _: CancellationToken) -> Result<ChatStream, ModelError> {
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        self.thinking.fetch_add(1, Ordering::SeqCst);
        let alive = Thinking(self.thinking.clone());
        let words = futures::stream::iter([Ok(Chunk::Text("Hm ".into()))]).chain(futures::stream::pending());
        let words = words.map(move |chunk| {
            let _alive = &alive;
            chunk
        });
        Ok(words.boxed())
    }
}

fn hello(stream: bool) -> serde_json::Value {
    hello_to("x", stream)
}

fn hello_to(model: &str, stream: bool) -> serde_json::Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}], "prompt": "Hello!", "stream": stream})
}

#[tokio::test]
async fn a_mod_that_hangs_up_frees_the_model() {
    let model = Arc::new(Troubled::default());
    let faces = Faces::start(model.clone()).await;
    let routes = [
        ("openai", "/v1/chat/completions", "x", true),
        ("openai", "/v1/chat/completions", "x", false),
        ("openai", "/v1/chat/completions", "character:mira", false),
        ("ollama", "/api/chat", "x", true),
        ("koboldcpp", "/api/extra/generate/stream", "x", true),
        ("koboldcpp", "/api/v1/generate", "x", false),
        ("player2", "/v1/chat/completions", "x", true),
    ];
    for (face, path, name, stream) in routes {
        let request = faces.post(face, path).json(&hello_to(name, stream));
        let mut asking = JoinSet::new();
        asking.spawn(request.send());
        let wait_for = |count: usize| {
            let thinking = model.thinking.clone();
            let waiting = async move {
                while thinking.load(Ordering::SeqCst) != count {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            async move {
                tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{count}: {path}"))
            }
        };
        wait_for(1).await;
        if stream {
            let mut response = asking.join_next().await.unwrap().unwrap().unwrap();
            assert!(response.chunk().await.unwrap().is_some());
            drop(response);
        } else {
            asking.abort_all();
        }
        wait_for(0).await;
    }
    faces.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_ends_cuts_what_is_said() {
    let model = Arc::new(Troubled::default());
    let faces = Faces::start(model.clone()).await;
    let mut response = faces.post("openai", "/v1/chat/completions").json(&hello(true)).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    faces.stop().await;
    drop(response);
    assert_eq!(model.thinking.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_error_has_its_status_in_streams_too() {
    let mut error =
        ModelError::new(ErrorKind::RateLimited, "the provider wants a rest").with_help("Wait a moment.");
    error.retry_after = Some(Duration::from_millis(1500));
    let faces = Faces::start(Arc::new(Troubled { fails: Some(error), ..Troubled::default() })).await;
    for stream in [false, true] {
        let response =
            faces.post("openai", "/v1/chat/completions").json(&hello(stream)).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"2".parse().unwrap())
        );
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "rate_limit_exceeded");
        assert_eq!(body["error"]["message"], "the provider wants a rest. Wait a moment.");
        let (status, body) = answer(faces.post("ollama", "/api/chat").json(&hello(stream))).await;
        assert_eq!((status, &body["error"]), (429, &json!("the provider wants a rest. Wait a moment.")));
    }
    let (status, body) = text(faces.post("player2", "/v1/chat/completions").json(&hello(false))).await;
    assert_eq!((status, body.as_str()), (429, "the provider wants a rest. Wait a moment."));
    let (status, body) = answer(faces.post("koboldcpp", "/api/v1/generate").json(&hello(false))).await;
    assert_eq!((status, &body["detail"]["msg"]), (429, &json!("the provider wants a rest. Wait a moment.")));
    faces.stop().await;
}

#[tokio::test]
async fn a_provider_in_trouble_is_no_fault_of_the_mods() {
    let error = ModelError::new(ErrorKind::Overloaded, "the provider answered 500").with_help("Try again.");
    let faces = Faces::start(Arc::new(Troubled { fails: Some(error), ..Troubled::default() })).await;
    for (face, path) in [
        ("openai", "/v1/chat/completions"),
        ("player2", "/v1/chat/completions"),
        ("ollama", "/api/chat"),
        ("koboldcpp", "/api/v1/generate"),
    ] {
        assert_eq!(answer(faces.post(face, path).json(&hello(false))).await.0, 503, "{face}");
    }
    faces.stop().await;
}

#[tokio::test]
async fn an_empty_purse_is_told_to_each_in_its_way() {
    let error = ModelError::new(ErrorKind::OverBudget, "today's budget is used up");
    let faces = Faces::start(Arc::new(Troubled { fails: Some(error), ..Troubled::default() })).await;
    let (status, body) = answer(faces.post("openai", "/v1/chat/completions").json(&hello(true))).await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("insufficient_quota")));
    let (status, body) = text(faces.post("player2", "/v1/chat/completions").json(&hello(true))).await;
    assert!(status == 402 && body.starts_with("today's budget is used up."), "{status} {body}");

    let spawn = faces.post("player2", "/v1/npcs/spawn").json(&json!({"name": "Steve"}));
    let npc = answer(spawn).await.1.as_str().unwrap().to_owned();
    let said = json!({"sender_name": "Alex", "sender_message": "Hello!"});
    assert_eq!(answer(faces.post("player2", &format!("/v1/npcs/{npc}/chat")).json(&said)).await.0, 200);
    // The stream is opened late, and the response is still there.
    let stream = faces.get("player2", "/v1/npcs/responses").header("accept", "application/json");
    let line = stream.send().await.unwrap().chunk().await.unwrap().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(
        (&line["message"], &line["error"]["error_code"]),
        (&json!(null), &json!("insufficient_credits"))
    );
    faces.stop().await;
}

#[tokio::test]
async fn web_pages_are_kept_out_of_every_face() {
    let faces = Faces::start(model()).await;
    let routes = [
        ("openai", "/v1/chat/completions"),
        ("player2", "/v1/chat/completions"),
        ("player2", "/v1/login/web/x"),
        ("ollama", "/api/chat"),
        ("koboldcpp", "/api/v1/generate"),
    ];
    for (face, path) in routes {
        let page = faces.post(face, path).header("origin", "https://evil.example").json(&hello(false));
        let (status, body) = answer(page).await;
        assert_eq!(status, 403, "{face}{path}");
        let said = match face {
            "ollama" => &body["error"],
            "koboldcpp" => &body["detail"]["msg"],
            "player2" => &body["message"],
            _ => &body["error"]["message"],
        };
        assert!(said.as_str().is_some_and(|text| !text.is_empty()), "in the face's own shape: {face} {body}");
        assert_eq!(body["error"]["help"], json!(null), "not in ours: {face} {body}");
        let rebound = faces.post(face, path).header("host", "evil.example").json(&hello(false));
        assert_eq!(answer(rebound).await.0, 403, "{face}{path}");
    }
    faces.stop().await;
}

#[tokio::test]
async fn a_sidecar_without_a_model_lists_none() {
    let faces = Faces::start(Arc::new(Troubled { nameless: true, ..Troubled::default() })).await;
    let (_, models) = answer(faces.get("openai", "/v1/models")).await;
    let (_, tags) = answer(faces.get("ollama", "/api/tags")).await;
    let ids = models["data"].as_array().unwrap().iter().map(|one| &one["id"]);
    let names = tags["models"].as_array().unwrap().iter().map(|one| &one["name"]);
    let all: Vec<_> = ids.chain(names).collect();
    let characters = ["character:tavern/borin", "character:tavern/mira"];
    assert_eq!(all, [characters, characters].concat());
    assert_eq!(answer(faces.get("ollama", "/api/ps")).await.1["models"], json!([]));
    let (_, model) = answer(faces.get("koboldcpp", "/api/v1/model")).await;
    assert_eq!(model["result"], "koboldcpp/none");
    faces.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_the_place() {
    let faces = Faces::start(model()).await;
    for (face, path) in [
        ("openai", "/v1/chat/completions"),
        ("player2", "/v1/chat/completions"),
        ("ollama", "/api/chat"),
        ("koboldcpp", "/api/v1/generate"),
        ("openai", "/v1/completions"),
        ("player2", "/v1/npcs/spawn"),
    ] {
        let (status, body) = text(faces.post(face, path).body("{\n \"messages\": }")).await;
        assert!(status == 400 && body.contains("line 2"), "{face}{path}: {status} {body}");
        let (status, body) = text(faces.post(face, path).body("x".repeat(2 * 1024 * 1024))).await;
        assert!(status == 413 && body.contains("allowed"), "{face}{path}: {status} {body}");
    }
    for (face, path) in
        [("openai", "/v1/chat"), ("player2", "/v1/image/generate"), ("ollama", "/api/x"), ("koboldcpp", "/x")]
    {
        assert_eq!(answer(faces.post(face, path).json(&json!({}))).await.0, 404, "{face}{path}");
    }
    assert_eq!(answer(faces.get("openai", "/v1/chat/completions")).await.0, 405);
    faces.stop().await;
}
