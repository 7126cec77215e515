//! Entries that were read before. An entry never changes, and each turn asks again for nearly the same ones: to
//! read and parse them anew would be most of the work of recalling.

use moka::sync::Cache;

use crate::{StoreError, StoredEntry};

/// Entries kept, in bytes of their JSON, which is about what they take in memory.
const CACHED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// An entry, and the bytes of its JSON.
pub(super) type Sized = (StoredEntry, u32);

pub(super) struct EntryCache(Cache<i64, Sized>);

impl Default for EntryCache {
    fn default() -> Self {
        EntryCache(
            Cache::builder().max_capacity(CACHED_BYTES_MAX).weigher(|_, sized: &Sized| sized.1).build(),
        )
    }
}

impl EntryCache {
    /// The entry in this row of the file.
    pub fn get_or_read(
        &self,
        row: i64,
        read: impl FnOnce() -> Result<Sized, StoreError>,
    ) -> Result<StoredEntry, StoreError> {
        if let Some((stored, _)) = self.0.get(&row) {
            return Ok(stored);
        }
        let sized = read()?;
        self.0.insert(row, sized.clone());
        Ok(sized.0)
    }
}
