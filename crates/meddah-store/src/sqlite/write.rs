//! What changes the file: begin, append, save, load. Each finds a transaction begun, see [`super::worker`].

use meddah_engine::timeline::{BranchId, Cursor, Entry, EntryHash, TimelineKey};
use rusqlite::{Connection, OptionalExtension, params};

use super::place::{self, Place};
use super::read;
use super::timeline::Timeline;
use crate::rules::{self, body_of, no_save, now_ms};
use crate::{LoadBy, Loaded, StoreError, TimelineInfo, chain, topic};

pub(super) fn begin(connection: &Connection, key: &TimelineKey) -> Result<TimelineInfo, StoreError> {
    rules::check_key(key)?;
    let now_ms = now_ms();
    let mut insert = connection.prepare_cached(include_str!("sql/timeline_insert.sql"))?;
    let begun = insert.execute(params![key.world, key.player, now_ms])?;
    let timeline = Timeline::get(connection, key)?;
    // Another caller may have begun it in between.
    if begun > 0 {
        let first: Option<u32> = None;
        connection.prepare_cached(include_str!("sql/branch_insert.sql"))?.execute(params![
            timeline.row,
            0,
            first,
            0,
            0,
            0,
            now_ms
        ])?;
    }
    timeline.info(connection)
}

/// Until when what is to be written is welcome.
pub(super) enum Since {
    /// Always.
    Ever,
    /// Until a save is loaded: the count of loads when it was begun.
    Loads(u64),
    /// As long as this place lies behind the head.
    Place(Cursor),
}

impl Since {
    fn check(&self, connection: &Connection, timeline: &Timeline) -> Result<(), StoreError> {
        let still = match self {
            Since::Ever => true,
            Since::Loads(loads) => *loads == timeline.loads,
            Since::Place(cursor) => {
                let place = timeline.place(connection, *cursor)?;
                place::lies_behind(connection, timeline.row, place, timeline.head)?
            }
        };
        if still { Ok(()) } else { Err(rules::superseded()) }
    }
}

pub(super) fn append(
    connection: &Connection,
    key: &TimelineKey,
    since: &Since,
    entries: Vec<Entry>,
) -> Result<Cursor, StoreError> {
    rules::check_entries(&entries)?;
    let mut timeline = Timeline::get(connection, key)?;
    since.check(connection, &timeline)?;
    let mut cursor = timeline.cursor(connection, timeline.head)?;
    if entries.is_empty() {
        return Ok(cursor);
    }
    timeline.head.branch = branch_to_grow(connection, &timeline)?;
    for entry in entries {
        cursor = append_one(connection, &mut timeline, cursor, entry)?;
    }
    timeline.write_head(connection)?;
    connection.prepare_cached(include_str!("sql/branch_set_tip.sql"))?.execute(params![
        timeline.row,
        timeline.head.branch,
        timeline.head.seq
    ])?;
    Ok(cursor)
}

/// The head's branch if the head is its tip, else a new one.
fn branch_to_grow(connection: &Connection, timeline: &Timeline) -> Result<u32, StoreError> {
    let head = timeline.head;
    let branch = place::branch(connection, timeline.row, head.branch)?;
    match branch {
        Some(branch) if branch.tip_seq == head.seq => Ok(head.branch),
        _ => place::fork(connection, timeline.row, head, now_ms()),
    }
}

/// Writes one entry behind the head, on the head's branch, and moves the head.
fn append_one(
    connection: &Connection,
    timeline: &mut Timeline,
    before: Cursor,
    mut entry: Entry,
) -> Result<Cursor, StoreError> {
    if let Some(topic) = topic::amended(&entry.kind) {
        let turn = read::newest(connection, timeline, &topic, timeline.head)?;
        if let Some(turn) = turn {
            entry.inherit_witnesses(&turn.entry);
        }
    }
    let (body, _) = body_of(&entry)?;
    let hash = chain::after(before.hash, &body);
    let place = Place { branch: timeline.head.branch, seq: timeline.head.seq + 1 };
    insert(connection, timeline.row, place, hash, &entry, &body)?;
    timeline.head = place;
    Ok(timeline.cursor_with(place, hash))
}

/// Writes an entry at a place, and under which headings it is found.
pub(super) fn insert(
    connection: &Connection,
    timeline: i64,
    place: Place,
    hash: EntryHash,
    entry: &Entry,
    body: &str,
) -> Result<(), StoreError> {
    connection.prepare_cached(include_str!("sql/entry_insert.sql"))?.execute(params![
        timeline,
        place.branch,
        place.seq,
        hash.0,
        entry.game_time,
        body
    ])?;
    let row = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(include_str!("sql/posting_insert.sql"))?;
    for topic in topic::of(entry) {
        insert.execute(params![timeline, topic, place.branch, place.seq, row])?;
    }
    Ok(())
}

pub(super) fn save(
    connection: &Connection,
    key: &TimelineKey,
    name: Option<&str>,
    game_time: Option<i64>,
) -> Result<Cursor, StoreError> {
    rules::check_save_name(name)?;
    let timeline = Timeline::get(connection, key)?;
    let Place { branch, seq } = timeline.head;
    connection.prepare_cached(include_str!("sql/save_point_insert.sql"))?.execute(params![
        timeline.row,
        branch,
        seq,
        name,
        game_time,
        now_ms()
    ])?;
    timeline.cursor(connection, timeline.head)
}

pub(super) fn load(connection: &Connection, key: &TimelineKey, by: &LoadBy) -> Result<Loaded, StoreError> {
    let mut timeline = Timeline::get(connection, key)?;
    let (place, uncertain) = match by {
        LoadBy::Cursor(cursor) => (timeline.place(connection, *cursor)?, false),
        LoadBy::Name(name) => saved_as(connection, &timeline, name, None)?.ok_or_else(|| no_save(name))?,
        LoadBy::NameAt { name, game_time } => {
            match saved_as(connection, &timeline, name, Some(*game_time))? {
                Some(found) => found,
                // Not what was meant, and the best there is.
                None => {
                    let (place, _) =
                        saved_as(connection, &timeline, name, None)?.ok_or_else(|| no_save(name))?;
                    (place, true)
                }
            }
        }
        LoadBy::GameTime(game_time) => (read::at_game_time(connection, &timeline, *game_time)?, true),
    };
    timeline.head = place;
    timeline.loads += 1;
    timeline.write_head(connection)?;
    let cursor = timeline.cursor(connection, place)?;
    Ok(Loaded { cursor, branch: BranchId(place.branch), uncertain })
}

/// The newest save of this name, and whether that is uncertain.
fn saved_as(
    connection: &Connection,
    timeline: &Timeline,
    name: &str,
    game_time: Option<i64>,
) -> Result<Option<(Place, bool)>, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("sql/save_point_by_name.sql"))?;
    let found = statement.query_one(params![timeline.row, name, game_time], |row| {
        Ok((Place { branch: row.get(0)?, seq: row.get(1)? }, row.get(2)?))
    });
    Ok(found.optional()?)
}
