//! WebSockets (RFC 6455) over the same client as everything else: the same proxies, the same certificates, and no
//! redirect with a key.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Upgraded;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use super::{Call, Http, Reply, broke};
use crate::ModelError;

/// Saying goodbye may take so long.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// An open socket. Dropping it closes the connection.
pub struct Socket {
    stream: WebSocketStream<Upgraded>,
    host: String,
}

/// What goes over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Text, mostly JSON.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The other side ends the talk and may say why.
    Closed {
        /// 1000 is a usual end; 1005 stands for none.
        code: u16,
        /// In words, often empty.
        reason: String,
    },
}

/// How an opening went.
pub enum Opened {
    /// It is open.
    Socket(Socket),
    /// The server answered in HTTP instead, mostly with a refusal.
    Refused(Reply),
}

impl Socket {
    /// Opens a socket with this GET; the address is one of http(s). Frames beyond `frame_bytes_max` are an error.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn open(
        http: &Http,
        call: Call,
        frame_bytes_max: usize,
        cancel: &CancellationToken,
    ) -> Result<Opened, ModelError> {
        let key = generate_key();
        let call = call
            .with_header("connection", "Upgrade")?
            .with_header("upgrade", "websocket")?
            .with_header("sec-websocket-version", "13")?
            .with_header("sec-websocket-key", &key)?;
        let reply = http.send(call, cancel).await?;
        let accepted = reply.headers().get("sec-websocket-accept").and_then(|value| value.to_str().ok());
        if reply.status() != 101 || accepted != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Ok(Opened::Refused(reply));
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(frame_bytes_max))
            .max_frame_size(Some(frame_bytes_max));
        let host = reply.host();
        let raw = reply.upgraded().await?;
        let stream = WebSocketStream::from_raw_socket(raw, Role::Client, Some(config)).await;
        Ok(Opened::Socket(Socket { stream, host }))
    }

    /// Sends text.
    ///
    /// # Errors
    /// `Network` if the connection is gone.
    pub async fn send_text(&mut self, text: String) -> Result<(), ModelError> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// `Network` if the connection is gone.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), ModelError> {
        self.send(Message::Binary(bytes.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ModelError> {
        self.stream.send(message).await.map_err(|_| broke(&self.host))
    }

    /// The next frame. Pings are answered meanwhile. May be dropped and called again without a loss.
    ///
    /// # Errors
    /// `Network` if the connection is gone, also where nobody said goodbye.
    pub async fn next(&mut self) -> Result<Frame, ModelError> {
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Ok(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Ok(Frame::Binary(bytes.into())),
                Some(Ok(Message::Close(close))) => Ok(Frame::Closed {
                    code: close.as_ref().map_or(1005, |close| close.code.into()),
                    reason: close.map(|close| close.reason.as_str().to_owned()).unwrap_or_default(),
                }),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Err(broke(&self.host)),
            };
        }
    }

    /// Says goodbye; waits no longer than a second.
    pub async fn close(mut self) {
        tokio::time::timeout(CLOSE_WAIT_MAX, self.stream.close(None)).await.ok();
    }
}
