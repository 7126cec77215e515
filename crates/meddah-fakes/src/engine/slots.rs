//! The slots: who waits, who runs, and what became of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// What an engine has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests in the engine's own queue now.
    pub waiting: u64,
    /// Requests that hold a slot now.
    pub running: u64,
    /// Most that ever waited at a time.
    pub most_waiting: u64,
    /// Requests that got a slot.
    pub started: u64,
    /// Answers that were sent to their end.
    pub finished: u64,
    /// Answers that the engine itself broke off.
    pub failed: u64,
    /// Requests that the client left, in the queue or in a slot.
    pub cancelled: u64,
    /// Connections that were opened to it.
    pub connections: u64,
}

/// How a request ended that had a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Left,
    Finished,
    Failed,
}

/// Slots of one engine, given out in the order of asking.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    count: usize,
    figures: Mutex<Figures>,
    /// First messages of late prompts: they are in the cache.
    prefixes: Mutex<Vec<u64>>,
    next_answer: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slots {
    pub fn new(count: usize) -> Arc<Slots> {
        let count = count.max(1);
        Arc::new(Slots {
            free: Arc::new(Semaphore::new(count)),
            count,
            figures: Mutex::default(),
            prefixes: Mutex::default(),
            next_answer: AtomicU64::new(0),
        })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn figures(&self) -> Figures {
        *lock(&self.figures)
    }

    /// A client connected.
    pub fn connected(&self) {
        lock(&self.figures).connections += 1;
    }

    /// A number for the next answer.
    pub fn next_answer(&self) -> u64 {
        self.next_answer.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for a slot.
    pub async fn enter(self: &Arc<Self>, tasks: &TaskTracker) -> Running {
        // Never ahead of those who wait: a slot that becomes free is theirs before this can see it.
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await,
        };
        lock(&self.figures).started += 1;
        lock(&self.figures).running += 1;
        Running {
            slots: self.clone(),
            permit: Some(permit),
            tasks: tasks.clone(),
            works_until: None,
            end: End::Left,
        }
    }

    async fn wait(self: &Arc<Self>) -> OwnedSemaphorePermit {
        let mut waiting = Waiting { slots: self.clone(), done: false };
        {
            let mut figures = lock(&self.figures);
            figures.waiting += 1;
            figures.most_waiting = figures.most_waiting.max(figures.waiting);
        }
        let permit = self.free.clone().acquire_owned().await.expect("never closed");
        waiting.done = true;
        permit
    }

    /// Whether this prefix is cached; it is from now on. As many are kept as there are slots.
    pub fn recall(&self, prefix: u64) -> bool {
        let mut prefixes = lock(&self.prefixes);
        let place = prefixes.iter().position(|known| *known == prefix);
        if let Some(place) = place {
            prefixes.remove(place);
        } else if prefixes.len() >= self.count {
            prefixes.remove(0);
        }
        prefixes.push(prefix);
        place.is_some()
    }
}

/// A place in the queue.
struct Waiting {
    slots: Arc<Slots>,
    done: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut figures = lock(&self.slots.figures);
        figures.waiting -= 1;
        figures.cancelled += u64::from(!self.done);
    }
}

/// A slot that is taken.
pub(crate) struct Running {
    slots: Arc<Slots>,
    permit: Option<OwnedSemaphorePermit>,
    tasks: TaskTracker,
    /// Keeps the slot until then, although nobody reads.
    pub works_until: Option<Instant>,
    /// What is known of its end.
    pub end: End,
}

impl Drop for Running {
    fn drop(&mut self) {
        let (slots, permit) = (self.slots.clone(), self.permit.take());
        let mut figures = lock(&self.slots.figures);
        match self.end {
            End::Left => figures.cancelled += 1,
            End::Finished => figures.finished += 1,
            End::Failed => figures.failed += 1,
        }
        match self.works_until.filter(|_| self.end == End::Left) {
            None => figures.running -= 1,
            Some(until) => {
                drop(figures);
                self.tasks.spawn(async move {
                    tokio::time::sleep_until(until).await;
                    lock(&slots.figures).running -= 1;
                    drop(permit);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_is_waited_for_and_given_back() {
        let (slots, tasks) = (Slots::new(1), TaskTracker::new());
        let first = slots.enter(&tasks).await;
        {
            let second = slots.enter(&tasks);
            let left = tokio::time::timeout(std::time::Duration::from_millis(5), second).await;
            assert!(left.is_err());
        }
        assert_eq!((slots.figures().running, slots.figures().cancelled), (1, 1));
        drop(first);
        let mut third = slots.enter(&tasks).await;
        third.end = End::Finished;
        drop(third);
        let figures = slots.figures();
        assert_eq!((figures.running, figures.waiting, figures.started), (0, 0, 2));
        assert_eq!((figures.finished, figures.cancelled), (1, 2));
    }

    #[tokio::test]
    async fn who_ignores_that_a_client_left_keeps_the_slot() {
        let (slots, tasks) = (Slots::new(1), TaskTracker::new());
        let mut running = slots.enter(&tasks).await;
        let start = Instant::now();
        let work = std::time::Duration::from_millis(60);
        running.works_until = Some(start + work);
        drop(running);
        assert_eq!(slots.figures().running, 1);
        let _next = slots.enter(&tasks).await;
        assert!(start.elapsed() >= work);
    }

    #[test]
    fn as_many_prefixes_are_cached_as_there_are_slots() {
        let slots = Slots::new(2);
        assert!(!slots.recall(1) && !slots.recall(2) && slots.recall(1));
        assert!(!slots.recall(3) && slots.recall(1) && !slots.recall(2));
    }
}
