//! What indexes and embeddings need: the way back, entries in the order of writing, vectors.

use std::collections::{BTreeMap, HashMap};

use meddah_engine::timeline::{Cursor, Lineage, Stretch, TimelineKey};

use super::connection::Connection;
use super::error::Failed;
use super::timeline::{Seen, entry, get, looked_from, number, place, place_of, stored_number};
use crate::{SCAN_MAX, ScanMark, Scanned, VECTORS_PER_CALL_MAX, VectorKey, rules};

pub(super) async fn lineage(
    connection: &Connection,
    key: &TimelineKey,
    at: Option<Cursor>,
) -> Result<Lineage, Failed> {
    let (branch, seq) = looked_from(at.map(place_of));
    let statement = &connection.sql.lineage;
    let rows = connection.client.query(statement, &[&key.world, &key.player, &branch, &seq]).await?;
    Seen::from_row(rows.first().ok_or_else(|| rules::no_timeline(key))?)?.check(at)?;
    let stretches = rows.iter().filter_map(|row| place(row, 4).transpose()).map(|place| {
        let place = place?;
        Ok(Stretch { branch: meddah_engine::timeline::BranchId(place.branch), seq_max: place.seq })
    });
    let mut stretches = stretches.collect::<Result<Vec<_>, Failed>>()?;
    // A child has a larger number than its parent.
    stretches.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.branch));
    Ok(Lineage::new(stretches))
}

pub(super) async fn scan(
    connection: &Connection,
    key: &TimelineKey,
    after: ScanMark,
    limit: usize,
) -> Result<Scanned, Failed> {
    let limit = stored_number(limit.min(SCAN_MAX) as u64);
    let statement = &connection.sql.scan;
    let rows = connection.client.query(statement, &[&key.world, &key.player, &after.row, &limit]).await?;
    let head = Seen::from_row(rows.first().ok_or_else(|| rules::no_timeline(key))?)?;
    // Nothing is ever deleted here, so a mark stays good.
    let (mut entries, mut mark) = (Vec::with_capacity(rows.len()), after);
    for row in &rows {
        if let Some((stored, _)) = entry(row, head.timeline, 4)? {
            entries.push(stored);
            mark.row = number(row, 8)?;
        }
    }
    Ok(Scanned { entries, mark, head: head.cursor()?, anew: false })
}

pub(super) async fn vectors(
    connection: &Connection,
    keys: &[VectorKey],
) -> Result<Vec<Option<Vec<u8>>>, Failed> {
    rules::check_count("vectors", keys.len(), VECTORS_PER_CALL_MAX)?;
    let halves: Vec<i64> = keys.iter().map(|key| key.half).collect();
    let mut found = HashMap::new();
    for row in &connection.client.query(&connection.sql.vector_get, &[&halves]).await? {
        let key = VectorKey { half: get(row, 0)?, other_half: get(row, 1)? };
        found.insert(key, get::<&[u8]>(row, 2)?.to_vec());
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

pub(super) async fn put_vectors(
    connection: &Connection,
    vectors: &[(VectorKey, Vec<u8>)],
) -> Result<(), Failed> {
    rules::check_count("vectors", vectors.len(), VECTORS_PER_CALL_MAX)?;
    vectors.iter().try_for_each(rules::check_vector)?;
    // Each once, the last of a key; and sorted, see the statement.
    let distinct: BTreeMap<i64, (i64, &[u8])> =
        vectors.iter().map(|(key, bytes)| (key.half, (key.other_half, &bytes[..]))).collect();
    let ids: Vec<i64> = distinct.keys().copied().collect();
    let (halves, bytes): (Vec<i64>, Vec<&[u8]>) = distinct.into_values().unzip();
    connection.client.execute(&connection.sql.vector_put, &[&ids, &halves, &bytes]).await?;
    Ok(())
}
