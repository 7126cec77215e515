//! Made-up services that speak and listen. One server has all of them; each says what it really would: a tone for
//! each word of what it is asked to say, with the times that the service tells. Odd answers are transcripts.

mod cartesia;
mod deepgram;
mod elevenlabs;
mod inworld;
mod openai;
mod player2;
mod tone;
mod xtts;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::get;
use futures::{Stream, StreamExt as _};
use serde_json::Value;

use crate::services::{Open, OpenGuard, Queue, Served, lock, serve, status_of};
use crate::{Recorded, Step, Transcript};

/// Sound of half a minute is sent to it.
const BODY_BYTES_MAX: usize = 8 << 20;

/// All made-up services of speech, on a free port of this computer.
pub struct FakeSpeech {
    served: Served,
    state: Arc<Services>,
}

/// What has come in, and what goes out.
#[derive(Default)]
struct Services {
    requests: Mutex<Vec<Recorded>>,
    /// What came over sockets; bytes as their number.
    frames: Mutex<Vec<String>>,
    next: Queue,
    open: Open,
    /// Answers come in pieces of so many bytes; 0 for as they are.
    piece_bytes: AtomicUsize,
}

impl FakeSpeech {
    /// The key of every account.
    pub const KEY: &str = "speech-key-0123456789";
    /// A voice that ElevenLabs has; its name is Rachel.
    pub const ELEVENLABS_VOICE: &str = "21m00Tcm4TlvDq8ikWAM";
    /// A voice that Cartesia has; its name is Sage.
    pub const CARTESIA_VOICE: &str = "6ccbfb76-1fc6-48f7-b71d-91ac6298247b";

    /// Starts it.
    pub async fn start() -> FakeSpeech {
        let state = Arc::<Services>::default();
        let router = Router::new()
            .route("/v1/text-to-speech/{voice}/stream-input", get(socket))
            .route("/v1/listen", get(socket))
            .fallback(answer)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(state.clone());
        FakeSpeech { served: serve(router).await, state }
    }

    /// Its address, without a path.
    pub fn base_url(&self) -> &str {
        &self.served.base_url
    }

    /// The answer to the next request that is asked as it should be. For a socket: status 101, a frame in each line,
    /// and what it is closed with in a header `close`.
    pub fn next(&self, transcript: Transcript) {
        self.state.next.push(transcript);
    }

    /// Answers come in pieces of so many bytes from now on.
    pub fn in_pieces(&self, bytes: usize) {
        self.state.piece_bytes.store(bytes, Ordering::SeqCst);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.requests).clone()
    }

    /// Texts that came over sockets; a frame of bytes as `<number>`.
    pub fn frames(&self) -> Vec<String> {
        lock(&self.state.frames).clone()
    }

    /// Waits until so many answers are under way.
    ///
    /// # Errors
    /// How many there are after ten seconds.
    pub async fn wait_for_open(&self, count: usize) -> Result<(), usize> {
        self.state.open.wait_for(count).await
    }
}

fn recorded(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Recorded {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Recorded {
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
        json: serde_json::from_slice(body).unwrap_or_default(),
    }
}

async fn answer(
    State(state): State<Arc<Services>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = recorded(&method, &uri, &headers, &body);
    lock(&state.requests).push(asked.clone());
    let services = [
        openai::answer,
        elevenlabs::answer,
        inworld::answer,
        cartesia::answer,
        player2::answer,
        xtts::answer,
    ];
    let usual = services.into_iter().find_map(|service| service(&asked, uri.path()));
    let usual = usual.unwrap_or_else(|| json("404 Not Found", &serde_json::json!({"detail": "Not Found"})));
    let is_list = method == Method::GET && !uri.path().contains("tts_stream");
    let transcript = match usual.status.starts_with("200") && !is_list {
        true => state.next.next().unwrap_or(usual),
        false => usual,
    };
    play(transcript, state.piece_bytes.load(Ordering::SeqCst), state.open.enter())
}

type Sent = Result<Vec<u8>, std::io::Error>;

/// Sends a transcript, its bytes in pieces of so many, or as they are for 0. A cut breaks the connection, a hang lasts
/// until the client goes; with a header `endless` the last bytes are repeated for ever.
pub(crate) fn play(transcript: Transcript, piece_bytes: usize, guard: OpenGuard) -> Response {
    let mut response = Response::builder().status(status_of(&transcript));
    let endless = transcript.headers.iter().any(|(name, _)| name == "endless");
    for (name, value) in &transcript.headers {
        response = response.header(name, value);
    }
    let last = transcript.steps.iter().rev().find(|step| matches!(step, Step::Send(_))).cloned();
    let again = futures::stream::iter(last.filter(|_| endless)).flat_map(futures::stream::repeat);
    let steps = futures::stream::iter(transcript.steps).chain(again);
    let steps = steps.flat_map(move |step| futures::stream::iter(cut(step, piece_bytes)));
    let sent = steps.then(move |step| {
        let _open = &guard;
        let sent: Pin<Box<dyn Future<Output = Option<Sent>> + Send>> = Box::pin(async move {
            match step {
                Step::Send(bytes) => {
                    tokio::task::yield_now().await;
                    Some(Ok(bytes))
                }
                Step::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    None
                }
                Step::Cut => Some(Err(std::io::Error::other("cut"))),
                Step::Hang => std::future::pending().await,
            }
        });
        sent
    });
    let body: Pin<Box<dyn Stream<Item = Sent> + Send>> = Box::pin(sent.filter_map(futures::future::ready));
    response.body(Body::from_stream(body)).expect("an answer")
}

fn cut(step: Step, piece_bytes: usize) -> Vec<Step> {
    match step {
        Step::Send(bytes) if piece_bytes > 0 => {
            bytes.chunks(piece_bytes).map(|piece| Step::Send(piece.to_vec())).collect()
        }
        step => vec![step],
    }
}

async fn socket(
    State(state): State<Arc<Services>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let asked = recorded(&method, &uri, &headers, &Bytes::new());
    lock(&state.requests).push(asked.clone());
    let listens = uri.path() == "/v1/listen";
    let refusal = if listens { deepgram::check(&asked) } else { elevenlabs::check_socket(&asked) };
    let guard = state.open.enter();
    if let Some(refusal) = refusal {
        return play(refusal, 0, guard);
    }
    let odd = state.next.next();
    if let Some(refusal) = odd.as_ref().filter(|odd| !odd.status.starts_with("101")) {
        return play(refusal.clone(), 0, guard);
    }
    upgrade.on_upgrade(move |mut socket| async move {
        let _open = guard;
        match odd {
            Some(odd) => frames(&mut socket, &state, odd).await,
            None if listens => deepgram::talk(&mut socket, &state, &asked).await,
            None => elevenlabs::talk(&mut socket, &state).await,
        }
    })
}

/// Plays a transcript over a socket, whatever is said to it.
async fn frames(socket: &mut WebSocket, state: &Services, odd: Transcript) {
    // Whoever says nothing gets nothing.
    if receive(socket, state).await.is_none() {
        return;
    }
    for step in odd.steps {
        match step {
            Step::Send(bytes) => {
                for line in String::from_utf8_lossy(&bytes).lines() {
                    socket.send(Message::Text(line.into())).await.ok();
                }
            }
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Cut => return,
            Step::Hang => while receive(socket, state).await.is_some() {},
        }
    }
    let close = odd.headers.iter().find(|(name, _)| name == "close").map(|(_, value)| value.as_str());
    let (code, reason) = close.and_then(|close| close.split_once(' ')).unwrap_or(("1000", ""));
    close_with(socket, state, code.parse().unwrap_or(1000), reason).await;
}

async fn close_with(socket: &mut WebSocket, state: &Services, code: u16, reason: &str) {
    let close = CloseFrame { code, reason: reason.into() };
    socket.send(Message::Close(Some(close))).await.ok();
    // The other side closes too; whoever does not is left.
    let closing = async { while receive(socket, state).await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_millis(500), closing).await.ok();
}

/// What the client says; the number of bytes for sound.
async fn receive(socket: &mut WebSocket, state: &Services) -> Option<String> {
    loop {
        let said = match socket.recv().await? {
            Ok(Message::Text(text)) => text.as_str().to_owned(),
            Ok(Message::Binary(bytes)) => format!("<{}>", bytes.len()),
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) | Err(_) => return None,
        };
        lock(&state.frames).push(said.clone());
        return Some(said);
    }
}

fn json(status: &str, body: &Value) -> Transcript {
    Transcript::answer(status, &[("content-type", "application/json")], &body.to_string())
}

fn bytes(media_type: &str, body: Vec<u8>) -> Transcript {
    Transcript {
        status: "200 OK".into(),
        headers: vec![("content-type".into(), media_type.into())],
        steps: vec![Step::Send(body)],
    }
}

/// Lines or events of JSON.
fn pieces(media_type: &str, pieces: impl Iterator<Item = String>) -> Transcript {
    Transcript {
        status: "200 OK".into(),
        headers: vec![("content-type".into(), media_type.into())],
        steps: pieces.map(|piece| Step::Send(piece.into_bytes())).collect(),
    }
}

/// The first of these that is no text in the body.
fn missing<'a>(asked: &Recorded, fields: &[&'a str]) -> Option<&'a str> {
    fields.iter().copied().find(|field| asked.json[*field].as_str().is_none_or(str::is_empty))
}

/// A key in an address is one in the logs of everything between.
fn key_in_address(asked: &Recorded) -> bool {
    asked.path.contains(FakeSpeech::KEY)
}
