//! Connections to an engine: kept for the next request, without Nagle's delay, in TLS by the system's own trust.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use meddah_inference::http::{bad_certificate, mask};
use tokio_util::task::TaskTracker;

use super::{HttpEngine, HttpLimits};
use crate::engines::{EngineError, EngineErrorKind};

pub(super) type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Shorter than the 5 s after which uvicorn (vLLM, SGLang) and llama-server hang up on idle connections: a request
/// that meets the hang-up would be lost.
const KEPT_IDLE: Duration = Duration::from_secs(4);
/// Connections to keep for one engine; as many as any engine is believed to have slots.
const KEPT_MAX: usize = 4096;
/// Headers of a response; further ones are an error.
const RESPONSE_HEADERS_MAX: usize = 128;
/// hyper takes no smaller buffer for a head.
const HEAD_BYTES_MIN: usize = 8192;

/// Runs the connections' tasks. They end with their connection, which ends with the client or with its reply.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, connection: F) {
        self.0.spawn(connection);
    }
}

pub(super) fn connections(limits: &HttpLimits) -> Result<Connections, EngineError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limits.connect));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secure =
        HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider).map_err(|error| {
            EngineError::new(EngineErrorKind::Network, format!("cannot start secure connections: {error}"))
                .with_help("Check that this system has its list of root certificates.")
        })?;
    let connector = secure.https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(Tasks(TaskTracker::new()));
    client
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_IDLE)
        .pool_max_idle_per_host(KEPT_MAX)
        .http1_max_headers(RESPONSE_HEADERS_MAX)
        .http1_max_buf_size(limits.head_bytes.max(HEAD_BYTES_MIN));
    Ok(client.build(connector))
}

/// A request that got no head.
pub(super) fn error(error: &hyper_util::client::legacy::Error, engine: &HttpEngine) -> EngineError {
    let causes = || std::iter::successors(error.source(), deeper);
    let who = &engine.who;
    if let Some(why) = causes().find_map(bad_certificate) {
        let message = format!("{who} cannot prove who it is ({why})");
        return EngineError::new(EngineErrorKind::Network, message)
            .with_help("Check this machine's clock, and the engine's certificate and its name in base_url.");
    }
    let reason = causes().last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    let reason = mask(&reason, engine.keys());
    let hyper = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse) {
        return EngineError::new(
            EngineErrorKind::Protocol,
            format!("{who} does not speak HTTP/1.1 ({reason})"),
        );
    }
    let message = match error.is_connect() {
        true => format!("no connection to {who} ({reason})"),
        false => format!("the connection to {who} broke ({reason})"),
    };
    EngineError::new(EngineErrorKind::Network, message)
}

fn deeper<'e>(cause: &&'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let cause: &'e (dyn Error + 'static) = *cause;
    cause.source()
}
