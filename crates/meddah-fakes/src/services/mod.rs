//! Made-up character services. They keep sessions as the real ones do, so that a client that loses one is
//! found out; what they send out of turn comes from transcripts.

#![expect(clippy::result_large_err, reason = "a refusal is an answer like any other")]

mod charisma;
mod colyseus;
mod convai;
mod player2;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use charisma::{FakeCharisma, StoryStep};
pub use convai::FakeConvai;
pub use player2::FakePlayer2;

use crate::Transcript;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server on a free port, which ends when this is dropped.
pub(crate) struct Served {
    pub(crate) base_url: String,
    _task: JoinSet<()>,
}

pub(crate) async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("the port");
    let mut task = JoinSet::new();
    task.spawn(async move { axum::serve(listener, router).await.expect("the fake serves") });
    Served { base_url: format!("http://{address}"), _task: task }
}

/// How many answers are under way.
#[derive(Clone, Default)]
pub(crate) struct Open(Arc<AtomicUsize>);

/// Counts as long as it lives.
pub(crate) struct OpenGuard(Open);

impl Open {
    pub(crate) fn enter(&self) -> OpenGuard {
        self.0.fetch_add(1, Ordering::SeqCst);
        OpenGuard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until so many are open; gives up with the number there is after ten seconds.
    pub(crate) async fn wait_for(&self, count: usize) -> Result<(), usize> {
        for _ in 0..2000 {
            if self.count() == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(self.count())
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What is sent in place of the usual answers, one after the other.
#[derive(Default)]
pub(crate) struct Queue(Mutex<VecDeque<Transcript>>);

impl Queue {
    pub(crate) fn push(&self, transcript: Transcript) {
        lock(&self.0).push_back(transcript);
    }

    pub(crate) fn next(&self) -> Option<Transcript> {
        lock(&self.0).pop_front()
    }
}

/// A transcript on its way. A cut breaks the connection, a hang lasts until the client goes.
fn play(transcript: Transcript, guard: OpenGuard) -> Response {
    crate::speech::play(transcript, 0, guard)
}

pub(crate) fn status_of(transcript: &Transcript) -> StatusCode {
    let number = transcript.status.split(' ').next().and_then(|number| number.parse::<u16>().ok());
    number.and_then(|number| StatusCode::from_u16(number).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn answer(status: u16, media_type: &str, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let response = Response::builder().status(status).header("content-type", media_type);
    response.body(Body::from(body)).expect("an answer")
}

fn json(status: u16, body: &serde_json::Value) -> Response {
    answer(status, "application/json", body.to_string())
}
