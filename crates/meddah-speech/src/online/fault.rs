//! What a service's refusal means for who wanted to hear something. The body speaks before the status, as with models.

use std::fmt::Display;

use meddah_inference::http::{ERROR_BODY_BYTES_MAX, Reply};
use meddah_inference::providers::{Refusal, classify};
use meddah_inference::{ErrorKind, Key, ModelError};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{SpeechError, SpeechErrorKind};

impl SpeechErrorKind {
    fn of(kind: ErrorKind) -> SpeechErrorKind {
        match kind {
            ErrorKind::Overloaded => SpeechErrorKind::Overloaded,
            ErrorKind::RateLimited => SpeechErrorKind::RateLimited,
            ErrorKind::Quota => SpeechErrorKind::Quota,
            ErrorKind::OverBudget => SpeechErrorKind::OverBudget,
            ErrorKind::Timeout => SpeechErrorKind::Late,
            ErrorKind::Network => SpeechErrorKind::Network,
            ErrorKind::Refused => SpeechErrorKind::Refused,
            ErrorKind::ContextFull | ErrorKind::BadRequest => SpeechErrorKind::BadRequest,
            ErrorKind::Unauthorized => SpeechErrorKind::Unauthorized,
            ErrorKind::NotFound | ErrorKind::UnknownModel => SpeechErrorKind::NotFound,
            ErrorKind::Protocol => SpeechErrorKind::Protocol,
            ErrorKind::ToolsFailed
            | ErrorKind::BadModel
            | ErrorKind::OutOfMemory
            | ErrorKind::Broken
            | ErrorKind::Cancelled => SpeechErrorKind::Broken,
        }
    }
}

/// The error in the words of this crate. Help that names what to do stays; what speaks of models is replaced.
pub(crate) fn of(error: ModelError, service: &str) -> SpeechError {
    let kind = SpeechErrorKind::of(error.kind);
    let help = help(kind, service).unwrap_or(error.help);
    SpeechError { retry_after: error.retry_after, ..SpeechError::new(kind, error.message, help) }
}

fn help(kind: SpeechErrorKind, service: &str) -> Option<String> {
    Some(match kind {
        SpeechErrorKind::Unauthorized => {
            format!("Set the right key for {service}, and check that it may use speech.")
        }
        SpeechErrorKind::Quota => format!("Add credit at {service}, or let another voice speak."),
        SpeechErrorKind::RateLimited => format!("{service} is asked too often: wait a little."),
        SpeechErrorKind::Overloaded => format!("{service} has too much to do: try again in a moment."),
        SpeechErrorKind::Refused => {
            format!("{service} does not speak this; its filter cannot be turned off from here.")
        }
        SpeechErrorKind::NotFound => format!("Check the model and the base_url of {service}."),
        SpeechErrorKind::Broken => format!("{service} has trouble: try again later."),
        _ => return None,
    })
}

/// The error of an answer that is none of success.
pub(crate) async fn refused(mut reply: Reply, service: &str) -> SpeechError {
    let never = CancellationToken::new();
    let body = reply.body_up_to(ERROR_BODY_BYTES_MAX, &never).await.unwrap_or_default();
    let body = read(&body);
    let refusal = Refusal {
        status: reply.status(),
        body: &body,
        headers: Some(reply.headers()),
        who: service,
        secrets: reply.secrets(),
    };
    told_by(&refusal, service)
}

/// The error that a service tells in the middle of an answer.
pub(crate) fn told(body: &Value, service: &str, secrets: &[Key]) -> SpeechError {
    told_by(&Refusal { status: 200, body, headers: None, who: service, secrets }, service)
}

fn told_by(refusal: &Refusal<'_>, service: &str) -> SpeechError {
    let mut error = of(classify(refusal), service);
    let words = refusal.body.to_string().to_lowercase();
    let of_a_voice = words.contains("voice") || words.contains("speaker");
    if of_a_voice && matches!(error.kind, SpeechErrorKind::NotFound) {
        error.kind = SpeechErrorKind::UnknownVoice;
        error.help = format!("Choose a voice that {service} has.");
    }
    error
}

/// A body as JSON, or its text; pages of a proxy in between say nothing to a player.
fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        if text.trim_start().starts_with('<') { Value::Null } else { Value::String(text.into_owned()) }
    })
}

/// What came back cannot be understood.
pub(crate) fn nonsense(service: &str, why: impl Display) -> SpeechError {
    SpeechError::new(
        SpeechErrorKind::Protocol,
        format!("{service} sent what is no speech: {why}"),
        format!("Check that base_url is the address of {service}, or look for a newer version of Meddah."),
    )
}

/// Nothing came for too long.
pub(crate) fn silent(service: &str, wait: std::time::Duration) -> SpeechError {
    SpeechError::new(
        SpeechErrorKind::Late,
        format!("{service} was silent for {} s", wait.as_secs()),
        "Try again, or let another voice speak.",
    )
}

/// As the breaker of a ladder knows errors: what it branches on is the kind and the wait.
pub(crate) fn for_breaker(error: &SpeechError) -> ModelError {
    let kind = match error.kind {
        SpeechErrorKind::Unauthorized => ErrorKind::Unauthorized,
        SpeechErrorKind::Quota => ErrorKind::Quota,
        SpeechErrorKind::NotFound | SpeechErrorKind::BadVoice | SpeechErrorKind::BadModel => {
            ErrorKind::UnknownModel
        }
        SpeechErrorKind::OverBudget => ErrorKind::OverBudget,
        SpeechErrorKind::Refused => ErrorKind::Refused,
        SpeechErrorKind::RateLimited => ErrorKind::RateLimited,
        SpeechErrorKind::UnknownVoice | SpeechErrorKind::BadRequest | SpeechErrorKind::Language => {
            ErrorKind::BadRequest
        }
        SpeechErrorKind::Stalled => ErrorKind::Cancelled,
        SpeechErrorKind::Overloaded => ErrorKind::Overloaded,
        SpeechErrorKind::Network => ErrorKind::Network,
        SpeechErrorKind::Late => ErrorKind::Timeout,
        SpeechErrorKind::Protocol => ErrorKind::Protocol,
        SpeechErrorKind::Broken => ErrorKind::Broken,
    };
    ModelError { retry_after: error.retry_after, ..ModelError::new(kind, error.message.clone()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(status: u16, body: Value) -> SpeechErrorKind {
        let refusal = Refusal { status, body: &body, headers: None, who: "it", secrets: &[] };
        told_by(&refusal, "it").kind
    }

    #[test]
    fn the_body_speaks_before_the_status() {
        let eleven = |status: &str| json!({"detail": {"status": status, "message": "x"}});
        assert_eq!(kind(401, eleven("quota_exceeded")), SpeechErrorKind::Quota);
        assert_eq!(kind(401, eleven("invalid_api_key")), SpeechErrorKind::Unauthorized);
        assert_eq!(kind(404, eleven("voice_not_found")), SpeechErrorKind::UnknownVoice);
        assert_eq!(kind(429, eleven("too_many_concurrent_requests")), SpeechErrorKind::RateLimited);
        assert_eq!(kind(429, eleven("system_busy")), SpeechErrorKind::Overloaded);
        let openai = |code: &str| json!({"error": {"code": code, "message": "x"}});
        assert_eq!(kind(429, openai("insufficient_quota")), SpeechErrorKind::Quota);
        assert_eq!(kind(404, openai("model_not_found")), SpeechErrorKind::NotFound);
        let deepgram = |code: &str, words: &str| json!({"err_code": code, "err_msg": words});
        assert_eq!(
            kind(401, deepgram("INVALID_AUTH", "Invalid credentials.")),
            SpeechErrorKind::Unauthorized
        );
        assert_eq!(kind(402, deepgram("ASR_PAYMENT_REQUIRED", "no credits")), SpeechErrorKind::Quota);
        assert_eq!(
            kind(200, json!({"error": {"code": 8, "message": "quota exceeded"}})),
            SpeechErrorKind::Broken
        );
        assert_eq!(kind(503, Value::Null), SpeechErrorKind::Overloaded);
    }

    #[test]
    fn pages_say_nothing_and_text_says_what_it_says() {
        assert_eq!(read(b"<html>nginx</html>"), Value::Null);
        assert_eq!(read(b"busy"), json!("busy"));
    }
}
