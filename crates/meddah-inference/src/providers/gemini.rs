//! Gemini's streamGenerateContent.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::openai::{rounded, seed_of};
use super::server::Server;
use super::wire::{Body, Cost, Decoder, Event, Failure, Protocol, count};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::model_table::ModelFacts;
use crate::{ErrorKind, Message, ModelError, Role, StopReason};

/// A model behind generateContent.
pub(super) struct Generate {
    server: Server,
    reasoning: bool,
    least_effort: Option<String>,
}

impl Generate {
    pub fn new(
        config: &ProviderConfig,
        info: &ProviderInfo,
        facts: &ModelFacts,
    ) -> Result<Generate, ModelError> {
        let model = config.model.trim_start_matches("models/");
        if model.is_empty() || model.contains(['/', '?', '#', ':']) {
            return Err(ModelError::new(ErrorKind::UnknownModel, format!("{model:?} is no model's name"))
                .with_help("Names look like gemini-2.5-flash."));
        }
        let tail = format!("models/{model}:streamGenerateContent");
        let server = Server::new(config, info, &tail, ("x-goog-api-key", ""))?;
        Ok(Generate { server, reasoning: facts.reasoning, least_effort: facts.least_effort.clone() })
    }

    /// The least thinking: a number of tokens for older models, a level for newer ones.
    fn thinking(&self) -> Value {
        match self.least_effort.as_deref() {
            None => json!({"thinkingLevel": "low"}),
            Some(effort) => match effort.parse::<u32>() {
                Ok(tokens) => json!({"thinkingBudget": tokens}),
                Err(_) => json!({"thinkingLevel": effort}),
            },
        }
    }
}

impl Protocol for Generate {
    fn body(&self, ask: &Ask) -> Body {
        let mut body = Map::new();
        let opening = ask.messages.iter().take_while(|message| message.role == Role::System).count();
        let (system, messages) = ask.messages.split_at(opening);
        if !system.is_empty() {
            let parts: Vec<Value> = system.iter().map(|message| json!({"text": message.text})).collect();
            body.insert("systemInstruction".into(), json!({ "parts": parts }));
        }
        body.insert("contents".into(), contents(messages).into());
        let mut config = Map::new();
        config.insert("temperature".into(), rounded(ask.sampling.temperature));
        config.insert("maxOutputTokens".into(), ask.max_tokens.into());
        config.insert("seed".into(), seed_of(ask.sampling.seed));
        if !ask.stop.is_empty() {
            config.insert("stopSequences".into(), ask.stop.clone().into());
        }
        if let Some(schema) = &ask.schema {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema.clone());
        }
        if self.reasoning {
            config.insert("thinkingConfig".into(), self.thinking());
        }
        body.insert("generationConfig".into(), config.into());
        if !ask.tools.is_empty() {
            let declarations = ask.tools.iter().map(|tool| {
                json!({
                    "name": tool.name, "description": tool.description,
                    "parametersJsonSchema": tool.parameters,
                })
            });
            let declarations: Vec<Value> = declarations.collect();
            body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
            if ask.must_call {
                body.insert("toolConfig".into(), json!({"functionCallingConfig": {"mode": "ANY"}}));
            }
        }
        Value::Object(body).into()
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        let mut url = self.server.url().clone();
        url.set_query(Some("alt=sse"));
        self.server.post_to(url, body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(GenerateDecoder { calls: 0 })
    }

    fn optional(&self) -> &'static [&'static str] {
        &["thinkingConfig", "seed", "stopSequences", "responseJsonSchema", "temperature", "tools"]
    }
}

/// Messages in turns, the user first.
fn contents(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut names: Vec<(&str, &str)> = Vec::new();
    for message in messages {
        names.extend(message.calls.iter().map(|call| (call.id.as_str(), call.name.as_str())));
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        let parts = parts(message, &names);
        match turns.last_mut() {
            Some((last, content)) if *last == role => content.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != "user") {
        turns.insert(0, ("user", vec![json!({"text": "(The scene begins.)"})]));
    }
    turns.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect()
}

fn parts(message: &Message, names: &[(&str, &str)]) -> Vec<Value> {
    if message.role == Role::Tool {
        // Results go by the function's name.
        let known = names.iter().rev().find(|(id, _)| *id == message.call_id);
        let name = known.map_or(message.call_id.as_str(), |(_, name)| name);
        let response = json!({"result": message.text});
        return vec![json!({"functionResponse": {"name": name, "response": response}})];
    }
    let text = (!message.text.is_empty() || message.calls.is_empty()).then(|| json!({"text": message.text}));
    let calls = message.calls.iter().map(|call| {
        // Calls of before have no signature of their own here; this word is the documented stand-in.
        json!({
            "functionCall": {"name": call.name, "args": call.arguments},
            "thoughtSignature": "skip_thought_signature_validator",
        })
    });
    text.into_iter().chain(calls).collect()
}

struct GenerateDecoder {
    calls: usize,
}

impl Decoder for GenerateDecoder {
    fn frame(&mut self, _name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        // Without `alt=sse` it is a list of frames.
        if let Value::Array(frames) = frame {
            return frames.iter().try_for_each(|frame| self.frame("", frame, events));
        }
        if !frame["error"].is_null() {
            return Err(Failure::Body(frame.clone()));
        }
        let usage = &frame["usageMetadata"];
        if usage.is_object() {
            events.push(Event::Usage(cost(usage)));
        }
        if let Some(reason) = frame["promptFeedback"]["blockReason"].as_str() {
            return Err(Failure::refused(&reason.to_lowercase()));
        }
        let candidate = &frame["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            self.part(part, events);
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            events.extend(stop(reason)?.map(Event::Stop));
        }
        Ok(())
    }
}

impl GenerateDecoder {
    fn part(&mut self, part: &Value, events: &mut Vec<Event>) {
        let call = &part["functionCall"];
        match part["text"].as_str() {
            Some(text) if part["thought"] == true => events.push(Event::Thought(text.len())),
            Some(text) if !text.is_empty() => events.push(Event::Text(text.to_owned())),
            _ if call.is_object() => {
                let arguments = if call["args"].is_null() { String::new() } else { call["args"].to_string() };
                let name = call["name"].as_str().unwrap_or_default().to_owned();
                events.push(Event::Call { slot: self.calls, name, arguments });
                self.calls += 1;
            }
            _ => {}
        }
    }
}

fn stop(reason: &str) -> Result<Option<StopReason>, Failure> {
    match reason {
        "FINISH_REASON_UNSPECIFIED" => Ok(None),
        "STOP" => Ok(Some(StopReason::End)),
        "MAX_TOKENS" => Ok(Some(StopReason::Length)),
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
            Err(Failure::refused(&reason.to_lowercase()))
        }
        // A call that the model could not write: its words count all the same.
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => Ok(Some(StopReason::End)),
        "LANGUAGE" => Err(Failure::Kind(ErrorKind::Refused, "the language is not supported".into())),
        _ => Ok(Some(StopReason::End)),
    }
}

fn cost(usage: &Value) -> Cost {
    let completion = count(&usage["candidatesTokenCount"]);
    let thoughts = count(&usage["thoughtsTokenCount"]);
    Cost {
        prompt: count(&usage["promptTokenCount"]),
        cached: count(&usage["cachedContentTokenCount"]),
        completion: completion.or(thoughts.map(|_| 0)).map(|count| count + thoughts.unwrap_or(0)),
        ..Cost::default()
    }
}
