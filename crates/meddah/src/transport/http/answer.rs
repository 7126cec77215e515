//! Errors as answers: a status for libraries, a body that says what to do for people.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use meddah_protocol::{ErrorBody, ErrorCode, WireError};

/// A request that was not carried out.
#[derive(Debug)]
pub(in crate::transport) struct Failed(pub WireError);

impl Failed {
    /// The body alone, for an answer with a status of its own.
    pub fn body(self) -> Json<ErrorBody> {
        Json(ErrorBody { error: with_help(self.0) })
    }
}

impl From<WireError> for Failed {
    fn from(error: WireError) -> Self {
        Failed(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let retry_after_ms = self.0.retry_after_ms;
        let mut response = (status, self.body()).into_response();
        if let Some(wait_ms) = retry_after_ms {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
        }
        response
    }
}

/// The status of an error.
pub(super) fn status(error: &WireError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Nobody is left with an error alone.
fn with_help(error: WireError) -> WireError {
    if !error.help.is_empty() {
        return error;
    }
    let help = match error.code {
        ErrorCode::Internal => "This is a fault of Meddah; `meddah doctor` collects what a report needs.",
        _ if error.retryable => "Try again in a moment.",
        _ => "Correct what the message names and send the request again.",
    };
    error.with_help(help)
}

/// A fault of ours.
pub(super) fn internal(message: impl Into<String>) -> Failed {
    Failed(WireError::new(ErrorCode::Internal, message))
}
