//! Chat completions: the wait, the prompt, and the events one by one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::time::Instant;

use super::request::Asked;
use super::slots::{End, Running};
use super::words::{self, DONE, ERROR, Events, LINE};
use super::{Fault, State};

const CUT_WAIT: Duration = Duration::from_millis(20);
const GARBAGE: Bytes = Bytes::from_static(b"data: ]]{not JSON\n\n");
const NOISE: Bytes = Bytes::from_static(b"\x00\xFF\x13 no event at all\n\n");

/// `POST /v1/chat/completions`.
pub(super) async fn chat(
    axum::extract::State(state): axum::extract::State<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(key) = &state.shape.key {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if sent != Some(format!("Bearer {key}").as_str()) {
            let echo = format!("Invalid API key: {}", sent.unwrap_or_default());
            return refusal(StatusCode::UNAUTHORIZED, "authentication_error", &echo);
        }
    }
    match state.fault.get() {
        Some(Fault::Status(status)) => return failing(status),
        Some(Fault::Redirect) => {
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "http://127.0.0.1:9/")])
                .into_response();
        }
        Some(Fault::Frozen) => return std::future::pending().await,
        _ => {}
    }
    let asked = match Asked::read(&body) {
        Ok(asked) => asked,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, "invalid_request_error", why),
    };
    if asked.prompt_tokens >= state.shape.context_tokens {
        let why = "the request exceeds the available context size, try increasing it";
        return refusal(StatusCode::BAD_REQUEST, "exceed_context_size_error", why);
    }
    let mut running = state.slots.enter(&state.tasks).await;
    let cached = if state.slots.recall(asked.prefix) { asked.prefix_tokens } else { 0 };
    let read = state.shape.prefill * asked.prompt_tokens.saturating_sub(cached);
    running.works_until = ignores_cancel(&state).then(|| Instant::now() + read + writing(&state, &asked));
    if state.fault.get() == Some(Fault::HangBeforeHead) {
        return std::future::pending().await;
    }
    if !read.is_zero() {
        tokio::time::sleep(read).await;
    }
    let events = words::events(state.slots.next_answer(), &state.shape.model, &asked);
    let answer = Answer {
        state,
        asked,
        cached,
        events,
        running: Some(running),
        place: 0,
        start: Instant::now(),
        pieces: VecDeque::new(),
    };
    let body = Body::from_stream(stream::unfold(answer, Answer::next));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn ignores_cancel(state: &State) -> bool {
    state.fault.get() == Some(Fault::IgnoresCancel)
}

fn writing(state: &State, asked: &Asked) -> Duration {
    state.shape.token * asked.answer_tokens
}

fn failing(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refusal(status, "server_error", "the engine failed")
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": kind, "code": status.as_u16()}});
    (status, axum::Json(body)).into_response()
}

/// An answer under way.
struct Answer {
    state: Arc<State>,
    asked: Asked,
    cached: u32,
    events: Events,
    /// `None` as soon as the last token is there: the slot is free before the client knows it.
    running: Option<Running>,
    /// Events so far.
    place: u64,
    start: Instant,
    /// Rest of what goes out in pieces.
    pieces: VecDeque<Bytes>,
}

impl Answer {
    /// The next bytes; an error breaks the connection.
    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Answer)> {
        if let Some(piece) = self.pieces.pop_front() {
            if let Some(Fault::Drip(_, pause)) = self.state.fault.get() {
                tokio::time::sleep(pause).await;
            }
            return Some((Ok(piece), self));
        }
        let event = match self.state.fault.get() {
            Some(Fault::HangAfter(events)) if self.place >= events as u64 => std::future::pending().await,
            Some(Fault::CutInLetter(events) | Fault::EndlessLine(events)) if self.place == events as u64 => {
                self.events.half()
            }
            Some(Fault::EndlessLine(events)) if self.place > events as u64 => LINE,
            Some(Fault::CutAfter(events) | Fault::CutInLetter(events)) if self.place >= events as u64 => {
                // What was said before goes out first.
                tokio::time::sleep(CUT_WAIT).await;
                self.ends(End::Failed);
                return Some((Err(std::io::ErrorKind::BrokenPipe.into()), self));
            }
            Some(Fault::ErrorAfter(events)) if self.place == events as u64 => {
                self.ends(End::Failed);
                ERROR
            }
            Some(Fault::ErrorAfter(events)) if self.place > events as u64 => return None,
            Some(fault @ (Fault::Garbage | Fault::Noise)) => {
                self.pace().await;
                if fault == Fault::Noise { NOISE } else { GARBAGE }
            }
            Some(Fault::Oversized(bytes)) if self.place == 1 => self.events.long(bytes),
            Some(Fault::Endless) => self.token().await,
            _ => self.regular().await?,
        };
        self.place += 1;
        if let Some(Fault::UsageTwice(prompt, answer)) = self.state.fault.get().filter(|_| self.place == 2) {
            self.pieces.push_back(self.events.usage(prompt, 0, answer, None));
        }
        if let Some(Fault::Drip(bytes, _)) = self.state.fault.get() {
            self.pieces.extend(event.chunks(bytes.max(1)).map(Bytes::copy_from_slice));
            return Some((Ok(self.pieces.pop_front().unwrap_or_default()), self));
        }
        Some((Ok(event), self))
    }

    /// Events are: the role, the tokens, the reason of the end, the usage, the end.
    async fn regular(&mut self) -> Option<Bytes> {
        let tokens = u64::from(self.asked.answer_tokens);
        if self.place == 0 {
            return Some(self.events.role());
        }
        if self.place <= tokens {
            return Some(self.token().await);
        }
        match self.place - tokens {
            1 => {
                self.ends(End::Finished);
                Some(self.events.finish(self.asked.is_cut))
            }
            2 => self.usage().or_else(|| {
                self.place += 1;
                Some(DONE)
            }),
            3 => Some(DONE),
            _ => None,
        }
    }

    fn ends(&mut self, end: End) {
        if let Some(mut running) = self.running.take() {
            running.end = end;
        }
    }

    async fn token(&mut self) -> Bytes {
        self.pace().await;
        self.events.token(self.place)
    }

    async fn pace(&self) {
        if !self.state.shape.token.is_zero() {
            // Due from the start and not from the last one: timers of 1 ms would add up otherwise.
            let due = self.start + self.state.shape.token * u32::try_from(self.place).unwrap_or(u32::MAX);
            tokio::time::sleep_until(due).await;
        }
    }

    fn usage(&self) -> Option<Bytes> {
        let Asked { prompt_tokens, answer_tokens, .. } = self.asked;
        match self.state.fault.get() {
            Some(Fault::Usage(prompt, answer)) => Some(self.events.usage(prompt, 0, answer, None)),
            Some(Fault::NoUsage) => None,
            _ if !self.asked.include_usage => None,
            fault => {
                let charged = fault.and_then(|fault| match fault {
                    Fault::Charged(dollars) => Some(dollars),
                    _ => None,
                });
                let cached = self.cached.into();
                Some(self.events.usage(prompt_tokens.into(), cached, answer_tokens.into(), charged))
            }
        }
    }
}
