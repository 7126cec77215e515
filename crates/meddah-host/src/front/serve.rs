//! The port: connections are taken, encrypted, served over HTTP/1.1 or 2, and ended in order.
//!
//! Every connection has a task, a place among all and among those of its address, and time limits for its handshake,
//! its request heads and its reading: slow or silent clients keep nobody waiting.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
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
        let held: Held = (place, seat);
        let terms =
            Terms { waits: self.waits, peer, router, stop: self.stop.clone(), abandon: self.abandon.clone() };
        match tls {
            None => self.tasks.spawn(open(stream, held, terms)),
            Some(tls) => self.tasks.spawn(open_encrypted(stream, tls, held, terms)),
        };
    }

    async fn end(self) {
        self.tasks.close();
        if tokio::time::timeout(CLOSE_GRACE, self.tasks.wait()).await.is_err() {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }
}

/// How one connection is served.
struct Terms {
    waits: Waits,
    peer: IpAddr,
    router: Router,
    stop: CancellationToken,
    abandon: CancellationToken,
}

/// Which HTTP is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    One,
    Two,
}

impl Spoken {
    /// A connection of HTTP/2 begins with `PRI * HTTP/2.0`, which is no request of HTTP/1. The bytes stay where they
    /// are, so that whoever reads the request gets all of it at once.
    async fn on(stream: &TcpStream) -> std::io::Result<Spoken> {
        let mut begin = [0; 3];
        let count = stream.peek(&mut begin).await?;
        Ok(if begin[..count] == *b"PRI" { Spoken::Two } else { Spoken::One })
    }
}

async fn open(stream: TcpStream, held: Held, terms: Terms) {
    // Whoever says nothing is not waited for longer than for a head.
    if let Ok(Ok(spoken)) = tokio::time::timeout(terms.waits.head, Spoken::on(&stream)).await {
        speak(Patient::new(stream, terms.waits.stall, held), spoken, terms).await;
    }
}

async fn open_encrypted(stream: TcpStream, tls: Tls, held: Held, terms: Terms) {
    match tls.accept(stream).await {
        Ok(Some(stream)) => {
            let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let spoken = if is_two { Spoken::Two } else { Spoken::One };
            speak(Patient::new(stream, terms.waits.stall, held), spoken, terms).await;
        }
        Ok(None) => {}
        Err(error) => debug!(peer = %terms.peer, %error, "no handshake"),
    }
}

/// One connection, until it ends or everything does.
async fn speak<S>(stream: S, spoken: Spoken, terms: Terms)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Terms { waits, peer, router, stop, abandon } = terms;
    let asked = Arc::new(AtomicBool::new(false));
    let asks = asked.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let stream = TokioIo::new(stream);
    let ended = match spoken {
        Spoken::One => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(waits.head)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(stream, service)
                .with_upgrades();
            serve(connection, http1::UpgradeableConnection::graceful_shutdown, stop, abandon).await
        }
        Spoken::Two => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(Some(waits.head))
                .max_header_list_size(HEAD_BYTES_MAX as u32)
                .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
                .serve_connection(stream, service);
            let served = serve(connection, http2::Connection::graceful_shutdown, stop, abandon);
            // In a box, because all connections would be as large as the largest.
            Box::pin(async {
                tokio::select! {
                    biased;
                    ended = served => ended,
                    () = silent(&asked, waits.head) => Ok(()),
                }
            })
            .await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection broke off");
    }
}

/// Drives a connection, until it ends or everything does; `ending` asks it to end.
async fn serve<C>(
    connection: C,
    ending: fn(Pin<&mut C>),
    stop: CancellationToken,
    abandon: CancellationToken,
) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => ending(connection.as_mut()),
    }
    tokio::select! {
        biased;
        ended = connection => ended,
        () = abandon.cancelled() => Ok(()),
    }
}

/// Comes when there was no request in time. HTTP/2 has no limit for a client that says half of its greeting, or greets
/// and asks for nothing.
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
    fn connection(spoken: Spoken) -> DuplexStream {
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "there"
        };
        let (ours, theirs) = tokio::io::duplex(1024);
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let router = Router::new().route("/", get(slow));
        let peer = IpAddr::from([127, 0, 0, 1]);
        let waits = Waits { head: HEAD, stall: HEAD };
        tokio::spawn(speak(ours, spoken, Terms { waits, peer, router, stop, abandon }));
        theirs
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_of_a_greeting_is_not_waited_for() {
        use Spoken::{One, Two};
        for (said, spoken) in
            [("", One), ("P", One), ("PRI * HTTP/2.0\r\n", Two), ("GET / HTTP/1.1\r\nHost: ", One), ("", Two)]
        {
            let mut stream = connection(spoken);
            stream.write_all(said.as_bytes()).await.unwrap();
            let ended = tokio::time::timeout(HEAD * 2, stream.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok(), "{said:?}");
        }
    }

    #[tokio::test]
    async fn what_is_spoken_is_told_by_the_first_bytes_and_nothing_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (said, spoken) in
            [("POST / HTTP/1.1", Spoken::One), ("PRI * HTTP/2.0", Spoken::Two), ("P", Spoken::One)]
        {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            assert_eq!(Spoken::on(&server).await.unwrap(), spoken, "{said}");
            client.shutdown().await.unwrap();
            let mut read = String::new();
            server.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, said);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_may_wait_longer_than_that_for_the_answer() {
        let mut stream = connection(Spoken::One);
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
