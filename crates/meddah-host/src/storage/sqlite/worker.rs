//! A thread that owns a connection. Writes that wait share a commit, each but the first behind a savepoint of its own:
//! one that fails takes nothing of the others with it.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::storage::{StorageError, StorageErrorKind as Kind};

/// The most jobs that wait for a connection; further callers wait for a place.
const QUEUE_MAX: usize = 256;
/// The longest that a caller waits for a place in the queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);
/// The most writes of one commit: the first of them must not wait long for the last.
const WRITES_PER_COMMIT_MAX: usize = 64;

/// Tells the caller of a write whether it was committed.
type Tell = Box<dyn FnOnce(Result<(), StorageError>)>;

/// Does it within a transaction, if one could be begun, and says whether it is to stay.
type Write = Box<dyn FnOnce(Result<&Connection, StorageError>) -> (bool, Tell) + Send>;

enum Job {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Write(Write),
}

pub(super) struct Worker {
    // `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    pub fn spawn(name: &str, mut connection: Connection) -> Result<Self, StorageError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE_MAX);
        let work = move || {
            let mut next = waiting.blocking_recv();
            while let Some(job) = next.take() {
                match job {
                    Job::Read(read) => read(&connection),
                    Job::Write(_) => next = write_together(&mut connection, job, &mut waiting),
                }
                next = next.or_else(|| waiting.blocking_recv());
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            let help = "The system has too many threads. Close other programs.";
            StorageError::new(Kind::Unavailable, format!("no thread for storage: {error}"), help)
        })?;
        Ok(Worker { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
            answer.send(read(connection)).ok(); // the caller left
        });
        self.queue(Job::Read(job)).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Is answered when it is committed; undone if it fails. Once queued it is done, even if nobody waits any
    /// more.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, answered) = oneshot::channel();
        let job: Write = Box::new(move |connection| {
            let result = connection.and_then(write);
            let stays = result.is_ok();
            let tell: Tell = Box::new(move |committed| {
                // Its own error says more than the transaction's.
                let told = result.and_then(|value| committed.map(|()| value));
                answer.send(told).ok(); // the caller left
            });
            (stays, tell)
        });
        self.queue(Job::Write(job)).await?;
        // Bounded by SQLite's own wait for locks; the thread drops the sender if it ends.
        answered.await.map_err(|_| closed())?
    }

    /// Reads, or leaves it when too much waits. Nobody hears of it.
    pub fn hint(&self, read: impl FnOnce(&Connection) + Send + 'static) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        jobs.and_then(|jobs| jobs.try_send(Job::Read(Box::new(read))).ok());
    }

    async fn queue(&self, job: Job) -> Result<(), StorageError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or_else(closed)?;
        let place = tokio::time::timeout(QUEUE_WAIT_MAX, jobs.reserve()).await.map_err(|_| {
            let help = "Check whether the disk is nearly full or very slow.";
            StorageError::new(Kind::Unavailable, "the host's database does not keep up", help)
        })?;
        place.map_err(|_| closed())?.send(job);
        Ok(())
    }
}

impl Drop for Worker {
    /// Finishes what waits, and ends the thread.
    fn drop(&mut self) {
        self.jobs.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the storage thread ended by a panic");
        }
    }
}

fn closed() -> StorageError {
    StorageError::new(Kind::Unavailable, "the host's database is closed", "Start the host again.")
}

/// Carries out this write and those that wait behind it. Gives the job that came up and is no write.
fn write_together(connection: &mut Connection, first: Job, waiting: &mut mpsc::Receiver<Job>) -> Option<Job> {
    let mut told: Vec<Tell> = Vec::new();
    let mut next = Some(first);
    let committed = write_all(connection, &mut next, waiting, &mut told);
    for tell in told {
        tell(committed.clone());
    }
    next
}

fn write_all(
    connection: &mut Connection,
    next: &mut Option<Job>,
    waiting: &mut mpsc::Receiver<Job>,
    told: &mut Vec<Tell>,
) -> Result<(), StorageError> {
    // Immediate: what is read stays true until the commit, whatever other programs do.
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            let error = StorageError::from(error);
            if let Some(Job::Write(write)) = next.take() {
                told.push(write(Err(error.clone())).1);
            }
            return Err(error);
        }
    };
    while let Some(Job::Write(write)) = next.take() {
        // Behind a savepoint SQLite copies every page before it changes it. The first write needs none: there is
        // nothing before it that has to stay.
        let is_first = told.is_empty();
        if !is_first {
            transaction.prepare_cached("SAVEPOINT one")?.execute([])?;
        }
        let (stays, tell) = write(Ok(&transaction));
        told.push(tell);
        if transaction.is_autocommit() {
            // A full disk ends the whole transaction: nothing of it was kept.
            let help = "The disk is full or failing. Make room on it; nothing that was written is lost.";
            return Err(StorageError::new(Kind::Full, "the transaction was undone", help));
        }
        if is_first {
            if !stays {
                return Ok(transaction.rollback()?); // those that wait get a transaction of their own
            }
        } else {
            if !stays {
                transaction.prepare_cached("ROLLBACK TO one")?.execute([])?;
            }
            transaction.prepare_cached("RELEASE one")?.execute([])?;
        }
        if told.len() < WRITES_PER_COMMIT_MAX {
            *next = waiting.try_recv().ok();
        }
        if matches!(next, Some(Job::Read(_))) {
            break;
        }
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes its number, and then does not want to have.
    fn add(number: u32, stays: bool) -> impl FnOnce(&Connection) -> Result<u32, StorageError> + Send {
        move |connection| {
            connection.execute("INSERT INTO number VALUES (?)", [number])?;
            if stays { Ok(number) } else { Err(StorageError::not_found("reason")) }
        }
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_nothing_of_the_others_with_it_whichever_it_is() {
        for failing in 0..4 {
            let connection = Connection::open_in_memory().expect("opens");
            connection.execute_batch("CREATE TABLE number (one INTEGER) STRICT").expect("made");
            let worker = Worker::spawn("test", connection).expect("a thread");
            let (go, waiting) = std::sync::mpsc::channel::<()>();
            let wait = move |_: &Connection| {
                waiting.recv().ok(); // until all writes are queued
                Ok(())
            };
            let write = |number| worker.write(add(number, number != failing));
            // In the order in which they are queued; the last one lets the thread go.
            let (_, zero, one, two, three, ()) = tokio::join!(biased; worker.read(wait), write(0), write(1), write(2), write(3), async {
                go.send(()).expect("it waits");
            });
            let told = [zero, one, two, three].map(|result| result.ok());
            assert_eq!(told, [0, 1, 2, 3].map(|number| (number != failing).then_some(number)));
            let read = |connection: &Connection| {
                let mut all = connection.prepare("SELECT one FROM number ORDER BY rowid")?;
                Ok(all.query_map([], |row| row.get::<_, u32>(0))?.collect::<Result<Vec<_>, _>>()?)
            };
            let kept: Vec<u32> = (0..4).filter(|number| *number != failing).collect();
            assert_eq!(worker.read(read).await.expect("readable"), kept);
        }
    }
}
