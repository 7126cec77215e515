//! Errors in OpenAI's shape, with the status and code that official clients branch on.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

/// Official clients repeat a request on some statuses unless this says no.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A request that was not carried out.
pub(crate) struct Refused(pub WireError);

impl From<WireError> for Refused {
    fn from(error: WireError) -> Refused {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (status(&self.0), Json(body(&self.0))).into_response();
        let headers = response.headers_mut();
        let retry = if self.0.retryable { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(retry));
        if let Some(wait_ms) = self.0.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
        }
        response
    }
}

/// The status of an error.
pub(crate) fn status(error: &WireError) -> StatusCode {
    let status = match error.code {
        ErrorCode::Quota | ErrorCode::OverBudget => 429,
        ErrorCode::Busy => 503,
        _ => error.http_status(),
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `{"error": {message, type, param, code}}`.
pub(crate) fn body(error: &WireError) -> Value {
    let (kind, code) = words(error.code);
    json!({"error": {"message": sentence(error), "type": kind, "param": null, "code": code}})
}

/// What happened and what to do about it, for mods that show one text.
pub(crate) fn sentence(error: &WireError) -> String {
    let message = error.message.trim_end_matches('.');
    if error.help.is_empty() { format!("{message}.") } else { format!("{message}. {}", error.help) }
}

fn words(code: ErrorCode) -> (&'static str, Value) {
    let (kind, code) = match code {
        ErrorCode::Auth | ErrorCode::Unauthorized => ("invalid_request_error", "invalid_api_key"),
        ErrorCode::Forbidden => ("invalid_request_error", "forbidden"),
        ErrorCode::RateLimited => ("rate_limit_error", "rate_limit_exceeded"),
        ErrorCode::Quota | ErrorCode::OverBudget => ("insufficient_quota", "insufficient_quota"),
        ErrorCode::ContextFull => ("invalid_request_error", "context_length_exceeded"),
        ErrorCode::UnknownModel | ErrorCode::UnknownCharacter | ErrorCode::UnknownWorld => {
            ("invalid_request_error", "model_not_found")
        }
        ErrorCode::NotFound => ("invalid_request_error", "unknown_url"),
        ErrorCode::TooLarge => ("invalid_request_error", "request_too_large"),
        ErrorCode::Moderation => ("invalid_request_error", "content_filter"),
        ErrorCode::InvalidRequest | ErrorCode::BadRequest => ("invalid_request_error", "invalid_request"),
        ErrorCode::Unsupported => ("invalid_request_error", "unsupported"),
        ErrorCode::Busy => ("server_error", "overloaded"),
        ErrorCode::NoModel => ("server_error", "no_model"),
        ErrorCode::Timeout => ("server_error", "timeout"),
        _ => return ("server_error", Value::Null),
    };
    (kind, Value::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: ErrorCode, status_code: u16, kind: &str, word: &str) {
        let error = WireError::new(code, "It failed.").with_help("Do this.");
        let body = body(&error);
        assert_eq!(status(&error).as_u16(), status_code);
        assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &json!(word)));
        assert_eq!(body["error"]["message"], "It failed. Do this.");
    }

    #[test]
    fn clients_find_the_status_and_code_that_they_look_for() {
        check(ErrorCode::Auth, 401, "invalid_request_error", "invalid_api_key");
        check(ErrorCode::RateLimited, 429, "rate_limit_error", "rate_limit_exceeded");
        check(ErrorCode::OverBudget, 429, "insufficient_quota", "insufficient_quota");
        check(ErrorCode::ContextFull, 400, "invalid_request_error", "context_length_exceeded");
        check(ErrorCode::UnknownCharacter, 404, "invalid_request_error", "model_not_found");
        check(ErrorCode::NoModel, 503, "server_error", "no_model");
    }
}
