//! A room of Charisma's game server: entered over HTTP, then a WebSocket with binary frames.
//!
//! The socket has a task of its own, because the server hangs up on whoever does not answer its pings. The
//! task belongs to the [`Room`] and ends with it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::colyseus::{self, FRAME_BYTES_MAX, Frame};
use crate::http::{Call, Frame as SocketFrame, Opened, Socket, mask};
use crate::services::line::Line;
use crate::{Key, ModelError};

/// From the socket to the room's first message.
const JOIN_WAIT_MAX: Duration = Duration::from_secs(10);
/// A room that nobody talks in is left after so long.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// Events that nobody has read; beyond it the room is given up.
const EVENTS_WAITING_MAX: usize = 256;
/// Messages to the room that are not sent yet.
const OUTGOING_MAX: usize = 16;
/// Saying goodbye may take so long.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(1);
/// The longest id of a room, seat or process that is believed, bytes.
const ID_BYTES_MAX: usize = 64;
/// Close codes after which the seat is given away: done, and left by consent.
const CONSENTED: [u16; 2] = [1000, 4000];

/// A place in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    room: String,
    process: String,
    session: String,
}

/// What happens in a room.
#[derive(Debug, PartialEq)]
pub(super) enum RoomEvent {
    /// A message of this name.
    Message(String, Value),
    /// The socket is gone; whether the seat is still ours.
    Lost {
        /// Whether joining again with the same seat is worth a try.
        seat_kept: bool,
    },
}

/// A room that was joined.
pub(super) struct Room {
    pub(super) seat: Seat,
    /// Entered afresh, not regained, and nothing was said in it yet.
    pub(super) is_new: bool,
    outgoing: mpsc::Sender<(&'static str, Value)>,
    incoming: mpsc::Receiver<RoomEvent>,
    /// Dropping it ends the task and with it the socket.
    task: JoinSet<()>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reservation {
    room: RoomListing,
    #[serde(rename = "sessionId")]
    session_id: String,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RoomListing {
    room_id: String,
    process_id: String,
}

/// Who wants in.
pub(super) struct Ticket<'a> {
    pub(super) playthrough: &'a str,
    pub(super) token: &'a Key,
}

impl Room {
    /// Joins the playthrough's room, with the seat from before if it is still there.
    pub(super) async fn join(
        line: &Line,
        ticket: &Ticket<'_>,
        seat: Option<&Seat>,
    ) -> Result<Room, ModelError> {
        let secrets = std::slice::from_ref(ticket.token);
        let mut regained = None;
        if let Some(seat) = seat {
            let body = json!({"sessionId": seat.session});
            // Whatever is wrong with the old seat, a new one may be had.
            regained = reserve(line, &format!("joinById/{}", seat.room), &body, secrets).await.ok();
        }
        // Whoever comes back is not told again that the room is ready.
        let is_back = regained.is_some();
        let seat = match regained {
            Some(seat) => seat,
            None => {
                // The numbers are those of the official SDK whose protocol this is.
                let sdk = json!({"sdkId": "js", "sdkVersion": "6.0.0", "protocolVersion": 2});
                let body = json!({"playthroughId": ticket.playthrough, "token": ticket.token.expose(), "sdkInfo": sdk});
                reserve(line, "joinOrCreate/chat", &body, secrets).await?
            }
        };
        let socket = connect(line, &seat).await?;
        let entering = enter(line, socket, is_back);
        let socket = tokio::time::timeout(JOIN_WAIT_MAX, entering).await.map_err(|_| line.silent())??;
        Ok(Room::start(seat, !is_back, socket))
    }

    fn start(seat: Seat, is_new: bool, socket: Socket) -> Room {
        let (outgoing, to_send) = mpsc::channel(OUTGOING_MAX);
        let (told, incoming) = mpsc::channel(EVENTS_WAITING_MAX);
        let mut task = JoinSet::new();
        task.spawn(run(socket, to_send, told));
        Room { seat, is_new, outgoing, incoming, task }
    }

    /// Whether the socket still stands, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !self.outgoing.is_closed()
    }

    /// Sends a message; if the socket is gone, the next event says so.
    pub(super) async fn send(&self, name: &'static str, payload: Value) {
        self.outgoing.send((name, payload)).await.ok();
    }

    /// Says goodbye, so that the server does not keep the seat.
    pub(super) async fn leave(self) {
        let Room { outgoing, mut task, .. } = self;
        drop(outgoing);
        tokio::time::timeout(LEAVE_WAIT_MAX, task.join_next()).await.ok();
    }

    /// What happened since, without waiting.
    pub(super) fn missed(&mut self) -> Option<RoomEvent> {
        self.incoming.try_recv().ok()
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> RoomEvent {
        self.incoming.recv().await.unwrap_or(RoomEvent::Lost { seat_kept: true })
    }
}

/// Asks for a seat.
async fn reserve(line: &Line, way: &str, body: &Value, secrets: &[Key]) -> Result<Seat, ModelError> {
    let mut call = Call::post_json(line.url("", &format!("matchmake/{way}"))?, body);
    call.secrets.extend_from_slice(secrets);
    let answer = line.ask_json(call.with_header("accept", "application/json")?).await?;
    let reserved: Reservation =
        serde_json::from_value(answer.clone()).map_err(|_| line.nonsense("no place in a room"))?;
    // Refusals come with status 200.
    if reserved.error.is_some() {
        return Err(line.refusal(0, &mask(&answer.to_string(), secrets), None));
    }
    let seat =
        Seat { room: reserved.room.room_id, process: reserved.room.process_id, session: reserved.session_id };
    let is_id = |id: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.chars().all(plain)
    };
    let sound = [&seat.room, &seat.process, &seat.session].into_iter().all(is_id);
    if sound { Ok(seat) } else { Err(line.nonsense("no place in a room")) }
}

/// Opens the socket.
async fn connect(line: &Line, seat: &Seat) -> Result<Socket, ModelError> {
    let mut url = line.url("", &format!("{}/{}", seat.process, seat.room))?;
    url.set_query(Some(&format!("sessionId={}", seat.session)));
    let never = CancellationToken::new();
    let opening = Socket::open(&line.http, Call::get(url), FRAME_BYTES_MAX, &never);
    match tokio::time::timeout(JOIN_WAIT_MAX, opening).await.map_err(|_| line.silent())?? {
        Opened::Socket(socket) => Ok(socket),
        Opened::Refused(reply) => {
            let status = reply.status();
            Err(line.refusal(if status == 101 { 0 } else { status }, "no WebSocket", None))
        }
    }
}

/// Waits until the room has let us in and says that it is ready.
async fn enter(line: &Line, mut socket: Socket, is_back: bool) -> Result<Socket, ModelError> {
    loop {
        let frame = match socket.next().await {
            Ok(SocketFrame::Binary(bytes)) => colyseus::read(&bytes),
            Ok(SocketFrame::Closed { code, reason }) => return Err(closed(line, code, &reason)),
            Ok(SocketFrame::Text(_)) => continue,
            Err(_) => return Err(line.broke()),
        };
        match frame {
            Some(Frame::Joined) => {
                let acknowledged = socket.send_bytes(colyseus::acknowledge()).await;
                acknowledged.map_err(|_| line.broke())?;
                if is_back {
                    return Ok(socket);
                }
            }
            Some(Frame::Error { code, message }) => {
                return Err(line.refusal(0, &format!("{message} ({code})"), None));
            }
            Some(Frame::Data { name, .. }) if name == "status" => return Ok(socket),
            Some(Frame::Leave) => return Err(line.broke()),
            Some(Frame::Data { .. } | Frame::Other) | None => {}
        }
    }
}

fn closed(line: &Line, code: u16, reason: &str) -> ModelError {
    match reason {
        "" => line.broke(),
        reason => line.refusal(0, &format!("{reason} ({code})"), None),
    }
}

/// Carries frames both ways until the socket or the room's owner goes away, or nobody talks for long.
async fn run(
    mut socket: Socket,
    mut to_send: mpsc::Receiver<(&'static str, Value)>,
    told: mpsc::Sender<RoomEvent>,
) {
    let mut idle_until = tokio::time::Instant::now() + IDLE_MAX;
    let seat_kept = loop {
        tokio::select! {
            message = to_send.recv() => {
                let Some((name, payload)) = message else {
                    socket.send_bytes(colyseus::leave()).await.ok();
                    return;
                };
                idle_until = tokio::time::Instant::now() + IDLE_MAX;
                if socket.send_bytes(colyseus::data(name, &payload)).await.is_err() {
                    break true;
                }
            }
            frame = socket.next() => {
                let frame = match frame {
                    Ok(SocketFrame::Binary(bytes)) => colyseus::read(&bytes),
                    Ok(SocketFrame::Closed { code, .. }) => break !CONSENTED.contains(&code),
                    Ok(SocketFrame::Text(_)) => continue,
                    Err(_) => break true,
                };
                let event = match frame {
                    Some(Frame::Data { name, payload }) => RoomEvent::Message(name, payload),
                    Some(Frame::Leave) => break false,
                    // An error frame in mid-talk is told like any trouble of the story.
                    Some(Frame::Error { code, message }) => {
                        let problem = json!({"code": code.to_string(), "error": message});
                        RoomEvent::Message("problem".to_owned(), problem)
                    }
                    Some(Frame::Joined | Frame::Other) | None => continue,
                };
                if told.try_send(event).is_err() {
                    break true;
                }
            }
            () = tokio::time::sleep_until(idle_until) => {
                let goodbye = socket.send_bytes(colyseus::leave());
                tokio::time::timeout(LEAVE_WAIT_MAX, goodbye).await.ok();
                break false;
            }
        }
    };
    told.try_send(RoomEvent::Lost { seat_kept }).ok();
}
