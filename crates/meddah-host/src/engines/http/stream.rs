//! An answer's events, from the head of the response to the last `data:`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::{Response, StatusCode};
use meddah_inference::http::{ERROR_BODY_BYTES_MAX, SseEvent, SseParser};
use meddah_inference::providers::{Refusal, classify};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::connection::Body;
use super::{HttpEngine, HttpLimits};
use crate::alarm::Alarm;
use crate::engines::{EngineError, EngineErrorKind};

/// An error's body is read for so long.
const ERROR_BODY_WAIT_MAX: Duration = Duration::from_secs(2);
/// After the last event the end of the body is waited for so long, so that the connection can be kept.
const TAIL_WAIT_MAX: Duration = Duration::from_millis(10);

/// The body of a response that is a stream of events.
///
/// # Errors
/// What the engine says instead, by its status and its words.
pub(super) async fn accept(response: Response<Body>, engine: &HttpEngine) -> Result<Body, EngineError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(redirected(&engine.who, response.headers()));
    }
    let media_type = media_type(response.headers());
    // Some small servers name no type at all.
    if status == StatusCode::OK && matches!(media_type.as_str(), "text/event-stream" | "") {
        return Ok(response.into_body());
    }
    let (head, body) = response.into_parts();
    let body = body_up_to(body, ERROR_BODY_BYTES_MAX, ERROR_BODY_WAIT_MAX).await;
    let words = serde_json::from_slice(&body).unwrap_or_else(|_| {
        Value::String(if media_type == "text/html" {
            String::new()
        } else {
            String::from_utf8_lossy(&body).into_owned()
        })
    });
    let is_error = !status.is_success() || !words["error"].is_null() || words["object"] == "error";
    if !is_error {
        let message = format!("{} sent {media_type} ({status}) instead of events", engine.who);
        return Err(EngineError::new(EngineErrorKind::Protocol, message));
    }
    Err(refused(status, &head.headers, &words, engine))
}

fn refused(status: StatusCode, headers: &HeaderMap, words: &Value, engine: &HttpEngine) -> EngineError {
    let (who, secrets) = (&engine.who, engine.keys());
    let refusal = Refusal { status: status.as_u16(), body: words, headers: Some(headers), who, secrets };
    EngineError::from(classify(&refusal))
}

fn redirected(who: &str, headers: &HeaderMap) -> EngineError {
    let target = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|to| to.parse::<hyper::Uri>().ok());
    let target = target.as_ref().and_then(hyper::Uri::host).unwrap_or("another path").to_owned();
    EngineError::new(EngineErrorKind::NotFound, format!("{who} sends requests elsewhere"))
        .with_help(format!("Nothing was sent to {target}. If it is right, put its address into base_url."))
}

/// The media type without parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body up to a size and a time; what is longer, later or breaks off ends there.
pub(super) async fn body_up_to(mut body: Body, bytes_max: usize, wait_max: Duration) -> Vec<u8> {
    let (mut bytes, until) = (Vec::new(), Instant::now() + wait_max);
    while bytes.len() < bytes_max {
        let Ok(Some(Ok(frame))) = tokio::time::timeout_at(until, body.frame()).await else { break };
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    bytes.truncate(bytes_max);
    bytes
}

pub(super) fn silent(who: &str, wait: Duration) -> EngineError {
    EngineError::new(EngineErrorKind::Timeout, format!("{who} was silent for {} s", wait.as_secs_f32()))
}

/// The events of one answer.
pub(super) struct Events {
    /// `None` after the end.
    body: Option<Body>,
    parser: SseParser,
    /// Events that came with the same bytes.
    ready: std::vec::IntoIter<SseEvent>,
    who: Arc<str>,
    limits: HttpLimits,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    whole_until: Instant,
    /// The next event is due, and after which wait.
    due: (Instant, Duration),
    alarm: Alarm,
    any: bool,
}

impl Events {
    pub fn new(
        body: Body,
        who: Arc<str>,
        limits: &HttpLimits,
        start: Instant,
        cancel: CancellationToken,
    ) -> Events {
        Events {
            body: Some(body),
            parser: SseParser::up_to(limits.event_bytes),
            ready: Vec::new().into_iter(),
            who,
            limits: *limits,
            cancelled: Box::pin(cancel.cancelled_owned()),
            whole_until: start + limits.whole,
            due: (start + limits.first_event, limits.first_event),
            alarm: Alarm::new(start + limits.first_event.min(limits.whole)),
            any: false,
        }
    }

    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, EngineError>> + Send {
        stream::unfold(self, async |mut events| {
            let event = events.next().await?;
            if event.is_err() {
                // Closes the connection now, whoever still holds the stream.
                events.body = None;
                events.ready = Vec::new().into_iter();
            }
            Some((event, events))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, EngineError>> {
        loop {
            if let Some(event) = self.ready.next() {
                if event.data == "[DONE]" {
                    self.finish().await;
                    return None;
                }
                self.any = true;
                self.due = (Instant::now() + self.limits.idle, self.limits.idle);
                return Some(Ok(Bytes::from(event.data)));
            }
            let body = self.body.as_mut()?;
            let until = self.due.0.min(self.whole_until);
            let frame = tokio::select! {
                biased;
                () = self.cancelled.as_mut() => return Some(Err(EngineError::cancelled())),
                frame = body.frame() => frame,
                () = self.alarm.at(until) => return Some(Err(self.late())),
            };
            let parsed = match frame {
                Some(Err(error)) => return Some(Err(self.broken(&error))),
                Some(Ok(frame)) => frame.data_ref().map_or(Ok(Vec::new()), |data| self.parser.push(data)),
                None => {
                    self.body = None;
                    self.parser.finish()
                }
            };
            match parsed {
                Ok(events) => self.ready = events.into_iter(),
                Err(_) => {
                    let message =
                        format!("{} sent an event beyond {} bytes", self.who, self.limits.event_bytes);
                    return Some(Err(EngineError::new(EngineErrorKind::Protocol, message)));
                }
            }
            if self.body.is_none() && self.ready.len() == 0 && !self.any {
                self.any = true;
                let message = format!("{} sent no event at all", self.who);
                return Some(Err(EngineError::new(EngineErrorKind::Protocol, message)));
            }
        }
    }

    /// Reads the end of the body, if it is there, so that the connection serves the next request.
    async fn finish(&mut self) {
        self.ready = Vec::new().into_iter();
        if let Some(mut body) = self.body.take() {
            tokio::time::timeout(TAIL_WAIT_MAX, body.frame()).await.ok();
        }
    }

    fn late(&self) -> EngineError {
        if Instant::now() < self.whole_until {
            return silent(&self.who, self.due.1);
        }
        let message =
            format!("{} took longer than {} s for an answer", self.who, self.limits.whole.as_secs_f32());
        EngineError::new(EngineErrorKind::Timeout, message)
    }

    fn broken(&self, error: &hyper::Error) -> EngineError {
        let message = format!("the connection to {} broke in an answer ({error})", self.who);
        EngineError::new(EngineErrorKind::Network, message)
    }
}
