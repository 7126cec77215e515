//! Requests as mods that exist send them, written after their sources.

use std::sync::Arc;

use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use meddah_inference::{Message, Role};
use serde_json::{Value, json};

use super::{Faces, model, streamed_words, text, words};
use crate::rig::answer;

const PROMPT: &str = "You are Lydia, a housecarl. Answer in one sentence.";

fn chat() -> Value {
    json!([{"role": "system", "content": PROMPT}, {"role": "user", "content": "Are you sworn to carry my burdens?"}])
}

/// Mantella: the OpenAI library with an address of the player's, streamed, with a model's name of its own.
#[tokio::test]
async fn mantella_streams_with_a_model_that_is_not_here() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let body = json!({"model": "google/gemma-3-27b-it:free", "messages": chat(), "stream": true,
        "max_tokens": 250, "temperature": 1.0, "top_p": 1, "stop": ["#"], "frequency_penalty": 0,
        "extra_body": {"provider": {"order": []}}});
    let (status, stream) =
        text(faces.post("openai", "/v1/chat/completions").bearer_auth("abc123").json(&body)).await;
    assert_eq!((status, streamed_words(&stream).as_str()), (200, "Welcome to the Lantern."));
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");

    // What the mod wrote is what the model reads, word for word, and nothing else.
    let seen = &model.seen()[0];
    let expected =
        [Message::new(Role::System, PROMPT), Message::new(Role::User, "Are you sworn to carry my burdens?")];
    assert_eq!((seen.messages.as_slice(), seen.decisions.len()), (&expected[..], 0));
    assert_eq!((seen.max_tokens, seen.sampling.temperature), (250, 1.0));
    faces.stop().await;
}

/// RimTalk: looks for Player2 by name, logs in with an empty body, then reads a stream from a buffer.
#[tokio::test]
async fn rimtalk_logs_in_and_reads_a_buffered_stream() {
    let faces = Faces::start(model()).await;
    let base = format!("http://localhost:{}/v1", faces.ports["player2"]);
    let health = faces.http.get(format!("{base}/health"));
    assert!(answer(health).await.1["client_version"].is_string());
    let login =
        faces.http.post(format!("{base}/login/web/019a-rimtalk")).header("content-type", "application/json");
    let key = answer(login.body("")).await.1["p2Key"].as_str().unwrap().to_owned();
    let request = |stream: bool| {
        let body = json!({"messages": chat(), "stream": stream}).to_string();
        let request = faces.http.post(format!("{base}/chat/completions")).bearer_auth(&key);
        request.header("content-type", "application/json; charset=utf-8").body(body)
    };
    assert_eq!(words(&answer(request(false)).await.1), "Welcome to the Lantern.");
    let (_, stream) = text(request(true)).await;
    assert_eq!(streamed_words(&stream), "Welcome to the Lantern.");
    faces.stop().await;
}

/// EchoColony: three settings, three addresses, all with whole paths and UnityWebRequest's buffers.
#[tokio::test]
async fn echocolony_finds_all_of_its_three_backends() {
    let faces = Faces::start(model()).await;
    let prompt = json!({"model": "llama3.2:latest", "prompt": PROMPT, "stream": false});
    let (_, reply) = answer(faces.post("ollama", "/api/generate").json(&prompt)).await;
    assert_eq!((&reply["response"], &reply["done"]), (&json!("Welcome to the Lantern."), &json!(true)));

    let body = json!({"messages": chat(), "max_tokens": 500, "temperature": 0.8});
    let custom = faces.post("openai", "/v1/chat/completions").header("content-type", "application/json");
    assert_eq!(words(&answer(custom.body(body.to_string())).await.1), "Welcome to the Lantern.");

    let player2 =
        faces.post("player2", "/v1/chat/completions").header("player2-game-key", "Rimworld-EchoColony");
    let (status, reply) = answer(player2.json(&json!({"messages": chat()}))).await;
    assert_eq!((status, words(&reply)), (200, "Welcome to the Lantern."));
    assert!(reply["usage"]["total_tokens"].as_u64().unwrap() > 0);
    faces.stop().await;
}

/// CreatureChat: one whole address, a key that may be empty, the answer as one text.
#[tokio::test]
async fn creaturechat_sends_its_history_to_one_address() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let messages = json!([
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<FRIENDSHIP 1> Hello!"},
        {"role": "user", "content": "Follow me!"},
    ]);
    let body = json!({"model": "gpt-3.5-turbo", "messages": messages, "max_tokens": 200, "temperature": 1.0});
    let request = faces.post("openai", "/v1/chat/completions").header("authorization", "Bearer ");
    let (status, reply) = answer(request.json(&body)).await;
    assert_eq!((status, words(&reply)), (200, "Welcome to the Lantern."));
    let roles: Vec<Role> = model.seen()[0].messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    faces.stop().await;
}

/// Mods that get JSON as JSON lines, and mods that say nothing of what they send or take.
#[tokio::test]
async fn readers_of_json_lines_and_senders_without_a_content_type_are_served() {
    let faces = Faces::start(model()).await;
    let body = json!({"messages": chat(), "stream": true}).to_string();
    let request = faces.post("openai", "/v1/chat/completions").header("accept", "application/x-json-stream");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let lines = response.text().await.unwrap();
    let chunks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");

    let whole = json!({"messages": chat()}).to_string();
    let request = faces.post("openai", "/v1/chat/completions").header("accept", "application/x-json-stream");
    assert_eq!(words(&answer(request.body(format!("\u{feff}{whole}"))).await.1), "Welcome to the Lantern.");
    faces.stop().await;
}

/// Whatever a player types as the address, and whatever the mod puts behind it.
#[tokio::test]
async fn careless_addresses_reach_the_same_route() {
    let faces = Faces::start(model()).await;
    let paths = [
        "/chat/completions",
        "//v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/v1/chat/completions",
        "/v1/chat/completions/chat/completions",
        "/api/v1/chat/completions",
        "/",
        "/v1/",
    ];
    for path in paths {
        let (status, reply) = answer(faces.post("openai", path).json(&json!({"messages": chat()}))).await;
        assert_eq!((status, words(&reply)), (200, "Welcome to the Lantern."), "{path}");
    }
    for face in ["ollama", "koboldcpp"] {
        let request = faces.post(face, "/v1/chat/completions").json(&json!({"messages": chat()}));
        assert_eq!(words(&answer(request).await.1), "Welcome to the Lantern.", "{face}");
    }
    faces.stop().await;
}

/// What only continues text gets the text, and not a chat about it.
#[tokio::test]
async fn a_prompt_without_a_template_reaches_the_model_as_it_stands() {
    let model = model();
    let faces = Faces::start(model.clone()).await;
    let prompt = "Ayla: Hello!\nMira:";
    for (face, path, body) in [
        ("openai", "/v1/completions", json!({"prompt": prompt})),
        ("ollama", "/api/generate", json!({"prompt": prompt, "raw": true, "stream": false})),
        ("koboldcpp", "/api/v1/generate", json!({"prompt": prompt, "json_schema": {"type": "object"}})),
    ] {
        assert_eq!(answer(faces.post(face, path).json(&body)).await.0, 200, "{face}");
        let seen = model.seen().pop().unwrap();
        assert_eq!(seen.raw_prompt.as_deref(), Some(prompt), "{face}");
        assert_eq!(seen.messages, [Message::new(Role::User, prompt)], "{face}");
        assert_eq!(seen.json_schema.is_some(), face == "koboldcpp");
    }
    let chatted = json!({"prompt": prompt, "stream": false});
    answer(faces.post("ollama", "/api/generate").json(&chatted)).await;
    assert_eq!(model.seen().pop().unwrap().raw_prompt, None, "Ollama applies the template here");
    let grammar = json!({"prompt": prompt, "grammar": "root ::= \"yes\" | \"no\""});
    let (status, body) = answer(faces.post("koboldcpp", "/api/v1/generate").json(&grammar)).await;
    assert!(status == 400 && body["detail"]["msg"].as_str().unwrap().contains("GBNF"), "{body}");
    faces.stop().await;
}

#[tokio::test]
async fn a_tool_that_has_to_be_called_is_asked_for_once_more_and_then_given_up() {
    let halt = json!({"type": "object", "required": ["who"], "properties": {"who": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "halt", "parameters": halt}}]);
    let body = json!({"messages": chat(), "tools": tools, "tool_choice": "required"});
    let called = |arguments: Value| ScriptedReply {
        arguments: [("tool".to_owned(), arguments)].into(),
        ..ScriptedReply::default()
    };
    for (second, expected) in [(json!({"who": "Ayla"}), 200), (json!({"who": 1}), 502)] {
        let reply = vec![called(json!({})), called(second)];
        let model = Arc::new(ScriptedModel::new(Script { reply, ..Script::default() }));
        let faces = Faces::start(model.clone()).await;
        let (status, body) = answer(faces.post("openai", "/v1/chat/completions").json(&body)).await;
        assert_eq!((status, model.seen().len()), (expected, 2), "{body}");
        if expected == 200 {
            let call = &body["choices"][0]["message"]["tool_calls"][0]["function"];
            assert_eq!(call["arguments"], "{\"who\":\"Ayla\"}", "{body}");
        }
        faces.stop().await;
    }
}
