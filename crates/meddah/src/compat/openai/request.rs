//! Chat completions as they are asked for.

use meddah_inference::{Message, Role, ToolCall};
use meddah_protocol::WireError;
use serde_json::{Value, json};

use crate::compat::asked::{Asked, Tool, ToolChoice};
use crate::compat::sent::{Fields as _, invalid, texts};

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// In pieces.
    pub stream: bool,
    /// With the usage as a chunk of its own.
    pub include_usage: bool,
}

/// Reads the form of the answer.
pub(super) fn form(body: &Value) -> Form {
    let options = body.get("stream_options");
    let include_usage = options.and_then(|options| options.flag("include_usage")).unwrap_or(false);
    Form { stream: body.flag("stream").unwrap_or(false), include_usage }
}

/// Reads a request of `/v1/chat/completions`.
pub(crate) fn chat(body: &Value) -> Result<Asked, WireError> {
    let messages = body.list("messages").iter().enumerate();
    let messages = messages.map(|(place, value)| message(place, value)).collect::<Result<Vec<_>, _>>()?;
    let speaker = body.list("messages").iter().rev().find(|one| one.text("role") == Some("user"));
    Ok(Asked {
        messages,
        player_name: speaker.and_then(|one| one.text("name")).map(str::to_owned),
        tools: body.list("tools").iter().filter_map(tool).collect(),
        tool_choice: tool_choice(body)?,
        json_schema: response_format(body)?,
        ..common(body)?
    })
}

/// What every request to think has.
pub(super) fn common(body: &Value) -> Result<Asked, WireError> {
    if body.whole("n").is_some_and(|n| n > 1) {
        return Err(invalid("`n` asks for several replies, and one is made", "Leave `n` out, or ask again."));
    }
    let tokens = body.whole("max_completion_tokens").or_else(|| body.whole("max_tokens"));
    Ok(Asked {
        model: body.text("model").unwrap_or_default().to_owned(),
        player: body.text("user").map(str::to_owned),
        conversation: body.text("prompt_cache_key").unwrap_or_default().to_owned(),
        // Negative numbers stand for "no limit" in some programs.
        max_tokens: tokens.and_then(|tokens| u32::try_from(tokens).ok()),
        stop: texts(body, "stop"),
        temperature: body.float("temperature").map(|temperature| temperature as f32),
        min_p: body.float("min_p").map(|min_p| min_p as f32),
        seed: body.whole("seed").filter(|&seed| seed != -1).map(i64::cast_unsigned),
        ..Asked::default()
    })
}

fn message(place: usize, value: &Value) -> Result<Message, WireError> {
    let role = match value.text("role").unwrap_or("user") {
        "system" | "developer" => Role::System,
        "assistant" | "model" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => Role::User,
    };
    Ok(Message {
        role,
        text: content(place, value.get("content"))?,
        calls: value.list("tool_calls").iter().filter_map(call).collect(),
        call_id: value.text("tool_call_id").unwrap_or_default().to_owned(),
    })
}

/// A text, or parts of one.
fn content(place: usize, value: Option<&Value>) -> Result<String, WireError> {
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let parts = parts.iter().map(|one| part(place, one)).collect::<Result<Vec<&str>, _>>()?;
            Ok(parts.join("\n"))
        }
        _ => Ok(String::new()),
    }
}

fn part(place: usize, value: &Value) -> Result<&str, WireError> {
    if let Value::String(text) = value {
        return Ok(text);
    }
    match value.text("type").unwrap_or("text") {
        "text" | "input_text" | "output_text" => Ok(value.text("text").unwrap_or_default()),
        "refusal" => Ok(value.text("refusal").unwrap_or_default()),
        kind => Err(invalid(
            format!(
                "`messages[{place}]` has a part of the type {:?}, and this model reads text",
                shown(kind)
            ),
            "Turn off pictures and sound in the mod's settings, or send what they show as text.",
        )),
    }
}

fn call(value: &Value) -> Option<ToolCall> {
    let function = value.get("function")?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!({})),
        Some(object) => object.clone(),
        None => json!({}),
    };
    let id = value.text("id").unwrap_or_default().to_owned();
    Some(ToolCall { id, name: function.text("name")?.to_owned(), arguments })
}

/// A function, with or without the wrapping that most libraries write.
pub(crate) fn tool(value: &Value) -> Option<Tool> {
    if value.text("type").is_some_and(|kind| kind != "function") {
        return None; // tools that only OpenAI's own servers carry out
    }
    let function = value.get("function").unwrap_or(value);
    Some(Tool {
        name: function.text("name").unwrap_or_default().to_owned(),
        description: function.text("description").unwrap_or_default().to_owned(),
        parameters: function.get("parameters").filter(|parameters| parameters.is_object()).cloned(),
    })
}

fn tool_choice(body: &Value) -> Result<ToolChoice, WireError> {
    Ok(match body.get("tool_choice") {
        None | Some(Value::Null) => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "" | "auto" => ToolChoice::Auto,
            "none" => ToolChoice::Never,
            "required" | "any" => ToolChoice::Always,
            name => ToolChoice::Named(name.to_owned()),
        },
        Some(object) => {
            let name = object.get("function").unwrap_or(object).text("name");
            let help =
                "Write `auto`, `none`, `required`, or {\"type\": \"function\", \"function\": {\"name\": …}}.";
            ToolChoice::Named(
                name.ok_or_else(|| invalid("`tool_choice` names no function", help))?.to_owned(),
            )
        }
    })
}

fn response_format(body: &Value) -> Result<Option<Value>, WireError> {
    let Some(format) = body.get("response_format") else { return Ok(None) };
    match format.text("type").unwrap_or("text") {
        "text" => Ok(None),
        "json_object" => Ok(Some(format.get("schema").cloned().unwrap_or_else(|| json!({"type": "object"})))),
        "json_schema" => {
            let schema =
                format.get("json_schema").and_then(|inner| inner.get("schema")).or(format.get("schema"));
            let help = "Put it into `response_format.json_schema.schema`.";
            schema
                .filter(|schema| schema.is_object())
                .cloned()
                .map(Some)
                .ok_or_else(|| invalid("`response_format` has the type json_schema and no schema", help))
        }
        kind => Err(invalid(
            format!("there is no `response_format` {:?}", shown(kind)),
            "Write text, json_object or json_schema.",
        )),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_whatever_its_age() {
        let body = json!({
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "You are"}, "a guard."]},
                {"role": "user", "content": "Halt?", "name": "Ayla"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "halt", "arguments": "{\"who\":\"Ayla\"}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "She stands."},
            ],
            "tools": [{"type": "function", "function": {"name": "halt", "parameters": {"type": "object"}}},
                {"type": "web_search"}],
            "tool_choice": {"type": "function", "function": {"name": "halt"}},
            "stop": "\n", "max_tokens": "50", "temperature": "0.2", "seed": 7, "unknown": {"x": 1},
        });
        let asked = chat(&body).unwrap();
        assert_eq!(asked.messages[0], Message::new(Role::System, "You are\na guard."));
        assert_eq!(asked.messages[2].calls[0].arguments, json!({"who": "Ayla"}));
        assert_eq!((asked.messages[3].role, asked.messages[3].call_id.as_str()), (Role::Tool, "c1"));
        assert_eq!((asked.tools.len(), asked.tool_choice), (1, ToolChoice::Named("halt".into())));
        assert_eq!((asked.stop, asked.max_tokens, asked.seed), (vec!["\n".into()], Some(50), Some(7)));
        assert_eq!(asked.player_name.as_deref(), Some("Ayla"));
    }

    #[test]
    fn a_schema_is_taken_from_both_places() {
        let of = |format: Value| chat(&json!({"response_format": format})).map(|asked| asked.json_schema);
        let schema = json!({"type": "object", "required": ["mood"]});
        let nested = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        assert_eq!(of(nested).unwrap(), Some(schema.clone()));
        assert_eq!(of(json!({"type": "json_object", "schema": schema})).unwrap(), Some(schema));
        assert_eq!(of(json!({"type": "json_object"})).unwrap(), Some(json!({"type": "object"})));
        for wrong in ["json_schema", "xml"] {
            assert_eq!(of(json!({"type": wrong})).unwrap_err().http_status(), 400, "{wrong}");
        }
    }

    #[test]
    fn pictures_are_refused_with_the_place_and_help() {
        let parts = json!([{"type": "image_url", "image_url": {"url": "data:…"}}]);
        let error = chat(&json!({"messages": [{"role": "user", "content": parts}]})).unwrap_err();
        assert!(error.message.contains("messages[0]") && error.help.contains("pictures"), "{error:?}");
        assert!(chat(&json!({"n": 2})).unwrap_err().message.contains("`n`"));
    }
}
