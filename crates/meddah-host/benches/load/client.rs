//! A client of chat completions that notes when each token comes.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

/// Nothing of an answer for so long is a failure.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// About 550 bytes, as the rules and the character of a small model.
const SYSTEM: &str = "You keep the mill by the river and know everybody who passes. ";

/// Connections that are kept, without a proxy.
#[derive(Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub fn new() -> Client {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        Client(builder.pool_max_idle_per_host(100_000).build(connector))
    }
}

/// A server that answers chats.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: &'static str,
    /// Without a path.
    pub url: String,
    /// Of players, who ask in turn; none where nobody needs any.
    pub tokens: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub stream: bool,
    /// The answer's tokens; the most of them with a seed.
    pub tokens: u32,
    /// Lets the engine choose how long the answer is.
    pub seed: Option<u64>,
    pub class: &'static str,
    /// The player leaves after so many tokens.
    pub leaves_after: Option<u32>,
}

impl Ask {
    pub fn streamed(tokens: u32) -> Ask {
        Ask { stream: true, tokens, seed: None, class: "live", leaves_after: None }
    }
}

/// When tokens came, from the moment at which the request was sent.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub tokens: Vec<Duration>,
    pub whole: Duration,
    pub left: bool,
}

/// Why there was no answer.
#[derive(Clone, Debug)]
pub enum Failed {
    /// The server said that it has no room.
    Shed,
    Otherwise(String),
}

/// Asks once; `number` chooses who, and what is said.
///
/// # Errors
/// No room, or no whole answer.
pub async fn chat(client: &Client, target: &Target, number: usize, ask: Ask) -> Result<Heard, Failed> {
    let seed = ask.seed.map_or_else(String::new, |seed| format!("\"seed\":{seed},"));
    let body = format!(
        "{{\"model\":\"fake\",\"messages\":[{{\"role\":\"system\",\"content\":\"{}\"}},{{\"role\":\"user\",\"content\":\
         \"Who came by yesterday, before visitor number {number}?\"}}],{seed}\"max_tokens\":{},\"stream\":{}}}",
        SYSTEM.repeat(9),
        ask.tokens,
        ask.stream
    );
    // A stride, so that players who ask one after the other are not neighbours.
    let token = target.tokens.get(number.wrapping_mul(7_919) % target.tokens.len().max(1));
    let mut request = Request::post(format!("{}/v1/chat/completions", target.url))
        .header(CONTENT_TYPE, "application/json")
        .header("x-meddah-class", ask.class);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::from(body)).map_err(otherwise)?;
    let sent = Instant::now();
    let response = within(client.0.request(request)).await?.map_err(otherwise)?;
    match response.status().as_u16() {
        200 => {}
        429 | 503 => return Err(Failed::Shed),
        status => {
            let said = response.into_body().collect().await.map(|said| said.to_bytes()).unwrap_or_default();
            return Err(Failed::Otherwise(format!("{status} {}", String::from_utf8_lossy(&said))));
        }
    }
    if ask.stream { listen(response, sent, ask).await } else { take(response, sent).await }
}

async fn take(response: Response<Incoming>, sent: Instant) -> Result<Heard, Failed> {
    let body = within(response.into_body().collect()).await?.map_err(otherwise)?.to_bytes();
    if !contains(&body, b"\"finish_reason\"") {
        return Err(Failed::Otherwise("the answer is none".into()));
    }
    Ok(Heard { tokens: Vec::new(), whole: sent.elapsed(), left: false })
}

async fn listen(response: Response<Incoming>, sent: Instant, ask: Ask) -> Result<Heard, Failed> {
    let (mut body, mut rest, mut heard, mut done) =
        (response.into_body(), Vec::new(), Heard::default(), false);
    while let Some(frame) = within(body.frame()).await? {
        let frame = frame.map_err(otherwise)?;
        rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        let now = sent.elapsed();
        while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            if contains(&event, b"\"error\":{") {
                return Err(Failed::Otherwise(String::from_utf8_lossy(&event).into_owned()));
            }
            done |= event.starts_with(b"data: [DONE]");
            if contains(&event, b"\"content\":\"") && !contains(&event, b"\"content\":\"\"") {
                heard.tokens.push(now);
            }
        }
        if ask.leaves_after.is_some_and(|most| heard.tokens.len() >= most as usize) {
            return Ok(Heard { whole: now, left: true, ..heard });
        }
    }
    if !done {
        return Err(Failed::Otherwise(format!("the stream ended after {} tokens", heard.tokens.len())));
    }
    if ask.seed.is_none() && heard.tokens.len() != ask.tokens as usize {
        return Err(Failed::Otherwise(format!("{} tokens instead of {}", heard.tokens.len(), ask.tokens)));
    }
    Ok(Heard { whole: sent.elapsed(), ..heard })
}

/// One request with a whole answer.
///
/// # Errors
/// Anything but a 200.
pub async fn post(client: &Client, url: &str, token: Option<&str>, body: String) -> Result<Bytes, String> {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::from(body)).map_err(|error| error.to_string())?;
    let response = client.0.request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    if status == 200 { Ok(body) } else { Err(format!("{status} {}", String::from_utf8_lossy(&body))) }
}

async fn within<T>(waited: impl Future<Output = T>) -> Result<T, Failed> {
    let waited = tokio::time::timeout(SILENCE_MAX, waited).await;
    waited.map_err(|_| Failed::Otherwise("nothing came for a minute".into()))
}

fn otherwise(error: impl std::fmt::Display) -> Failed {
    Failed::Otherwise(error.to_string())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
