//! What a person does with a memory file: look at sizes, take a copy out and in, make room.
//!
//! These are no part of the port: a game never asks for them.

mod compact;
mod export;
mod import;

use std::io::{BufRead, Write};

use meddah_engine::timeline::{Cursor, TimelineKey};
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::place::Place;
use super::timeline::Timeline;
use crate::{LIST_MAX, StoreError, TimelineInfo};

pub use compact::Compacted;
pub use export::Exported;

/// A timeline and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineSize {
    /// How it stands.
    pub info: TimelineInfo,
    /// Entries of all branches.
    pub entries: u64,
    /// Their text, in bytes.
    pub bytes: u64,
    /// Branches.
    pub branches: u64,
    /// Moments that were saved.
    pub saves: u64,
}

/// A moment that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// The moment.
    pub cursor: Cursor,
    /// The name it was given.
    pub name: Option<String>,
    /// The game's clock then.
    pub game_time: Option<i64>,
    /// The real clock then, milliseconds since 1970.
    pub saved_ms: i64,
}

impl SqliteStore {
    /// The timelines and what they hold, oldest first, at most [`LIST_MAX`].
    pub async fn sizes(&self) -> Result<Vec<TimelineSize>, StoreError> {
        self.reader().run(sizes).await
    }

    /// The moments that were saved, oldest first, at most [`LIST_MAX`].
    pub async fn save_points(&self, key: &TimelineKey) -> Result<Vec<SavePoint>, StoreError> {
        let key = key.clone();
        let listed = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let timeline = Timeline::get(&transaction, &key)?;
            save_points(&transaction, &timeline, LIST_MAX)
        };
        self.reader().run(listed).await
    }

    /// Writes everything of a timeline as lines of JSON, in a form that [`import`](Self::import) reads.
    pub async fn export(
        &self,
        key: &TimelineKey,
        out: impl Write + Send + 'static,
    ) -> Result<Exported, StoreError> {
        let key = key.clone();
        self.reader().run(move |connection| export::export(connection, &key, out)).await
    }

    /// Reads what [`export`](Self::export) wrote, one timeline after the other, all or none. A timeline that is
    /// there already is refused.
    pub async fn import(
        &self,
        input: impl BufRead + Send + 'static,
    ) -> Result<Vec<(TimelineKey, Exported)>, StoreError> {
        self.writer.run(move |connection| import::import(connection, input)).await
    }

    /// Deletes what lies behind none of the places in `keep`, the head, and (with `keep_saves`) the saved
    /// moments: the only deletion there is. With `dry_run` nothing is changed, and the numbers are the same.
    /// Vectors go, too, if anything goes: they are made anew when they are needed.
    pub async fn compact(
        &self,
        key: &TimelineKey,
        keep: Vec<Cursor>,
        keep_saves: bool,
        dry_run: bool,
    ) -> Result<Compacted, StoreError> {
        let key = key.clone();
        let job =
            move |connection: &mut Connection| compact::compact(connection, &key, &keep, keep_saves, dry_run);
        self.writer.run(job).await
    }
}

fn sizes(connection: &mut Connection) -> Result<Vec<TimelineSize>, StoreError> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(include_str!("../sql/timeline_list.sql"))?;
    let timelines = statement.query_map(params![LIST_MAX], Timeline::from_row)?;
    let mut all = Vec::new();
    for timeline in timelines {
        let timeline = timeline?;
        let info = timeline.info(&transaction)?;
        let mut count = transaction.prepare_cached(include_str!("../sql/sizes.sql"))?;
        all.push(count.query_one(params![timeline.row], |row| {
            let (entries, bytes) = (row.get(0)?, row.get(1)?);
            Ok(TimelineSize { info, entries, bytes, branches: row.get(2)?, saves: row.get(3)? })
        })?);
    }
    Ok(all)
}

fn save_points(
    connection: &Connection,
    timeline: &Timeline,
    limit: usize,
) -> Result<Vec<SavePoint>, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sql/save_point_list.sql"))?;
    let mut rows = statement.query(params![timeline.row, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let place = Place { branch: row.get(0)?, seq: row.get(1)? };
        let cursor = timeline.cursor(connection, place)?;
        all.push(SavePoint { cursor, name: row.get(2)?, game_time: row.get(3)?, saved_ms: row.get(4)? });
    }
    Ok(all)
}
