//! Any OpenAI-compatible server over HTTP/1.1, plain or in TLS.
//!
//! The request's bytes go through as they are, unless the settings change the model or add fields; the events come
//! out as they came. There is no proxy, no redirect is followed, and every wait and every size has a limit. A reply
//! that is dropped closes its connection, which is how all these servers notice that they can stop.

mod body;
mod connect;
mod connection;
mod probe;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use meddah_inference::http::{CONNECT_TIMEOUT, Url, check_key_is_safe, endpoint, host_name};
use meddah_inference::{Key, ModelError};
use serde_json::{Map, Value};
use tokio::time::Instant;

use self::connection::Body;
use super::facts::{Dialect, EngineFacts};
use super::{Engine, EngineError, EngineErrorKind, EngineReply, EngineRequest};

/// Bounds of one engine. All of them hold for each request.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// For name, TCP and TLS together.
    pub connect: Duration,
    /// From sending the request to its first event. Long prompts on slow machines take most of it.
    pub first_event: Duration,
    /// From one event to the next. Bytes that complete no event do not count, so that a drip ends too.
    pub idle: Duration,
    /// From sending the request to the end of the answer.
    pub whole: Duration,
    /// For each question of a probe.
    pub probe: Duration,
    /// Bytes of a response's head.
    pub head_bytes: usize,
    /// Bytes of one event.
    pub event_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            connect: CONNECT_TIMEOUT,
            first_event: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            whole: Duration::from_secs(600),
            probe: Duration::from_secs(2),
            head_bytes: 64 << 10,
            event_bytes: 1 << 20,
        }
    }
}

/// One server.
#[derive(Clone)]
pub struct HttpEngineSettings {
    /// What it is called in settings, states and messages.
    pub name: String,
    /// Where it is, with or without `/v1`.
    pub base_url: String,
    /// Its key, sent as a bearer token.
    pub key: Option<Key>,
    /// Sent instead of the model that was asked for.
    pub model: Option<String>,
    /// Set in each request's body, over what the caller sent.
    pub extra: Map<String, Value>,
    /// How it tells of itself; `None` to find out.
    pub dialect: Option<Dialect>,
    /// Its bounds.
    pub limits: HttpLimits,
}

impl HttpEngineSettings {
    /// With nothing but a name and an address.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> HttpEngineSettings {
        HttpEngineSettings {
            name: name.into(),
            base_url: base_url.into(),
            key: None,
            model: None,
            extra: Map::new(),
            dialect: None,
            limits: HttpLimits::default(),
        }
    }
}

impl fmt::Debug for HttpEngineSettings {
    /// Without what extra fields hold: people put keys there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEngineSettings")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .field("model", &self.model)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .field("dialect", &self.dialect)
            .field("limits", &self.limits)
            .finish()
    }
}

/// A server over HTTP.
pub struct HttpEngine {
    settings: HttpEngineSettings,
    connections: connect::Connections,
    /// Path and query.
    chat_path: Uri,
    base: Url,
    /// Its name and host, for messages.
    who: Arc<str>,
    headers: HeaderMap,
    /// Found by probing; asked first the next time.
    dialect: Mutex<Option<Dialect>>,
}

impl HttpEngine {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// `BadRequest` for an address that is none or would carry the key in the open, `Unauthorized` for a key with
    /// characters that no key has, `Network` if the system's root certificates cannot be read.
    pub fn new(settings: HttpEngineSettings) -> Result<HttpEngine, EngineError> {
        // These errors know better what to do than their kind does.
        let helped = |error: ModelError| EngineError::from(error.clone()).with_help(error.help);
        let base = endpoint(&settings.base_url, "v1", "chat/completions").map_err(helped)?;
        if settings.key.is_some() {
            check_key_is_safe(&base).map_err(helped)?;
        }
        let who = Arc::from(format!("{} ({})", settings.name, host_name(&base)));
        let chat_path = path(&base)?;
        let headers = headers(&base, settings.key.as_ref())?;
        let server = base.as_str().parse().map_err(|_| no_address())?;
        let connections = connect::Connections::new(server, &settings.limits)?;
        let dialect = Mutex::new(settings.dialect);
        Ok(HttpEngine { settings, connections, chat_path, base, who, headers, dialect })
    }

    async fn send(
        &self,
        method: Method,
        path: Uri,
        body: Full<hyper::body::Bytes>,
    ) -> Result<Response<Body>, EngineError> {
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, path);
        *request.headers_mut() = self.headers.clone();
        self.connections.request(request).await.map_err(|error| connect::error(&error, self))
    }

    fn keys(&self) -> &[Key] {
        self.settings.key.as_slice()
    }
}

/// The part of an address that a server is asked for.
fn path(url: &Url) -> Result<Uri, EngineError> {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path()).parse().map_err(|_| no_address())
}

fn no_address() -> EngineError {
    EngineError::new(EngineErrorKind::BadRequest, "base_url is not an address")
}

fn headers(base: &Url, key: Option<&Key>) -> Result<HeaderMap, EngineError> {
    let mut headers = HeaderMap::new();
    let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = format!("{}{port}", base.host_str().unwrap_or_default());
    headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| no_address())?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json, text/plain"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("meddah/", env!("CARGO_PKG_VERSION"))));
    if let Some(key) = key {
        let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose())) else {
            let message = "the key has characters that no key has";
            return Err(EngineError::new(EngineErrorKind::Unauthorized, message)
                .with_help("Copy the key again, without anything around it."));
        };
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

#[async_trait]
impl Engine for HttpEngine {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn probe(&self) -> Result<EngineFacts, EngineError> {
        let known = *self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = probe::probe(self, known).await;
        if self.settings.dialect.is_none() {
            // After a failure another server may come up in its place.
            let found = facts.as_ref().ok().map(|facts| facts.dialect);
            *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        facts
    }

    async fn chat(&self, request: EngineRequest) -> Result<EngineReply, EngineError> {
        let body = body::prepare(request.body, self.settings.model.as_deref(), &self.settings.extra)?;
        let start = Instant::now();
        let sending = self.send(Method::POST, self.chat_path.clone(), Full::new(body));
        let waited = tokio::time::timeout_at(start + self.settings.limits.first_event, sending);
        let response = match request.cancel.run_until_cancelled(waited).await {
            None => return Err(EngineError::cancelled()),
            Some(Err(_)) => return Err(stream::silent(&self.who, self.settings.limits.first_event)),
            Some(Ok(response)) => response?,
        };
        let body = stream::accept(response, self).await?;
        let events =
            stream::Events::new(body, self.who.clone(), &self.settings.limits, start, request.cancel);
        Ok(EngineReply { events: events.into_stream().boxed() })
    }

    fn serves(&self, model: &str, facts: &EngineFacts) -> bool {
        let models = &facts.models;
        self.settings.model.is_some() || models.is_empty() || models.iter().any(|name| name == model)
    }
}
