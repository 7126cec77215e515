//! A session's events as one long answer: server-sent events, or JSON lines.
//!
//! The reader pulls: nothing is taken from the log before the connection can take it, so a slow game
//! fills no queue.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::{Event, EventKind, WireError};
use serde::Deserialize;
use tokio::time::Instant;

use crate::session::Session;

/// A stream is never silent for longer.
pub(in crate::transport) const HEARTBEAT: Duration = Duration::from_secs(10);

/// How the caller wants events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON document.
    Json,
    /// `text/event-stream`.
    Sse,
    /// A JSON object a line.
    Ndjson,
}

impl Form {
    /// What `Accept` asks for; JSON unless a stream is named.
    pub fn of(headers: &HeaderMap) -> Form {
        let wants = |kind: &str| {
            let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            accepted.any(|value| value.to_ascii_lowercase().contains(kind))
        };
        match () {
            () if wants("text/event-stream") => Form::Sse,
            () if wants("application/x-ndjson") => Form::Ndjson,
            () => Form::Json,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Sse => "text/event-stream",
            Form::Ndjson => "application/x-ndjson",
        }
    }

    fn write(self, event: &Event, out: &mut Vec<u8>) {
        // Straight to text, like every other transport: a value in between would change decimal places.
        let json = serde_json::to_string(event).expect("an event has text keys only");
        let text = match self {
            Form::Json | Form::Ndjson => format!("{json}\n"),
            Form::Sse => format!("id: {}\nevent: {}\ndata: {json}\n\n", event.seq, type_of(&json)),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// A sign of life. It has the place of the last event and does not stand in the log.
    fn write_heartbeat(self, cursor: u64, out: &mut Vec<u8>) {
        match self {
            Form::Sse => out.extend_from_slice(b": still here\n\n"),
            Form::Json | Form::Ndjson => self.write(&outside_the_log(cursor, EventKind::Ping), out),
        }
    }
}

/// Withdraws a turn whose asker went away, unless somebody may come back for it.
pub(super) struct Withdraw {
    session: Arc<Session>,
    turn: String,
    armed: bool,
}

impl Withdraw {
    pub fn new(session: Arc<Session>, turn: String, armed: bool) -> Withdraw {
        Withdraw { session, turn, armed }
    }

    /// The answer is complete.
    pub fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for Withdraw {
    fn drop(&mut self) {
        if self.armed {
            self.session.withdraw(&self.turn);
        }
    }
}

/// A reader's place in a session's log.
pub(super) struct Reader {
    session: Arc<Session>,
    cursor: u64,
    /// Already read.
    waiting: VecDeque<Event>,
    /// Only events of this turn, until it ends.
    turn: Option<Withdraw>,
    next_heartbeat: Instant,
    over: bool,
}

impl Reader {
    /// Everything after `cursor`, until the session ends.
    pub fn of_session(session: Arc<Session>, cursor: u64) -> Reader {
        let next_heartbeat = Instant::now() + HEARTBEAT;
        Reader { session, cursor, waiting: VecDeque::new(), turn: None, next_heartbeat, over: false }
    }

    /// One turn from its first event to its last.
    pub fn of_turn(session: Arc<Session>, turn: Withdraw) -> Reader {
        let newest = session.events.cursor();
        let waiting: VecDeque<Event> = session.events.of_turn(&turn.turn).into();
        let cursor = waiting.back().map_or(newest, |last| last.seq);
        Reader { waiting, turn: Some(turn), ..Reader::of_session(session, cursor) }
    }

    /// The answer.
    pub fn respond(self, form: Form) -> Response {
        let chunks = futures::stream::unfold(self, move |mut reader| async move {
            let chunk = reader.next(form).await?;
            Some((Ok::<Bytes, Infallible>(chunk), reader))
        });
        let headers = [(CONTENT_TYPE, form.content_type()), (CACHE_CONTROL, "no-store")];
        (headers, Body::from_stream(chunks)).into_response()
    }

    /// What to send next; `None` at the end.
    async fn next(&mut self, form: Form) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.is_empty() && !self.over {
            match self.read().await {
                Ok(events) => self.write(form, &events, &mut out),
                Err(error) => {
                    // It fell so far behind that events are lost.
                    form.write(&outside_the_log(self.cursor, EventKind::Error(error)), &mut out);
                    self.over = true;
                }
            }
            if out.is_empty() && !self.over && Instant::now() >= self.next_heartbeat {
                form.write_heartbeat(self.cursor, &mut out);
            }
        }
        self.next_heartbeat = Instant::now() + HEARTBEAT;
        (!out.is_empty()).then(|| out.into())
    }

    async fn read(&mut self) -> Result<Vec<Event>, WireError> {
        if !self.waiting.is_empty() {
            return Ok(self.waiting.drain(..).collect());
        }
        // Looked at first: what is pushed before the log is closed is read, whoever is faster.
        let ended = self.session.events.is_closed();
        let wait = self.next_heartbeat.saturating_duration_since(Instant::now());
        let events = self.session.events.wait_after(self.cursor, wait).await?;
        self.over = events.is_empty() && ended;
        self.cursor = events.last().map_or(self.cursor, |last| last.seq);
        Ok(events)
    }

    fn write(&mut self, form: Form, events: &[Event], out: &mut Vec<u8>) {
        for event in events {
            match &mut self.turn {
                Some(turn) if event.turn.as_deref() != Some(turn.turn.as_str()) => continue,
                Some(turn) if matches!(event.kind, EventKind::TurnEnded { .. }) => {
                    turn.disarm();
                    self.over = true;
                }
                _ => {}
            }
            form.write(event, out);
        }
    }
}

/// The `type` of an event, as it stands in its JSON.
fn type_of(json: &str) -> &str {
    #[derive(Deserialize)]
    struct Typed<'t> {
        #[serde(borrow, rename = "type")]
        kind: &'t str,
    }
    serde_json::from_str::<Typed<'_>>(json).map_or("message", |typed| typed.kind)
}

fn outside_the_log(cursor: u64, kind: EventKind) -> Event {
    Event { seq: cursor, kind, turn: None, req_id: None, character: None }
}
