//! Chats and prompts as Ollama's clients write them.

use meddah_inference::{Message, Role, ToolCall};
use meddah_protocol::WireError;
use serde_json::{Value, json};

use crate::compat::asked::Asked;
use crate::compat::sent::{Fields as _, invalid, texts, unsupported};
use crate::compat::{instruct, openai};

/// `POST /api/chat`.
pub(in crate::compat) fn chat(body: &Value) -> Result<Asked, WireError> {
    let mut calls = Calls::default();
    let messages = body.list("messages").iter().enumerate();
    let messages =
        messages.map(|(place, value)| message(place, value, &mut calls)).collect::<Result<_, _>>()?;
    let tools = body.list("tools").iter().filter_map(openai::request::tool).collect();
    Ok(Asked { messages, tools, ..common(body)? })
}

/// `POST /api/generate`. With `raw` the prompt has a template of its own.
pub(in crate::compat) fn generate(body: &Value) -> Result<Asked, WireError> {
    refuse_pictures(body, "the request")?;
    let mut asked = common(body)?;
    let prompt = body.text("prompt").unwrap_or_default();
    if body.text("suffix").is_some() {
        return Err(unsupported("`suffix` asks to fill in a gap", "Leave `suffix` out."));
    }
    if prompt.is_empty() {
        return Ok(asked);
    }
    if body.flag("raw") == Some(true) {
        let Asked { messages, begun, raw_prompt, .. } = instruct::asked(prompt);
        return Ok(Asked { messages, begun, raw_prompt, ..asked });
    }
    asked.messages.extend(body.text("system").map(|system| Message::new(Role::System, system)));
    asked.messages.push(Message::new(Role::User, prompt));
    Ok(asked)
}

fn common(body: &Value) -> Result<Asked, WireError> {
    let none = json!({});
    let options = body.get("options").unwrap_or(&none);
    Ok(Asked {
        model: body.text("model").unwrap_or_default().to_owned(),
        player: body.text("user").map(str::to_owned),
        json_schema: format(body)?,
        // -1 and -2 stand for "no limit" and "as much as fits".
        max_tokens: options.whole("num_predict").and_then(|tokens| u32::try_from(tokens).ok()),
        stop: texts(options, "stop"),
        temperature: options.float("temperature").map(|temperature| temperature as f32),
        min_p: options.float("min_p").map(|min_p| min_p as f32),
        seed: options.whole("seed").filter(|&seed| seed != -1).map(i64::cast_unsigned),
        ..Asked::default()
    })
}

fn format(body: &Value) -> Result<Option<Value>, WireError> {
    match body.get("format") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "" => Ok(None),
            "json" => Ok(Some(json!({"type": "object"}))),
            _ => {
                Err(invalid("`format` is neither \"json\" nor a schema", "Write \"json\", or a JSON Schema."))
            }
        },
        Some(schema) => Ok(Some(schema.clone())),
    }
}

/// Calls have no ids here, so they get some: the results follow in the order of the calls.
#[derive(Default)]
struct Calls {
    made: usize,
    answered: usize,
}

fn message(place: usize, value: &Value, calls: &mut Calls) -> Result<Message, WireError> {
    refuse_pictures(value, &format!("`messages[{place}]`"))?;
    let role = match value.text("role").unwrap_or("user") {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => Role::User,
    };
    let mut message = Message::new(role, value.text("content").unwrap_or_default());
    for call in value.list("tool_calls") {
        let Some(function) = call.get("function") else { continue };
        let Some(name) = function.text("name") else { continue };
        let arguments = function.get("arguments").cloned().unwrap_or_else(|| json!({}));
        let id = call.text("id").map_or_else(|| format!("call_{}", calls.made), str::to_owned);
        calls.made += 1;
        message.calls.push(ToolCall { id, name: name.to_owned(), arguments });
    }
    if role == Role::Tool {
        let id = value.text("tool_call_id").map_or_else(|| format!("call_{}", calls.answered), str::to_owned);
        calls.answered += 1;
        message.call_id = id;
    }
    Ok(message)
}

fn refuse_pictures(value: &Value, place: &str) -> Result<(), WireError> {
    if value.list("images").is_empty() {
        return Ok(());
    }
    let help = "Turn off pictures in the mod's settings, or send what they show as text.";
    Err(invalid(format!("{place} has pictures, and this model reads text"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_results_belong_together_by_their_order() {
        let asked = chat(&json!({"messages": [
            {"role": "user", "content": "Wave!"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "wave", "arguments": {"to": "Ayla"}}}]},
            {"role": "tool", "tool_name": "wave", "content": "Done."},
        ], "format": "json", "options": {"num_predict": -1, "stop": ["x"], "temperature": 0}}))
        .unwrap();
        assert_eq!(asked.messages[1].calls[0].id, asked.messages[2].call_id);
        assert_eq!(asked.messages[1].calls[0].arguments, json!({"to": "Ayla"}));
        assert_eq!((asked.max_tokens, asked.temperature), (None, Some(0.0)));
        assert_eq!(asked.json_schema, Some(json!({"type": "object"})));
    }

    #[test]
    fn a_prompt_without_words_asks_for_nothing() {
        assert!(generate(&json!({"model": "x"})).unwrap().messages.is_empty());
        let asked = generate(&json!({"system": "You are a guard.", "prompt": "Halt?"})).unwrap();
        assert_eq!(asked.messages.len(), 2);
        let raw = json!({"raw": true, "prompt": "[INST] Halt? [/INST] Mira:"});
        assert_eq!(generate(&raw).unwrap().begun, "Mira:");
        assert!(generate(&json!({"prompt": "Halt?", "images": ["AAAA"]})).is_err());
    }
}
