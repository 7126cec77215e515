//! An answer as one body, for clients that do not stream.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use crate::front::error::Refused;

/// The longest text that is collected, in bytes; an engine that never ends is cut there.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Calls of tools in one answer.
const CALLS_MAX: usize = 64;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    id: Value,
    created: Value,
    model: Value,
    choices: Vec<Choice>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Delta,
    finish_reason: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<Map<String, Value>>>,
}

/// Takes all of an answer.
pub(super) async fn collect(mut answer: Answer, model: String) -> Result<Value, Refused> {
    let (mut text, mut reasoning) = (String::new(), String::new());
    let (mut calls, mut finish, mut head) = (Vec::new(), Value::Null, Event::default());
    let mut bytes = 0;
    while let Some(event) = answer.next_event().await {
        let (event, reading) = event?;
        bytes += reading.text_bytes as usize;
        let event: Event = serde_json::from_slice(&event).unwrap_or_default();
        for Choice { delta, finish_reason } in &event.choices {
            text.push_str(delta.content.as_deref().unwrap_or_default());
            reasoning.push_str(delta.reasoning_content.as_deref().unwrap_or_default());
            delta.tool_calls.iter().flatten().for_each(|part| add_call(&mut calls, part));
            if !finish_reason.is_null() {
                finish = finish_reason.clone();
            }
        }
        if head.id.is_null() {
            head = Event { choices: Vec::new(), ..event };
        }
        if bytes > TEXT_BYTES_MAX {
            finish = "length".into();
            break;
        }
    }
    let (usage, left) = answer.settle().await;
    let mut message = json!({"role": "assistant", "content": text});
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let shown_model = if head.model.is_null() { Value::from(model) } else { head.model };
    Ok(json!({
        "id": head.id, "object": "chat.completion", "created": head.created, "model": shown_model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
        "meddah": {"left": left},
    }))
}

/// Calls come in parts: the first has the name, the others more of the arguments.
fn add_call(calls: &mut Vec<Value>, part: &Map<String, Value>) {
    let index = part.get("index").and_then(Value::as_u64).unwrap_or(0) as usize;
    let arguments =
        part.get("function").and_then(|function| function["arguments"].as_str()).unwrap_or_default();
    let next = calls.len();
    match calls.get_mut(index) {
        Some(call) => {
            let known = call["function"]["arguments"].as_str().unwrap_or_default();
            call["function"]["arguments"] = format!("{known}{arguments}").into();
        }
        None if index == next && index < CALLS_MAX => {
            let mut call = Value::Object(part.clone());
            if let Some(call) = call.as_object_mut() {
                call.remove("index");
            }
            call["function"]["arguments"] = arguments.into();
            calls.push(call);
        }
        None => {}
    }
}
