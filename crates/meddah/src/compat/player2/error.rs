//! Errors as mods of Player2 read them: a text for an empty purse and for too many requests, else a message.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use crate::compat::openai::error as openai;

/// A request that was not carried out.
pub(in crate::compat) struct Refused(pub WireError);

impl From<WireError> for Refused {
    fn from(error: WireError) -> Refused {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let error = self.0;
        let status = match error.code {
            // It is not the mod that asks too much.
            ErrorCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let text = openai::sentence(&error);
        let mut response = match status {
            StatusCode::PAYMENT_REQUIRED | StatusCode::TOO_MANY_REQUESTS => (status, text).into_response(),
            _ => {
                let mut body = openai::body(&error); // for libraries of chats, which look for it
                body["message"] = json!(text);
                (status, Json(body)).into_response()
            }
        };
        if let Some(wait_ms) = error.retry_after_ms {
            response.headers_mut().insert(RETRY_AFTER, wait_ms.div_ceil(1000).into());
        }
        response
    }
}

/// The error of a response that comes on the stream.
pub(super) fn of_response(error: &WireError) -> Value {
    let code = match error.code {
        ErrorCode::Quota | ErrorCode::OverBudget => "insufficient_credits",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::Internal | ErrorCode::InvalidRequest => "internal_error",
        _ => "service_unavailable",
    };
    let retry_after = error.retry_after_ms.map(|wait_ms| wait_ms.div_ceil(1000));
    json!({"error_code": code, "error_message": openai::sentence(error), "retry_after": retry_after})
}
