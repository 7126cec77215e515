//! What a service's refusal means. The body is asked before the status: services answer "no credit" with
//! 400, 401, 402, 403, 404 and 429, but they write it out.

use std::time::Duration;

use serde_json::Value;

use crate::http::mask;
use crate::{ErrorKind, Key, ModelError};

/// As much of a service's own words is passed on, characters.
const MESSAGE_CHARS_MAX: usize = 300;
/// Waits that a service may ask for, seconds.
const RETRY_AFTER_SECONDS_MAX: f64 = 3600.0;

/// Words of a refusal and what they mean, in the order in which they are looked for.
const WORDS: [(ErrorKind, &[&str]); 7] = [
    (
        ErrorKind::Quota,
        &[
            "quota",
            "insufficient_credit",
            "insufficient credit",
            "out of credit",
            "not enough credit",
            "joule",
            "usage limit",
            "usage-limit",
            "billing",
            "upgrade your plan",
        ],
    ),
    (ErrorKind::RateLimited, &["rate limit", "rate_limit", "rate-limit", "too many requests"]),
    (ErrorKind::Refused, &["moderation", "content policy", "inappropriate", "blacklisted"]),
    (
        ErrorKind::Unauthorized,
        &[
            "api key",
            "api-key",
            "api_key",
            "apikey",
            "unauthorized",
            "unauthorised",
            "unauthenticated",
            "not authorized",
            "permission",
            "invalid token",
            "token expired",
            "expired token",
            "jwt",
            "onauth failed",
        ],
    ),
    (
        ErrorKind::Overloaded,
        &["overloaded", "service_unavailable", "unavailable", "system_busy", "too busy", "at capacity"],
    ),
    (ErrorKind::Broken, &["process_failure", "internal_error", "internal server error"]),
    (ErrorKind::UnknownModel, &["not found", "does not exist", "no such", "unknown character"]),
];

/// What a service said about why it refuses.
pub(super) struct Refusal<'text> {
    /// The service's name for people.
    pub(super) service: &'static str,
    /// HTTP status; 0 if the refusal came by another way.
    pub(super) status: u16,
    /// The body or message as it came.
    pub(super) body: &'text str,
    /// When to come again, if it said so.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal<'_> {
    /// The refusal as an error; `secrets` are taken out of the service's words.
    pub(super) fn error(&self, secrets: &[Key]) -> ModelError {
        let said = mask(&message(self.body), secrets);
        let kind = kind(self.status, &said.to_lowercase());
        let service = self.service;
        let status = if self.status == 0 { String::new() } else { format!(" ({})", self.status) };
        let text = match said.as_str() {
            "" => format!("{service} refused{status}"),
            said => format!("{service} refused{status}: {said}"),
        };
        let mut error = ModelError::new(kind, text).with_help(help(service, kind));
        error.retry_after = self.retry_after;
        error
    }
}

/// Seconds as a service writes them, as a wait; none if they make no sense.
pub(super) fn wait_of(seconds: f64) -> Option<Duration> {
    let sensible = seconds.is_finite() && seconds >= 0.0;
    sensible.then(|| Duration::from_secs_f64(seconds.min(RETRY_AFTER_SECONDS_MAX)))
}

fn kind(status: u16, said: &str) -> ErrorKind {
    let found = WORDS.iter().find(|(_, words)| words.iter().any(|word| said.contains(word)));
    if let Some((kind, _)) = found {
        return *kind;
    }
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        402 => ErrorKind::Quota,
        404 | 410 => ErrorKind::UnknownModel,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        400..500 => ErrorKind::BadRequest,
        502 | 503 | 529 => ErrorKind::Overloaded,
        500..600 => ErrorKind::Broken,
        _ => ErrorKind::Protocol,
    }
}

fn help(service: &str, kind: ErrorKind) -> String {
    match kind {
        ErrorKind::Quota => {
            format!("Your {service} account has nothing left: top it up or wait until it renews.")
        }
        ErrorKind::RateLimited => format!("{service} is asked too often; wait a moment."),
        ErrorKind::Refused => format!("{service} does not answer this; say it in other words."),
        ErrorKind::Unauthorized => {
            format!("Check the key for {service}, and that your plan includes its API.")
        }
        ErrorKind::Overloaded | ErrorKind::Broken | ErrorKind::Timeout => {
            format!("{service} has trouble at the moment; try again later.")
        }
        ErrorKind::UnknownModel => format!("Check the id that stands for this character at {service}."),
        _ => format!("{service} may have changed its API; look for a newer version of Meddah."),
    }
}

/// What a body says, whatever shape it has.
pub(super) fn message(body: &str) -> String {
    let body = body.trim();
    let said = match serde_json::from_str::<Value>(body) {
        Ok(json) => said_in(&json).unwrap_or_default(),
        // A page of a proxy in between says nothing to a player.
        Err(_) if body.starts_with('<') => String::new(),
        Err(_) => body.to_owned(),
    };
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// The text of `{"ERROR": …}`, `{"API_ERROR": …}`, `{"detail": …}` or `[{"msg": …}]`, and the like.
fn said_in(json: &Value) -> Option<String> {
    const NAMES: [&str; 8] =
        ["ERROR", "API_ERROR", "error", "detail", "message", "error_message", "text", "msg"];
    match json {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(all) => {
            let said: Vec<String> = all.iter().filter_map(said_in).collect();
            Some(said.join("; ")).filter(|said| !said.is_empty())
        }
        Value::Object(fields) => NAMES.iter().find_map(|name| said_in(fields.get(*name)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> ModelError {
        Refusal { service: "Convai", status, body, retry_after: None }.error(&[Key::new("secret-key-1")])
    }

    #[test]
    fn the_body_is_asked_before_the_status() {
        let cases = [
            (401, r#"{"ERROR":"Invalid API key provided."}"#, ErrorKind::Unauthorized),
            (401, r#"{"API_ERROR":"Invalid API key provided."}"#, ErrorKind::Unauthorized),
            (400, r#"{"detail":"Invalid API key"}"#, ErrorKind::Unauthorized),
            (401, r#"{"detail":"Monthly quota exceeded"}"#, ErrorKind::Quota),
            (402, r#""Insufficient joules""#, ErrorKind::Quota),
            (402, "", ErrorKind::Quota),
            (404, r#"{"charID":"x","text":"process_failure, error: KeyError('x')"}"#, ErrorKind::Broken),
            (404, r#"{"detail":"Character not found"}"#, ErrorKind::UnknownModel),
            (400, r#"{"ERROR":"Expecting only one; either an audio file or text"}"#, ErrorKind::BadRequest),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"field required","type":"x"}]}"#,
                ErrorKind::BadRequest,
            ),
            (429, r#""slow down""#, ErrorKind::RateLimited),
            (400, r#"{"detail":"Blocked by content policy"}"#, ErrorKind::Refused),
            (500, "<html><body>502</body></html>", ErrorKind::Broken),
            (503, "\u{0}\u{1}", ErrorKind::Overloaded),
            (301, "", ErrorKind::Protocol),
        ];
        for (status, body, kind) in cases {
            let error = error(status, body);
            assert_eq!(error.kind, kind, "{status} {body}");
            assert!(!error.help.is_empty());
        }
    }

    #[test]
    fn the_message_is_the_services_and_short_and_without_the_key() {
        let told = error(422, r#"{"detail":[{"msg":"field required"},{"msg":"too long"}]}"#);
        assert_eq!(told.message, "Convai refused (422): field required; too long");
        let told = error(401, r#"{"detail":"Invalid API key secret-key-1"}"#);
        assert_eq!(told.message, "Convai refused (401): Invalid API key ***");
        assert!(error(500, &"x".repeat(5000)).message.len() < 400);
        assert_eq!(error(500, "<html>").message, "Convai refused (500)");
    }

    #[test]
    fn waits_are_sensible() {
        assert_eq!(wait_of(1.5), Some(Duration::from_millis(1500)));
        assert_eq!(wait_of(1e12), Some(Duration::from_secs(3600)));
        assert_eq!((wait_of(-1.0), wait_of(f64::NAN)), (None, None));
    }
}
