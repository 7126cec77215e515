//! Anthropic's messages.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::openai::rounded;
use super::server::Server;
use super::wire::{Body, Cost, Decoder, Event, Failure, Protocol, count};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::model_table::ModelFacts;
use crate::{ErrorKind, Message, ModelError, Role, StopReason};

/// The version of the protocol that is spoken here.
const VERSION: &str = "2023-06-01";

/// A model behind messages.
pub(super) struct Messages {
    server: Server,
    model: String,
    reasoning: bool,
}

impl Messages {
    pub fn new(
        config: &ProviderConfig,
        info: &ProviderInfo,
        facts: &ModelFacts,
    ) -> Result<Messages, ModelError> {
        let server = Server::new(config, info, "messages", ("x-api-key", ""))?;
        Ok(Messages { server, model: config.model.clone(), reasoning: facts.reasoning })
    }
}

impl Protocol for Messages {
    fn body(&self, ask: &Ask) -> Body {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("max_tokens".into(), ask.max_tokens.into());
        body.insert("stream".into(), true.into());
        body.insert("temperature".into(), rounded(ask.sampling.temperature.clamp(0.0, 1.0)));
        if self.reasoning {
            body.insert("thinking".into(), json!({"type": "disabled"}));
        }
        let opening = ask.messages.iter().take_while(|message| message.role == Role::System).count();
        let (system, messages) = ask.messages.split_at(opening);
        let mut system: Vec<Value> = system
            .iter()
            .filter(|message| !message.text.trim().is_empty())
            .map(|message| json!({"type": "text", "text": message.text}))
            .collect();
        // Everything up to the mark is kept for five minutes: rules, character, and the tools before them.
        if let Some(last) = system.last_mut() {
            last["cache_control"] = json!({"type": "ephemeral"});
            body.insert("system".into(), system.into());
        }
        body.insert("messages".into(), alternating(messages).into());
        let stops: Vec<&String> = ask.stop.iter().filter(|stop| !stop.trim().is_empty()).collect();
        if !stops.is_empty() {
            body.insert("stop_sequences".into(), json!(stops));
        }
        if !ask.tools.is_empty() {
            let tools = ask.tools.iter().map(|tool| {
                json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
            });
            let mut tools: Vec<Value> = tools.collect();
            if let Some(last) = tools.last_mut() {
                last["cache_control"] = json!({"type": "ephemeral"});
            }
            body.insert("tools".into(), tools.into());
            let choice = if ask.must_call { "any" } else { "auto" };
            body.insert("tool_choice".into(), json!({ "type": choice }));
        }
        if let Some(schema) = &ask.schema {
            let format = json!({"type": "json_schema", "schema": schema});
            body.insert("output_config".into(), json!({ "format": format }));
        }
        Value::Object(body).into()
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        self.server.post(body)?.with_header("anthropic-version", VERSION)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(MessagesDecoder)
    }

    fn optional(&self) -> &'static [&'static str] {
        &["thinking", "temperature", "cache_control", "output_config", "stop_sequences", "tools"]
    }
}

/// Messages in turns, as they have to be: the user first, then one after the other, none empty.
fn alternating(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = blocks(message);
        if blocks.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != "user") {
        turns.insert(0, ("user", vec![json!({"type": "text", "text": "(The scene begins.)"})]));
    }
    turns.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
}

fn blocks(message: &Message) -> (&'static str, Vec<Value>) {
    let text = (!message.text.trim().is_empty()).then(|| json!({"type": "text", "text": message.text}));
    match message.role {
        Role::Tool => {
            let result = json!({
                "type": "tool_result", "tool_use_id": message.call_id, "content": message.text,
            });
            ("user", vec![result])
        }
        Role::Assistant => {
            let calls = message.calls.iter().map(
                |call| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}),
            );
            ("assistant", text.into_iter().chain(calls).collect())
        }
        // Rules in the middle of a talk have no place of their own.
        Role::System | Role::User => ("user", text.into_iter().collect()),
    }
}

struct MessagesDecoder;

impl Decoder for MessagesDecoder {
    fn frame(&mut self, name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        let slot = count(&frame["index"]).unwrap_or(0) as usize;
        match frame["type"].as_str().unwrap_or(name) {
            "message_start" => events.push(Event::Usage(cost(&frame["message"]["usage"]))),
            "content_block_start" => begin(slot, &frame["content_block"], events),
            "content_block_delta" => delta(slot, &frame["delta"], events),
            "message_delta" => {
                events.push(Event::Usage(cost(&frame["usage"])));
                if let Some(reason) = frame["delta"]["stop_reason"].as_str() {
                    events.push(Event::Stop(stop(reason)?));
                }
            }
            "message_stop" => events.push(Event::End),
            "error" => return Err(Failure::Body(frame.clone())),
            // Not streamed.
            "message" => {
                for (slot, block) in frame["content"].as_array().into_iter().flatten().enumerate() {
                    begin(slot, block, events);
                }
                events.push(Event::Usage(cost(&frame["usage"])));
                let reason = frame["stop_reason"].as_str().unwrap_or("end_turn");
                events.extend([Event::Stop(stop(reason)?), Event::End]);
            }
            _ => {}
        }
        Ok(())
    }
}

fn begin(slot: usize, block: &Value, events: &mut Vec<Event>) {
    match block["type"].as_str() {
        Some("text") => events.extend(block["text"].as_str().map(|text| Event::Text(text.to_owned()))),
        Some("tool_use") => {
            let name = block["name"].as_str().unwrap_or_default().to_owned();
            // Empty at the start of a stream, where the pieces follow.
            let input = block["input"].as_object().filter(|input| !input.is_empty());
            let arguments = input.map(|_| block["input"].to_string()).unwrap_or_default();
            events.push(Event::Call { slot, name, arguments });
        }
        _ => {}
    }
}

fn delta(slot: usize, delta: &Value, events: &mut Vec<Event>) {
    let text = |name: &str| delta[name].as_str().unwrap_or_default().to_owned();
    match delta["type"].as_str() {
        Some("text_delta") => events.push(Event::Text(text("text"))),
        Some("input_json_delta") => {
            events.push(Event::Call { slot, name: String::new(), arguments: text("partial_json") });
        }
        Some("thinking_delta") => events.push(Event::Thought(text("thinking").len())),
        _ => {}
    }
}

fn stop(reason: &str) -> Result<StopReason, Failure> {
    match reason {
        "max_tokens" => Ok(StopReason::Length),
        "stop_sequence" => Ok(StopReason::Stop),
        "refusal" => Err(Failure::refused("the model declines")),
        "model_context_window_exceeded" => {
            Err(Failure::Kind(ErrorKind::ContextFull, "the prompt and the reply do not fit".into()))
        }
        _ => Ok(StopReason::End),
    }
}

/// The tokens read from and written to the cache are counted beside the others.
fn cost(usage: &Value) -> Cost {
    let (cached, cache_write) =
        (count(&usage["cache_read_input_tokens"]), count(&usage["cache_creation_input_tokens"]));
    let prompt =
        count(&usage["input_tokens"]).map(|read| read + cached.unwrap_or(0) + cache_write.unwrap_or(0));
    Cost { prompt, cached, cache_write, completion: count(&usage["output_tokens"]), charged_micro: None }
}
