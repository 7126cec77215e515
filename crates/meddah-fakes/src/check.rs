//! Checks requests as the real provider would, and refuses them in its own words.

use serde_json::{Value, json};

use crate::{Recorded, Transcript};

/// Who a fake pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Groq.
    Groq,
    /// OpenRouter.
    OpenRouter,
    /// DeepSeek.
    DeepSeek,
    /// xAI.
    Xai,
    /// Mistral.
    Mistral,
    /// vLLM.
    Vllm,
    /// llama.cpp's server.
    LlamaServer,
    /// LM Studio.
    LmStudio,
    /// text-generation-webui.
    TextGenerationWebui,
    /// KoboldCpp's own API.
    KoboldCpp,
    /// KoboldCpp's OpenAI path.
    KoboldCppOpenAi,
    /// Ollama's own API.
    Ollama,
    /// Player2's chat completions.
    Player2,
    /// Inworld's router.
    Inworld,
}

use Dialect as D;

/// All of them, by name.
pub const DIALECTS: [(&str, Dialect); 18] = [
    ("openai", D::OpenAi),
    ("openai-responses", D::Responses),
    ("anthropic", D::Anthropic),
    ("gemini", D::Gemini),
    ("groq", D::Groq),
    ("openrouter", D::OpenRouter),
    ("deepseek", D::DeepSeek),
    ("xai", D::Xai),
    ("mistral", D::Mistral),
    ("vllm", D::Vllm),
    ("llama-server", D::LlamaServer),
    ("lmstudio", D::LmStudio),
    ("text-generation-webui", D::TextGenerationWebui),
    ("koboldcpp", D::KoboldCpp),
    ("koboldcpp-openai", D::KoboldCppOpenAi),
    ("ollama", D::Ollama),
    ("player2", D::Player2),
    ("inworld", D::Inworld),
];

impl Dialect {
    /// The name of its folder of transcripts, and of the provider.
    pub fn name(self) -> &'static str {
        DIALECTS.iter().find_map(|(name, dialect)| (*dialect == self).then_some(*name)).unwrap_or("?")
    }

    /// By name.
    pub fn by_name(name: &str) -> Option<Dialect> {
        DIALECTS.iter().find_map(|(known, dialect)| (*known == name).then_some(*dialect))
    }
}

/// `Ok(None)`: play the transcript. `Ok(Some)`: a side call with an answer of its own.
///
/// # Errors
/// The refusal that the real one would send.
pub fn check(dialect: Dialect, request: &Recorded) -> Result<Option<Transcript>, Transcript> {
    if dialect == D::KoboldCpp && request.path == "/api/extra/abort" {
        return Ok(Some(Transcript::answer("200 OK", JSON, r#"{"success":"true"}"#)));
    }
    let refuse = |status: &str, message: &str| Err(refusal(dialect, status, message));
    if request.method != "POST" || !request.path.starts_with(path(dialect)) {
        return refuse("404 Not Found", &format!("Unknown request URL: {} {}", request.method, request.path));
    }
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return refuse("415 Unsupported Media Type", "content-type must be application/json");
    }
    if !has_key(dialect, request) {
        return refuse("401 Unauthorized", "You didn't provide an API key.");
    }
    if request.path.contains("key=") {
        return refuse("400 Bad Request", "a key stands in the address");
    }
    let Value::Object(body) = &request.json else {
        return refuse("400 Bad Request", "the body is no object");
    };
    for field in required(dialect) {
        if body.get(*field).is_none_or(Value::is_null) {
            return refuse("400 Bad Request", &format!("{field}: Field required"));
        }
    }
    match fields(dialect, request) {
        Ok(()) => Ok(None),
        Err(message) => refuse("400 Bad Request", &message),
    }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn path(dialect: Dialect) -> &'static str {
    match dialect {
        D::Responses => "/v1/responses",
        D::Anthropic => "/v1/messages",
        D::Gemini => "/v1beta/models/",
        D::Groq => "/openai/v1/chat/completions",
        D::OpenRouter => "/api/v1/chat/completions",
        D::KoboldCpp => "/api/extra/generate/stream",
        D::Ollama => "/api/chat",
        _ => "/v1/chat/completions",
    }
}

fn has_key(dialect: Dialect, request: &Recorded) -> bool {
    let holds = |header: &str, prefix: &str| {
        request.header(header).and_then(|value| value.strip_prefix(prefix)).is_some_and(|key| !key.is_empty())
    };
    match key_header(dialect) {
        None => true,
        // It takes a bearer as well.
        Some((header, prefix)) if dialect == D::Anthropic => {
            holds(header, prefix) || holds("authorization", "Bearer ")
        }
        Some((header, prefix)) => holds(header, prefix),
    }
}

/// Where the key has to be, and what stands before it.
fn key_header(dialect: Dialect) -> Option<(&'static str, &'static str)> {
    match dialect {
        D::Anthropic => Some(("x-api-key", "")),
        D::Gemini => Some(("x-goog-api-key", "")),
        D::Inworld => Some(("authorization", "Basic ")),
        D::Vllm | D::LlamaServer | D::LmStudio | D::TextGenerationWebui | D::Player2 => None,
        D::KoboldCpp | D::KoboldCppOpenAi | D::Ollama => None,
        _ => Some(("authorization", "Bearer ")),
    }
}

fn required(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        D::Responses => &["model", "input"],
        D::Anthropic => &["model", "messages", "max_tokens"],
        D::Gemini => &["contents"],
        D::KoboldCpp => &["prompt", "max_length", "genkey"],
        D::Player2 => &["messages"],
        _ => &["model", "messages"],
    }
}

fn fields(dialect: Dialect, request: &Recorded) -> Result<(), String> {
    let body = &request.json;
    let unknown = |name: &str| Err(format!("Unrecognized request argument supplied: {name}"));
    match dialect {
        D::OpenAi if !body["max_tokens"].is_null() => {
            Err("Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                 'max_completion_tokens' instead."
                .into())
        }
        D::OpenAi | D::Responses if !body["min_p"].is_null() => unknown("min_p"),
        D::Mistral if !body["seed"].is_null() => Err("extra_forbidden: seed".into()),
        D::Mistral if !body["stream_options"].is_null() => Err("extra_forbidden: stream_options".into()),
        D::Anthropic => anthropic(request),
        D::Gemini => gemini(request),
        D::Responses => Ok(()),
        D::KoboldCpp => Ok(()),
        _ => chat_messages(&body["messages"]),
    }
}

fn chat_messages(messages: &Value) -> Result<(), String> {
    let messages = messages.as_array().filter(|list| !list.is_empty()).ok_or("messages: empty")?;
    let mut open: Vec<String> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            // Ollama has no ids.
            if !message["tool_call_id"].is_null() && !open.iter().any(|known| known == id) {
                return Err(format!("messages.{place}: 'tool' must follow 'tool_calls' with its id"));
            }
            open.retain(|known| known != id);
            continue;
        }
        if !open.is_empty() {
            return Err(format!("messages.{place}: tool_call_ids without a response: {open:?}"));
        }
        if !matches!(role, "system" | "user" | "assistant" | "developer") {
            return Err(format!("messages.{place}.role: {role:?}"));
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        open = calls.filter_map(|call| call["id"].as_str().map(str::to_owned)).collect();
        if message["content"].is_null() && open.is_empty() && message["tool_calls"].is_null() {
            return Err(format!("messages.{place}.content: Field required"));
        }
    }
    Ok(())
}

fn anthropic(request: &Recorded) -> Result<(), String> {
    if request.header("anthropic-version").is_none() {
        return Err("anthropic-version: header is required".into());
    }
    let messages = request.json["messages"].as_array().filter(|list| !list.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap_or("?")).collect();
    if let Some(role) = roles.iter().find(|role| !matches!(**role, "user" | "assistant")) {
        return Err(format!("messages: Unexpected role {role:?}"));
    }
    if roles[0] != "user" {
        return Err("messages: first message must use the \"user\" role".into());
    }
    if roles.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("messages: roles must alternate between \"user\" and \"assistant\"".into());
    }
    for message in messages {
        let blocks = message["content"].as_array().into_iter().flatten();
        if blocks
            .clone()
            .any(|block| block["type"] == "text" && block["text"].as_str().is_none_or(str::is_empty))
        {
            return Err("messages: text content blocks must be non-empty".into());
        }
    }
    Ok(())
}

fn gemini(request: &Recorded) -> Result<(), String> {
    if !request.path.ends_with(":streamGenerateContent?alt=sse") {
        return Err(format!("no such method: {}", request.path));
    }
    let contents = request.json["contents"].as_array().filter(|list| !list.is_empty());
    let contents = contents.ok_or("contents is not specified")?;
    let known = |content: &&Value| matches!(content["role"].as_str(), Some("user" | "model"));
    match contents.iter().find(|content| !known(content)) {
        Some(content) => Err(format!("Please use a valid role: user, model. Not {}", content["role"])),
        None => Ok(()),
    }
}

/// An error in the words of this provider.
pub fn refusal(dialect: Dialect, status: &str, message: &str) -> Transcript {
    let code: u16 = status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
    let kind = match code {
        401 => "authentication_error",
        404 => "not_found_error",
        _ => "invalid_request_error",
    };
    let body = match dialect {
        D::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
        D::Gemini => json!({"error": {"code": code, "message": message, "status": match code {
            401 => "UNAUTHENTICATED",
            404 => "NOT_FOUND",
            _ => "INVALID_ARGUMENT",
        }}}),
        D::Ollama => json!({"error": message}),
        D::KoboldCpp => json!({"detail": {"msg": message, "type": "bad_input"}}),
        D::OpenRouter => json!({"error": {"code": code, "message": message}}),
        D::Xai => json!({"code": "Client specified an invalid argument", "error": message}),
        D::Mistral => json!({"detail": [{"loc": ["body"], "msg": message, "type": "extra_forbidden"}]}),
        D::Vllm => json!({"object": "error", "message": message, "type": "BadRequestError", "code": code}),
        D::Player2 => json!({"message": message}),
        D::Inworld => json!({"code": 3, "message": message, "details": []}),
        _ => json!({"error": {"message": message, "type": kind, "param": null, "code": null}}),
    };
    Transcript::answer(status, JSON, &body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)], body: Value) -> Recorded {
        let headers = [("content-type", "application/json")].iter().chain(headers);
        Recorded {
            method: "POST".into(),
            path: path.into(),
            headers: headers.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: body.to_string().into_bytes(),
            json: body,
        }
    }

    fn status(dialect: Dialect, request: &Recorded) -> String {
        match check(dialect, request) {
            Ok(_) => "fine".into(),
            Err(refusal) => refusal.status[..3].to_owned(),
        }
    }

    #[test]
    fn what_the_real_one_refuses_is_refused() {
        let key = [("authorization", "Bearer k")];
        let said = json!([{"role": "user", "content": "x"}]);
        let path = "/v1/chat/completions";
        let openai = |path, headers: &[(&str, &str)], body| status(D::OpenAi, &request(path, headers, body));
        assert_eq!(openai(path, &key, json!({"model": "m", "messages": said})), "fine");
        assert_eq!(openai(path, &[], json!({"model": "m", "messages": said})), "401");
        assert_eq!(
            openai(path, &[("authorization", "Basic k")], json!({"model": "m", "messages": said})),
            "401"
        );
        assert_eq!(openai("/chat/completions", &key, json!({"model": "m", "messages": said})), "404");
        assert_eq!(openai(path, &key, json!({"messages": said})), "400");
        assert_eq!(openai(path, &key, json!({"model": "m", "messages": []})), "400");
        assert_eq!(openai(path, &key, json!({"model": "m", "messages": said, "max_tokens": 1})), "400");
        let orphan = json!([{"role": "tool", "tool_call_id": "1", "content": "x"}]);
        assert_eq!(openai(path, &key, json!({"model": "m", "messages": orphan})), "400");
    }

    #[test]
    fn anthropic_wants_its_headers_a_limit_and_turns() {
        let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
        let check = |headers: &[(&str, &str)], roles: &[&str], limit: Value| {
            let messages: Vec<Value> =
                roles.iter().map(|role| json!({"role": role, "content": "x"})).collect();
            let body = json!({"model": "m", "messages": messages, "max_tokens": limit});
            status(D::Anthropic, &request("/v1/messages", headers, body))
        };
        assert_eq!(check(&headers, &["user", "assistant", "user"], json!(1)), "fine");
        assert_eq!(check(&headers[..1], &["user"], json!(1)), "400");
        assert_eq!(check(&headers[1..], &["user"], json!(1)), "401");
        assert_eq!(check(&headers, &["user"], Value::Null), "400");
        assert_eq!(check(&headers, &["assistant"], json!(1)), "400");
        assert_eq!(check(&headers, &["user", "user"], json!(1)), "400");
        assert_eq!(check(&headers, &["system", "user"], json!(1)), "400");
    }

    #[test]
    fn refusals_have_the_shape_of_their_provider() {
        let shape = |dialect| {
            let body = refusal(dialect, "400 Bad Request", "m").body();
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        assert_eq!(shape(D::Anthropic)["error"]["type"], "invalid_request_error");
        assert_eq!(shape(D::Gemini)["error"]["status"], "INVALID_ARGUMENT");
        assert_eq!(shape(D::Ollama)["error"], "m");
        assert_eq!(shape(D::Xai)["error"], "m");
        assert_eq!(shape(D::Vllm)["object"], "error");
        assert_eq!(shape(D::KoboldCpp)["detail"]["msg"], "m");
    }
}
