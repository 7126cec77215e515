//! Bodies of requests: bounded in size, and in the time that they may take to come.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use meddah_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::Host;
use super::error::Refused;

/// The longest body of requests that are no chats, in bytes.
pub const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;

/// A body that was not read yet: who sends it is looked at first.
pub(super) struct Sent {
    body: Body,
    wait: Duration,
}

impl FromRequest<Arc<Host>> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, host: &Arc<Host>) -> Result<Self, Infallible> {
        Ok(Sent { body: request.into_body(), wait: host.settings.limits.body_wait() })
    }
}

impl Sent {
    /// All of it.
    pub async fn read(self, bytes_max: usize) -> Result<Bytes, Refused> {
        let body = Limited::new(self.body, bytes_max).collect();
        match tokio::time::timeout(self.wait, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::new(
                ErrorCode::TooLarge,
                format!("the body is longer than {bytes_max} bytes"),
                "Send less: shorten the prompt.",
            )),
            Ok(Err(_)) => Err(Refused::invalid("the body broke off", "Send it again.")),
            Err(_) => Err(Refused::new(
                ErrorCode::Timeout,
                "the body took too long to come",
                "Check the connection, then send it again.",
            )),
        }
    }

    /// A small body of JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Refused> {
        let bytes = self.read(SMALL_BODY_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Refused::invalid(format!("the body is not what is expected: {error}"), "See /openapi.json.")
        })
    }
}
