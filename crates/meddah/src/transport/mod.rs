//! How games reach the sidecar: HTTP and WebSocket on the loopback address, no other.
//!
//! A transport decodes commands, hands them to a session and encodes the session's events. It decides
//! nothing: the event log of the session is its only buffer, so every transport shows the same events,
//! and a slow reader costs a place in that log and no memory.

mod commands;
mod guard;
mod http;
mod listen;
mod runtime_file;
mod websocket;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use meddah_protocol::{ErrorCode, PROTOCOL_VERSION, WireError};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compat::{self, FaceState, OpenFace};
use crate::sidecar::{Sidecar, unguessable};
use guard::Guard;
use listen::Port;
use runtime_file::RuntimeFile;

pub use commands::COMMANDS_MAX;
pub use http::BODY_BYTES_MAX;
pub(crate) use http::{guard_with, read_body, refused, routes};
pub(crate) use listen::bind;
pub use listen::{CONNECTIONS_MAX, HEADER_WAIT};
pub use websocket::FRAME_BYTES_MAX;

/// Serves until `shutdown`, announced on standard output and in the runtime file.
pub async fn serve(
    sidecar: Arc<Sidecar>,
    runtime_file: PathBuf,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let server = Server::bind(sidecar).await?;
    let written = RuntimeFile::write(runtime_file, &server.ready(), server.token())
        .context("cannot write where games find the sidecar; check that the data folder can be written")?;
    runtime_file::announce(&server.ready());
    server.run(shutdown).await;
    written.remove();
    Ok(())
}

/// A sidecar with its port open.
pub struct Server {
    sidecar: Arc<Sidecar>,
    guard: Guard,
    listeners: Vec<TcpListener>,
    port: u16,
    faces: Vec<OpenFace>,
}

/// The line that tells a game where the sidecar is.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    ready: bool,
    port: u16,
    pid: u32,
    version: &'static str,
    protocol: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faces: Vec<FaceState>,
}

/// What every request sees.
pub(crate) struct App {
    pub(crate) sidecar: Arc<Sidecar>,
    pub(crate) guard: Guard,
    /// Ends what waits; nothing new is begun.
    pub(crate) stop: CancellationToken,
    /// WebSockets, which outlive the request that opened them.
    pub(crate) sockets: TaskTracker,
    /// Closes connections that do not end by themselves.
    pub(crate) abandon: CancellationToken,
    /// Other protocols that are spoken, and on which ports.
    faces: Vec<FaceState>,
}

impl Server {
    /// Opens the port that the settings name, 0 takes a free one, and those of the faces. A face whose port
    /// somebody else holds stays closed and says so; the game goes on without it.
    pub async fn bind(sidecar: Arc<Sidecar>) -> anyhow::Result<Server> {
        let (listeners, port) = listen::bind(sidecar.settings.port).await?;
        let settings = &sidecar.settings;
        let guard = Guard::new(unguessable()?, settings.require_token, settings.allowed_origins.clone());
        let faces = compat::open(&sidecar.settings.faces).await?;
        Ok(Server { sidecar, guard, listeners, port, faces })
    }

    /// The port, on every loopback address that there is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What lets web pages in.
    pub fn token(&self) -> &str {
        self.guard.token()
    }

    /// What to tell games.
    pub fn ready(&self) -> Ready {
        Ready {
            ready: true,
            port: self.port,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            protocol: PROTOCOL_VERSION,
            faces: self.faces.iter().map(|face| face.state.clone()).collect(),
        }
    }

    /// Serves until `shutdown`; returns when every connection is closed and every task has ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let app = Arc::new(App {
            sidecar: self.sidecar,
            guard: self.guard,
            stop: shutdown,
            sockets: TaskTracker::new(),
            abandon: CancellationToken::new(),
            faces: self.faces.iter().map(|face| face.state.clone()).collect(),
        });
        let mut ports = vec![Port { listeners: self.listeners, router: http::router(app.clone()) }];
        for face in self.faces {
            ports.push(Port { router: compat::router(face.kind, app.clone()), listeners: face.listeners });
        }
        listen::run(ports, app).await;
    }
}

impl App {
    /// For requests that somebody else takes and has let in.
    pub(crate) fn behind_another_door(sidecar: Arc<Sidecar>) -> Result<Arc<App>, WireError> {
        Ok(Arc::new(App {
            guard: Guard::new(unguessable()?, false, Vec::new()),
            sidecar,
            stop: CancellationToken::new(),
            sockets: TaskTracker::new(),
            abandon: CancellationToken::new(),
            faces: Vec::new(),
        }))
    }

    /// Ends turns, streams and sockets in this order, as a server does.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.sidecar.shutdown().await;
        self.sockets.close();
        if tokio::time::timeout(listen::CLOSE_GRACE, self.sockets.wait()).await.is_err() {
            self.abandon.cancel();
            self.sockets.wait().await;
        }
    }

    /// Whether this is the token of `runtime.json`, which says nothing about who plays: it is new at every start.
    pub(crate) fn is_token(&self, shown: &str) -> bool {
        self.guard.is_token(shown)
    }

    /// Refuses what would begin something while everything ends.
    pub(crate) fn check_running(&self) -> Result<(), WireError> {
        if self.stop.is_cancelled() {
            return Err(WireError::new(ErrorCode::ShuttingDown, "the sidecar is shutting down")
                .with_help("Start it again, then send the request again."));
        }
        Ok(())
    }
}
