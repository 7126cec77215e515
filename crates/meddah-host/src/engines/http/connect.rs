//! Connections to an engine: kept for the next request, without Nagle's delay, in TLS by the system's own trust.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::Builder;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use meddah_inference::http::{bad_certificate, mask};
use tower_service::Service as _;

use super::connection::{Body, Connection, Idle};
use super::{HttpEngine, HttpLimits};
use crate::engines::{EngineError, EngineErrorKind};

/// Headers of a response; further ones are an error.
const RESPONSE_HEADERS_MAX: usize = 128;
/// hyper takes no smaller buffer for a head.
const HEAD_BYTES_MIN: usize = 8192;

/// Why a request got no head.
pub(super) enum SendError {
    Connect(Box<dyn Error + Send + Sync>),
    Http(hyper::Error),
}

impl SendError {
    /// What happened, and why.
    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first: &(dyn Error + 'static) = match self {
            SendError::Connect(error) => &**error,
            SendError::Http(error) => error,
        };
        std::iter::successors(Some(first), deeper)
    }
}

/// All connections to one server.
pub(super) struct Connections {
    server: Uri,
    connector: HttpsConnector<HttpConnector>,
    connect_max: Duration,
    http: Builder,
    idle: Arc<Idle>,
}

impl Connections {
    /// Connects to nothing yet.
    pub fn new(server: Uri, limits: &HttpLimits) -> Result<Connections, EngineError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.connect));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let secure =
            HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider).map_err(|error| {
                let message = format!("cannot start secure connections: {error}");
                EngineError::new(EngineErrorKind::Network, message)
                    .with_help("Check that this system has its list of root certificates.")
            })?;
        let connector = secure.https_or_http().enable_http1().wrap_connector(tcp);
        let mut http = Builder::new();
        http.max_headers(RESPONSE_HEADERS_MAX).max_buf_size(limits.head_bytes.max(HEAD_BYTES_MIN));
        Ok(Connections { server, connector, connect_max: limits.connect, http, idle: Arc::default() })
    }

    /// Sends a request with a path and a `Host`, and waits for the head of its answer.
    pub async fn request(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, SendError> {
        while let Some(mut connection) = self.idle.take() {
            if !connection.is_free().await {
                continue;
            }
            match connection.send(request).await {
                Ok(answer) => return Ok(self.answer(answer, connection)),
                // The server hung up just now: what it has not seen may go to it again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(SendError::Http(error.into_error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.send(request).await.map_err(|error| SendError::Http(error.into_error()))?;
        Ok(self.answer(answer, connection))
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        let connecting = self.connector.clone().call(self.server.clone());
        let late = |_| SendError::Connect(io::Error::from(io::ErrorKind::TimedOut).into());
        let socket = tokio::time::timeout(self.connect_max, connecting).await.map_err(late)?;
        Connection::open(socket.map_err(SendError::Connect)?, &self.http).await.map_err(SendError::Http)
    }

    fn answer(&self, answer: Response<hyper::body::Incoming>, connection: Connection) -> Response<Body> {
        answer.map(|incoming| Body::new(incoming, connection, self.idle.clone()))
    }
}

/// A request that got no head.
pub(super) fn error(error: &SendError, engine: &HttpEngine) -> EngineError {
    let who = &engine.who;
    if let Some(why) = error.causes().find_map(bad_certificate) {
        let message = format!("{who} cannot prove who it is ({why})");
        return EngineError::new(EngineErrorKind::Network, message)
            .with_help("Check this machine's clock, and the engine's certificate and its name in base_url.");
    }
    let reason = error.causes().last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    let reason = mask(&reason, engine.keys());
    let message = match error {
        SendError::Http(error) if error.is_parse() => {
            let message = format!("{who} does not speak HTTP/1.1 ({reason})");
            return EngineError::new(EngineErrorKind::Protocol, message);
        }
        SendError::Http(_) => format!("the connection to {who} broke ({reason})"),
        SendError::Connect(_) => format!("no connection to {who} ({reason})"),
    };
    EngineError::new(EngineErrorKind::Network, message)
}

fn deeper<'e>(cause: &&'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let cause: &'e (dyn Error + 'static) = *cause;
    cause.source()
}
