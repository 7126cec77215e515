//! A chat request of a sidecar: read as far as the host has to, and written anew for an engine.
//!
//! Messages and tools go on byte for byte. Everything else is on a list: an engine's own switches (a slot to erase, a
//! priority, an adapter to load) are none of a player's.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::front::error::Refused;

/// Fields that an engine gets as they are.
const PASSED_ON: [&str; 21] = [
    "chat_template_kwargs",
    "dry_allowed_length",
    "dry_base",
    "dry_multiplier",
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "repeat_penalty",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "typical_p",
];
/// Messages of one request, at most.
const MESSAGES_MAX: usize = 2_000;
/// Lists and objects within each other, at most; parsers of engines have been crashed by thousands.
const DEPTH_MAX: usize = 64;
/// What a chat template and the request around the messages take, in tokens; generous.
const OVERHEAD_TOKENS: u32 = 64;
/// The same for each message.
const MESSAGE_OVERHEAD_TOKENS: u32 = 16;

/// A request that can be passed on.
#[derive(Debug)]
pub struct ChatRequest {
    /// What the player asked for; the host's own name of its model in most cases.
    pub model: String,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// Whether the pieces end with the usage.
    pub wants_usage: bool,
    /// At most so many tokens of answer.
    pub output_tokens_max: u32,
    /// More tokens than the prompt can have: no tokenizer makes more of them than there are bytes.
    pub prompt_tokens_max: u32,
    /// What the prompt probably has, for fair queueing; a token of prose is about four bytes.
    pub prompt_tokens: u32,
    /// The same for requests that go on where an earlier one ended.
    pub beginning: u64,
    /// The last thing that the player's side said, for a moderator.
    pub last_text: String,
    /// The body for an engine, but for its model's name.
    pub body: EngineBody,
}

/// A request body that lacks the engine's name of the model.
#[derive(Clone, Debug)]
pub struct EngineBody(Bytes);

impl EngineBody {
    /// The whole body.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Bytes {
        let name = serde_json::to_vec(model).unwrap_or_else(|_| b"\"\"".to_vec());
        [br#"{"model":"#.as_slice(), &name, &self.0].concat().into()
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    image_url: Option<ImageUrl>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageUrl {
    Object { url: String },
    Text(String),
}

impl ChatRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What makes no sense, and what a player may not send.
    pub fn read(body: &[u8], output_tokens_limit: u32) -> Result<ChatRequest, Refused> {
        if depth(body) > DEPTH_MAX {
            return Err(Refused::invalid(
                "the body is nested too deeply",
                "Send a plain chat completion request.",
            ));
        }
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| {
            Refused::invalid(
                format!("the body is no JSON object: {error}"),
                "Send a chat completion request.",
            )
        })?;
        let messages = fields.get("messages").copied().ok_or_else(|| {
            Refused::invalid("`messages` is missing", "Send a list of {\"role\", \"content\"}.")
        })?;
        let Messages { count, last_text, first } = read_messages(messages)?;
        if field::<u32>(&fields, "n")?.is_some_and(|n| n != 1) {
            return Err(Refused::invalid("`n` is not 1", "Ask once for each answer."));
        }
        let asked = match field(&fields, "max_completion_tokens")? {
            Some(most) => Some(most),
            None => field(&fields, "max_tokens")?,
        };
        let output_tokens_max = asked.unwrap_or(output_tokens_limit).clamp(1, output_tokens_limit);
        let prompt_bytes =
            messages.get().len() + fields.get("tools").map_or(0, |tools| 2 * tools.get().len());
        let overhead = OVERHEAD_TOKENS + MESSAGE_OVERHEAD_TOKENS * count as u32;
        let options = field::<StreamOptions>(&fields, "stream_options")?.unwrap_or_default();
        Ok(ChatRequest {
            model: field(&fields, "model")?.unwrap_or_default(),
            stream: field(&fields, "stream")?.unwrap_or(false),
            wants_usage: options.include_usage,
            output_tokens_max,
            prompt_tokens_max: (prompt_bytes as u32).saturating_add(overhead),
            prompt_tokens: (prompt_bytes / 4) as u32 + 4 * count as u32,
            beginning: first,
            last_text,
            body: engine_body(&fields, messages, output_tokens_max),
        })
    }
}

/// How deep lists and objects of JSON go. Of what is no JSON, some number.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// A field; `null` is as good as absent.
fn field<T: for<'d> Deserialize<'d>>(
    fields: &BTreeMap<String, &RawValue>,
    name: &str,
) -> Result<Option<T>, Refused> {
    let Some(raw) = fields.get(name) else { return Ok(None) };
    serde_json::from_str(raw.get())
        .map_err(|error| Refused::invalid(format!("`{name}`: {error}"), "Write it as OpenAI's API does."))
}

struct Messages {
    count: usize,
    last_text: String,
    /// Of the first message: the rules and the character, which the whole talk shares.
    first: u64,
}

fn read_messages(raw: &RawValue) -> Result<Messages, Refused> {
    let messages: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|error| {
        Refused::invalid(format!("`messages` is no list: {error}"), "Send [{\"role\", \"content\"}, …].")
    })?;
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(Refused::invalid(
            format!("`messages` has {} entries", messages.len()),
            format!("Send 1 to {MESSAGES_MAX}."),
        ));
    }
    let mut last_text = String::new();
    for (position, raw) in messages.iter().enumerate() {
        let wrong = |error: serde_json::Error| {
            Refused::invalid(
                format!("`messages[{position}]`: {error}"),
                "A message is {\"role\": \"user\", \"content\": \"text\"}.",
            )
        };
        let message: Message<'_> = serde_json::from_str(raw.get()).map_err(wrong)?;
        let Some(content) = message.content else { continue };
        last_text = match content.get().as_bytes().first() {
            Some(b'[') => parts(serde_json::from_str(content.get()).map_err(wrong)?, position)?,
            Some(b'"') if position + 1 == messages.len() => {
                serde_json::from_str(content.get()).map_err(wrong)?
            }
            Some(b'"' | b'n') => String::new(),
            _ => {
                return Err(Refused::invalid(
                    format!("`messages[{position}].content` is neither text nor a list"),
                    "Send text.",
                ));
            }
        };
    }
    let mut first = DefaultHasher::new();
    messages[0].get().hash(&mut first);
    Ok(Messages { count: messages.len(), last_text, first: first.finish() })
}

/// Parts of a message. An engine would fetch what an address names, from inside the operator's network.
fn parts(parts: Vec<Part>, position: usize) -> Result<String, Refused> {
    let mut text = String::new();
    for part in parts {
        match (part.kind.as_str(), part.image_url) {
            ("text", None) => text.push_str(&part.text),
            ("image_url", Some(ImageUrl::Object { url } | ImageUrl::Text(url)))
                if url.starts_with("data:image/") => {}
            ("image_url", _) => {
                return Err(Refused::invalid(
                    format!("`messages[{position}]` names the address of a picture"),
                    "Send the picture itself, as a data: address.",
                ));
            }
            (kind, _) => {
                let kind: String = kind.chars().take(40).collect();
                return Err(Refused::invalid(
                    format!("`messages[{position}]` has a part of type {kind:?}"),
                    "Parts are \"text\", or \"image_url\" with a data: address.",
                ));
            }
        }
    }
    Ok(text)
}

fn engine_body(fields: &BTreeMap<String, &RawValue>, messages: &RawValue, output_tokens: u32) -> EngineBody {
    let mut body = String::with_capacity(messages.get().len() + 512);
    body.push_str(r#","messages":"#);
    body.push_str(messages.get());
    for name in PASSED_ON {
        if let Some(value) = fields.get(name) {
            body.extend([",\"", name, "\":", value.get()]);
        }
    }
    body.push_str(&format!(
        r#","max_tokens":{output_tokens},"stream":true,"stream_options":{{"include_usage":true}}}}"#
    ));
    EngineBody(body.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<ChatRequest, String> {
        ChatRequest::read(body.to_string().as_bytes(), 512).map_err(|refused| refused.0.message)
    }

    #[test]
    fn what_is_known_goes_on_and_an_engines_own_switches_do_not() {
        let request = read(json!({
            "model": "x", "messages": [{"role": "user", "content": "Hello, \"you\""}], "temperature": 0.5,
            "id_slot": 3, "priority": -1, "lora": [], "max_tokens": 9_999, "stream": true,
        }))
        .unwrap();
        let body: Value = serde_json::from_slice(&request.body.with_model("real \"name\"")).unwrap();
        assert_eq!(
            body,
            json!({
                "model": "real \"name\"", "messages": [{"role": "user", "content": "Hello, \"you\""}],
                "temperature": 0.5, "max_tokens": 512, "stream": true, "stream_options": {"include_usage": true},
            })
        );
        assert_eq!((request.last_text.as_str(), request.output_tokens_max), ("Hello, \"you\"", 512));
        assert!(request.stream && !request.wants_usage);
    }

    #[test]
    fn an_address_that_an_engine_would_fetch_is_refused_and_a_picture_is_not() {
        let with = |url: &str| {
            read(json!({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]}]}))
        };
        assert!(
            with("http://169.254.169.254/latest/meta-data").unwrap_err().contains("address of a picture")
        );
        assert!(with("file:///etc/passwd").is_err());
        assert_eq!(with("data:image/png;base64,AAAA").unwrap().last_text, "What is it?");
    }

    #[test]
    fn wrong_bodies_are_named() {
        let message = json!([{"role": "user", "content": "a"}]);
        assert_eq!(read(json!({})).unwrap_err(), "`messages` is missing");
        assert_eq!(read(json!({"messages": []})).unwrap_err(), "`messages` has 0 entries");
        assert!(read(json!({"messages": [{"content": 3}]})).unwrap_err().contains("neither text nor a list"));
        assert!(read(json!({"messages": message, "n": 2})).unwrap_err().contains("`n` is not 1"));
        assert!(read(json!({"messages": message, "stream": "yes"})).unwrap_err().contains("`stream`"));
        assert!(read(json!([1])).unwrap_err().contains("no JSON object"));
        assert!(read(json!({"messages": message, "max_tokens": null})).is_ok());
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a": [[1], "[[[[\"[[", {"b": []}]}"#), 4);
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let ask = |levels| {
            let body = format!(r#"{{"messages": [{{"content": "a"}}], "tools": {}}}"#, deep(levels));
            ChatRequest::read(body.as_bytes(), 8).map_err(|refused| refused.0.message)
        };
        assert!(ask(DEPTH_MAX - 1).is_ok());
        assert!(ask(DEPTH_MAX).unwrap_err().contains("nested"));
    }

    #[test]
    fn a_conversation_keeps_its_beginning() {
        let talk = |lines: &[&str]| {
            let messages: Vec<Value> =
                lines.iter().map(|line| json!({"role": "user", "content": line})).collect();
            read(json!({"messages": messages})).unwrap().beginning
        };
        assert_eq!(talk(&["You are Mira.", "a"]), talk(&["You are Mira.", "a", "b", "c"]));
        assert_ne!(talk(&["You are Mira."]), talk(&["You are Osk."]));
    }
}
