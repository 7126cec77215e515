//! Places in the tree of branches, and the way from one back to the beginning.
//!
//! A long game with many loads nests thousands of branches. Each branch therefore also knows an
//! ancestor further up, and any ancestor is found in a logarithmic number of steps.

use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;
pub(super) use crate::place::Place;

/// A branch as stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    pub parent: Option<u32>,
    pub fork_seq: u64,
    pub jump: u32,
    pub depth: u32,
    pub tip_seq: u64,
}

pub(super) fn branch(
    connection: &Connection,
    timeline: i64,
    number: u32,
) -> Result<Option<Branch>, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("sql/branch_get.sql"))?;
    let found = statement.query_one(params![timeline, number], |row| {
        Ok(Branch {
            parent: row.get(0)?,
            fork_seq: row.get(1)?,
            jump: row.get(2)?,
            depth: row.get(3)?,
            tip_seq: row.get(4)?,
        })
    });
    Ok(found.optional()?)
}

fn known(connection: &Connection, timeline: i64, number: u32) -> Result<Branch, StoreError> {
    Ok(branch(connection, timeline, number)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
}

/// Begins a branch at a place and gives its number.
pub(super) fn fork(
    connection: &Connection,
    timeline: i64,
    at: Place,
    now_ms: i64,
) -> Result<u32, StoreError> {
    let newest: u32 = connection
        .prepare_cached(include_str!("sql/branch_newest.sql"))?
        .query_one(params![timeline], |row| row.get(0))?;
    let number = newest + 1;
    add(connection, timeline, number, at, now_ms)?;
    Ok(number)
}

/// Adds a branch of this number, larger than its parent's, split off at a place.
pub(super) fn add(
    connection: &Connection,
    timeline: i64,
    number: u32,
    at: Place,
    created_ms: i64,
) -> Result<(), StoreError> {
    let parent = known(connection, timeline, at.branch)?;
    let jump = known(connection, timeline, parent.jump)?;
    let far_jump = known(connection, timeline, jump.jump)?;
    // Two jumps of equal length become one of their sum: the rule of skew-binary numbers.
    let equal = parent.depth - jump.depth == jump.depth - far_jump.depth;
    let jump = if equal { jump.jump } else { at.branch };
    connection.prepare_cached(include_str!("sql/branch_insert.sql"))?.execute(params![
        timeline,
        number,
        at.branch,
        at.seq,
        jump,
        parent.depth + 1,
        created_ms
    ])?;
    Ok(())
}

/// The newest place on the way back from branch `from` that lies on branch `at_most` or an older one.
pub(super) fn back_to(
    connection: &Connection,
    timeline: i64,
    from: u32,
    at_most: u32,
) -> Result<Option<Place>, StoreError> {
    let mut current = known(connection, timeline, from)?;
    loop {
        let Some(parent) = current.parent else { return Ok(None) };
        if parent <= at_most {
            return Ok(Some(Place { branch: parent, seq: current.fork_seq }));
        }
        let next = if current.jump > at_most { current.jump } else { parent };
        current = known(connection, timeline, next)?;
    }
}

/// Whether `place` lies on the way back from `at`, or is it.
pub(super) fn lies_behind(
    connection: &Connection,
    timeline: i64,
    place: Place,
    at: Place,
) -> Result<bool, StoreError> {
    if place.branch == at.branch || place == Place::BEGINNING {
        return Ok(place.seq <= at.seq);
    }
    let back = back_to(connection, timeline, at.branch, place.branch)?;
    Ok(back.is_some_and(|back| back.branch == place.branch && place.seq <= back.seq))
}

/// The place at which the branch was split off.
pub(super) fn forked_at(
    connection: &Connection,
    timeline: i64,
    number: u32,
) -> Result<Option<Place>, StoreError> {
    let branch = known(connection, timeline, number)?;
    Ok(branch.parent.map(|parent| Place { branch: parent, seq: branch.fork_seq }))
}
