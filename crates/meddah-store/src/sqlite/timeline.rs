//! The row of a timeline, and cursors to and from places in it.

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId, TimelineKey};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::place::Place;
use crate::{StoreError, TimelineInfo, chain, rules};

pub(super) struct Timeline {
    pub row: i64,
    pub id: TimelineId,
    pub key: TimelineKey,
    pub head: Place,
    pub loads: u64,
    pub created_ms: i64,
}

impl Timeline {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Timeline {
            row: row.get(0)?,
            id: TimelineId::from_bits(row.get(1)?),
            key: TimelineKey { world: row.get(2)?, player: row.get(3)? },
            head: Place { branch: row.get(4)?, seq: row.get(5)? },
            loads: row.get(6)?,
            created_ms: row.get(7)?,
        })
    }

    pub(super) fn find(connection: &Connection, key: &TimelineKey) -> Result<Option<Self>, StoreError> {
        let mut statement = connection.prepare_cached(include_str!("sql/timeline_by_key.sql"))?;
        Ok(statement.query_one(params![key.world, key.player], Self::from_row).optional()?)
    }

    pub(super) fn get(connection: &Connection, key: &TimelineKey) -> Result<Self, StoreError> {
        Self::find(connection, key)?.ok_or_else(|| rules::no_timeline(key))
    }

    pub(super) fn info(&self, connection: &Connection) -> Result<TimelineInfo, StoreError> {
        Ok(TimelineInfo {
            key: self.key.clone(),
            id: self.id,
            head: self.cursor(connection, self.head)?,
            loads: self.loads,
            created_ms: self.created_ms,
        })
    }

    /// Writes the head and the count of loads.
    pub(super) fn write_head(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(include_str!("sql/timeline_set_head.sql"))?;
        statement.execute(params![self.row, self.head.branch, self.head.seq, self.loads])?;
        Ok(())
    }

    pub(super) fn cursor(&self, connection: &Connection, place: Place) -> Result<Cursor, StoreError> {
        let hash = self.hash(connection, place)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        Ok(self.cursor_with(place, hash))
    }

    pub(super) fn cursor_with(&self, place: Place, hash: EntryHash) -> Cursor {
        Cursor { timeline: self.id, branch: BranchId(place.branch), seq: place.seq, hash }
    }

    /// The hash of everything up to a place; `None` if there is no such place.
    pub(super) fn hash(
        &self,
        connection: &Connection,
        place: Place,
    ) -> Result<Option<EntryHash>, StoreError> {
        if place == Place::BEGINNING {
            return Ok(Some(chain::beginning(self.id)));
        }
        let mut statement = connection.prepare_cached(include_str!("sql/entry_hash.sql"))?;
        let hash = statement.query_one(params![self.row, place.branch, place.seq], |row| row.get(0));
        Ok(hash.optional()?.map(EntryHash))
    }

    /// The place that a cursor names, if it is one of this timeline's.
    pub(super) fn place(&self, connection: &Connection, cursor: Cursor) -> Result<Place, StoreError> {
        let place = Place { branch: cursor.branch.0, seq: cursor.seq };
        // A sequence number that SQLite cannot hold names no place either.
        let ours = cursor.timeline == self.id && i64::try_from(place.seq).is_ok();
        let stored = if ours { self.hash(connection, place)? } else { None };
        rules::check_cursor(cursor, self.id, stored)
    }
}
