//! The line to a service: its address, its key, its limits, and what its refusals mean.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fault::Refusal;
use crate::http::{self, Call, ERROR_BODY_BYTES_MAX, Http};
use crate::{ErrorKind, Key, ModelError};

/// Until the head of an answer, and from there to the end of one that is read as a whole: these services think
/// before they answer.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(45);
/// A body that is read as a whole, bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Everything needed to ask one service something.
pub(super) struct Line {
    /// The service's name for people.
    pub(super) service: &'static str,
    pub(super) http: Http,
    pub(super) base: String,
    pub(super) key: Option<Key>,
}

impl Line {
    /// A line whose address and key go together.
    pub(super) fn new(
        service: &'static str,
        http: Http,
        base: String,
        key: Option<Key>,
    ) -> Result<Line, ModelError> {
        let url = http::endpoint(&base, "", "x")?;
        if key.is_some() {
            http::check_key_is_safe(&url)?;
        }
        Ok(Line { service, http, base, key })
    }

    /// The address of a call below a version, which the base may have already.
    pub(super) fn url(&self, version: &str, tail: &str) -> Result<Url, ModelError> {
        http::endpoint(&self.base, version, tail)
    }

    /// Sends, and waits for an answer that is no refusal.
    pub(super) async fn ask(&self, call: Call) -> Result<http::Reply, ModelError> {
        let never = CancellationToken::new();
        let answer = tokio::time::timeout(ANSWER_WAIT_MAX, self.http.send(call, &never)).await;
        let mut reply = answer.map_err(|_| self.silent())??;
        if reply.is_success() {
            return Ok(reply);
        }
        let reading = reply.body_up_to(ERROR_BODY_BYTES_MAX, &never);
        let body = tokio::time::timeout(ANSWER_WAIT_MAX, reading).await.map_err(|_| self.silent())??;
        let refusal = Refusal {
            service: self.service,
            status: reply.status(),
            body: &String::from_utf8_lossy(&body),
            retry_after: http::retry_after(reply.headers()),
        };
        Err(refusal.error(reply.secrets()))
    }

    /// Sends, and reads the whole answer as text.
    pub(super) async fn ask_text(&self, call: Call) -> Result<String, ModelError> {
        let mut reply = self.ask(call).await?;
        let reading = async {
            let never = CancellationToken::new();
            let mut body = Vec::new();
            while let Some(bytes) = reply.next(&never).await? {
                body.extend_from_slice(&bytes);
                if body.len() > BODY_BYTES_MAX {
                    return Err(self.nonsense("an answer without end"));
                }
            }
            Ok(String::from_utf8_lossy(&body).into_owned())
        };
        tokio::time::timeout(ANSWER_WAIT_MAX, reading).await.map_err(|_| self.silent())?
    }

    /// Sends, and reads the answer as JSON.
    pub(super) async fn ask_json(&self, call: Call) -> Result<Value, ModelError> {
        let body = self.ask_text(call).await?;
        serde_json::from_str(&body).map_err(|_| self.nonsense("no JSON"))
    }

    /// A refusal in the service's own words.
    pub(super) fn refusal(&self, status: u16, body: &str, retry_after: Option<Duration>) -> ModelError {
        let key = self.key.as_slice();
        Refusal { service: self.service, status, body, retry_after }.error(key)
    }

    /// No answer in time.
    pub(super) fn silent(&self) -> ModelError {
        let service = self.service;
        ModelError::new(ErrorKind::Timeout, format!("{service} did not answer in time"))
            .with_help(format!("{service} may have trouble at the moment; try again later."))
    }

    /// The connection ended before the reply did.
    pub(super) fn broke(&self) -> ModelError {
        let service = self.service;
        ModelError::new(ErrorKind::Network, format!("{service} hung up before its reply was over"))
            .with_help("Check the internet connection; the next line is tried anew.")
    }

    /// An answer that means nothing.
    pub(super) fn nonsense(&self, what: &str) -> ModelError {
        let service = self.service;
        ModelError::new(ErrorKind::Protocol, format!("{service} answered with {what}"))
            .with_help(format!("{service} may have changed its API; look for a newer version of Meddah."))
    }
}
