//! Refusals as answers: one body that official clients of OpenAI's protocol and our own both read.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use crate::admission::{Shed, ShedReason};
use crate::quota::QuotaError;
use crate::storage::StorageError;

/// Official clients repeat a request on some statuses unless this says no.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// When a server that is closed, or about to end, is asked again at the earliest.
const CLOSED_WAIT: Duration = Duration::from_secs(10);

/// A request that was not carried out.
#[derive(Debug)]
pub struct Refused(pub WireError);

impl Refused {
    /// With a sentence of help.
    pub fn new(code: ErrorCode, message: impl Into<String>, help: impl Into<String>) -> Self {
        Refused(WireError::new(code, message).with_help(help))
    }

    /// A request that makes no sense.
    pub fn invalid(message: impl Into<String>, help: impl Into<String>) -> Self {
        Refused::new(ErrorCode::InvalidRequest, message, help)
    }

    /// `{"error": {code, message, retryable, retry_after_ms?, help, type, param}}`.
    pub fn body(&self) -> Value {
        let WireError { code, message, retryable, retry_after_ms, help } = &self.0;
        let mut error = json!({
            "message": if help.is_empty() { message.clone() } else { format!("{message}. {help}") },
            "type": kind(*code), "param": null, "code": code, "retryable": retryable, "help": help,
        });
        if let Some(wait) = retry_after_ms {
            error["retry_after_ms"] = json!(wait);
        }
        json!({"error": error})
    }

    /// The status, by what clients do with it: 429 with an allowance that is used up is not tried again.
    pub fn status(&self) -> StatusCode {
        let status = match self.0.code {
            ErrorCode::Quota | ErrorCode::OverBudget => 429,
            ErrorCode::Busy => 503,
            _ => self.0.http_status(),
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn kind(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Quota | ErrorCode::OverBudget => "insufficient_quota",
        ErrorCode::RateLimited => "rate_limit_error",
        _ if code_is_of_the_client(code) => "invalid_request_error",
        _ => "server_error",
    }
}

fn code_is_of_the_client(code: ErrorCode) -> bool {
    (400..500).contains(&WireError::new(code, "").http_status()) && code != ErrorCode::Busy
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        let headers = response.headers_mut();
        let retry = if self.0.retryable { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(retry));
        if let Some(wait_ms) = self.0.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
        }
        response
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Refused(error)
    }
}

impl From<Shed> for Refused {
    fn from(shed: Shed) -> Self {
        let (code, message) = match shed.why {
            ShedReason::QueueFull => (ErrorCode::Busy, "too many are waiting already"),
            ShedReason::WouldWaitTooLong => (ErrorCode::Busy, "the wait would be too long"),
            ShedReason::Expired => (ErrorCode::Timeout, "no slot came free in time"),
            ShedReason::Draining => (ErrorCode::ShuttingDown, "the server is being shut down"),
            ShedReason::TooManyOfPlayer => (ErrorCode::RateLimited, "this player has too many requests open"),
        };
        let mut error = WireError::new(code, message).with_help("Try again in a moment.");
        error.retry_after_ms = Some(shed.retry_after.as_millis() as u64);
        Refused(error)
    }
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        tracing::warn!(%error, "storage");
        let mut refused = WireError::new(ErrorCode::Busy, "the server cannot reach its storage")
            .with_help("Try again in a moment; tell the server's owner if it lasts.");
        refused.retry_after_ms = Some(1_000);
        Refused(refused)
    }
}

impl From<QuotaError> for Refused {
    fn from(error: QuotaError) -> Self {
        let code = match &error {
            QuotaError::Closed(_) => ErrorCode::ShuttingDown,
            QuotaError::Exceeded(exceeded) if exceeded.lack.for_now => ErrorCode::RateLimited,
            QuotaError::Exceeded(_) => ErrorCode::Quota,
            QuotaError::Repeated(_) => ErrorCode::InvalidRequest,
            QuotaError::Unavailable { .. } | QuotaError::NotYetWritten => ErrorCode::Busy,
        };
        let message = match &error {
            // Its words are the database's, and for the operator.
            QuotaError::Unavailable { reason, .. } => {
                tracing::warn!(reason, "no leave");
                "what is left cannot be looked up".to_owned()
            }
            error => error.to_string(),
        };
        let mut refused = WireError::new(code, message).with_help(error.help());
        let wait = error.retry_after().or(matches!(error, QuotaError::Closed(_)).then_some(CLOSED_WAIT));
        refused.retry_after_ms = wait.map(|wait| wait.as_millis() as u64);
        Refused(refused)
    }
}
