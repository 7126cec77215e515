//! A thread that owns a connection and does one job after the other.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{StoreError, StoreErrorKind};

/// The most jobs that wait for a connection; further callers wait for a place.
const QUEUE_MAX: usize = 256;
/// The longest that a caller waits for a place in the queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) struct Worker {
    // `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn spawn(name: &str, mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE_MAX);
        let work = move || {
            while let Some(job) = waiting.blocking_recv() {
                job(&mut connection);
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, format!("no thread for storage: {error}"))
        })?;
        Ok(Worker { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// Does the job on the thread and waits for its answer. Once the job is queued it is done, even
    /// if nobody waits any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::new(StoreErrorKind::Unavailable, "storage is closed");
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or_else(closed)?;
        let place = tokio::time::timeout(QUEUE_WAIT_MAX, jobs.reserve()).await.map_err(|_| {
            StoreError::new(StoreErrorKind::Unavailable, "storage does not keep up")
                .with_help("Check whether the disk is nearly full or very slow.")
        })?;
        let (answer, answered) = oneshot::channel();
        let whole: Job = Box::new(move |connection| {
            answer.send(job(connection)).ok(); // the caller left
        });
        place.map_err(|_| closed())?.send(whole);
        // Bounded by SQLite's own wait for locks; the thread drops the sender if it ends.
        answered.await.map_err(|_| closed())?
    }

    /// Takes no further jobs, finishes those that wait, and ends the thread.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the storage thread ended by a panic");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
    }
}
