//! Everything of a timeline as lines of JSON.
//!
//! First a head, then each branch, each entry in the order of writing, each saved moment, and an end with the
//! counts, so that a file that was cut short is noticed. Entries stand as they are stored, byte for byte, and
//! each has its cursor: the hash in it ties it to all before.

use std::io::{self, Write};

use meddah_engine::timeline::{Cursor, EntryHash, TimelineKey};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::sqlite::place::Place;
use crate::sqlite::timeline::Timeline;
use crate::{StoreError, StoreErrorKind};

/// What the head says that the file is.
pub(super) const FORMAT: &str = "meddah timeline";
/// The form of the lines.
pub(super) const VERSION: u32 = 1;

/// What was written or read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Branches.
    pub branches: u64,
    /// Entries.
    pub entries: u64,
    /// Saved moments.
    pub saves: u64,
}

/// The first line of a timeline.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub format: String,
    pub version: u32,
    pub world: String,
    pub player: String,
    /// The name inside cursors, 12 hexadecimal digits.
    pub timeline: String,
    pub loads: u64,
    pub created_ms: i64,
}

/// A branch; the first has no parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BranchLine {
    pub branch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The parent's entries up to here belong to it, too.
    pub fork_seq: u64,
    pub created_ms: i64,
}

/// An entry and the place behind it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryLine {
    pub at: Cursor,
    pub entry: Box<RawValue>,
}

/// A moment that was saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SaveLine {
    pub save: Cursor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_time: Option<i64>,
    pub saved_ms: i64,
}

/// The last line of a timeline.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub end: Exported,
    pub head: Cursor,
}

pub(super) fn export(
    connection: &mut Connection,
    key: &TimelineKey,
    mut out: impl Write,
) -> Result<Exported, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let mut counts = Exported::default();
    line(
        &mut out,
        &Head {
            format: FORMAT.to_owned(),
            version: VERSION,
            world: key.world.clone(),
            player: key.player.clone(),
            timeline: timeline.id.to_string(),
            loads: timeline.loads,
            created_ms: timeline.created_ms,
        },
    )?;
    let mut branches = transaction.prepare_cached(include_str!("../sql/branch_list.sql"))?;
    let mut rows = branches.query(params![timeline.row, i64::MAX])?;
    while let Some(row) = rows.next()? {
        let (branch, parent, fork_seq) = (row.get(0)?, row.get(1)?, row.get(2)?);
        line(&mut out, &BranchLine { branch, parent, fork_seq, created_ms: row.get(4)? })?;
        counts.branches += 1;
    }
    let mut entries = transaction.prepare_cached(include_str!("../sql/entry_written.sql"))?;
    let mut rows = entries.query(params![timeline.row, 0, i64::MAX])?;
    while let Some(row) = rows.next()? {
        let place = Place { branch: row.get(1)?, seq: row.get(2)? };
        let at = timeline.cursor_with(place, EntryHash(row.get(3)?));
        let entry = RawValue::from_string(row.get(4)?).map_err(|error| unwritten(&error.into()))?;
        line(&mut out, &EntryLine { at, entry })?;
        counts.entries += 1;
    }
    for save in super::save_points(&transaction, &timeline, usize::MAX)? {
        let (name, game_time, saved_ms) = (save.name, save.game_time, save.saved_ms);
        line(&mut out, &SaveLine { save: save.cursor, name, game_time, saved_ms })?;
        counts.saves += 1;
    }
    let head = timeline.cursor(&transaction, timeline.head)?;
    line(&mut out, &End { end: counts, head })?;
    out.flush().map_err(|error| unwritten(&error))?;
    Ok(counts)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, value).map_err(|error| unwritten(&error.into()))?;
    out.write_all(b"\n").map_err(|error| unwritten(&error))
}

fn unwritten(error: &io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("the export cannot be written: {error}"))
        .with_help("Choose another file, or make room on the disk.")
}
