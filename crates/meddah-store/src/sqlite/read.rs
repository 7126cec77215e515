//! What only looks: every question is answered as seen from one place.

use std::sync::Arc;

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineKey};
use rusqlite::{Connection, OptionalExtension, params};

use super::Kept;
use super::answers::Answers;
use super::cache::Sized;
use super::error::DAMAGED;
use super::perceived::perceived;
use super::place::{self, Place};
use super::timeline::Timeline;
use crate::{
    BranchInfo, EntryFilter, LIST_MAX, RECENT_MAX, Recent, StoreError, StoredEntry, TimelineInfo, rules,
    topic,
};

pub(super) fn head(connection: &Connection, key: &TimelineKey) -> Result<Cursor, StoreError> {
    let timeline = Timeline::get(connection, key)?;
    timeline.cursor(connection, timeline.head)
}

/// How a timeline stands, if there is one.
pub(super) fn info(
    connection: &mut Connection,
    key: &TimelineKey,
) -> Result<Option<TimelineInfo>, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::find(&transaction, key)?;
    timeline.map(|timeline| timeline.info(&transaction)).transpose()
}

pub(super) fn recent(
    connection: &mut Connection,
    kept: &Kept,
    key: &TimelineKey,
    questions: Vec<(EntryFilter, usize)>,
    at: Option<Cursor>,
) -> Result<Recent, StoreError> {
    // One transaction, so that all statements see the same moment.
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let at = at.map_or(Ok(timeline.head), |cursor| timeline.place(&transaction, cursor))?;
    let head = timeline.cursor(&transaction, at)?;
    let (from, question) = ((at, head.hash), (timeline.row, questions));
    if let Some(answers) = kept.answers.get(&question, from) {
        return Ok(Recent { head, answers });
    }
    let view = View { connection: &transaction, timeline: timeline.row, at };
    let read =
        |found: Found| kept.entries.get_or_read(found.row, || entry(&transaction, &timeline, found.row));
    let answer = |(filter, limit): &(EntryFilter, usize)| {
        let limit = (*limit).min(RECENT_MAX);
        let mut found = match filter {
            EntryFilter::All => view.newest_of_all(limit)?,
            EntryFilter::State(state) => view.newest(&topic::state(state), 0, limit)?,
            EntryFilter::PerceivedBy(being) => {
                return perceived(&view, &timeline, being, limit, (&kept.perceived, &kept.entries));
            }
            EntryFilter::MemoriesOf(character) => view.newest(&topic::memory(character), 0, limit)?,
        };
        found.sort_unstable_by_key(|found| found.seq);
        found.into_iter().map(read).collect()
    };
    let answers = question.1.iter().map(answer).collect::<Result<Answers, StoreError>>()?;
    kept.answers.keep(question, from, &answers);
    Ok(Recent { head, answers })
}

/// The newest entry under a heading, as seen from a place.
pub(super) fn newest(
    connection: &Connection,
    timeline: &Timeline,
    topic: &str,
    at: Place,
) -> Result<Option<StoredEntry>, StoreError> {
    let view = View { connection, timeline: timeline.row, at };
    let found = view.newest(topic, 0, 1)?;
    let read = |found: &Found| Ok(entry(connection, timeline, found.row)?.0);
    found.first().map(read).transpose()
}

pub(super) fn find_request(
    connection: &mut Connection,
    key: &TimelineKey,
    req_id: &str,
) -> Result<Option<StoredEntry>, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    newest(&transaction, &timeline, &topic::request(req_id), timeline.head)
}

/// An entry found, before it is read.
pub(super) struct Found {
    pub row: i64,
    pub seq: u64,
}

/// A timeline as seen from a place.
pub(super) struct View<'a> {
    pub connection: &'a Connection,
    pub timeline: i64,
    pub at: Place,
}

impl View<'_> {
    /// Entries under a heading from `seq_min` on, the newest first.
    ///
    /// Branch by branch backwards, but only over branches that have anything under the heading: a
    /// character who was not met for a thousand loads is found as fast as one met just now.
    pub(super) fn newest(&self, topic: &str, seq_min: u64, limit: usize) -> Result<Vec<Found>, StoreError> {
        let mut stretch = self.connection.prepare_cached(include_str!("sql/posting_stretch.sql"))?;
        let mut older = self.connection.prepare_cached(include_str!("sql/posting_older_branch.sql"))?;
        let mut found: Vec<Found> = Vec::new();
        let mut next = Some(self.at);
        while let Some(at) = next.filter(|at| found.len() < limit && at.seq >= seq_min) {
            let left = limit - found.len();
            let rows = stretch
                .query_map(params![self.timeline, topic, at.branch, seq_min, at.seq, left], |row| {
                    Ok(Found { row: row.get(0)?, seq: row.get(1)? })
                })?;
            for row in rows {
                found.push(row?);
            }
            let branch: Option<u32> =
                older.query_one(params![self.timeline, topic, at.branch], |row| row.get(0)).optional()?;
            next = match branch {
                Some(branch) => place::back_to(self.connection, self.timeline, at.branch, branch)?,
                None => None,
            };
        }
        Ok(found)
    }

    /// Entries of every kind, the newest first.
    fn newest_of_all(&self, limit: usize) -> Result<Vec<Found>, StoreError> {
        let mut stretch = self.connection.prepare_cached(include_str!("sql/entry_stretch.sql"))?;
        let mut found: Vec<Found> = Vec::new();
        let mut next = Some(self.at);
        while let Some(at) = next.filter(|_| found.len() < limit) {
            let left = limit - found.len();
            let rows = stretch.query_map(params![self.timeline, at.branch, at.seq, left], |row| {
                Ok(Found { row: row.get(0)?, seq: row.get(1)? })
            })?;
            for row in rows {
                found.push(row?);
            }
            next = place::forked_at(self.connection, self.timeline, at.branch)?;
        }
        Ok(found)
    }
}

pub(super) fn entry(connection: &Connection, timeline: &Timeline, row: i64) -> Result<Sized, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("sql/entry_get.sql"))?;
    let (place, hash, body): (Place, [u8; 8], String) = statement.query_one(params![row], |row| {
        Ok((Place { branch: row.get(0)?, seq: row.get(1)? }, row.get(2)?, row.get(3)?))
    })?;
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let entry = Arc::new(rules::parsed(place, &body, DAMAGED)?);
    Ok((StoredEntry { cursor: timeline.cursor_with(place, EntryHash(hash)), entry }, bytes))
}

/// The newest place on the way back from the head at or before a game time.
pub(super) fn at_game_time(
    connection: &Connection,
    timeline: &Timeline,
    game_time: i64,
) -> Result<Place, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("sql/newest_by_game_time.sql"))?;
    let mut next = Some(timeline.head);
    while let Some(at) = next {
        let seq: Option<u64> =
            statement.query_one(params![timeline.row, at.branch, at.seq, game_time], |row| row.get(0))?;
        if let Some(seq) = seq {
            return Ok(Place { branch: at.branch, seq });
        }
        next = place::forked_at(connection, timeline.row, at.branch)?;
    }
    let timed: bool = connection
        .prepare_cached(include_str!("sql/any_game_time.sql"))?
        .query_one(params![timeline.row], |row| row.get(0))?;
    if timed {
        return Ok(Place::BEGINNING);
    }
    Err(rules::no_game_time())
}

pub(super) fn branches(
    connection: &mut Connection,
    key: &TimelineKey,
) -> Result<Vec<BranchInfo>, StoreError> {
    let transaction = connection.transaction()?;
    let timeline = Timeline::get(&transaction, key)?;
    let mut statement = transaction.prepare_cached(include_str!("sql/branch_list.sql"))?;
    let mut rows = statement.query(params![timeline.row, LIST_MAX])?;
    let mut branches = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, parent, fork_seq, tip_seq) =
            (row.get(0)?, row.get::<_, Option<u32>>(1)?, row.get(2)?, row.get(3)?);
        let fork = parent.map(|parent| Place { branch: parent, seq: fork_seq });
        branches.push(BranchInfo {
            id: BranchId(number),
            forked_at: fork.map(|fork| timeline.cursor(&transaction, fork)).transpose()?,
            tip: timeline.cursor(&transaction, Place { branch: number, seq: tip_seq })?,
            created_ms: row.get(4)?,
        });
    }
    Ok(branches)
}

pub(super) fn timelines(connection: &mut Connection) -> Result<Vec<TimelineInfo>, StoreError> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(include_str!("sql/timeline_list.sql"))?;
    let rows = statement.query_map(params![LIST_MAX], Timeline::from_row)?;
    rows.map(|timeline| timeline?.info(&transaction)).collect()
}
