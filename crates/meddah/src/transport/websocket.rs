//! `GET /v1/ws`: commands in, events out, on one connection.
//!
//! The first frame is `hello`. Reading and writing go on side by side, so that an interrupt is heard while
//! events are being sent. Nothing is queued between them: what a command leads to is in the session's log,
//! and the writer goes through the log as fast as the game takes it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use meddah_protocol::{Command, ErrorCode, Event, EventKind, Hello, PROTOCOL_VERSION, WireError};
use serde_json::Value;
use tracing::debug;

use super::http::{Failed, HEARTBEAT, parse_json};
use super::{App, commands};
use crate::session::Session;

/// The largest frame with commands, in bytes.
pub const FRAME_BYTES_MAX: usize = super::BODY_BYTES_MAX;
/// A larger frame ends the connection before it is read to its end.
const FRAME_BYTES_READ_MAX: usize = 4 * FRAME_BYTES_MAX;
/// How long a new connection may wait with its `hello`.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// How long a game may leave a frame untaken before the connection is given up; the session stays.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How long the other side may take to agree to the end.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The route.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failed> {
    let upgrade = upgrade.map_err(|rejection| {
        WireError::new(
            ErrorCode::InvalidRequest,
            format!("no WebSocket handshake: {}", rejection.body_text()),
        )
        .with_help("Connect with a WebSocket client, or use `/v1/talk` over plain HTTP.")
    })?;
    app.check_running()?;
    let owned = app.sockets.token();
    let upgrade = upgrade.max_message_size(FRAME_BYTES_READ_MAX).max_frame_size(FRAME_BYTES_READ_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _owned = owned; // shutdown waits for it
        tokio::select! {
            () = talk(&app, socket) => {}
            () = app.abandon.cancelled() => {}
        }
    }))
}

async fn talk(app: &App, mut socket: WebSocket) {
    let opened = tokio::select! {
        opened = tokio::time::timeout(HELLO_WAIT, greet(app, &mut socket)) => opened,
        () = app.stop.cancelled() => return refuse(socket, app.check_running().err()).await,
    };
    let (session, cursor) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return refuse(socket, error).await,
        Err(_) => return refuse(socket, Some(no_hello("no `hello` came"))).await,
    };
    let (sink, stream) = socket.split();
    let reading = read(app, &session, stream);
    tokio::pin!(reading);
    tokio::select! {
        () = &mut reading => {}
        () = write(app, &session, sink, cursor) => {
            // The last events get through only if nothing that the game sent is left unread.
            tokio::time::timeout(CLOSE_WAIT, reading).await.ok();
        }
    }
}

/// The session that the first frame asks for, and where its reader is. `Err(None)`: the client left.
async fn greet(app: &App, socket: &mut WebSocket) -> Result<(Arc<Session>, u64), Option<WireError>> {
    let hello = loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => break parse_hello(text.as_bytes())?,
            Some(Ok(Message::Binary(_))) => return Err(Some(no_hello("the first frame is binary"))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
        }
    };
    let Some(id) = hello.session.clone().filter(|id| !id.is_empty()) else {
        return Ok((app.sidecar.open_session(hello).await?, 0));
    };
    let session = app.sidecar.session(&id)?;
    let cursor = hello.cursor.unwrap_or(0);
    session.events.after(cursor)?; // a cursor that is gone is said now, not as a broken stream
    if cursor > 0 {
        let kind = EventKind::Ready { session: id, protocol: PROTOCOL_VERSION };
        let again = Event { seq: cursor, kind, turn: None, req_id: None, character: None };
        socket.send(frame(&again)).await.map_err(|_| None)?;
    }
    Ok((session, cursor))
}

fn parse_hello(text: &[u8]) -> Result<Hello, WireError> {
    match Command::from_value(parse_json(text)?)? {
        Command::Hello(hello) => Ok(hello),
        _ => Err(no_hello("the first frame is another command")),
    }
}

fn no_hello(message: &str) -> WireError {
    WireError::new(ErrorCode::InvalidRequest, message)
        .with_help("Send {\"type\":\"hello\",…} as the first text frame, within 10 seconds.")
}

/// Says why and closes; there is no session yet that could log it.
async fn refuse(mut socket: WebSocket, error: Option<WireError>) {
    let Some(error) = error else { return };
    let reason = CloseFrame { code: close_code::POLICY, reason: "no session".into() };
    let event = Event { seq: 0, kind: EventKind::Error(error), turn: None, req_id: None, character: None };
    let last_words = async {
        socket.send(frame(&event)).await?;
        socket.send(Message::Close(Some(reason))).await
    };
    tokio::time::timeout(WRITE_WAIT, last_words).await.ok(); // nobody may be listening
}

/// Carries out what comes in, until the client leaves.
async fn read(app: &App, session: &Arc<Session>, mut stream: SplitStream<WebSocket>) {
    while let Some(message) = stream.next().await {
        let refused = match message {
            Ok(Message::Text(text)) => read_frame(app, session, text.as_bytes()).await.err(),
            Ok(Message::Binary(sound)) => session.hear(sound).err(),
            // Answered by the library, with the next look at the stream.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
            Err(error) => {
                debug!(session = session.id, %error, "a connection broke off");
                return;
            }
        };
        if let Some(error) = refused {
            commands::log_error(session, None, error);
        }
    }
}

async fn read_frame(app: &App, session: &Arc<Session>, frame: &[u8]) -> Result<(), WireError> {
    if frame.len() > FRAME_BYTES_MAX {
        let message = format!("the frame has {} bytes, {FRAME_BYTES_MAX} are allowed", frame.len());
        return Err(WireError::new(ErrorCode::TooLarge, message).with_help("Send it in smaller parts."));
    }
    let message: Value = parse_json(frame)?;
    let answers = commands::run(app, session, message).await?; // each failure is in the log already
    answers.iter().for_each(|answered| commands::log_repeated(session, answered));
    Ok(())
}

/// Sends what the log holds after `cursor`, until the session ends or the game stops taking it.
async fn write(app: &App, session: &Session, mut sink: SplitSink<WebSocket, Message>, mut cursor: u64) {
    loop {
        let ended = session.events.is_closed();
        let frames: Vec<Message> = match session.events.wait_after(cursor, HEARTBEAT).await {
            Ok(events) if events.is_empty() && ended => vec![Message::Close(Some(going_away()))],
            Ok(events) if events.is_empty() && session.events.is_closed() => continue,
            Ok(events) if events.is_empty() => vec![Message::Ping(Default::default())],
            Ok(events) => {
                cursor = events.last().map_or(cursor, |event| event.seq);
                events.iter().flat_map(|event| frames(app, event)).collect()
            }
            Err(error) => {
                // It fell so far behind that events are lost; a new connection can decide what to do.
                let kind = EventKind::Error(error);
                let event = Event { seq: cursor, kind, turn: None, req_id: None, character: None };
                vec![frame(&event), Message::Close(Some(going_away()))]
            }
        };
        let last = frames.iter().any(|frame| matches!(frame, Message::Close(_)));
        for frame in frames {
            match tokio::time::timeout(WRITE_WAIT, sink.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        if last {
            return;
        }
    }
}

fn going_away() -> CloseFrame {
    CloseFrame { code: close_code::AWAY, reason: "the session has ended".into() }
}

/// The event, and behind it its sound if the game takes it so.
fn frames(app: &App, event: &Event) -> impl Iterator<Item = Message> {
    let sound = app.sidecar.ports.voices.frame(event);
    let sound = sound.map(|file| Message::Binary(Bytes::from_owner(file)));
    [frame(event)].into_iter().chain(sound)
}

fn frame(event: &Event) -> Message {
    Message::text(serde_json::to_string(event).expect("an event has text keys and finite numbers only"))
}
