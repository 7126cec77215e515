//! What only looks: every question is answered as seen from one place.
//!
//! What lies behind a place never changes, so statements that follow each other need no transaction: whatever is
//! written in between lies elsewhere.

use std::collections::HashMap;

use meddah_engine::timeline::{BranchId, Cursor, TimelineId, TimelineKey};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::cache::EntryCache;
use super::connection::Connection;
use super::error::Failed;
use super::timeline::{Seen, entry, get, hash, looked_from, number, place, place_of, stored_number};
use crate::place::Place;
use crate::rules::{self, NOTES_PER_ENTRY_MAX};
use crate::{BranchInfo, EntryFilter, LIST_MAX, RECENT_MAX, StoredEntry, TimelineInfo, topic};

/// A heading as it is stored.
pub(super) fn heading(topic: &str) -> Vec<u8> {
    Sha256::digest(topic.as_bytes())[..16].to_vec()
}

/// How a timeline stands, if there is one.
pub(super) async fn info(connection: &Connection, key: &TimelineKey) -> Result<Option<TimelineInfo>, Failed> {
    let statement = &connection.sql.timeline_by_key;
    let row = connection.client.query_opt(statement, &[&key.world, &key.player]).await?;
    row.as_ref().map(info_of).transpose()
}

fn info_of(row: &Row) -> Result<TimelineInfo, Failed> {
    let head = Seen::from_row(row)?;
    Ok(TimelineInfo {
        key: TimelineKey { world: get(row, 4)?, player: get(row, 5)? },
        id: head.timeline,
        head: head.cursor()?,
        loads: number(row, 6)?,
        created_ms: get(row, 7)?,
    })
}

/// How a timeline that must be there stands.
pub(super) async fn info_of_known(
    connection: &Connection,
    key: &TimelineKey,
) -> Result<TimelineInfo, Failed> {
    Ok(info(connection, key).await?.ok_or_else(|| rules::no_timeline(key))?)
}

pub(super) async fn timelines(connection: &Connection) -> Result<Vec<TimelineInfo>, Failed> {
    let max = stored_number(LIST_MAX as u64);
    connection.client.query(&connection.sql.timeline_list, &[&max]).await?.iter().map(info_of).collect()
}

pub(super) async fn branches(connection: &Connection, key: &TimelineKey) -> Result<Vec<BranchInfo>, Failed> {
    let max = stored_number(LIST_MAX as u64);
    let statement = &connection.sql.branch_list;
    let rows = connection.client.query(statement, &[&key.world, &key.player, &max]).await?;
    if rows.is_empty() {
        return Err(rules::no_timeline(key).into());
    }
    rows.iter().map(branch_of).collect()
}

fn branch_of(row: &Row) -> Result<BranchInfo, Failed> {
    let timeline = TimelineId::from_bits(number(row, 0)?);
    let branch = number(row, 1)?;
    let cursor = |place, stored| Seen::new(timeline, place, stored).cursor();
    let forked_at = place(row, 2)?.map(|fork| cursor(fork, hash(row, 4)?)).transpose()?;
    let (tip_seq, tip_hash): (u64, _) = (number(row, 5)?, hash(row, 6)?);
    Ok(BranchInfo {
        id: BranchId(branch),
        forked_at,
        tip: cursor(Place { branch, seq: tip_seq }, tip_hash)?,
        created_ms: get(row, 7)?,
    })
}

pub(super) async fn recent(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    filter: &EntryFilter,
    limit: usize,
    at: Option<Cursor>,
) -> Result<Vec<StoredEntry>, Failed> {
    let view = View { connection, key };
    let (from, limit) = (at.map(place_of), limit.min(RECENT_MAX));
    let (seen, mut found) = match filter {
        EntryFilter::All => view.newest_of_all(from, limit).await?,
        EntryFilter::State(state) => view.newest(&topic::state(state), from, 0, limit).await?,
        EntryFilter::MemoriesOf(character) => view.newest(&topic::memory(character), from, 0, limit).await?,
        EntryFilter::PerceivedBy(being) => view.perceived(being, from, limit).await?,
    };
    seen.check(at)?;
    found.sort_unstable_by_key(|place| place.seq);
    entries(connection, cache, key, seen.timeline, &found).await
}

pub(super) async fn find_request(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    req_id: &str,
) -> Result<Option<StoredEntry>, Failed> {
    newest(connection, cache, key, &topic::request(req_id), None).await
}

/// The newest entry under a heading, as seen from a place (absent: the head).
pub(super) async fn newest(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    topic: &str,
    at: Option<Place>,
) -> Result<Option<StoredEntry>, Failed> {
    let (seen, found) = View { connection, key }.newest(topic, at, 0, 1).await?;
    Ok(entries(connection, cache, key, seen.timeline, &found).await?.pop())
}

/// A timeline of which questions are asked. Each is answered with the place looked from and the places found, the
/// newest first.
struct View<'a> {
    connection: &'a Connection,
    key: &'a TimelineKey,
}

impl View<'_> {
    /// Entries under a heading from `seq_min` on.
    async fn newest(
        &self,
        topic: &str,
        at: Option<Place>,
        seq_min: u64,
        limit: usize,
    ) -> Result<(Seen, Vec<Place>), Failed> {
        let (branch, seq) = looked_from(at);
        let (topic, seq_min, limit) = (heading(topic), stored_number(seq_min), stored_number(limit as u64));
        let (client, statement) = (&self.connection.client, &self.connection.sql.newest);
        let rows = client
            .query(statement, &[&self.key.world, &self.key.player, &branch, &seq, &topic, &seq_min, &limit])
            .await?;
        self.seen(&rows)
    }

    /// Entries of every kind.
    async fn newest_of_all(&self, at: Option<Place>, limit: usize) -> Result<(Seen, Vec<Place>), Failed> {
        let (branch, seq) = looked_from(at);
        let limit = stored_number(limit as u64);
        let (client, statement) = (&self.connection.client, &self.connection.sql.newest_of_all);
        let rows =
            client.query(statement, &[&self.key.world, &self.key.player, &branch, &seq, &limit]).await?;
        self.seen(&rows)
    }

    /// What a being perceived, and the notes on it.
    async fn perceived(
        &self,
        being: &str,
        at: Option<Place>,
        limit: usize,
    ) -> Result<(Seen, Vec<Place>), Failed> {
        let (seen, mut found) = self.newest(&topic::told(being), at, 0, limit).await?;
        if let (Some(oldest), true) = (found.iter().map(|place| place.seq).min(), seen.hash.is_some()) {
            let notes_max = limit.saturating_mul(NOTES_PER_ENTRY_MAX);
            let notes = self.newest(&topic::note(being), Some(seen.place), oldest, notes_max).await?;
            found.extend(notes.1);
        }
        Ok((seen, found))
    }

    fn seen(&self, rows: &[Row]) -> Result<(Seen, Vec<Place>), Failed> {
        let first = rows.first().ok_or_else(|| rules::no_timeline(self.key))?;
        let places = rows.iter().filter_map(|row| place(row, 4).transpose());
        Ok((Seen::from_row(first)?, places.collect::<Result<_, _>>()?))
    }
}

/// The entries at these places, all of which must exist, in their order.
async fn entries(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    timeline: TimelineId,
    places: &[Place],
) -> Result<Vec<StoredEntry>, Failed> {
    let mut known: HashMap<Place, StoredEntry> =
        places.iter().filter_map(|&place| Some((place, cache.get(timeline, place)?))).collect();
    let missing = places.iter().filter(|place| !known.contains_key(place)).copied();
    let read = read_at(connection, cache, key, missing).await?;
    known.extend(read.into_iter().map(|stored| (place_of(stored.cursor), stored)));
    let all = places.iter().map(|place| known.get(place).cloned());
    all.collect::<Option<_>>().ok_or_else(|| Failed::corrupt("an entry is missing"))
}

/// Those entries of these places that exist, in any order; they are remembered.
async fn read_at(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    places: impl Iterator<Item = Place>,
) -> Result<Vec<StoredEntry>, Failed> {
    let (branches, seqs): (Vec<i64>, Vec<i64>) =
        places.map(|place| (i64::from(place.branch), stored_number(place.seq))).unzip();
    if branches.is_empty() {
        return Ok(Vec::new());
    }
    let statement = &connection.sql.entry_at;
    let rows = connection.client.query(statement, &[&key.world, &key.player, &branches, &seqs]).await?;
    if rows.is_empty() {
        return Err(rules::no_timeline(key).into());
    }
    let mut read = Vec::with_capacity(rows.len());
    for row in &rows {
        let timeline = TimelineId::from_bits(number(row, 0)?);
        cache.put_timeline(key, timeline);
        if let Some((stored, bytes)) = entry(row, timeline, 1)? {
            cache.put(&stored, bytes);
            read.push(stored);
        }
    }
    Ok(read)
}

/// The entries at these cursors, if all of them were read before.
pub(super) fn entries_remembered(
    cache: &EntryCache,
    key: &TimelineKey,
    places: &[Cursor],
) -> Option<Vec<Option<StoredEntry>>> {
    let timeline = cache.timeline(key)?;
    let remembered = |cursor: &Cursor| {
        let stored = cache.get(timeline, place_of(*cursor))?;
        (stored.cursor == *cursor).then_some(Some(stored))
    };
    places.iter().map(remembered).collect()
}

pub(super) async fn entries_at(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    cursors: &[Cursor],
) -> Result<Vec<Option<StoredEntry>>, Failed> {
    let read = read_at(connection, cache, key, cursors.iter().map(|cursor| place_of(*cursor))).await?;
    let by_cursor: HashMap<Cursor, StoredEntry> =
        read.into_iter().map(|stored| (stored.cursor, stored)).collect();
    Ok(cursors.iter().map(|cursor| by_cursor.get(cursor).cloned()).collect())
}
