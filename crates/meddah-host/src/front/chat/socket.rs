//! `GET /v1/chat/ws`: chats over one connection that stays open, for games and sidecars far away.
//!
//! A player sends frames of JSON: `{"id", "chat": {…}, "class"?, "conversation"?, "patience_ms"?, "idempotency_key"?}`
//! asks as `POST /v1/chat/completions` does, and `{"id", "cancel": true}` ends an answer. What comes back are frames of
//! text: the id, a line feed, and the next piece of the very stream that the route would send, its place in the queue
//! among it. An idle connection costs some kilobytes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::failed;
use super::{Terms, Waiting, carried};
use crate::front::Host;
use crate::front::error::Refused;
use crate::front::serve::Peer;
use crate::player::Class;

/// Answers at once on one connection; the player's tier may allow fewer.
const ANSWERS_MAX: usize = 16;
/// The longest id of a request, in bytes.
const ID_BYTES_MAX: usize = 64;
/// A sign of life, so that no router forgets the connection.
const PING_EVERY: Duration = Duration::from_secs(45);
/// Buffers of a connection; a frame may be larger.
const BUFFER_BYTES: usize = 2 * 1024;

#[derive(Deserialize)]
struct Frame<'f> {
    id: String,
    #[serde(borrow, default)]
    chat: Option<&'f RawValue>,
    #[serde(default)]
    cancel: bool,
    #[serde(default)]
    class: Class,
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    patience_ms: Option<u64>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// The route.
pub(in crate::front) async fn open(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    host.auth.know(&headers, peer.0, &host.settings).await?;
    let upgrade = upgrade.map_err(|rejection| {
        Refused::invalid(
            rejection.body_text(),
            "Connect with a WebSocket client, or use POST /v1/chat/completions.",
        )
    })?;
    let most = host.settings.limits.body_bytes + 4 * 1024;
    let upgrade = upgrade.max_message_size(most).max_frame_size(most);
    let upgrade = upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
    let owned = host.sockets.token();
    let (stop, connection) = (host.stop.clone(), Connection { host, peer, headers });
    Ok(upgrade.on_upgrade(async move |socket| {
        let _owned = owned; // shutdown waits for it
        connection.talk(socket, stop).await;
    }))
}

/// Pieces of one answer, the id in front of each. Empty: it is over.
type Pieces = BoxStream<'static, (Arc<str>, Bytes)>;

struct Connection {
    host: Arc<Host>,
    peer: Peer,
    headers: HeaderMap,
}

impl Connection {
    async fn talk(self, mut socket: WebSocket, stop: CancellationToken) {
        let mut answers: SelectAll<Pieces> = SelectAll::new();
        let mut running: HashMap<Arc<str>, CancellationToken> = HashMap::new();
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            let frame = tokio::select! {
                biased;
                () = stop.cancelled(), if running.is_empty() => return,
                Some((id, piece)) = answers.next(), if !answers.is_empty() => {
                    if piece.is_empty() {
                        running.remove(&id);
                        continue;
                    }
                    Message::text(format!("{id}\n{}", String::from_utf8_lossy(&piece)))
                }
                received = socket.recv() => match received {
                    Some(Ok(Message::Text(text))) => {
                        match self.take(&text, &mut running) {
                            Ok(pieces) => answers.extend(pieces),
                            Err((id, refused)) => {
                                let text = format!("{id}\n{}", String::from_utf8_lossy(&failed(&refused)));
                                if !self.send(&mut socket, Message::text(text)).await {
                                    return;
                                }
                            }
                        }
                        continue;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                _ = ping.tick() => Message::Ping(Bytes::new()),
            };
            if !self.send(&mut socket, frame).await {
                return; // answers are dropped: engines stop, costs are settled
            }
        }
    }

    async fn send(&self, socket: &mut WebSocket, message: Message) -> bool {
        let stall_max = self.host.settings.limits.stall_max();
        matches!(timeout(stall_max, socket.send(message)).await, Ok(Ok(())))
    }

    fn take(
        &self,
        text: &str,
        running: &mut HashMap<Arc<str>, CancellationToken>,
    ) -> Result<Option<Pieces>, (String, Refused)> {
        let frame: Frame<'_> = serde_json::from_str(text).map_err(|error| {
            (
                String::new(),
                Refused::invalid(
                    format!("this frame is not understood: {error}"),
                    "Send {\"id\", \"chat\"}.",
                ),
            )
        })?;
        let refuse = |message: &str, help: &str| Err((frame.id.clone(), Refused::invalid(message, help)));
        if frame.id.is_empty() || frame.id.len() > ID_BYTES_MAX || frame.id.contains(char::is_control) {
            return refuse("`id` is empty or too long", "Send a short text that no other request has.");
        }
        if frame.cancel {
            if let Some(cancel) = running.get(frame.id.as_str()) {
                cancel.cancel();
            }
            return Ok(None);
        }
        let Some(chat) = frame.chat else {
            return refuse("`chat` is missing", "Send a chat completion request.");
        };
        if running.contains_key(frame.id.as_str()) || running.len() >= ANSWERS_MAX {
            return refuse("too many answers, or one of this id, are under way", "Wait for their ends.");
        }
        let terms = Terms {
            class: frame.class,
            conversation: frame.conversation,
            patience: frame.patience_ms.map_or(Duration::MAX, Duration::from_millis),
            key: frame.idempotency_key,
        };
        let (id, cancel): (Arc<str>, _) = (frame.id.into(), CancellationToken::new());
        running.insert(id.clone(), cancel.clone());
        Ok(Some(self.answer(id, terms, chat.get().as_bytes().to_vec(), cancel)))
    }

    /// Who asks is looked at again: a token that was revoked ends no connection, but asks nothing more.
    fn answer(&self, id: Arc<str>, terms: Terms, body: Vec<u8>, cancel: CancellationToken) -> Pieces {
        let (host, headers, address) = (self.host.clone(), self.headers.clone(), self.peer.0);
        let begin = async move {
            let known = host.auth.know(&headers, address, &host.settings).await?;
            let answer = Waiting::begin(&host, known, terms, &body).await?.told();
            Ok::<_, Refused>(carried::pieces(&host, answer))
        };
        let end = id.clone();
        let pieces = futures::stream::once(begin).flat_map(move |answer| {
            let id = id.clone();
            match answer {
                Ok(pieces) => pieces.map(move |piece| (id.clone(), piece)).boxed(),
                Err(refused) => futures::stream::iter([(id, Bytes::from(failed(&refused)))]).boxed(),
            }
        });
        let over = futures::stream::iter([(end, Bytes::new())]);
        pieces.take_until(cancel.cancelled_owned()).chain(over).boxed()
    }
}
