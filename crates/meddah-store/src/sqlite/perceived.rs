//! What beings perceived of late, kept from one question to the next: each turn of a character asks again for
//! nearly the same, and only what was written since is looked up.

use std::sync::Arc;

use meddah_engine::timeline::EntryHash;
use moka::sync::Cache;

use super::cache::EntryCache;
use super::place::Place;
use super::read::{Found, View, entry};
use super::timeline::Timeline;
use crate::rules::NOTES_PER_ENTRY_MAX;
use crate::{StoreError, StoredEntry, topic};

/// Entries kept; a character at work takes about a hundred, of about a kilobyte each.
const KEPT_ENTRIES_MAX: u64 = 8_192;

/// Who perceived it, in which timeline, and how much of it was wanted.
type Key = (i64, String, usize);

pub(super) struct PerceivedCache(Cache<Key, Arc<Perceived>>);

impl Default for PerceivedCache {
    fn default() -> Self {
        let weigh = |_: &Key, kept: &Arc<Perceived>| u32::try_from(kept.len()).unwrap_or(u32::MAX);
        PerceivedCache(Cache::builder().max_capacity(KEPT_ENTRIES_MAX).weigher(weigh).build())
    }
}

/// As seen from a place; the oldest first.
#[derive(Clone)]
struct Perceived {
    at: Place,
    /// That of the place: it is still the same place.
    hash: Option<EntryHash>,
    told: Vec<(u64, StoredEntry)>,
    notes: Vec<(u64, StoredEntry)>,
}

impl Perceived {
    fn len(&self) -> usize {
        self.told.len() + self.notes.len() + 1
    }

    /// All of it, the oldest first.
    fn in_order(&self) -> Vec<StoredEntry> {
        let mut all: Vec<&(u64, StoredEntry)> = self.told.iter().chain(&self.notes).collect();
        all.sort_unstable_by_key(|(seq, _)| *seq);
        all.into_iter().map(|(_, stored)| stored.clone()).collect()
    }

    /// Whether what lies behind `at` is this, and what was written on the same branch since.
    fn leads_to(&self, view: &View<'_>, timeline: &Timeline) -> Result<bool, StoreError> {
        let on_the_way = self.at.branch == view.at.branch && self.at.seq <= view.at.seq;
        Ok(on_the_way && timeline.hash(view.connection, self.at)? == self.hash)
    }
}

/// What a being perceived, with the notes on it, the oldest first.
pub(super) fn perceived(
    view: &View<'_>,
    timeline: &Timeline,
    being: &str,
    limit: usize,
    (kept, entries): (&PerceivedCache, &EntryCache),
) -> Result<Vec<StoredEntry>, StoreError> {
    let key = (timeline.row, being.to_owned(), limit);
    let read = |found: Vec<Found>| -> Result<Vec<(u64, StoredEntry)>, StoreError> {
        let read = |found: Found| {
            let read = || entry(view.connection, timeline, found.row);
            Ok((found.seq, entries.get_or_read(found.row, read)?))
        };
        found.into_iter().rev().map(read).collect()
    };
    let before = match kept.0.get(&key) {
        Some(before) if before.leads_to(view, timeline)? => Some(before),
        _ => None,
    };
    if let Some(before) = before.as_ref().filter(|before| before.at == view.at) {
        return Ok(before.in_order()); // nothing was written since
    }
    let since = before.as_ref().map_or(0, |before| before.at.seq + 1);
    let (mut told, mut notes) = before.map_or_else(Default::default, |b| (b.told.clone(), b.notes.clone()));
    told.extend(read(view.newest(&topic::told(being), since, limit)?)?);
    told.drain(..told.len().saturating_sub(limit));
    if let Some((oldest, _)) = told.first() {
        let notes_max = limit.saturating_mul(NOTES_PER_ENTRY_MAX);
        notes.extend(read(view.newest(&topic::note(being), since.max(*oldest), notes_max)?)?);
        notes.retain(|(seq, _)| seq >= oldest);
        notes.drain(..notes.len().saturating_sub(notes_max));
    }
    let hash = timeline.hash(view.connection, view.at)?;
    let perceived = Perceived { at: view.at, hash, told, notes };
    let all = perceived.in_order();
    kept.0.insert(key, Arc::new(perceived));
    Ok(all)
}
