//! Text as vectors, in each protocol's words, with the double; and the error where there is no embedder.

use std::sync::Arc;

use meddah::embedder::LateEmbedder;
use meddah::worlds::Worlds;
use meddah_inference::{Embedder, ScriptedEmbedder};
use serde_json::{Value, json};

use super::{Faces, model, tavern};
use crate::rig::answer;

const TEXTS: [&str; 2] = ["Where is the key?", "It rains."];

async fn faces() -> Faces {
    let embedder = LateEmbedder::ready(Arc::new(ScriptedEmbedder));
    Faces::open(model(), Worlds::new(vec![tavern()]), embedder).await
}

/// What the double makes of a text.
async fn expected(text: &str) -> Vec<f32> {
    ScriptedEmbedder.embed(text).await.unwrap().whole
}

fn numbers(vector: &Value) -> Vec<f32> {
    vector.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[tokio::test]
async fn the_routes_of_openai_and_player2_answer_with_numbers() {
    let faces = faces().await;
    for (face, path) in
        [("openai", "/v1/embeddings"), ("player2", "/v1/embeddings"), ("ollama", "/v1/embeddings")]
    {
        let body = json!({"model": "text-embedding-3-small", "input": TEXTS});
        let (status, reply) = answer(faces.post(face, path).json(&body)).await;
        assert_eq!((status, &reply["model"]), (200, &json!("scripted")), "{reply}");
        for (index, text) in TEXTS.into_iter().enumerate() {
            let entry = &reply["data"][index];
            assert_eq!((&entry["index"], &entry["object"]), (&json!(index), &json!("embedding")));
            assert_eq!(numbers(&entry["embedding"]), expected(text).await);
        }
        assert_eq!(reply["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}));
    }
    faces.stop().await;
}

#[tokio::test]
async fn the_routes_of_ollama_answer_with_numbers() {
    let faces = faces().await;
    let embed = |body: Value| answer(faces.post("ollama", "/api/embed").json(&body));
    let (status, reply) = embed(json!({"model": "nomic", "input": TEXTS})).await;
    assert_eq!(
        (status, &reply["model"], &reply["prompt_eval_count"]),
        (200, &json!("nomic"), &json!(6)),
        "{reply}"
    );
    assert_eq!(numbers(&reply["embeddings"][1]), expected(TEXTS[1]).await);
    let (_, reply) = embed(json!({"model": "nomic", "input": TEXTS[0]})).await;
    assert_eq!(reply["embeddings"].as_array().map(Vec::len), Some(1));
    let (_, reply) = embed(json!({"model": "nomic"})).await;
    assert_eq!(reply["embeddings"], json!([]));
    let older =
        answer(faces.post("ollama", "/api/embeddings").json(&json!({"model": "x", "prompt": TEXTS[0]})));
    assert_eq!(numbers(&older.await.1["embedding"]), expected(TEXTS[0]).await);
    faces.stop().await;
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused_by_name() {
    let faces = faces().await;
    for (body, part) in [
        (json!({}), "`input`"),
        (json!({"input": ""}), "`input`"),
        (json!({"input": [[15339, 1917]]}), "tokens"),
        (json!({"input": "a", "encoding_format": "hex"}), "`encoding_format`"),
        (json!({"input": "a", "dimensions": 64}), "384 dimensions"),
    ] {
        let (status, reply) = answer(faces.post("openai", "/v1/embeddings").json(&body)).await;
        let message = reply["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(part), "{body}: {status} {reply}");
    }
    let body = json!({"model": "x", "input": "a", "dimensions": 64});
    let (status, reply) = answer(faces.post("ollama", "/api/embed").json(&body)).await;
    assert!(status == 400 && reply["error"].as_str().is_some_and(|error| error.contains("384")), "{reply}");
    faces.stop().await;
}

#[tokio::test]
async fn without_an_embedder_no_numbers_are_made_up() {
    let faces = Faces::start(model()).await;
    let body = json!({"model": "x", "input": "a", "prompt": "a"});
    for (face, path) in [
        ("openai", "/v1/embeddings"),
        ("player2", "/v1/embeddings"),
        ("ollama", "/api/embed"),
        ("ollama", "/api/embeddings"),
    ] {
        let (status, reply) = answer(faces.post(face, path).json(&body)).await;
        assert!(
            status == 501 && reply.to_string().contains("meddah models pull minilm"),
            "{path}: {status} {reply}"
        );
    }
    faces.stop().await;
}
