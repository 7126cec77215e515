//! OpenAI's responses.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::openai::{cache_key, rounded};
use super::server::{BEARER, Server};
use super::wire::{Body, Cost, Decoder, Event, Failure, Protocol, count};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::model_table::ModelFacts;
use crate::{Message, ModelError, Role, StopReason};

/// A model behind responses.
pub(super) struct Responses {
    server: Server,
    model: String,
    reasoning: bool,
    least_effort: Option<String>,
}

impl Responses {
    pub fn new(
        config: &ProviderConfig,
        info: &ProviderInfo,
        facts: &ModelFacts,
    ) -> Result<Responses, ModelError> {
        Ok(Responses {
            server: Server::new(config, info, "responses", BEARER)?,
            model: config.model.clone(),
            reasoning: facts.reasoning,
            least_effort: facts.least_effort.clone(),
        })
    }
}

impl Protocol for Responses {
    fn body(&self, ask: &Ask) -> Body {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("input".into(), ask.messages.iter().flat_map(items).collect());
        body.insert("stream".into(), true.into());
        // Nothing that a player says stays there.
        body.insert("store".into(), false.into());
        body.insert("max_output_tokens".into(), ask.max_tokens.into());
        body.insert("temperature".into(), rounded(ask.sampling.temperature));
        body.insert("prompt_cache_key".into(), cache_key(&ask.conversation).into());
        if self.reasoning {
            let effort = self.least_effort.as_deref().unwrap_or("low");
            body.insert("reasoning".into(), json!({"effort": effort}));
        }
        if !ask.tools.is_empty() {
            let tools = ask.tools.iter().map(|tool| {
                json!({
                    "type": "function", "name": tool.name, "description": tool.description,
                    "parameters": tool.parameters, "strict": false,
                })
            });
            body.insert("tools".into(), tools.collect());
            if ask.must_call {
                body.insert("tool_choice".into(), "required".into());
            }
        }
        if let Some(schema) = &ask.schema {
            let format =
                json!({"type": "json_schema", "name": "reply", "strict": ask.strict, "schema": schema});
            body.insert("text".into(), json!({ "format": format }));
        }
        Value::Object(body).into()
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        self.server.post(body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ResponsesDecoder { called: false })
    }

    fn optional(&self) -> &'static [&'static str] {
        &["prompt_cache_key", "store", "reasoning", "temperature", "text", "tools"]
    }
}

/// A message, and each call of it as an item of its own.
fn items(message: &Message) -> Vec<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => {
            return vec![json!({
                "type": "function_call_output", "call_id": message.call_id, "output": message.text,
            })];
        }
    };
    let mut items = Vec::new();
    if !message.text.is_empty() {
        items.push(json!({"role": role, "content": message.text}));
    }
    items.extend(message.calls.iter().map(|call| {
        json!({
            "type": "function_call", "call_id": call.id, "name": call.name,
            "arguments": call.arguments.to_string(),
        })
    }));
    items
}

struct ResponsesDecoder {
    /// A call came in pieces, so it need not be read again when it is whole.
    called: bool,
}

impl Decoder for ResponsesDecoder {
    fn frame(&mut self, name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        // Events bear their name twice; one of them may be missing.
        let kind = frame["type"].as_str().unwrap_or(name);
        let delta = frame["delta"].as_str().unwrap_or_default();
        let slot = count(&frame["output_index"]).unwrap_or(0) as usize;
        match kind {
            "response.output_text.delta" => events.push(Event::Text(delta.to_owned())),
            "response.refusal.delta" | "response.refusal.done" => {
                return Err(Failure::refused("the model declines"));
            }
            "response.output_item.added" if frame["item"]["type"] == "function_call" => {
                let name = frame["item"]["name"].as_str().unwrap_or_default().to_owned();
                events.push(Event::Call { slot, name, arguments: String::new() });
            }
            "response.function_call_arguments.delta" => {
                self.called = true;
                events.push(Event::Call { slot, name: String::new(), arguments: delta.to_owned() });
            }
            "response.function_call_arguments.done" if !self.called => {
                let arguments = frame["arguments"].as_str().unwrap_or_default().to_owned();
                events.push(Event::Call { slot, name: String::new(), arguments });
            }
            "response.function_call_arguments.done" => self.called = false,
            _ if kind.contains("reasoning") => events.push(Event::Thought(delta.len())),
            "response.completed" | "response.incomplete" => {
                let response = &frame["response"];
                events.push(Event::Usage(cost(&response["usage"])));
                match response["incomplete_details"]["reason"].as_str() {
                    None => events.push(Event::Stop(StopReason::End)),
                    Some("content_filter") => return Err(Failure::refused("a filter")),
                    Some(_) => events.push(Event::Stop(StopReason::Length)),
                }
                events.push(Event::End);
            }
            "response.failed" => {
                events.push(Event::Usage(cost(&frame["response"]["usage"])));
                return Err(Failure::Body(json!({"error": frame["response"]["error"]})));
            }
            "error" => {
                // The error's own fields stand in the event, in some versions within `error`.
                let error = if frame["error"].is_null() {
                    json!({"message": frame["message"], "code": frame["code"], "param": frame["param"]})
                } else {
                    frame["error"].clone()
                };
                return Err(Failure::Body(json!({ "error": error })));
            }
            _ if !frame["error"].is_null() && frame["type"].is_null() => {
                return Err(Failure::Body(frame.clone()));
            }
            _ => {}
        }
        Ok(())
    }
}

fn cost(usage: &Value) -> Cost {
    Cost {
        prompt: count(&usage["input_tokens"]),
        cached: count(&usage["input_tokens_details"]["cached_tokens"]),
        cache_write: count(&usage["input_tokens_details"]["cache_write_tokens"]),
        completion: count(&usage["output_tokens"]),
        charged_micro: None,
    }
}
