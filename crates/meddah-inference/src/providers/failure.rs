//! What a provider's refusal means. The body speaks before the status: quotas come as 401, 402, 403 and 429,
//! filters as 400 and 403, and whole errors with status 200.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::http::{RETRY_AFTER_MAX, mask, retry_after};
use crate::{ErrorKind, Key, ModelError};

/// Longer messages are cut, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// A refusal, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'r> {
    /// 200 for errors in the middle of a reply.
    pub status: u16,
    /// JSON, or the text of it.
    pub body: &'r Value,
    /// None in the middle of a reply.
    pub headers: Option<&'r HeaderMap>,
    /// Who refuses, for the message.
    pub who: &'r str,
    /// What may not stand in the message.
    pub secrets: &'r [Key],
}

/// The words of an error, wherever they stand.
#[derive(Debug, Default)]
struct Words {
    /// Codes, types and statuses, in lower case.
    codes: Vec<String>,
    message: String,
}

/// The error of a refusal. Its help speaks of models; who asked for something else has words of their own.
pub fn classify(refusal: &Refusal<'_>) -> ModelError {
    let words = words(refusal.body);
    let retry_after = refusal
        .headers
        .and_then(retry_after)
        .or_else(|| told_pause(refusal.body))
        .map(|wait| wait.min(RETRY_AFTER_MAX));
    let kind = kind(&words, refusal.status, retry_after.is_some());
    let message = mask(&one_line(&words.message), refusal.secrets);
    let message = match (message.is_empty(), refusal.status) {
        (false, _) => format!("{}: {message}", refusal.who),
        (true, 200) => format!("{} reports an error without a word", refusal.who),
        (true, status) => format!("{} answered {status}", refusal.who),
    };
    let mut error = ModelError::new(kind, message).with_help(help(kind));
    error.retry_after = retry_after;
    error
}

/// When to come back, by the body: as our own host says it, or google.rpc.RetryInfo, as in `"retryDelay": "3.5s"`.
fn told_pause(body: &Value) -> Option<Duration> {
    if let Some(pause_ms) = body["error"]["retry_after_ms"].as_u64() {
        return Some(Duration::from_millis(pause_ms));
    }
    let details = body["error"]["details"].as_array()?;
    let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
    Duration::try_from_secs_f64(delay.trim_end_matches('s').parse().ok()?).ok()
}

/// A parameter among these that the server does not take, by what it says.
pub(super) fn unwanted(body: &Value, sent: &Value, optional: &[&'static str]) -> Option<&'static str> {
    let words = words(body);
    let named = body["error"]["param"].as_str().unwrap_or_default();
    let text = format!("{} {}", words.codes.join(" "), words.message).to_lowercase();
    let is_sent = |name: &str| {
        let nested = sent.as_object().into_iter().flatten().any(|(_, value)| !value[name].is_null());
        !sent[name].is_null() || nested
    };
    let mut candidates = optional.iter().copied().filter(|name| is_sent(name));
    candidates
        .clone()
        .find(|name| *name == named)
        .or_else(|| candidates.find(|name| names(&text, &name.to_lowercase()) || is_meant(name, &text)))
}

/// Servers also say it in other words.
fn is_meant(name: &str, text: &str) -> bool {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    match name {
        "tools" => says(&["support tool", "tool use", "tool choice", "function calling", "tool calling"]),
        "response_format" | "format" | "output_config" | "responseJsonSchema" | "text" => {
            says(&["json_schema", "json schema", "structured output", "response_format", "response format"])
        }
        "thinking" => says(&["thinking.type", "support thinking", "thinking cannot be disabled"]),
        "think" | "reasoning_effort" | "thinkingConfig" | "reasoning" => says(&[
            "support thinking",
            "thinking_budget",
            "thinking budget",
            "thinking level",
            "reasoning effort",
        ]),
        _ => false,
    }
}

/// Whether a text speaks of this parameter; where the name is a word of everyday, only if it is quoted.
fn names(text: &str, name: &str) -> bool {
    if matches!(name, "stop" | "text" | "format" | "thinking" | "think" | "reasoning" | "tools") {
        return ["'", "\"", "`", "."].iter().any(|quote| text.contains(&format!("{quote}{name}")))
            || text.contains(&format!(": {name}"));
    }
    contains_word(text, name)
}

fn contains_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

fn words(body: &Value) -> Words {
    let mut words = Words::default();
    let error = match &body["error"] {
        Value::Null => body,
        error => error,
    };
    collect(error, &mut words);
    // FastAPI, and ElevenLabs and KoboldCpp in its manner.
    let detail = &body["detail"];
    collect(detail.as_array().and_then(|list| list.first()).unwrap_or(detail), &mut words);
    if !error.is_object() || std::ptr::eq(error, body) {
        collect_codes(body, &mut words);
    }
    if let Value::String(text) = body {
        words.message.clone_from(text);
    }
    words
}

fn collect(value: &Value, words: &mut Words) {
    if let Value::String(text) = value {
        words.message.clone_from(text);
    }
    collect_codes(value, words);
    for name in ["message", "msg", "error_message", "error", "err_msg"] {
        if let (true, Value::String(text)) = (words.message.is_empty(), &value[name]) {
            words.message.clone_from(text);
        }
    }
    let metadata = &value["metadata"];
    collect_codes(metadata, words);
    // OpenRouter tells what the provider behind it said.
    if let Value::String(raw) = &metadata["raw"] {
        words.message.push_str(&format!(" ({raw})"));
    }
    for detail in value["details"].as_array().into_iter().flatten() {
        collect_codes(detail, words);
        for violation in detail["violations"].as_array().into_iter().flatten() {
            words.codes.extend(violation["quotaId"].as_str().map(str::to_lowercase));
        }
    }
}

fn collect_codes(value: &Value, words: &mut Words) {
    for name in ["code", "type", "status", "error_type", "error_code", "provider_code", "reason", "err_code"]
    {
        words.codes.extend(value[name].as_str().map(str::to_lowercase));
    }
    if value["reasons"].is_array() || value["flagged_input"].is_string() {
        words.codes.push("moderation".into());
    }
}

fn kind(words: &Words, status: u16, has_pause: bool) -> ErrorKind {
    let message = words.message.to_lowercase();
    let coded = |codes: &[&str]| codes.iter().any(|code| words.codes.iter().any(|word| word.contains(code)));
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if coded(&["context_length", "context_window", "exceed_context", "request_too_large", "string_above_max"])
        || says(&[
            "context length",
            "context window",
            "context size",
            "maximum context",
            "prompt is too long",
            "too many tokens",
            "input token count",
            "reduce the length",
        ]) && !coded(&["rate_limit"])
    {
        return ErrorKind::ContextFull;
    }
    // Gemini calls the limit per minute a quota too, and says when it is over.
    let per_minute = coded(&["resource_exhausted"]) && has_pause && !coded(&["perday"]);
    if status == 402 && !coded(&["rate_limit"])
        || !per_minute
            && (coded(&["insufficient_quota", "quota_exceeded", "billing", "insufficient_credit", "perday"])
                || coded(&["payment_required", "insufficient_balance", "credits_exhausted", "no_credit"])
                || says(&[
                    "insufficient balance",
                    "insufficient credit",
                    "credit balance",
                    "exceeded your current quota",
                    "out of credit",
                    "more credits",
                    "used all available credits",
                    "spending limit",
                    "payment required",
                    "joules",
                ]))
    {
        return ErrorKind::Quota;
    }
    if coded(&[
        "content_filter",
        "content_policy",
        "moderation",
        "policyviolation",
        "prompt_blocked",
        "refusal",
    ]) || says(&[
        "content management policy",
        "safety system",
        "content policy",
        "was flagged",
        "moderation",
    ]) {
        return ErrorKind::Refused;
    }
    if coded(&["tool_use_failed"])
        || says(&[
            "failed to call a function",
            "tool call validation",
            "parsing tool call",
            "parse tool call",
        ])
    {
        return ErrorKind::ToolsFailed;
    }
    if coded(&["overloaded", "system_busy", "unavailable", "engine_overloaded", "capacity"])
        || says(&["overloaded", "loading model", "server is busy", "no slots available", "try again later"])
            && status != 429
    {
        return ErrorKind::Overloaded;
    }
    if coded(&["rate_limit", "too_many_requests", "resource_exhausted", "concurrent_requests"])
        || says(&["rate limit", "too many requests"])
    {
        return ErrorKind::RateLimited;
    }
    if coded(&["invalid_api_key", "authentication", "unauthenticated", "permission", "api_key_invalid"])
        || says(&["invalid api key", "incorrect api key", "api key not valid", "no auth credentials"])
    {
        return ErrorKind::Unauthorized;
    }
    if coded(&["model_not_found", "not_found", "no_such_model", "model_not_active", "invalid_model"])
        || says(&["no endpoints found", "model not found", "no such model", "not a valid model"])
        || says(&["model"]) && says(&["does not exist", "not found"])
    {
        return ErrorKind::UnknownModel;
    }
    match status {
        200 if coded(&["server_error", "internal", "api_error"]) => ErrorKind::Overloaded,
        200 if coded(&["invalid_request", "bad_request"]) => ErrorKind::BadRequest,
        // It broke in the middle of a reply, and says something that nobody knows.
        200 if !message.is_empty() => ErrorKind::Broken,
        status => by_status(status),
    }
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 | 407 => ErrorKind::Unauthorized,
        402 => ErrorKind::Quota,
        404 | 410 => ErrorKind::UnknownModel,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::ContextFull,
        429 => ErrorKind::RateLimited,
        451 => ErrorKind::Refused,
        400..=499 => ErrorKind::BadRequest,
        // Whatever broke there, it is worth another try.
        500..=599 => ErrorKind::Overloaded,
        _ => ErrorKind::Protocol,
    }
}

/// What a player can do.
fn help(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => "Set the right key with `meddah key set NAME`.",
        ErrorKind::Quota => "Add credit on the provider's page, or put another model into the ladder.",
        ErrorKind::RateLimited => "Wait a little, or put another model into the ladder.",
        ErrorKind::Overloaded | ErrorKind::Timeout => "Try again in a moment.",
        ErrorKind::ToolsFailed => "Set `actions = \"lines\"` for this model if it happens often.",
        ErrorKind::UnknownModel => "Check the model's name on the provider's page.",
        ErrorKind::Refused => "Say it in another way; the provider's filter cannot be turned off from here.",
        ErrorKind::ContextFull => "Set a smaller context_tokens for this model, or choose a larger model.",
        ErrorKind::BadRequest => "Check the provider's `extra` settings, and that base_url is the right one.",
        _ => "Try again, or put another model into the ladder.",
    }
}

/// Without line breaks and signs that terminals obey, and not too long.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
