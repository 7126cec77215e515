//! The port: connections are taken, encrypted, served over HTTP/1.1 or 2, and ended in order.
//!
//! Every connection has a task, a place among all and among those of its address, and time limits for its handshake,
//! its request heads and its reading: slow or silent clients keep nobody waiting.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;
use tracing::debug;

use super::stalled::Patient;
use super::tls::Tls;
use crate::settings::Limits;

/// A request head must be complete after so long; a connection without a request is closed then, too.
pub const HEADER_WAIT: Duration = Duration::from_secs(15);
/// A client that takes nothing of its answer for so long is gone.
pub const STALL_MAX: Duration = Duration::from_secs(30);
/// The longest request head, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Requests at once on one connection of HTTP/2.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 64;
/// How long answers may still take after the end was announced.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Rest after the system refuses a connection, for example because no file handle is left.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection; in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// An open port.
pub struct Port {
    /// Where connections come from.
    pub listener: TcpListener,
    /// What is spoken on it.
    pub router: Router,
    /// How it is encrypted.
    pub tls: Option<Tls>,
}

impl Port {
    /// Serves until `stop`; returns when every connection is closed.
    pub async fn run(self, limits: &Limits, stop: CancellationToken) {
        let connections = Connections {
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(limits.connections.max(1))),
            of_address: Arc::default(),
            of_address_max: limits.connections_per_address.max(1),
            stop: stop.clone(),
            abandon: CancellationToken::new(),
        };
        loop {
            let accepted = async {
                let place = connections.places.clone().acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accepted => accepted,
            };
            match (place, accepted) {
                (Ok(place), Ok((stream, peer))) => {
                    connections.take(stream, peer, place, self.router.clone(), self.tls.clone());
                }
                (Err(_), _) => break, // the semaphore is never closed
                (_, Err(error)) => {
                    debug!(%error, "no connection could be taken");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        connections.end().await;
    }
}

struct Connections {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    of_address_max: usize,
    stop: CancellationToken,
    /// Closes connections that do not end by themselves.
    abandon: CancellationToken,
}

impl Connections {
    fn take(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
        router: Router,
        tls: Option<Tls>,
    ) {
        let Some(seat) = Seat::take(&self.of_address, peer.ip(), self.of_address_max) else {
            debug!(peer = %peer.ip(), "too many connections of one address");
            return; // the stream is closed
        };
        stream.set_nodelay(true).ok(); // tokens are small and wanted at once
        let (stop, abandon) = (self.stop.clone(), self.abandon.clone());
        self.tasks.spawn(async move {
            let _held = (place, seat);
            match tls {
                None => speak(stream, peer, router, stop, abandon).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(Some(stream)) => speak(stream, peer, router, stop, abandon).await,
                    Ok(None) => {}
                    Err(error) => debug!(peer = %peer.ip(), %error, "no handshake"),
                },
            }
        });
    }

    async fn end(self) {
        self.tasks.close();
        if tokio::time::timeout(CLOSE_GRACE, self.tasks.wait()).await.is_err() {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }
}

/// One connection, until it ends or everything does.
async fn speak<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    abandon: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_WAIT).max_buf_size(HEAD_BYTES_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HEADER_WAIT))
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        router.clone().call(request)
    });
    let connection =
        server.serve_connection_with_upgrades(TokioIo::new(Patient::new(stream, STALL_MAX)), service);
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
        debug!(peer = %peer.ip(), %error, "a connection broke off");
    }
}

/// A place among the connections of one address.
struct Seat {
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Seat {
    fn take(of_address: &Arc<Mutex<HashMap<IpAddr, usize>>>, address: IpAddr, most: usize) -> Option<Seat> {
        let mut counts = of_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { of_address: of_address.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
