//! A mod's prompt, tools and schemas, carried out by a real model.

use serde_json::{Value, json};

use crate::process::{PATIENCE, Serving, home, model_path};

struct Mod {
    http: reqwest::Client,
    url: String,
}

impl Mod {
    /// Asks the guard something; what the mod wants besides is in `extra`.
    async fn ask(&self, said: &str, extra: Value) -> (u16, Value) {
        let messages = json!([
            {"role": "system", "content": "You are a guard at a gate. Answer in one short sentence."},
            {"role": "user", "content": said},
        ]);
        let mut body =
            json!({"model": "gpt-4o-mini", "messages": messages, "max_tokens": 24, "temperature": 0});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let response = self.http.post(&self.url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn real_model_takes_the_tools_and_schemas_of_a_mod() {
    let (folder, world) = home();
    // At full priority: other tests run beside this one.
    let settings = "faces = [\"openai:0\"]\n[local]\nbackground = false\ncontext_tokens = 1024\n";
    std::fs::write(folder.path().join("meddah.toml"), settings).unwrap();
    let serving = Serving::start(folder.path(), &world, model_path().to_str().unwrap());
    let (_, health) = serving.get("/v1/health").await.unwrap();
    let url = format!("http://127.0.0.1:{}/v1/chat/completions", health["faces"][0]["port"]);
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let guard = Mod { http, url };

    let (status, reply) = guard.ask("Who are you?", json!({})).await;
    assert_eq!(status, 200, "{reply}");
    assert!(!reply["choices"][0]["message"]["content"].as_str().unwrap().trim().is_empty(), "{reply}");
    let usage = &reply["usage"];
    assert!(
        usage["prompt_tokens"].as_u64() > Some(10) && usage["completion_tokens"].as_u64() > Some(0),
        "{usage}"
    );

    let width = json!({"type": "string", "enum": ["wide", "narrow"]});
    let parameters = json!({"type": "object", "properties": {"width": width}, "required": ["width"],
        "additionalProperties": false});
    let tool = json!({"type": "function",
        "function": {"name": "open_gate", "description": "Opens the gate.", "parameters": parameters}});
    let (_, reply) = guard.ask("Open the gate!", json!({"tools": [tool], "tool_choice": "required"})).await;
    let choice = &reply["choices"][0];
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(
        (&choice["finish_reason"], &call["name"]),
        (&json!("tool_calls"), &json!("open_gate")),
        "{reply}"
    );
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments == json!({"width": "wide"}) || arguments == json!({"width": "narrow"}), "{arguments}");

    let (_, reply) = guard.ask("Who are you?", json!({"tools": [tool], "tool_choice": "none"})).await;
    assert!(reply["choices"][0]["message"]["tool_calls"].is_null(), "{reply}");

    let schema = json!({"type": "object", "properties": {"mood": {"type": "string", "enum": ["calm", "angry"]}},
        "required": ["mood"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}});
    let (_, reply) = guard.ask("How do you feel?", json!({"response_format": format})).await;
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    let mood: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(mood == json!({"mood": "calm"}) || mood == json!({"mood": "angry"}), "{mood}");

    let (status, reply) = guard.ask(&"word ".repeat(2000), json!({})).await;
    assert_eq!((status, &reply["error"]["code"]), (400, &json!("context_length_exceeded")), "{reply}");
}
