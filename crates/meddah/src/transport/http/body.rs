//! What a request carries: its body, its path and its query, each refused with our own error body.
//!
//! The content type is not looked at: some games cannot set it, and the guard keeps web pages out anyway.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use futures::StreamExt as _;
use meddah_protocol::{ErrorCode, WireError, tidy};
use serde::de::DeserializeOwned;

use super::answer::Failed;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// So much of a body that is too large is still read: a client that is cut off while it sends never sees
/// the answer that tells it why.
const BODY_BYTES_DISCARDED_MAX: usize = 64 * 1024 * 1024;
/// A body must be complete after so long.
const BODY_WAIT: Duration = Duration::from_secs(20);

/// A JSON body of any content type.
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failed> {
        let bytes = read(request.into_body()).await?;
        Ok(JsonBody(parse_json(&bytes)?))
    }
}

/// A whole body, within the limits of size and time.
pub(crate) async fn read(body: Body) -> Result<Vec<u8>, WireError> {
    tokio::time::timeout(BODY_WAIT, collect(body)).await.unwrap_or_else(|_| {
        let message = format!("the body was not complete after {} s", BODY_WAIT.as_secs());
        Err(WireError::new(ErrorCode::Timeout, message)
            .with_help("Check that `Content-Length` is the number of bytes that are sent."))
    })
}

async fn collect(body: Body) -> Result<Vec<u8>, WireError> {
    let mut stream: BodyDataStream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut received = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            WireError::new(ErrorCode::InvalidRequest, format!("the body broke off: {error}"))
                .with_help("Send the request again.")
        })?;
        received = received.saturating_add(chunk.len());
        if received <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
        if received > BODY_BYTES_DISCARDED_MAX {
            break;
        }
    }
    if received > BODY_BYTES_MAX {
        let message = format!("the body has more than the {BODY_BYTES_MAX} bytes that are allowed");
        return Err(WireError::new(ErrorCode::TooLarge, message).with_help("Send it in smaller parts."));
    }
    Ok(bytes)
}

/// Reads JSON, or says where it stops being that.
pub(in crate::transport) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let invalid =
        |message: String, help: &str| Err(WireError::new(ErrorCode::InvalidRequest, message).with_help(help));
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text), // Windows likes to put a mark first
        Err(error) => {
            let message = format!("the text is not UTF-8 from byte {} on", error.valid_up_to());
            return invalid(message, "Send all text as UTF-8.");
        }
    };
    match serde_json::from_str(text).and_then(|value| serde_json::from_value(tidy(value))) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() => invalid(error.to_string(), "Correct this field and send it again."),
        Err(error) => invalid(
            format!("this is not JSON: {error}"),
            "Write JSON with a library rather than by joining text: quotes and line breaks inside of text \
             have to be escaped.",
        ),
    }
}

/// Values from the path.
pub(super) struct FromPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for FromPath<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(values)) => Ok(FromPath(values)),
            Err(rejection) => Err(Failed(
                WireError::new(ErrorCode::InvalidRequest, format!("the path: {}", rejection.body_text()))
                    .with_help("Write ids in the path percent-encoded, as UTF-8."),
            )),
        }
    }
}

/// Values from the query.
pub(super) struct FromQuery(HashMap<String, String>);

impl FromQuery {
    /// A value, read as what it has to be.
    pub fn get<T: std::str::FromStr>(&self, name: &str, meant: &str) -> Result<Option<T>, WireError> {
        let Some(text) = self.0.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        // Some scripts know no whole numbers: 17 comes as 17.0.
        let text = text.strip_suffix(".0").unwrap_or(text);
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            WireError::new(ErrorCode::InvalidRequest, format!("`{name}` is {shown:?}, not {meant}"))
                .with_help(format!("Write `{name}` as {meant}, or leave it out."))
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FromQuery {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(values)) => Ok(FromQuery(values)),
            Err(rejection) => Err(Failed(
                WireError::new(ErrorCode::InvalidRequest, format!("the query: {}", rejection.body_text()))
                    .with_help("Write it as `?cursor=0&wait=2`."),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn message(bytes: &[u8]) -> String {
        parse_json::<Value>(bytes).map_or_else(|error| error.message, |value| value.to_string())
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        assert_eq!(message(b"{\n \"a\": }"), "this is not JSON: expected value at line 2 column 7");
        assert_eq!(message(b""), "this is not JSON: EOF while parsing a value at line 1 column 0");
        assert_eq!(message(b"{\"a\":\"\xff\"}"), "the text is not UTF-8 from byte 6 on");
        assert_eq!(message("\u{feff}{}".as_bytes()), "{}");
        assert!(message("[".repeat(100_000).as_bytes()).contains("recursion limit"));
    }
}
