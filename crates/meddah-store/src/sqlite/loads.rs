//! How often each timeline was loaded: asked for by every turn, and changed by loads alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use meddah_engine::timeline::TimelineKey;

/// Timelines whose count is known; when there are more, all are asked for anew.
const TIMELINES_MAX: usize = 4_096;

#[derive(Default)]
pub(super) struct LoadCounts(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// `None` while a load is under way, and for good if whoever waited for it left: then nobody knows when it
    /// was carried out, and each turn asks the file.
    known: HashMap<TimelineKey, Option<u64>>,
    /// How many loads there were: a count that was asked for before the last may be too old.
    loads: u64,
}

/// When a count was asked for.
pub(super) struct Asked(u64);

impl LoadCounts {
    /// The count, or what to come back with once it is known.
    pub fn get(&self, key: &TimelineKey) -> Result<u64, Asked> {
        let counts = self.lock();
        counts.known.get(key).copied().flatten().ok_or(Asked(counts.loads))
    }

    /// Keeps a count, unless a timeline was loaded since it was asked for.
    pub fn put(&self, asked: Asked, key: &TimelineKey, loads: u64) {
        let mut counts = self.lock();
        if counts.loads != asked.0 || counts.known.contains_key(key) {
            return;
        }
        if counts.known.len() >= TIMELINES_MAX {
            counts.known.retain(|_, loads| loads.is_none());
        }
        counts.known.insert(key.clone(), Some(loads));
    }

    /// The timeline is being loaded.
    pub fn load_begins(&self, key: &TimelineKey) {
        let mut counts = self.lock();
        counts.loads += 1;
        counts.known.insert(key.clone(), None);
    }

    /// What was known does not hold any more.
    pub fn forget(&self, key: &TimelineKey) {
        let mut counts = self.lock();
        counts.loads += 1;
        counts.known.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
