//! Rows as what they mean: numbers, places, cursors.

use std::sync::Arc;

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::{DAMAGED, Failed};
use crate::place::Place;
use crate::{StoreError, StoredEntry, chain, rules};

/// A column; one that is of another kind than it should be was not made by us.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Failed> {
    row.try_get(column).map_err(|_| Failed::corrupt("a column holds what it cannot"))
}

/// A number that is never negative.
pub(super) fn number<N: TryFrom<i64>>(row: &Row, column: usize) -> Result<N, Failed> {
    N::try_from(get(row, column)?).map_err(|_| Failed::corrupt("a number is out of range"))
}

/// A place in this column and the next; `None` if they are empty.
pub(super) fn place(row: &Row, column: usize) -> Result<Option<Place>, Failed> {
    if get::<Option<i64>>(row, column)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Place { branch: number(row, column)?, seq: number(row, column + 1)? }))
}

/// A hash that may be absent.
pub(super) fn hash(row: &Row, column: usize) -> Result<Option<EntryHash>, Failed> {
    Ok(get::<Option<i64>>(row, column)?.map(|hash| EntryHash(hash.to_be_bytes())))
}

/// A sequence number as the database holds it. One that it cannot hold becomes one that no entry has.
pub(super) fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The parameters of a place that is looked from; absent ones mean the head.
pub(super) fn looked_from(at: Option<Place>) -> (Option<i64>, Option<i64>) {
    (at.map(|at| i64::from(at.branch)), at.map(|at| stored_number(at.seq)))
}

/// The place of a cursor's numbers, whether it exists or not.
pub(super) fn place_of(cursor: Cursor) -> Place {
    Place { branch: cursor.branch.0, seq: cursor.seq }
}

/// A place of a timeline: the head, or where a question looks from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub timeline: TimelineId,
    pub place: Place,
    /// `None` if there is no such place.
    pub hash: Option<EntryHash>,
}

impl Seen {
    /// From the first four columns of a row.
    pub fn from_row(row: &Row) -> Result<Self, Failed> {
        let timeline = TimelineId::from_bits(number(row, 0)?);
        let place = Place { branch: number(row, 1)?, seq: number(row, 2)? };
        Ok(Seen::new(timeline, place, hash(row, 3)?))
    }

    /// The beginning has no entry whose hash could be stored.
    pub fn new(timeline: TimelineId, place: Place, stored: Option<EntryHash>) -> Self {
        let beginning = place == Place::BEGINNING;
        Seen { timeline, place, hash: if beginning { Some(chain::beginning(timeline)) } else { stored } }
    }

    /// The cursor of a place that must exist.
    pub fn cursor(&self) -> Result<Cursor, Failed> {
        let hash = self.hash.ok_or_else(|| Failed::corrupt("an entry is missing"))?;
        Ok(cursor_with(self.timeline, self.place, hash))
    }

    /// Refuses a cursor that does not name this place.
    pub fn check(&self, cursor: Option<Cursor>) -> Result<(), StoreError> {
        let check = |cursor| rules::check_cursor(cursor, self.timeline, self.hash).map(drop);
        cursor.map_or(Ok(()), check)
    }
}

pub(super) fn cursor_with(timeline: TimelineId, place: Place, hash: EntryHash) -> Cursor {
    Cursor { timeline, branch: BranchId(place.branch), seq: place.seq, hash }
}

/// An entry from its branch, number, hash and body in four columns, and the bytes of its body.
pub(super) fn entry(
    row: &Row,
    timeline: TimelineId,
    column: usize,
) -> Result<Option<(StoredEntry, usize)>, Failed> {
    let Some(place) = place(row, column)? else { return Ok(None) };
    let hash = EntryHash(get::<i64>(row, column + 2)?.to_be_bytes());
    let body: &str = get(row, column + 3)?;
    let entry = Arc::new(rules::parsed(place, body, DAMAGED)?);
    Ok(Some((StoredEntry { cursor: cursor_with(timeline, place, hash), entry }, body.len())))
}
