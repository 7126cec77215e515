//! Entries that were read or written before. An entry never changes, so what one host remembers of it stays true
//! whatever other hosts write; and nearly all that a turn asks for was asked for by the turn before.

use meddah_engine::timeline::{TimelineId, TimelineKey};
use moka::sync::Cache;

use crate::StoredEntry;
use crate::place::Place;

/// Entries kept, in bytes of their JSON, which is about what they take in memory.
const CACHED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Names of timelines kept.
const TIMELINES_MAX: u64 = 16_384;

pub(super) struct EntryCache {
    entries: Cache<(TimelineId, Place), (StoredEntry, u32)>,
    /// A timeline keeps its name as long as it exists.
    timelines: Cache<TimelineKey, TimelineId>,
}

impl Default for EntryCache {
    fn default() -> Self {
        let weigh = |_: &(TimelineId, Place), sized: &(StoredEntry, u32)| sized.1;
        EntryCache {
            entries: Cache::builder().max_capacity(CACHED_BYTES_MAX).weigher(weigh).build(),
            timelines: Cache::new(TIMELINES_MAX),
        }
    }
}

impl EntryCache {
    pub fn get(&self, timeline: TimelineId, place: Place) -> Option<StoredEntry> {
        self.entries.get(&(timeline, place)).map(|(stored, _)| stored)
    }

    /// Remembers an entry whose JSON has so many bytes.
    pub fn put(&self, stored: &StoredEntry, bytes: usize) {
        let cursor = stored.cursor;
        let place = Place { branch: cursor.branch.0, seq: cursor.seq };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.entries.insert((cursor.timeline, place), (stored.clone(), bytes));
    }

    /// The name of a timeline that was seen before.
    pub fn timeline(&self, key: &TimelineKey) -> Option<TimelineId> {
        self.timelines.get(key)
    }

    pub fn put_timeline(&self, key: &TimelineKey, timeline: TimelineId) {
        self.timelines.insert(key.clone(), timeline);
    }
}
