//! The WebSocket of a relay: what the mod says and what the character says, in the order in which it happens.
//!
//! A relay never closes the connection because of what came through it: these mods do not open it again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use meddah_protocol::{ErrorCode, WireError};
use serde_json::Value;
use tracing::debug;

use super::conversation::{Conversation, Said};
use super::http::refused;
use crate::transport::{App, FRAME_BYTES_MAX};

/// A larger frame ends the connection before it is read to its end.
const FRAME_BYTES_READ_MAX: usize = 4 * FRAME_BYTES_MAX;
/// How long a mod may leave a frame untaken before the connection is given up.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// A sign of life on a connection on which nothing is said.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the other side may take to agree to the end.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What happens next on a connection.
pub(super) enum Next {
    /// The mod sent text.
    Text(String),
    /// The mod sent sound.
    Sound(Bytes),
    /// The mod sent more than can be a message.
    TooLarge,
    /// The character spoke.
    Said(Vec<Said>),
    /// The mod is gone, or the program ends.
    Over,
}

/// One connection.
pub(super) struct Socket {
    app: Arc<App>,
    socket: WebSocket,
}

/// Takes the connection and hands it to `talk`, for as long as the program runs.
pub(super) fn accept<F>(
    app: Arc<App>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    talk: impl FnOnce(Socket) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let message = format!("no WebSocket handshake: {}", rejection.body_text());
            let error = WireError::new(ErrorCode::InvalidRequest, message);
            return refused(error.with_help("Connect with a WebSocket client."));
        }
    };
    if let Err(error) = app.check_running() {
        return refused(error);
    }
    let owned = app.sockets.token();
    let upgrade = upgrade.max_message_size(FRAME_BYTES_READ_MAX).max_frame_size(FRAME_BYTES_READ_MAX);
    upgrade.on_upgrade(async move |socket| {
        let _owned = owned; // shutdown waits for it
        let abandon = app.abandon.clone();
        tokio::select! {
            () = talk(Socket { app, socket }) => {}
            () = abandon.cancelled() => {}
        }
    })
}

impl Socket {
    /// Waits for the mod and for the character at once.
    pub async fn next(&mut self, mut talk: Option<&mut Conversation>) -> Next {
        loop {
            if talk.as_ref().map_or(self.app.stop.is_cancelled(), |talk| talk.is_over()) {
                self.end().await;
                return Next::Over;
            }
            let stop = self.app.stop.clone();
            let said = async {
                match talk.as_deref_mut() {
                    Some(talk) => talk.next(HEARTBEAT).await,
                    None => {
                        tokio::time::timeout(HEARTBEAT, stop.cancelled()).await.ok();
                        Vec::new()
                    }
                }
            };
            let heartbeat = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) if text.len() > FRAME_BYTES_MAX => return Next::TooLarge,
                    Some(Ok(Message::Text(text))) => return Next::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Binary(sound))) => return Next::Sound(sound),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => false, // the library answers
                    Some(Ok(Message::Close(_))) | None => return Next::Over,
                    Some(Err(error)) => {
                        debug!(%error, "a connection broke off");
                        return Next::Over;
                    }
                },
                said = said => {
                    if !said.is_empty() {
                        return Next::Said(said);
                    }
                    true
                }
            };
            if heartbeat && !self.write(Message::Ping(Default::default())).await {
                return Next::Over;
            }
        }
    }

    /// Sends a message. One that cannot be sent is noticed by [`Socket::next`].
    pub async fn send(&mut self, message: &Value) {
        self.write(Message::text(message.to_string())).await;
    }

    async fn write(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(WRITE_WAIT, self.socket.send(message)).await, Ok(Ok(())))
    }

    async fn end(&mut self) {
        let frame = CloseFrame { code: close_code::AWAY, reason: "the program ends".into() };
        let last_words = self.socket.send(Message::Close(Some(frame)));
        tokio::time::timeout(CLOSE_WAIT, last_words).await.ok(); // nobody may be listening
    }
}
