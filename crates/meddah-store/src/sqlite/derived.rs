//! What indexes and embeddings need: the way back, entries in the order of writing, vectors.

use std::sync::Arc;

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, Lineage, Stretch, TimelineKey};
use rusqlite::{Connection, OptionalExtension, params};

use super::cache::EntryCache;
use super::error::DAMAGED;
use super::place::Place;
use super::read;
use super::timeline::Timeline;
use crate::{SCAN_MAX, ScanMark, Scanned, StoreError, StoredEntry, VECTORS_PER_CALL_MAX, VectorKey, rules};

pub(super) fn lineage(
    connection: &mut Connection,
    key: &TimelineKey,
    at: Option<Cursor>,
) -> Result<Lineage, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let at = at.map_or(Ok(timeline.head), |cursor| timeline.place(&transaction, cursor))?;
    let mut statement = transaction.prepare_cached(include_str!("sql/lineage.sql"))?;
    let rows = statement.query_map(params![timeline.row, at.branch, at.seq], |row| {
        Ok(Stretch { branch: BranchId(row.get(0)?), seq_max: row.get(1)? })
    })?;
    Ok(Lineage::new(rows.collect::<Result<_, _>>()?))
}

pub(super) fn scan(
    connection: &mut Connection,
    key: &TimelineKey,
    after: ScanMark,
    limit: usize,
) -> Result<Scanned, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let compactions: u64 =
        transaction.prepare_cached(include_str!("sql/compactions.sql"))?.query_one([], |row| row.get(0))?;
    let anew = compactions != after.compactions && after.row > 0;
    let mut mark = ScanMark { compactions, row: if anew { 0 } else { after.row } };
    let mut statement = transaction.prepare_cached(include_str!("sql/entry_written.sql"))?;
    let mut rows = statement.query(params![timeline.row, mark.row, limit.min(SCAN_MAX)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        mark.row = row.get(0)?;
        let place = Place { branch: row.get(1)?, seq: row.get(2)? };
        let entry = rules::parsed(place, row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?, DAMAGED)?;
        entries.push(StoredEntry {
            cursor: timeline.cursor_with(place, EntryHash(row.get(3)?)),
            entry: Arc::new(entry),
        });
    }
    let head = timeline.cursor(&transaction, timeline.head)?;
    Ok(Scanned { entries, mark, head, anew })
}

pub(super) fn entries_at(
    connection: &mut Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    places: &[Cursor],
) -> Result<Vec<Option<StoredEntry>>, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let mut statement = transaction.prepare_cached(include_str!("sql/entry_at.sql"))?;
    let mut read_at = |cursor: &Cursor| {
        // A sequence number that SQLite cannot hold names no place either.
        let (Cursor { branch, hash, .. }, Ok(seq)) = (cursor, i64::try_from(cursor.seq)) else {
            return Ok(None);
        };
        if cursor.timeline != timeline.id {
            return Ok(None);
        }
        let place = params![timeline.row, branch.0, seq, hash.0];
        let row: Option<i64> = statement.query_one(place, |row| row.get(0)).optional()?;
        let Some(row) = row else { return Ok(None) };
        let stored = cache.get_or_read(row, || read::entry(&transaction, &timeline, row))?;
        cache.keep_at_place(key, &stored);
        Ok(Some(stored))
    };
    places.iter().map(&mut read_at).collect()
}

pub(super) fn vectors(
    connection: &mut Connection,
    keys: &[VectorKey],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    rules::check_count("vectors", keys.len(), VECTORS_PER_CALL_MAX)?;
    // One transaction: a lock for all of them, not for each.
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(include_str!("sql/vector_get.sql"))?;
    let found = keys.iter().map(|key| {
        Ok(statement.query_one(params![key.half, key.other_half], |row| row.get(0)).optional()?)
    });
    found.collect()
}

pub(super) fn put_vectors(
    connection: &Connection,
    vectors: Vec<(VectorKey, Vec<u8>)>,
) -> Result<(), StoreError> {
    rules::check_count("vectors", vectors.len(), VECTORS_PER_CALL_MAX)?;
    let mut statement = connection.prepare_cached(include_str!("sql/vector_put.sql"))?;
    vectors.iter().try_for_each(rules::check_vector)?;
    for (key, bytes) in vectors {
        statement.execute(params![key.half, key.other_half, bytes])?;
    }
    Ok(())
}
