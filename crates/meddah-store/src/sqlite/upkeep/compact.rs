//! Makes room: deletes branches, and ends of branches, that no place to be kept follows from.

use meddah_engine::timeline::{Cursor, TimelineKey};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::sqlite::place::Place;
use crate::sqlite::timeline::Timeline;
use crate::{StoreError, StoreErrorKind};

/// What was, or would be, deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Entries.
    pub entries: u64,
    /// Whole branches.
    pub branches: u64,
    /// Saved moments, which cannot be loaded any more.
    pub saves: u64,
    /// Vectors, of all timelines.
    pub vectors: u64,
}

pub(super) fn compact(
    connection: &mut Connection,
    key: &TimelineKey,
    keep: &[Cursor],
    keep_saves: bool,
    dry_run: bool,
) -> Result<Compacted, StoreError> {
    // Row by row, the checks would look through all postings for each entry; the whole is checked at the end.
    connection.pragma_update(None, "foreign_keys", false)?;
    let compacted = within(connection, key, keep, keep_saves, dry_run);
    connection.pragma_update(None, "foreign_keys", true)?;
    let compacted = compacted?;
    if !dry_run && compacted.entries > 0 {
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
    }
    Ok(compacted)
}

fn within(
    connection: &mut Connection,
    key: &TimelineKey,
    keep: &[Cursor],
    keep_saves: bool,
    dry_run: bool,
) -> Result<Compacted, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let timeline = Timeline::get(&transaction, key)?;
    let mut places = vec![timeline.head];
    for cursor in keep {
        places.push(timeline.place(&transaction, *cursor)?);
    }
    if keep_saves {
        let saves = super::save_points(&transaction, &timeline, usize::MAX)?;
        places.extend(saves.iter().map(|save| Place { branch: save.cursor.branch.0, seq: save.cursor.seq }));
    }
    mark(&transaction, &timeline, &places)?;
    let compacted = delete(&transaction, &timeline)?;
    let broken = transaction.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if broken {
        return Err(StoreError::new(StoreErrorKind::Corrupt, "compacting would have left loose ends")
            .with_help("Nothing was deleted. Report it with a copy of the memory file."));
    }
    transaction.execute_batch("DROP TABLE temp.kept")?;
    if dry_run {
        transaction.rollback()?;
    } else {
        transaction.commit()?;
    }
    Ok(compacted)
}

/// Fills `kept`: for each branch the newest entry that one of the places follows from.
fn mark(transaction: &Transaction<'_>, timeline: &Timeline, places: &[Place]) -> Result<(), StoreError> {
    transaction.execute_batch(
        "DROP TABLE IF EXISTS temp.kept;
         CREATE TEMP TABLE kept (branch INTEGER PRIMARY KEY, seq INTEGER NOT NULL);",
    )?;
    let mut back = transaction.prepare(include_str!("../sql/lineage.sql"))?;
    let mut keep = transaction.prepare(
        "INSERT INTO temp.kept VALUES (?1, ?2) ON CONFLICT (branch) DO UPDATE SET seq = max(seq, excluded.seq)",
    )?;
    for place in places {
        let mut rows = back.query(params![timeline.row, place.branch, place.seq])?;
        while let Some(row) = rows.next()? {
            keep.execute(params![row.get::<_, u32>(0)?, row.get::<_, u64>(1)?])?;
        }
    }
    Ok(())
}

fn delete(transaction: &Transaction<'_>, timeline: &Timeline) -> Result<Compacted, StoreError> {
    let beyond = |table: &str| {
        format!(
            "DELETE FROM {table} WHERE timeline = ?1
             AND seq > coalesce((SELECT kept.seq FROM temp.kept WHERE kept.branch = {table}.branch), -1)"
        )
    };
    let run = |sql: &str| transaction.execute(sql, params![timeline.row]).map(|rows| rows as u64);
    let newest: i64 =
        transaction.query_one("SELECT coalesce(max(id), 0) FROM entry", [], |row| row.get(0))?;
    run(&beyond("posting"))?;
    let mut compacted = Compacted { entries: run(&beyond("entry"))?, ..Compacted::default() };
    compacted.saves = run(&beyond("save_point"))?;
    compacted.branches =
        run("DELETE FROM branch WHERE timeline = ?1 AND number NOT IN (SELECT branch FROM temp.kept)")?;
    run("UPDATE branch SET tip_seq = (SELECT seq FROM temp.kept WHERE branch = number) WHERE timeline = ?1")?;
    if compacted.entries > 0 {
        compacted.vectors = transaction.execute("DELETE FROM vector", [])? as u64;
        let mark = "UPDATE upkeep SET compactions = compactions + 1, entry_floor = max(entry_floor, ?1)";
        transaction.execute(mark, params![newest])?;
    }
    Ok(compacted)
}
