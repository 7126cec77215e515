//! One connection to an engine, driven by whoever waits for its answer.
//!
//! hyper's client gives each connection a task of its own. Then each piece of an answer goes from one task to another and
//! back, often from one core to another, before it goes to the player. Here the task that serves the player reads the
//! engine's socket itself.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection as Protocol, SendRequest};
use hyper::{Request, Response};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Shorter than the 5 s after which uvicorn (vLLM, SGLang) and llama-server hang up on idle connections: a request
/// that meets the hang-up would be lost.
const KEPT_IDLE: Duration = Duration::from_secs(4);
/// Connections to keep for one engine; as many as any engine is believed to have slots.
const KEPT_MAX: usize = 4096;

pub(super) type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;
type Driver = Pin<Box<Protocol<Socket, Full<Bytes>>>>;

/// Serves one request at a time.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves bytes whenever it is polled. `None` once it is closed.
    driver: Option<Driver>,
}

impl Connection {
    pub async fn open(socket: Socket, builder: &Builder) -> Result<Connection, hyper::Error> {
        let (sender, protocol) = builder.handshake(socket).await?;
        Ok(Connection { sender, driver: Some(Box::pin(protocol)) })
    }

    /// Sends a request, and waits for the head of its answer.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            drive(&mut self.driver, context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Whether it can take a request, as far as this side knows.
    pub async fn is_free(&mut self) -> bool {
        poll_fn(|context| Poll::Ready(self.poll_free(context))).await
    }

    fn poll_free(&mut self, context: &mut Context<'_>) -> bool {
        drive(&mut self.driver, context);
        self.driver.is_some() && self.sender.is_ready()
    }
}

fn drive(driver: &mut Option<Driver>, context: &mut Context<'_>) {
    // Whoever waits for the answer gets the error, too.
    if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
        *driver = None;
    }
}

/// The body of an answer. At its end the connection is kept for the next request; one that is dropped before closes it.
pub(super) struct Body {
    incoming: Incoming,
    connection: Option<Connection>,
    idle: Arc<Idle>,
}

impl Body {
    pub fn new(incoming: Incoming, connection: Connection, idle: Arc<Idle>) -> Body {
        Body { incoming, connection: Some(connection), idle }
    }

    /// The next piece; `None` at the end. Nothing is lost if the wait is given up.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        poll_fn(|context| self.poll_frame(context)).await
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut frame = Pin::new(&mut self.incoming).poll_frame(context);
        if let (Poll::Pending, Some(connection)) = (&frame, &mut self.connection) {
            drive(&mut connection.driver, context);
            frame = Pin::new(&mut self.incoming).poll_frame(context);
        }
        let frame = ready!(frame);
        if frame.is_none()
            && let Some(mut connection) = self.connection.take()
            && connection.poll_free(context)
        {
            self.idle.keep(connection);
        }
        Poll::Ready(frame)
    }
}

/// Connections that wait for a request, the one that has waited longest in front.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<(Instant, Connection)>>);

impl Idle {
    fn keep(&self, connection: Connection) {
        self.with_fresh(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push((Instant::now(), connection));
            }
        });
    }

    /// The one that waits for the shortest time.
    pub fn take(&self) -> Option<Connection> {
        self.with_fresh(|kept| kept.pop().map(|(_, connection)| connection))
    }

    /// Probes ask for a connection every few seconds, so that old ones do not stay although nobody else asks.
    fn with_fresh<T>(&self, look: impl FnOnce(&mut Vec<(Instant, Connection)>) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = kept.iter().take_while(|(since, _)| since.elapsed() >= KEPT_IDLE).count();
        kept.drain(..old);
        look(&mut kept)
    }
}
