//! `POST /v1/talk`: one request, one whole turn.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::{ErrorCode, Finish, TalkReply, TalkRequest, WireError};

use super::answer::{self, Failed};
use super::body::JsonBody;
use super::stream::{Form, Reader, Withdraw};
use crate::transport::App;

/// How long an answer is waited for: the longest turn, behind others of the same character.
const TALK_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// With a `req_id` the turn goes on when the client leaves, and the same `req_id` fetches it. Without one
/// nobody could ask for it again, so it is withdrawn.
pub(super) async fn talk(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<TalkRequest>,
) -> Result<Response, Failed> {
    app.check_running()?;
    let form = Form::of(&headers);
    let abandoned_with_client = request.req_id.is_empty();
    let (session, accepted) = app.sidecar.talk(request).await?;
    let turn = accepted.turn.ok_or_else(|| answer::internal("what was said began no turn"))?;
    let mut withdraw = Withdraw::new(session.clone(), turn.clone(), abandoned_with_client);
    if form != Form::Json {
        session.check_kept(&turn)?;
        return Ok(Reader::of_turn(session, withdraw).respond(form));
    }
    let events = tokio::time::timeout(TALK_WAIT_MAX, app.sidecar.finished_turn(&session, &turn));
    let events = events.await.map_err(|_| {
        let message = format!("the turn has not ended within {} s", TALK_WAIT_MAX.as_secs());
        WireError::new(ErrorCode::Timeout, message).with_help("Ask again with the same `req_id`.")
    })??;
    withdraw.disarm();
    let reply = TalkReply::from_events(events).ok_or_else(|| answer::internal("the turn has no end"))?;
    let reply = TalkReply { session: session.id.clone(), ..reply };
    Ok((status(&reply), Json(reply)).into_response())
}

/// A turn that failed before its first word is an error for libraries, too; the body is the same.
fn status(reply: &TalkReply) -> StatusCode {
    match &reply.error {
        Some(error) if reply.finish == Finish::Failed && reply.lines.is_empty() => answer::status(error),
        _ => StatusCode::OK,
    }
}
