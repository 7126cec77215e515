//! Ollama's own chat.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::openai::{rounded, seed_of};
use super::server::{BEARER, Server};
use super::wire::{Body, Cost, Decoder, Event, Failure, Framing, Protocol, count};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::model_table::ModelFacts;
use crate::{Message, ModelError, Role, StopReason};

/// The model stays in memory so long after a turn.
const KEEP_ALIVE: &str = "10m";
/// What a server is asked to set up, in tokens, where the player says nothing: its own default is too short.
const CONTEXT_DEFAULT: u32 = 8192;

/// A model behind Ollama.
pub(super) struct Chat {
    server: Server,
    model: String,
    context_tokens: u32,
}

impl Chat {
    pub fn new(config: &ProviderConfig, info: &ProviderInfo, facts: &ModelFacts) -> Result<Chat, ModelError> {
        let context = config.context_tokens.or(facts.context_tokens).unwrap_or(CONTEXT_DEFAULT);
        let server = Server::new(config, info, "api/chat", BEARER)?;
        Ok(Chat { server, model: config.model.clone(), context_tokens: context })
    }
}

impl Protocol for Chat {
    fn body(&self, ask: &Ask) -> Body {
        let mut options = json!({
            "num_ctx": self.context_tokens,
            "num_predict": ask.max_tokens,
            "temperature": rounded(ask.sampling.temperature),
            "min_p": rounded(ask.sampling.min_p),
            "seed": seed_of(ask.sampling.seed),
        });
        if !ask.stop.is_empty() {
            options["stop"] = ask.stop.clone().into();
        }
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("messages".into(), ask.messages.iter().map(message).collect());
        body.insert("stream".into(), true.into());
        body.insert("options".into(), options);
        body.insert("keep_alive".into(), KEEP_ALIVE.into());
        // Models that cannot think refuse nothing here; some servers do, and are asked without it.
        body.insert("think".into(), false.into());
        if !ask.tools.is_empty() {
            let tools = ask.tools.iter().map(|tool| {
                json!({"type": "function", "function": {
                    "name": tool.name, "description": tool.description, "parameters": tool.parameters,
                }})
            });
            body.insert("tools".into(), tools.collect());
        }
        if let Some(schema) = &ask.schema {
            body.insert("format".into(), schema.clone());
        }
        Value::Object(body).into()
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        self.server.post(body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ChatDecoder { calls: 0 })
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn optional(&self) -> &'static [&'static str] {
        &["think", "format", "keep_alive", "tools"]
    }
}

fn message(message: &Message) -> Value {
    match message.role {
        Role::System => json!({"role": "system", "content": message.text}),
        Role::User => json!({"role": "user", "content": message.text}),
        Role::Tool => json!({"role": "tool", "content": message.text}),
        Role::Assistant if message.calls.is_empty() => {
            json!({"role": "assistant", "content": message.text})
        }
        Role::Assistant => {
            let calls = message
                .calls
                .iter()
                .map(|call| json!({"function": {"name": call.name, "arguments": call.arguments}}));
            json!({
                "role": "assistant", "content": message.text, "tool_calls": calls.collect::<Vec<_>>(),
            })
        }
    }
}

struct ChatDecoder {
    calls: usize,
}

impl Decoder for ChatDecoder {
    fn frame(&mut self, _name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        if !frame["error"].is_null() {
            return Err(Failure::Body(frame.clone()));
        }
        let message = &frame["message"];
        if let Some(text) = message["content"].as_str().filter(|text| !text.is_empty()) {
            events.push(Event::Text(text.to_owned()));
        }
        events.extend(message["thinking"].as_str().map(|text| Event::Thought(text.len())));
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            let arguments = match &function["arguments"] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let name = function["name"].as_str().unwrap_or_default().to_owned();
            events.push(Event::Call { slot: self.calls, name, arguments });
            self.calls += 1;
        }
        if frame["done"] == true {
            events.push(Event::Usage(Cost {
                prompt: count(&frame["prompt_eval_count"]),
                completion: count(&frame["eval_count"]),
                ..Cost::default()
            }));
            let stop = if frame["done_reason"] == "length" { StopReason::Length } else { StopReason::End };
            events.extend([Event::Stop(stop), Event::End]);
        }
        Ok(())
    }
}
