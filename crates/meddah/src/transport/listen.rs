//! The port: opening it, taking connections, closing it in order.
//!
//! Every connection has a task, a place among [`CONNECTIONS_MAX`] and a time limit for its request head,
//! so that no number of slow or silent clients keeps a game waiting.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::App;

/// Connections open at once. Further ones wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 512;
/// A request head must be complete after so long; a connection without a request is closed then, too.
pub const HEADER_WAIT: Duration = Duration::from_secs(30);
/// The longest request head, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long answers may still take after all turns have ended.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Free ports that are tried until one is free for both families of addresses.
const FREE_PORTS_TRIED_MAX: usize = 8;
/// Rest after the system refuses a connection, for example because no file handle is left.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Opens the port on 127.0.0.1, and on ::1 where there is one.
pub(crate) async fn bind(port: u16) -> anyhow::Result<(Vec<TcpListener>, u16)> {
    for _ in 0..FREE_PORTS_TRIED_MAX {
        let v4 =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| explain(port, &error))?;
        let taken = v4.local_addr().context("the system does not say which port it gave")?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, taken)).await {
            Ok(v6) => return Ok((vec![v4, v6], taken)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 => {}
            Err(error) => {
                // Many systems have no IPv6; a game that asks for `localhost` then comes by IPv4 anyway.
                debug!(%error, port = taken, "not listening on ::1");
                if error.kind() == io::ErrorKind::AddrInUse {
                    warn!(port = taken, "another program has this port on ::1; games should use 127.0.0.1");
                }
                return Ok((vec![v4], taken));
            }
        }
    }
    anyhow::bail!("no port is free for both 127.0.0.1 and ::1")
}

fn explain(port: u16, error: &io::Error) -> anyhow::Error {
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => "this port is reserved for the system. Choose one above 1023",
        _ => "is Meddah running already? End the program that uses the port",
    };
    anyhow::anyhow!("cannot listen on port {port} ({error}): {why}, or take a free one with `--port 0`")
}

/// An open port, and what is spoken on it.
pub(super) struct Port {
    pub listeners: Vec<TcpListener>,
    pub router: Router,
}

/// Takes connections until the app stops, then ends turns, streams and connections in this order.
pub(super) async fn run(ports: Vec<Port>, app: Arc<App>) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let server = Connections { app: app.clone(), tasks: connections.clone(), places };
    let accepting = ports.into_iter().flat_map(|port| {
        let (server, router) = (&server, port.router);
        port.listeners.into_iter().map(move |listener| server.accept(listener, router.clone()))
    });
    futures::future::join_all(accepting).await;

    app.sidecar.shutdown().await;
    connections.close();
    app.sockets.close();
    let all_closed = async {
        tokio::join!(connections.wait(), app.sockets.wait());
    };
    tokio::pin!(all_closed);
    if tokio::time::timeout(CLOSE_GRACE, &mut all_closed).await.is_err() {
        debug!(connections = connections.len(), "some readers did not take their last events in time");
        app.abandon.cancel();
        all_closed.await;
    }
}

struct Connections {
    app: Arc<App>,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
}

impl Connections {
    async fn accept(&self, listener: TcpListener, router: Router) {
        loop {
            let next = async {
                let place = self.places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = self.app.stop.cancelled() => return,
                next = next => next,
            };
            match (place, accepted) {
                (Ok(place), Ok((stream, peer))) => self.take(stream, peer, place, router.clone()),
                (Err(_), _) => return, // the semaphore is never closed
                (_, Err(error)) => {
                    debug!(%error, "no connection could be taken");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, router: Router) {
        stream.set_nodelay(true).ok(); // events are small and wanted at once
        let service = TowerToHyperService::new(router);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_WAIT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let (stop, abandon) = (self.app.stop.clone(), self.app.abandon.clone());
        self.tasks.spawn(async move {
            let _place = place;
            tokio::pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        biased;
                        ended = connection.as_mut() => ended,
                        () = abandon.cancelled() => Ok(()),
                    }
                }
            };
            if let Err(error) = ended {
                debug!(%peer, %error, "a connection broke off");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_a_way_out() {
        let (_held, port) = bind(0).await.unwrap();
        let error = format!("{:#}", bind(port).await.unwrap_err());
        assert!(error.contains(&port.to_string()) && error.contains("--port 0"), "{error}");
    }
}
