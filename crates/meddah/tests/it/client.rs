//! A game on any of the transports that carry a session: commands in, events out.

use std::collections::VecDeque;
use std::fmt;

use futures::stream::BoxStream;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::rig::{PATIENCE, Rig};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    LongPoll,
    Sse,
    Ndjson,
    WebSocket,
}

pub const KINDS: [Kind; 4] = [Kind::LongPoll, Kind::Sse, Kind::Ndjson, Kind::WebSocket];

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::LongPoll => "long poll",
            Kind::Sse => "server-sent events",
            Kind::Ndjson => "JSON lines",
            Kind::WebSocket => "WebSocket",
        })
    }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub struct Client<'r> {
    rig: &'r Rig,
    pub session: String,
    /// Everything that came, in order.
    pub seen: Vec<Value>,
    source: Source,
}

enum Source {
    Poll { cursor: u64, waiting: VecDeque<Value> },
    Lines(Lines),
    Socket(Box<Socket>),
}

impl<'r> Client<'r> {
    pub async fn open(rig: &'r Rig, kind: Kind) -> Client<'r> {
        Client::open_as(rig, kind, "Ayla").await
    }

    pub async fn open_as(rig: &'r Rig, kind: Kind, player: &str) -> Client<'r> {
        let hello = json!({"type": "hello", "game": "test", "world": "tavern", "player": player});
        if kind == Kind::WebSocket {
            let mut socket = connect(rig, "/v1/ws").await;
            socket.send(Message::text(hello.to_string())).await.unwrap();
            let mut client = Client {
                rig,
                session: String::new(),
                seen: Vec::new(),
                source: Source::Socket(Box::new(socket)),
            };
            let ready = client.next().await.expect("a session opens");
            client.session = ready["session"].as_str().unwrap().to_owned();
            return client;
        }
        let (status, opened) = rig.post("/v1/sessions", &hello).await;
        assert_eq!(status, 200, "{opened}");
        let session = opened["session"].as_str().unwrap().to_owned();
        let source = match kind {
            Kind::LongPoll => Source::Poll { cursor: 0, waiting: VecDeque::new() },
            _ => Source::Lines(Lines::of_session(rig, &session, 0, kind == Kind::Sse).await),
        };
        let mut client = Client { rig, session, seen: Vec::new(), source };
        client.next().await.expect("ready");
        client
    }

    /// Sends commands. HTTP answers with what became of them, a WebSocket only with events.
    pub async fn send(&mut self, message: Value) -> Option<Value> {
        match &mut self.source {
            Source::Socket(socket) => {
                socket.send(Message::text(message.to_string())).await.unwrap();
                None
            }
            _ => {
                let path = format!("/v1/sessions/{}/commands", self.session);
                let (status, body) = self.rig.post(&path, &message).await;
                assert_eq!(status, 200, "{body}");
                Some(body)
            }
        }
    }

    /// The next event; `None` when the stream ends.
    pub async fn next(&mut self) -> Option<Value> {
        let next = async {
            match &mut self.source {
                Source::Poll { cursor, waiting } => {
                    while waiting.is_empty() {
                        let path = format!("/v1/sessions/{}/events?cursor={cursor}&wait=5", self.session);
                        let (status, body) = self.rig.get(&path).await;
                        assert_eq!(status, 200, "{body}");
                        *cursor = body["cursor"].as_u64().unwrap();
                        waiting.extend(body["events"].as_array().unwrap().iter().cloned());
                    }
                    waiting.pop_front()
                }
                Source::Lines(lines) => lines.next().await,
                Source::Socket(socket) => next_text(socket).await,
            }
        };
        let event = tokio::time::timeout(PATIENCE, next).await.expect("an event comes")?;
        self.seen.push(event.clone());
        Some(event)
    }

    /// Reads on until an event fits, and returns it.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if fits(&event) {
                return event;
            }
        }
    }

    pub async fn until_turn_ended(&mut self) -> Value {
        self.until(|event| event["type"] == "turn_ended").await
    }

    /// Interrupts, and returns the place in the stream after which the turn is silent.
    pub async fn interrupt(&mut self, command: Value) -> u64 {
        match self.send(command).await {
            Some(answer) => answer["cursor"].as_u64().unwrap(),
            None => {
                // Commands are carried out in order: an answer to the later one acknowledges the earlier.
                self.send(json!({"type": "ping"})).await;
                self.until(|event| event["type"] == "ping").await["seq"].as_u64().unwrap()
            }
        }
    }
}

pub async fn connect(rig: &Rig, path: &str) -> Socket {
    let (socket, _) = connect_async(format!("ws://127.0.0.1:{}{path}", rig.port)).await.unwrap();
    socket
}

/// The next text frame; `None` when the connection is closed.
pub async fn next_text(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await? {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// An answer that is read as it comes, line by line.
pub struct Lines {
    chunks: BoxStream<'static, Vec<u8>>,
    buffer: Vec<u8>,
    sse: bool,
}

impl Lines {
    pub async fn of_session(rig: &Rig, session: &str, cursor: u64, sse: bool) -> Lines {
        let path = format!("/v1/sessions/{session}/events?cursor={cursor}");
        Lines::of(rig.http.get(rig.url(&path)), sse).await
    }

    pub async fn of(request: reqwest::RequestBuilder, sse: bool) -> Lines {
        let kind = if sse { "text/event-stream" } else { "application/x-ndjson" };
        let response = request.header("accept", kind).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], kind);
        let chunks =
            response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec()).unwrap_or_default());
        Lines { chunks: chunks.boxed(), buffer: Vec::new(), sse }
    }

    pub async fn next(&mut self) -> Option<Value> {
        let end: &[u8] = if self.sse { b"\n\n" } else { b"\n" };
        loop {
            if let Some(place) = self.buffer.windows(end.len()).position(|window| window == end) {
                let block: Vec<u8> = self.buffer.drain(..place + end.len()).collect();
                let block = String::from_utf8(block).unwrap();
                match self.sse {
                    false => return Some(serde_json::from_str(&block).unwrap()),
                    true if block.starts_with(':') => continue,
                    true => return Some(read_sse(&block)),
                }
            }
            self.buffer.extend(self.chunks.next().await?);
        }
    }

    /// The next so many events.
    pub async fn take(mut self, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < count {
            let next = tokio::time::timeout(PATIENCE, self.next()).await.expect("an event comes");
            all.push(next.expect("the stream goes on"));
        }
        all
    }

    pub async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(event) = tokio::time::timeout(PATIENCE, self.next()).await.expect("the stream ends") {
            all.push(event);
        }
        all
    }
}

/// `id`, `event` and `data` have to say the same.
fn read_sse(block: &str) -> Value {
    let field = |name: &str| {
        let prefix = format!("{name}: ");
        block
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("{name} in {block:?}"))
    };
    let event: Value = serde_json::from_str(field("data")).unwrap();
    assert_eq!(event["type"], field("event"));
    assert_eq!(event["seq"].to_string(), field("id"));
    event
}
