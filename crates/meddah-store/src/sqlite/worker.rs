//! A thread that owns a connection and does one job after the other; writes that wait share a commit.
//!
//! To wait for the disk is nearly all that a write costs. Whoever writes is therefore answered when the commit is
//! through, which a crash of the program survives; the disk is told to keep it right after that, and whoever
//! asked to be safe from a power cut too is answered then. Writes that came in while the disk was busy are
//! carried out in one transaction, each behind a savepoint of its own: one that fails takes nothing of the others
//! with it.

use std::any::Any;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::{StoreError, StoreErrorKind};

/// The most jobs that wait for a connection; further callers wait for a place.
const QUEUE_MAX: usize = 256;
/// The longest that a caller waits for a place in the queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(10);
/// The most writes of one commit: the first of them must not wait long for the last.
const WRITES_PER_COMMIT_MAX: usize = 64;

/// What a write gives its caller, once the commit is through.
type Written = Box<dyn Any + Send>;
/// A write within a transaction.
type Work = Box<dyn FnOnce(&Connection) -> Result<Written, StoreError> + Send>;
type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    /// Has the connection for itself.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
    /// One write among others of a transaction.
    Write(Write),
}

struct Write {
    /// Does it, within a transaction.
    work: Work,
    answer: Answer<Written>,
    /// The caller waits for the disk.
    on_disk: bool,
}

/// Makes the disk keep what was committed.
pub(super) type Sync = Box<dyn Fn() -> Result<(), StoreError> + Send>;

pub(super) struct Worker {
    // `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn spawn(name: &str, mut connection: Connection, sync: Sync) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE_MAX);
        let work = move || {
            let mut next = waiting.blocking_recv();
            while let Some(job) = next.take() {
                match job {
                    Job::Alone(job) => job(&mut connection),
                    Job::Write(first) => next = write_together(&mut connection, first, &mut waiting, &sync),
                }
                next = next.or_else(|| waiting.blocking_recv());
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
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            answer.send(job(connection)).ok(); // the caller left
        });
        self.queue(Job::Alone(job)).await?;
        answered.await.map_err(|_| closed())?
    }

    /// The same for a job that writes: it finds a transaction begun, is undone if it fails, and is answered
    /// when it is committed.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_until(false, job).await
    }

    /// As [`write`](Self::write), and answered when a power cut cannot undo it, nor anything before it.
    pub(super) async fn write_to_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_until(true, job).await
    }

    async fn write_until<T: Send + 'static>(
        &self,
        on_disk: bool,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move |connection: &Connection| Ok(Box::new(job(connection)?) as Written));
        self.queue(Job::Write(Write { work, answer, on_disk })).await?;
        // Bounded by SQLite's own wait for locks; the thread drops the sender if it ends.
        let written = answered.await.map_err(|_| closed())??;
        written.downcast().map(|written| *written).map_err(|_| closed())
    }

    /// Does the job on the thread some time, unless it has enough to do.
    pub(super) fn hint(&self, job: impl FnOnce(&mut Connection) + Send + 'static) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = &*jobs {
            jobs.try_send(Job::Alone(Box::new(job))).ok(); // it comes again
        }
    }

    async fn queue(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or_else(closed)?;
        let place = tokio::time::timeout(QUEUE_WAIT_MAX, jobs.reserve()).await.map_err(|_| {
            StoreError::new(StoreErrorKind::Unavailable, "storage does not keep up")
                .with_help("Check whether the disk is nearly full or very slow.")
        })?;
        place.map_err(|_| closed())?.send(job);
        Ok(())
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

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "storage is closed")
}

/// Carries out this write and those that wait behind it. Gives the job that came up and is no write.
fn write_together(
    connection: &mut Connection,
    first: Write,
    waiting: &mut mpsc::Receiver<Job>,
    sync: &Sync,
) -> Option<Job> {
    // Immediate: what is read stays true until the commit, whatever other programs do.
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            first.answer.send(Err(error.into())).ok(); // the caller left
            return None;
        }
    };
    let mut written = Vec::new();
    let mut next = Some(Job::Write(first));
    while let Some(Job::Write(write)) = next {
        match undone_if_it_fails(&transaction, write.work) {
            Ok(result) => written.push((write.answer, result, write.on_disk)),
            Err(error) => {
                write.answer.send(Err(error.clone())).ok(); // the caller left
                if transaction.is_autocommit() {
                    // A full disk ends the whole transaction: nothing of it was kept.
                    for (answer, ..) in written {
                        answer.send(Err(error.clone())).ok(); // the caller left
                    }
                    return None;
                }
            }
        }
        next = if written.len() < WRITES_PER_COMMIT_MAX { waiting.try_recv().ok() } else { None };
    }
    let committed = transaction.commit().map_err(StoreError::from);
    let (for_disk, now): (Vec<_>, Vec<_>) = written.into_iter().partition(|(_, _, on_disk)| *on_disk);
    for (answer, result, _) in now {
        answer.send(committed.clone().map(|()| result)).ok(); // the caller left
    }
    let kept = committed.and_then(|()| sync());
    if let Err(error) = &kept {
        tracing::warn!(%error, "the disk did not take what was written");
    }
    for (answer, result, _) in for_disk {
        answer.send(kept.clone().map(|()| result)).ok(); // the caller left
    }
    next
}

fn undone_if_it_fails(transaction: &Connection, work: Work) -> Result<Written, StoreError> {
    let run = |sql: &str| transaction.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    run("SAVEPOINT write")?;
    let result = work(transaction);
    if result.is_err() && !transaction.is_autocommit() {
        run("ROLLBACK TO write")?;
    }
    if !transaction.is_autocommit() {
        run("RELEASE write")?;
    }
    result
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
    }
}
