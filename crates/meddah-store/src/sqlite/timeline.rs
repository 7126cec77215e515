//! The row of a timeline, and cursors to and from places in it.

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId, TimelineKey};
use meddah_protocol::check_id;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::place::Place;
use crate::{StoreError, StoreErrorKind, TimelineInfo, chain};

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
        Self::find(connection, key)?.ok_or_else(|| {
            let message = format!("player {:?} has no timeline in world {:?}", key.player, key.world);
            StoreError::new(StoreErrorKind::NotFound, message).with_help("Open a session with `hello` first.")
        })
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
        if cursor.timeline != self.id {
            return Err(StoreError::new(StoreErrorKind::Invalid, "the cursor belongs to another timeline")
                .with_help("Load it with the player and the world that it was saved with."));
        }
        // A sequence number that SQLite cannot hold names no place either.
        let place = Place { branch: cursor.branch.0, seq: cursor.seq };
        let stored = if i64::try_from(place.seq).is_ok() { self.hash(connection, place)? } else { None };
        match stored {
            Some(hash) if hash == cursor.hash => Ok(place),
            Some(_) => {
                Err(StoreError::new(StoreErrorKind::Invalid, "the cursor does not match what is stored")
                    .with_help(
                        "The save belongs to another memory file, or one of the two was changed by hand.",
                    ))
            }
            None => Err(StoreError::new(
                StoreErrorKind::NotFound,
                "the cursor names a moment that is not stored",
            )
            .with_help(
                "The save is newer than this memory file. Put back the memory file that belongs to it.",
            )),
        }
    }
}

/// Checks a key before a timeline is begun under it.
pub(super) fn check_key(key: &TimelineKey) -> Result<(), StoreError> {
    for (field, id) in [("world", &key.world), ("player", &key.player)] {
        check_id(field, id)
            .map_err(|error| StoreError::new(StoreErrorKind::Invalid, error.message).with_help(error.help))?;
    }
    Ok(())
}
