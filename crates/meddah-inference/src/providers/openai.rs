//! Chat completions, as OpenAI made them and as others speak them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::ask::{Ask, Tool};
use super::host::{ASKS_FOR_REMARKS, Heard, Remarks};
use super::server::{BEARER, Server};
use super::wire::{Body, Cost, Decoder, Event, Failure, Protocol, count};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::model_table::ModelFacts;
use crate::{ErrorKind, Message, ModelError, Role, StopReason, ToolCall};

/// The path of a chat, behind the version.
const TAIL: &str = "chat/completions";

/// What differs between those who speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Groq,
    OpenRouter,
    DeepSeek,
    Xai,
    Mistral,
    Vllm,
    LlamaServer,
    LmStudio,
    TextGenerationWebui,
    KoboldCpp,
    Player2,
    Host,
    Inworld,
    Other,
}

impl Dialect {
    fn of(provider: &str) -> Dialect {
        match provider {
            "openai" => Dialect::OpenAi,
            "groq" => Dialect::Groq,
            "openrouter" => Dialect::OpenRouter,
            "deepseek" => Dialect::DeepSeek,
            "xai" => Dialect::Xai,
            "mistral" => Dialect::Mistral,
            "vllm" => Dialect::Vllm,
            "llama-server" => Dialect::LlamaServer,
            "lmstudio" => Dialect::LmStudio,
            "text-generation-webui" => Dialect::TextGenerationWebui,
            "koboldcpp-openai" => Dialect::KoboldCpp,
            "player2" => Dialect::Player2,
            "host" => Dialect::Host,
            "inworld" => Dialect::Inworld,
            _ => Dialect::Other,
        }
    }
}

/// A model behind chat completions.
pub(super) struct Chat {
    server: Server,
    dialect: Dialect,
    model: String,
    reasoning: bool,
    least_effort: Option<String>,
    /// Of a host.
    heard: Arc<Heard>,
}

impl Chat {
    pub fn new(config: &ProviderConfig, info: &ProviderInfo, facts: &ModelFacts) -> Result<Chat, ModelError> {
        let dialect = Dialect::of(info.name);
        // Inworld's portal gives out keys that are already in the form of basic authentication.
        let key_header = if dialect == Dialect::Inworld { ("authorization", "Basic ") } else { BEARER };
        Ok(Chat {
            server: Server::new(config, info, TAIL, key_header)?,
            dialect,
            model: config.model.clone(),
            reasoning: facts.reasoning,
            least_effort: facts.least_effort.clone(),
            heard: Arc::default(),
        })
    }

    /// As little reasoning as there can be: a player waits.
    fn add_effort(&self, body: &mut Map<String, Value>) {
        let effort = self.least_effort.as_deref();
        if matches!(self.dialect, Dialect::Vllm | Dialect::LlamaServer | Dialect::Host) {
            // Templates that know nothing of thinking pass over it.
            body.insert("chat_template_kwargs".into(), json!({"enable_thinking": false}));
        }
        if self.dialect == Dialect::DeepSeek {
            // Its models think unless they are told not to, listed or not.
            body.insert("thinking".into(), json!({"type": "disabled"}));
        }
        if !self.reasoning {
            return;
        }
        let (name, value) = match self.dialect {
            Dialect::OpenAi => ("reasoning_effort", effort.unwrap_or("low").into()),
            Dialect::Groq => {
                body.insert("include_reasoning".into(), false.into());
                ("reasoning_effort", effort.unwrap_or("low").into())
            }
            Dialect::OpenRouter => ("reasoning", json!({"effort": effort.unwrap_or("low"), "exclude": true})),
            Dialect::Xai => ("reasoning_effort", "low".into()),
            Dialect::Mistral => ("reasoning_effort", effort.unwrap_or("none").into()),
            _ => return,
        };
        body.insert(name.into(), value);
    }

    /// The talk as JSON.
    fn messages(&self, messages: &[Message]) -> String {
        let call_id = |id: &str| if self.dialect == Dialect::Mistral { short_id(id) } else { id.to_owned() };
        let messages: Vec<ChatMessage<'_>> = messages.iter().map(|one| message(one, &call_id)).collect();
        serde_json::to_string(&messages).expect("messages have text keys only")
    }

    fn add_sampling(&self, ask: &Ask, body: &mut Map<String, Value>) {
        let sampling = &ask.sampling;
        body.insert("temperature".into(), rounded(sampling.temperature));
        let seed = match self.dialect {
            Dialect::Mistral => Some("random_seed"),
            Dialect::DeepSeek | Dialect::Player2 | Dialect::Inworld => None,
            _ => Some("seed"),
        };
        if let Some(name) = seed {
            body.insert(name.into(), seed_of(sampling.seed));
        }
        let samplers: &[&str] = match self.dialect {
            Dialect::Host | Dialect::LlamaServer | Dialect::TextGenerationWebui | Dialect::KoboldCpp => {
                &["min_p", "dry_multiplier"]
            }
            Dialect::Vllm | Dialect::LmStudio | Dialect::OpenRouter => &["min_p"],
            _ => &[],
        };
        for name in samplers {
            let value = if *name == "min_p" { sampling.min_p } else { sampling.dry_multiplier };
            body.insert((*name).into(), rounded(value));
        }
    }
}

/// Providers take seeds of 31 bits.
pub(super) fn seed_of(seed: u64) -> Value {
    (seed & 0x7FFF_FFFF).into()
}

/// `0.7` and not `0.699999988079071`.
pub(super) fn rounded(value: f32) -> Value {
    let value = (f64::from(value) * 1000.0).round() / 1000.0;
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Tells requests of one conversation from others, and nothing else.
pub(super) fn cache_key(conversation: &str) -> String {
    let hash = Sha256::digest(conversation.as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Protocol for Chat {
    fn body(&self, ask: &Ask) -> Body {
        let mut body = Map::new();
        // Player2 has one model, and takes no name.
        if !(self.dialect == Dialect::Player2 && self.model.is_empty()) {
            body.insert("model".into(), self.model.as_str().into());
        }
        body.insert("stream".into(), true.into());
        if !matches!(self.dialect, Dialect::Mistral | Dialect::Player2 | Dialect::KoboldCpp) {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        let limit = if self.dialect == Dialect::OpenAi { "max_completion_tokens" } else { "max_tokens" };
        body.insert(limit.into(), ask.max_tokens.into());
        self.add_sampling(ask, &mut body);
        if !ask.stop.is_empty() {
            body.insert("stop".into(), ask.stop.clone().into());
        }
        if !ask.tools.is_empty() {
            body.insert("tools".into(), ask.tools.iter().map(tool).collect());
            if ask.must_call {
                let word = if self.dialect == Dialect::Mistral { "any" } else { "required" };
                body.insert("tool_choice".into(), word.into());
            }
        }
        if let Some(schema) = &ask.schema {
            let named = json!({"name": "reply", "strict": ask.strict, "schema": schema});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": named}));
        }
        if self.dialect == Dialect::OpenAi {
            body.insert("prompt_cache_key".into(), cache_key(&ask.conversation).into());
        }
        self.add_effort(&mut body);
        Body { parameters: Value::Object(body), talk: Some(("messages", self.messages(&ask.messages))) }
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        let call = self.server.post(body)?;
        match self.dialect {
            Dialect::OpenRouter => call.with_header("x-title", "Meddah"),
            Dialect::Host => call.with_header(ASKS_FOR_REMARKS.0, ASKS_FOR_REMARKS.1),
            _ => Ok(call),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        let remarks = (self.dialect == Dialect::Host).then(|| Remarks::new(self.heard.clone()));
        Box::new(ChatDecoder { remarks, ..ChatDecoder::default() })
    }

    /// Of a host nobody knows beforehand whether its model is a small one, which reads another prompt.
    fn models(&self) -> Option<Call> {
        let asks = self.dialect == Dialect::Host;
        asks.then(|| self.server.get_beside(TAIL, "models").ok()).flatten()
    }

    fn optional(&self) -> &'static [&'static str] {
        &[
            "stream_options",
            "max_completion_tokens",
            "max_tokens",
            "prompt_cache_key",
            "reasoning_effort",
            "include_reasoning",
            "reasoning",
            "thinking",
            "chat_template_kwargs",
            "random_seed",
            "seed",
            "min_p",
            "dry_multiplier",
            "temperature",
            "stop",
            "response_format",
            "tools",
        ]
    }
}

fn tool(tool: &Tool) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    }})
}

/// A message as it is sent.
#[derive(Serialize)]
struct ChatMessage<'m> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    content: &'m str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

fn message<'m>(message: &'m Message, call_id: &impl Fn(&str) -> String) -> ChatMessage<'m> {
    let (role, calls): (_, &[ToolCall]) = match message.role {
        Role::System => ("system", &[]),
        Role::User => ("user", &[]),
        Role::Tool => ("tool", &[]),
        Role::Assistant => ("assistant", &message.calls),
    };
    let calls = calls.iter().map(|call| {
        json!({"id": call_id(&call.id), "type": "function", "function": {
            "name": call.name, "arguments": call.arguments.to_string(),
        }})
    });
    let answers = (message.role == Role::Tool).then(|| call_id(&message.call_id));
    ChatMessage { role, tool_call_id: answers, content: &message.text, tool_calls: calls.collect() }
}

/// Mistral takes ids of nine letters and digits.
fn short_id(id: &str) -> String {
    cache_key(id).chars().take(9).collect()
}

/// Takes the chunks of a completion apart, of any dialect.
#[derive(Default)]
struct ChatDecoder {
    /// Index and id of each call; some give all calls the same index, others no index at all.
    calls: Vec<(u64, String)>,
    /// Of a host.
    remarks: Option<Remarks>,
}

impl Decoder for ChatDecoder {
    fn comment(&mut self, text: &str) -> Option<Event> {
        self.remarks.as_mut()?.comment(text)
    }

    fn frame(&mut self, _name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        if frame["object"] == "error" || frame["choices"].is_null() && frame["message"].is_string() {
            return Err(Failure::Body(frame.clone()));
        }
        for error in [&frame["error"], &frame["x_groq"]["error"]] {
            if !error.is_null() {
                return Err(Failure::Body(json!({"error": error, "code": frame["code"]})));
            }
        }
        for usage in [&frame["x_groq"]["usage"], &frame["usage"]] {
            if usage.is_object() {
                events.push(Event::Usage(cost(usage)));
            }
        }
        // llama-server.
        let timings = &frame["timings"];
        if timings.is_object() && frame["usage"].is_null() {
            let (cached, read) = (count(&timings["cache_n"]), count(&timings["prompt_n"]));
            let prompt = read.map(|read| read + cached.unwrap_or(0));
            let completion = count(&timings["predicted_n"]);
            events.push(Event::Usage(Cost { prompt, cached, completion, ..Cost::default() }));
        }
        let Some(choice) = frame["choices"].as_array().and_then(|choices| choices.first()) else {
            return Ok(());
        };
        // A server that does not stream sends the message whole.
        let delta = if choice["delta"].is_null() { &choice["message"] } else { &choice["delta"] };
        content(&delta["content"], events);
        for name in ["reasoning_content", "reasoning"] {
            events.extend(delta[name].as_str().map(|text| Event::Thought(text.len())));
        }
        if delta["refusal"].as_str().is_some_and(|text| !text.is_empty()) {
            return Err(Failure::refused("the model declines"));
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            events.push(self.call(call));
        }
        match choice["finish_reason"].as_str() {
            // KoboldCpp once wrote it as a word.
            None | Some("" | "null") => {}
            Some(reason) => events.push(Event::Stop(stop(reason, choice)?)),
        }
        Ok(())
    }
}

impl ChatDecoder {
    fn call(&mut self, call: &Value) -> Event {
        let id = call["id"].as_str().unwrap_or_default();
        let function = &call["function"];
        let name = function["name"].as_str().unwrap_or_default();
        let index = count(&call["index"]);
        let same = |(known, known_id): &(u64, String)| {
            index.is_none_or(|index| index == *known) && (id.is_empty() || id == known_id)
        };
        let begins = index.is_none() && !name.is_empty();
        let slot = self.calls.iter().rposition(same).filter(|_| !begins).unwrap_or_else(|| {
            self.calls.push((index.unwrap_or(self.calls.len() as u64), id.to_owned()));
            self.calls.len() - 1
        });
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Event::Call { slot, name: name.to_owned(), arguments }
    }
}

/// Text, or Mistral's list of parts.
fn content(content: &Value, events: &mut Vec<Event>) {
    match content {
        Value::String(text) if !text.is_empty() => events.push(Event::Text(text.clone())),
        Value::Array(parts) => {
            for part in parts {
                match (&part["type"], part["text"].as_str()) {
                    (Value::String(kind), Some(text)) if kind == "text" => {
                        events.push(Event::Text(text.to_owned()));
                    }
                    _ => events.push(Event::Thought(part.to_string().len())),
                }
            }
        }
        _ => {}
    }
}

fn stop(reason: &str, choice: &Value) -> Result<StopReason, Failure> {
    match reason {
        "length" | "max_tokens" | "model_length" => Ok(StopReason::Length),
        "content_filter" | "safety" | "refusal" => Err(Failure::refused("a filter")),
        "error" | "insufficient_system_resource" => {
            Err(Failure::Kind(ErrorKind::Overloaded, format!("the reply broke off ({reason})")))
        }
        // vLLM names the stop string.
        "stop" if choice["stop_reason"].is_string() => Ok(StopReason::Stop),
        _ => Ok(StopReason::End),
    }
}

fn cost(usage: &Value) -> Cost {
    let details = &usage["prompt_tokens_details"];
    let prompt = count(&usage["prompt_tokens"]);
    let completion = count(&usage["completion_tokens"]);
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]).unwrap_or(0);
    // xAI counts reasoning beside the completion; only the total tells.
    let apart = match (prompt, completion, count(&usage["total_tokens"])) {
        (Some(prompt), Some(completion), Some(total)) => total >= prompt + completion + reasoning,
        _ => false,
    };
    let cached = count(&details["cached_tokens"]).or_else(|| count(&usage["prompt_cache_hit_tokens"]));
    // Dollars.
    let charged = usage["cost"].as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0);
    Cost {
        prompt,
        cached,
        cache_write: count(&details["cache_write_tokens"]),
        completion: completion.map(|completion| if apart { completion + reasoning } else { completion }),
        charged_micro: charged.map(|cost| (cost * 1e6).ceil() as u64),
    }
}
