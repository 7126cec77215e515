//! HTTP to providers and services: one client for all, that never follows a redirect, never shows a key, and
//! notices within two seconds that the other side is gone.

mod address;
mod form;
mod lines;
mod reach;
mod reply;
mod socket;
mod sse;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Request};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{ErrorKind, Key, ModelError};

pub use reqwest::{Method, Url};

pub use address::{check_key_is_safe, endpoint, host_name, is_near};
pub use form::{FormFile, post_form};
pub use lines::{LINE_BYTES_MAX, LineSplitter, TooLong};
pub(crate) use reply::RETRY_AFTER_MAX;
pub use reply::{ERROR_BODY_BYTES_MAX, Reply, retry_after};
pub use socket::{Frame, Opened, Socket};
pub use sse::{COMMENT, SseEvent, SseParser};
pub(crate) use trouble::broke;
pub use trouble::{bad_certificate, cancelled, causes, mask};

/// Name lookup, TCP and TLS together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// A server that reads a long prompt first may be silent for so long.
pub const HEAD_WAIT_MAX: Duration = Duration::from_secs(120);
/// A reply that began may pause for so long.
pub const STALL_MAX: Duration = Duration::from_secs(60);
/// Headers of a response; further ones are an error.
const RESPONSE_HEADERS_MAX: usize = 128;
/// Connections are kept for the next turn, but not for ever: routers forget them silently.
const POOL_IDLE_MAX: Duration = Duration::from_secs(50);
/// Last words to a server after a reply was cut.
const FAREWELL_WAIT_MAX: Duration = Duration::from_secs(2);
/// For the rest of an answer whose end was already seen.
const TAIL_WAIT_MAX: Duration = Duration::from_millis(500);

/// A client for everything; a clone is the same client.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    remote: Client,
    /// For this computer and its network, which proxies do not know.
    near: Client,
    proxies: Matcher,
    farewells: TaskTracker,
}

/// One request.
pub struct Call {
    /// GET, POST, ...
    pub method: Method,
    /// Without any secret.
    pub url: Url,
    /// Keys are among them, marked sensitive.
    pub headers: HeaderMap,
    /// JSON, or what the headers say.
    pub body: Vec<u8>,
    /// Must not appear in any message.
    pub secrets: Vec<Key>,
}

impl Call {
    /// A POST of JSON.
    pub fn post_json(url: Url, body: &serde_json::Value) -> Call {
        Call::post_text(url, body.to_string())
    }

    /// A POST of JSON that is written already.
    pub fn post_text(url: Url, json: String) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Call { method: Method::POST, url, headers, body: json.into_bytes(), secrets: Vec::new() }
    }

    /// A GET.
    pub fn get(url: Url) -> Call {
        Call { method: Method::GET, url, headers: HeaderMap::new(), body: Vec::new(), secrets: Vec::new() }
    }

    /// Adds a header with a key in it, after `prefix` (as in `Bearer `).
    pub fn with_key(mut self, name: &str, prefix: &str, key: &Key) -> Result<Call, ModelError> {
        let text = format!("{prefix}{}", key.expose());
        let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::from_str(&text)) else {
            return Err(ModelError::new(ErrorKind::Unauthorized, "the key has characters that no key has")
                .with_help("Copy the key again from the provider's page, without anything around it."));
        };
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self.secrets.push(key.clone());
        Ok(self)
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Call, ModelError> {
        let (Ok(header), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
            return Err(ModelError::new(ErrorKind::BadRequest, format!("{name:?} cannot be a header"))
                .with_help("Header names are letters, digits and dashes; values stand on one line."));
        };
        self.headers.insert(header, value);
        Ok(self)
    }
}

impl Http {
    /// Sets up TLS and connections; sends nothing.
    ///
    /// # Errors
    /// `Network` if the system's root certificates cannot be read.
    pub fn new() -> Result<Http, ModelError> {
        // Fails if another part of the program installed one, which does as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let builder = || {
            Client::builder()
                .user_agent(concat!("meddah/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(POOL_IDLE_MAX)
                .http1_max_headers(RESPONSE_HEADERS_MAX)
                .referer(false)
        };
        let trouble = |error: reqwest::Error| {
            let reason = trouble::root_cause(&error);
            ModelError::new(ErrorKind::Network, format!("cannot start a secure connection: {reason}"))
                .with_help("Check that this system has its list of root certificates.")
        };
        let remote = builder().build().map_err(trouble)?;
        let near = builder().no_proxy().build().map_err(trouble)?;
        let inner = Inner { remote, near, proxies: Matcher::from_system(), farewells: TaskTracker::new() };
        Ok(Http { inner: Arc::new(inner) })
    }

    /// Sends a request and waits for the head of the answer. Any status is an answer, except redirects,
    /// which are an error: a key must not follow them.
    pub async fn send(&self, call: Call, cancel: &CancellationToken) -> Result<Reply, ModelError> {
        let Call { method, url, headers, body, secrets } = call;
        let mut request = Request::new(method, url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let near = is_near(&url);
        let client = if near { &self.inner.near } else { &self.inner.remote };
        let proxied = !near && self.is_proxied(&url);
        let exchange = reach::watched(client.execute(request), &url, proxied);
        let answer = cancel.run_until_cancelled(tokio::time::timeout(HEAD_WAIT_MAX, exchange));
        let response = match answer.await {
            None => return Err(cancelled()),
            Some(Err(_)) => return Err(trouble::silent(&url, HEAD_WAIT_MAX)),
            Some(Ok(Err(reach::Lost::Gone))) => return Err(trouble::no_connection(&url, None)),
            Some(Ok(Err(reach::Lost::Failed(error)))) => return Err(trouble::of(&error, &url, &secrets)),
            Some(Ok(Ok(response))) => response,
        };
        if response.status().is_redirection() {
            return Err(trouble::redirected(&url, response.headers()));
        }
        Ok(Reply::new(response, url, secrets))
    }

    /// Sends something that nobody waits for, such as the end of a reply that was cut. Must be called within
    /// a runtime; ends with it, or after two seconds.
    pub fn send_and_forget(&self, call: Call) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let http = self.clone();
        let farewell = async move {
            let never = CancellationToken::new();
            tokio::time::timeout(FAREWELL_WAIT_MAX, http.send(call, &never)).await.ok();
        };
        self.inner.farewells.spawn_on(farewell, &runtime);
    }

    /// Reads what is left of an answer that nobody waits for, so that its connection serves the next request.
    pub fn read_to_end(&self, mut reply: Reply) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let rest = async move {
            let never = CancellationToken::new();
            tokio::time::timeout(TAIL_WAIT_MAX, reply.body_up_to(ERROR_BODY_BYTES_MAX, &never)).await.ok();
        };
        self.inner.farewells.spawn_on(rest, &runtime);
    }

    /// Waits until nothing is under way that nobody waits for; at most two seconds.
    pub async fn close(&self) {
        self.inner.farewells.close();
        tokio::time::timeout(FAREWELL_WAIT_MAX, self.inner.farewells.wait()).await.ok();
    }

    fn is_proxied(&self, url: &Url) -> bool {
        url.as_str().parse().is_ok_and(|uri| self.inner.proxies.intercept(&uri).is_some())
    }
}
