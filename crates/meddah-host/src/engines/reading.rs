//! What stands in one event of an answer, for all OpenAI-compatible servers.
//!
//! Events go to the player as they came; this only looks. What no server must have is optional, and what this
//! does not know is skipped, because dialects differ (reasoning has three names).

use std::borrow::Cow;

use meddah_inference::TokenUsage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What one event tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Bytes of generated text in it: words, reasoning and calls of tools.
    pub text_bytes: u64,
    /// It says why the answer ends.
    pub is_finish: bool,
    /// It tells the usage so far.
    pub usage: Option<Usage>,
    /// It is an error, as in `{"error": …}`.
    pub error: Option<Value>,
}

/// Usage as the engine tells it; nobody says that it is true.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens of the prompt, the cached ones among them.
    pub prompt_tokens: u64,
    /// Tokens of the prompt that were not read again.
    pub cached_tokens: u64,
    /// Tokens of the answer, reasoning among them.
    pub completion_tokens: u64,
    /// What it says that it charged, in millionths of its currency.
    pub charged_micro: Option<u64>,
}

impl Usage {
    /// The same in the program's usual form; numbers beyond `u32` are cut there.
    pub fn to_token_usage(self) -> TokenUsage {
        let cut = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        TokenUsage {
            prompt_tokens: cut(self.prompt_tokens),
            cached_tokens: cut(self.cached_tokens),
            completion_tokens: cut(self.completion_tokens),
            charged_micro: self.charged_micro,
            ..TokenUsage::default()
        }
    }
}

#[derive(Deserialize)]
struct EventJson<'e> {
    #[serde(borrow, default)]
    choices: Option<Vec<ChoiceJson<'e>>>,
    #[serde(borrow, default)]
    usage: Option<&'e RawValue>,
    #[serde(borrow, default)]
    error: Option<&'e RawValue>,
    /// vLLM's errors have no `error` around them.
    #[serde(borrow, default)]
    object: Option<Cow<'e, str>>,
    /// Groq's errors hide here.
    #[serde(borrow, default)]
    x_groq: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct ChoiceJson<'e> {
    #[serde(borrow, default)]
    delta: Option<DeltaJson<'e>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'e, str>>,
}

#[derive(Deserialize)]
struct DeltaJson<'e> {
    #[serde(borrow, default)]
    content: Option<&'e RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'e RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'e RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'e RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'e RawValue>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct UsageJson {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<CachedJson>,
    prompt_cache_hit_tokens: Option<u64>,
    cost: Option<f64>,
}

#[derive(Deserialize)]
struct CachedJson {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// Reads one event; `None` if it is no JSON object, or has choices that are none.
pub fn read(event: &[u8]) -> Option<Reading> {
    // A list would do for the fields of a struct as well.
    if !event.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let json: EventJson<'_> = serde_json::from_slice(event).ok()?;
    let mut reading = Reading::default();
    for choice in json.choices.iter().flatten() {
        // KoboldCpp once sent the word.
        reading.is_finish |= choice.finish_reason.as_deref().is_some_and(|reason| reason != "null");
        let Some(delta) = &choice.delta else { continue };
        let parts =
            [delta.content, delta.reasoning_content, delta.reasoning, delta.refusal, delta.tool_calls];
        reading.text_bytes += parts.into_iter().flatten().map(text_bytes).sum::<u64>();
    }
    reading.usage = json.usage.and_then(usage);
    reading.error = error(&json, event);
    Some(reading)
}

fn error(json: &EventJson<'_>, event: &[u8]) -> Option<Value> {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    if let Some(error) = json.error.and_then(value).filter(|error| !error.is_null()) {
        return Some(serde_json::json!({ "error": error }));
    }
    if json.object.as_deref() == Some("error") {
        return serde_json::from_slice(event).ok();
    }
    let hidden = value(json.x_groq?)?.get("error").cloned().filter(|error| !error.is_null())?;
    Some(serde_json::json!({ "error": hidden }))
}

/// A usage that cannot be read is none: an engine may say what it likes.
fn usage(raw: &RawValue) -> Option<Usage> {
    let usage: UsageJson = serde_json::from_str::<Option<UsageJson>>(raw.get()).ok()??;
    let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
    let charged = usage.cost.filter(|cost| cost.is_finite() && *cost >= 0.0);
    Some(Usage {
        prompt_tokens: usage.prompt_tokens.unwrap_or(0),
        cached_tokens: cached.or(usage.prompt_cache_hit_tokens).unwrap_or(0),
        completion_tokens: usage.completion_tokens.unwrap_or(0),
        charged_micro: charged.map(|cost| (cost * 1e6).ceil() as u64),
    })
}

/// Bytes of the text in a part of a delta: a string, a list of parts (Mistral), or calls of tools.
fn text_bytes(raw: &RawValue) -> u64 {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'"') if !json.contains('\\') => json.len() as u64 - 2,
        Some(b'"') => serde_json::from_str::<String>(json).map_or(0, |text| text.len() as u64),
        Some(b'[') => serde_json::from_str::<Value>(json).map_or(0, |list| generated(&list)),
        _ => 0,
    }
}

/// Of what stands in a list only these strings are written by the model.
fn generated(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(generated).sum(),
        Value::Object(fields) => {
            let own =
                ["text", "thinking", "name", "arguments"].into_iter().filter_map(|name| fields.get(name));
            let own: u64 = own
                .map(|field| field.as_str().map_or_else(|| generated(field), |text| text.len() as u64))
                .sum();
            own + fields.get("function").map_or(0, generated)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(json: &str) -> Reading {
        read(json.as_bytes()).unwrap()
    }

    #[test]
    fn text_is_counted_in_bytes_whatever_it_is_called_and_however_it_is_escaped() {
        let bytes = |delta: &str| reading(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)).text_bytes;
        assert_eq!(bytes(r#"{"content":"Hello"}"#), 5);
        assert_eq!(bytes(r#"{"content":"\u4f60\n"}"#), 4);
        assert_eq!(bytes(r#"{"content":null,"reasoning_content":"hm"}"#), 2);
        assert_eq!(bytes(r#"{"reasoning":"hm","content":"x"}"#), 3);
        assert_eq!(
            bytes(
                r#"{"content":[{"type":"text","text":"abc"},{"type":"thinking","thinking":[{"type":"text","text":"de"}]}]}"#
            ),
            5
        );
        assert_eq!(
            bytes(
                r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"go","arguments":"{}"}}]}"#
            ),
            4
        );
        assert_eq!(bytes(r#"{"role":"assistant","content":""}"#), 0);
    }

    #[test]
    fn the_end_is_known_and_the_word_null_is_none() {
        let finish =
            |reason: &str| reading(&format!(r#"{{"choices":[{{"finish_reason":{reason}}}]}}"#)).is_finish;
        assert!(finish(r#""stop""#) && finish(r#""length""#));
        assert!(!finish("null") && !finish(r#""null""#));
    }

    #[test]
    fn usage_is_read_in_every_dialect_and_nonsense_is_none() {
        let usage = |json: &str| reading(&format!(r#"{{"choices":[],"usage":{json}}}"#)).usage;
        let told =
            usage(r#"{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5}}"#);
        assert_eq!(
            told,
            Some(Usage { prompt_tokens: 9, cached_tokens: 5, completion_tokens: 2, charged_micro: None })
        );
        assert_eq!(usage(r#"{"prompt_tokens":9,"prompt_cache_hit_tokens":4}"#).unwrap().cached_tokens, 4);
        assert_eq!(
            usage(r#"{"cost":0.0000015,"prompt_tokens_details":null}"#).unwrap().charged_micro,
            Some(2)
        );
        for nonsense in ["null", "7", r#"{"prompt_tokens":-3}"#, r#"{"prompt_tokens":"many"}"#] {
            assert_eq!(usage(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn errors_are_found_wherever_they_hide() {
        let message = |json: &str| reading(json).error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message(r#"{"error":{"message":"out of memory","code":500}}"#).contains("out of memory"));
        assert!(message(r#"{"object":"error","message":"too long","code":400}"#).contains("too long"));
        assert!(message(r#"{"choices":[],"x_groq":{"error":{"message":"tool"}}}"#).contains("tool"));
        assert!(
            message(r#"{"id":"1","choices":[{"finish_reason":"error"}],"error":"plain"}"#).contains("plain")
        );
        assert_eq!(message(r#"{"error":null,"choices":[{"delta":{"content":"\"error\": x"}}]}"#), "");
    }

    #[test]
    fn what_is_no_event_is_none() {
        for nonsense in ["", "]]{", "[]", "7", r#"{"choices":7}"#, "<html>"] {
            assert!(read(nonsense.as_bytes()).is_none(), "{nonsense}");
        }
        assert_eq!(reading("{}"), Reading::default());
    }
}
