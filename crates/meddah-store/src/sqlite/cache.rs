//! Entries that were read before. An entry never changes, and each turn asks again for nearly the same ones: to
//! read and parse them anew would be most of the work of recalling.

use meddah_engine::timeline::{Cursor, TimelineKey};
use moka::sync::Cache;

use crate::{StoreError, StoredEntry};

/// Entries kept, in bytes of their JSON, which is about what they take in memory.
const CACHED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The same entries by where they are, at most so many.
const PLACES_MAX: u64 = 8_192;

/// An entry, and the bytes of its JSON.
pub(super) type Sized = (StoredEntry, u32);

pub(super) struct EntryCache {
    by_row: Cache<i64, Sized>,
    /// A cursor alone could be of somebody else's timeline.
    by_place: Cache<(TimelineKey, Cursor), StoredEntry>,
}

impl Default for EntryCache {
    fn default() -> Self {
        let weigh = |_: &i64, sized: &Sized| sized.1;
        EntryCache {
            by_row: Cache::builder().max_capacity(CACHED_BYTES_MAX).weigher(weigh).build(),
            by_place: Cache::new(PLACES_MAX),
        }
    }
}

impl EntryCache {
    /// The entry in this row of the file.
    pub fn get_or_read(
        &self,
        row: i64,
        read: impl FnOnce() -> Result<Sized, StoreError>,
    ) -> Result<StoredEntry, StoreError> {
        if let Some((stored, _)) = self.by_row.get(&row) {
            return Ok(stored);
        }
        let sized = read()?;
        self.by_row.insert(row, sized.clone());
        Ok(sized.0)
    }

    /// The entry at this place, if it was read there before.
    pub fn at(&self, key: &TimelineKey, place: Cursor) -> Option<StoredEntry> {
        self.by_place.get(&(key.clone(), place))
    }

    /// Remembers what was read at its place.
    pub fn keep_at_place(&self, key: &TimelineKey, stored: &StoredEntry) {
        self.by_place.insert((key.clone(), stored.cursor), stored.clone());
    }
}
