//! What the thread that reads requests may touch while the model computes: it cannot wait for the end of a
//! step, because a cancel must take effect within 50 ms and a step may take seconds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::crowd::Sight;
use crate::ffi::Pulse;

/// Cancels that are remembered for requests that have not been met yet.
const CANCELS_MAX: usize = 1024;

/// Shared by the reading thread and the computing one.
#[derive(Default)]
pub struct Control {
    /// Shared with llama.cpp's compute loop.
    pub pulse: Arc<Pulse>,
    /// The worker yields to everything else on the machine.
    pub yields: AtomicBool,
    /// Somebody waits for a reply.
    pub busy: AtomicBool,
    /// Pieces of replies that were told so far.
    pub told: AtomicU64,
    cancelled: Mutex<BTreeSet<u64>>,
    in_step: Mutex<Vec<u64>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every holder only inserts or removes: what a panicking one left is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// How the worker is doing.
    pub fn sight(&self, used: Option<Duration>) -> Sight {
        Sight { busy: self.busy.load(Ordering::Relaxed), told: self.told.load(Ordering::Relaxed), used }
    }

    /// Marks a request as cancelled, and aborts the step that it takes part in.
    pub fn cancel(&self, id: u64) {
        let mut cancelled = locked(&self.cancelled);
        cancelled.insert(id);
        if cancelled.len() > CANCELS_MAX {
            // Ids only go up: the lowest belongs to a reply that was over before its cancel came.
            cancelled.pop_first();
        }
        drop(cancelled);
        if locked(&self.in_step).contains(&id) {
            self.pulse.abort.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a step for these requests, unless one of them was just cancelled.
    pub fn begin_step(&self, ids: impl Iterator<Item = u64>) -> bool {
        let mut in_step = locked(&self.in_step);
        in_step.clear();
        in_step.extend(ids);
        self.pulse.abort.store(false, Ordering::Relaxed);
        // A cancel that came before `in_step` was filled is in `cancelled`; a later one sees `in_step`.
        let cancelled = locked(&self.cancelled);
        !in_step.iter().any(|id| cancelled.contains(id))
    }

    /// The step is over.
    pub fn end_step(&self) {
        locked(&self.in_step).clear();
    }

    /// True once for a request that was cancelled.
    pub fn take_cancelled(&self, id: u64) -> bool {
        locked(&self.cancelled).remove(&id)
    }
}
