//! The port: connections are taken, encrypted, served over HTTP/1.1 or 2, and ended in order.
//!
//! Every connection has a task, a place among all and among those of its address, and time limits for its handshake,
//! its request heads and its reading: slow or silent clients keep nobody waiting.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// What one customer of a provider has for sure: an address of IPv4, or the 64 bits of IPv6 that it is given as one
/// network. Limits are of this, because whoever has one address of IPv6 has 2^64.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        four => four,
    }
}

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
            waits: Waits { head: limits.head_wait(), stall: limits.stall_max() },
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

/// How long clients are waited for.
#[derive(Clone, Copy)]
struct Waits {
    head: Duration,
    stall: Duration,
}

/// A connection's place among all, and among those of its address.
type Held = (OwnedSemaphorePermit, Seat);

struct Connections {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    of_address_max: usize,
    waits: Waits,
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
        // A port for both kinds shows addresses of IPv4 in a form of IPv6.
        let peer = peer.ip().to_canonical();
        let Some(seat) = Seat::take(&self.of_address, network(peer), self.of_address_max) else {
            debug!(%peer, "too many connections of one address");
            return; // the stream is closed
        };
        stream.set_nodelay(true).ok(); // tokens are small and wanted at once
        let (stop, abandon, waits) = (self.stop.clone(), self.abandon.clone(), self.waits);
        let held: Held = (place, seat);
        self.tasks.spawn(async move {
            match tls {
                None => {
                    speak(Patient::new(stream, waits.stall, held), waits, peer, router, (stop, abandon)).await
                }
                Some(tls) => match tls.accept(stream).await {
                    Ok(Some(stream)) => {
                        let stream = Patient::new(stream, waits.stall, held);
                        speak(stream, waits, peer, router, (stop, abandon)).await;
                    }
                    Ok(None) => {}
                    Err(error) => debug!(%peer, %error, "no handshake"),
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
    waits: Waits,
    peer: IpAddr,
    router: Router,
    (stop, abandon): (CancellationToken, CancellationToken),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(waits.head).max_buf_size(HEAD_BYTES_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(waits.head))
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
    let asked = Arc::new(AtomicBool::new(false));
    let asks = asked.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = silent(&asked, waits.head) => return,
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
}

/// Comes when there was no request in time. The limit of hyper for request heads begins only when it knows which
/// HTTP is spoken, so a client that says nothing at all, or half of a greeting, would stay for ever.
async fn silent(asked: &AtomicBool, wait: Duration) {
    tokio::time::sleep(wait).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "what a test spawns ends with its runtime")]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const HEAD: Duration = Duration::from_secs(15);

    /// A connection to a server that takes a minute for its answer.
    fn connection() -> DuplexStream {
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "there"
        };
        let (ours, theirs) = tokio::io::duplex(1024);
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let router = Router::new().route("/", get(slow));
        let peer = IpAddr::from([127, 0, 0, 1]);
        tokio::spawn(speak(ours, Waits { head: HEAD, stall: HEAD }, peer, router, (stop, abandon)));
        theirs
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_of_a_greeting_is_not_waited_for() {
        for said in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: "] {
            let mut stream = connection();
            stream.write_all(said.as_bytes()).await.unwrap();
            let ended = tokio::time::timeout(HEAD * 2, stream.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok(), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_may_wait_longer_than_that_for_the_answer() {
        let mut stream = connection();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("there"), "{answer}");
    }

    #[test]
    fn limits_are_of_networks() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(
            (network("::ffff:192.0.2.7"), network("192.0.2.8")),
            ("192.0.2.7".into(), "192.0.2.8".into())
        );
    }
}
