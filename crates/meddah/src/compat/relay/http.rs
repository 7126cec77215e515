//! What the HTTP routes of the relays share: lenient bodies in, JSON out, and files written aside.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::{ErrorBody, ErrorCode, WireError};
use serde_json::Value;

use super::json;
use crate::transport::BODY_BYTES_MAX;

/// A body must be complete after so long.
const BODY_WAIT: Duration = Duration::from_secs(20);

/// The JSON object in a body.
pub(super) async fn body(body: Body) -> Result<Value, WireError> {
    let bytes = tokio::time::timeout(BODY_WAIT, to_bytes(body, BODY_BYTES_MAX)).await;
    match bytes {
        Ok(Ok(bytes)) => json::read_object(&bytes),
        Ok(Err(_)) => {
            let message = format!("the body broke off, or has more than {BODY_BYTES_MAX} bytes");
            Err(WireError::new(ErrorCode::TooLarge, message).with_help("Send it in smaller parts."))
        }
        Err(_) => Err(WireError::new(ErrorCode::Timeout, "the body was not complete in time")
            .with_help("Send the request again.")),
    }
}

/// Does work that waits for the disk, away from the threads that serve everybody.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(WireError::new(ErrorCode::Internal, format!("the work broke off: {error}"))
            .with_help("This is a fault of Meddah; `meddah doctor` collects what a report needs."))
    })
}

/// The answer to a request.
pub(super) fn answer(result: Result<Value, WireError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refused(error),
    }
}

/// An error as an answer.
pub(super) fn refused(error: WireError) -> Response {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(ErrorBody { error })).into_response()
}

/// For a path that a relay does not have.
pub(super) async fn no_route(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("this relay has no route {path}"));
    refused(error.with_help("Check that the face that was opened is the one for this mod."))
}
