//! `/v1/sessions`: commands in by POST, events out by long poll or as a stream.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::{Event, Hello};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Failed;
use super::body::{FromPath, FromQuery, JsonBody};
use super::stream::{Form, Reader};
use crate::transport::App;
use crate::transport::commands::{self, Answered};

/// The longest that a poll waits for an event.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) async fn open(
    State(app): State<Arc<App>>,
    JsonBody(hello): JsonBody<Hello>,
) -> Result<Json<Value>, Failed> {
    app.check_running()?;
    let session = app.sidecar.open_session(hello).await?;
    // The `ready` event is the first one that a poll from here returns.
    Ok(Json(json!({"session": session.id, "cursor": 0})))
}

pub(super) async fn close(
    State(app): State<Arc<App>>,
    FromPath(session): FromPath<String>,
) -> Result<Json<Value>, Failed> {
    app.sidecar.close_session(&session).await?;
    Ok(Json(json!({"session": session, "ended": true})))
}

#[derive(Serialize)]
pub(super) struct Accepted {
    accepted: Vec<Answered>,
    /// Where to read on to see all that these commands lead to. After a command that cuts, the newest event
    /// when it was carried out: nothing that was cut comes after it.
    cursor: u64,
}

pub(super) async fn commands(
    State(app): State<Arc<App>>,
    FromPath(session): FromPath<String>,
    JsonBody(message): JsonBody<Value>,
) -> Result<Json<Accepted>, Failed> {
    let session = app.sidecar.session(&session)?;
    let (before, cuts) = (session.events.cursor(), commands::cuts(&message));
    let accepted = commands::run(&app, &session, message).await?;
    let cursor = if cuts { session.events.cursor() } else { before };
    Ok(Json(Accepted { accepted, cursor }))
}

#[derive(Serialize)]
struct Polled {
    events: Vec<Event>,
    cursor: u64,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    FromPath(session): FromPath<String>,
    query: FromQuery,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let session = app.sidecar.session(&session)?;
    let cursor = query.get("cursor", "a number that an answer gave")?.unwrap_or(0);
    let wait_s: f64 = query.get("wait", "a number of seconds")?.unwrap_or(0.0);
    match Form::of(&headers) {
        Form::Json => {
            let wait = Duration::try_from_secs_f64(wait_s.max(0.0)).unwrap_or(WAIT_MAX).min(WAIT_MAX);
            let events = session.events.wait_after(cursor, wait).await?;
            let cursor = events.last().map_or(cursor, |last| last.seq);
            Ok(Json(Polled { events, cursor }).into_response())
        }
        form => {
            // A browser that connects again still asks for the first address, and says here how far it came.
            let last_event =
                headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
            let cursor = last_event.unwrap_or(cursor);
            session.events.after(cursor)?; // a cursor that is gone is an error and no broken stream
            Ok(Reader::of_session(session, cursor).respond(form))
        }
    }
}
