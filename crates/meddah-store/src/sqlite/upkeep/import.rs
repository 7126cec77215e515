//! Reads timelines from lines of JSON, as [`super::export`] wrote them.
//!
//! The ids stay what they were, so that cursors in save files of the game go on to fit. Each entry's hash is
//! computed again: a line that was changed, lost or moved is found.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use meddah_engine::timeline::{Entry, EntryHash, TimelineId, TimelineKey};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Deserialize;

use super::export::{BranchLine, End, EntryLine, Exported, FORMAT, Head, SaveLine, VERSION};
use crate::rules::check_key;
use crate::sqlite::place::{self, Place};
use crate::sqlite::timeline::Timeline;
use crate::sqlite::write;
use crate::{ENTRY_BYTES_MAX, StoreError, StoreErrorKind, chain};

/// The longest line: an entry, its cursor, and what a formatter may add.
const LINE_BYTES_MAX: usize = 2 * ENTRY_BYTES_MAX;

pub(super) fn import(
    connection: &mut Connection,
    input: impl BufRead,
) -> Result<Vec<(TimelineKey, Exported)>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut lines = Lines { input, number: 0 };
    let mut imported = Vec::new();
    while let Some(text) = lines.next()? {
        imported.push(timeline(&transaction, &mut lines, &text)?);
    }
    transaction.commit()?;
    Ok(imported)
}

struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            let mut bytes = Vec::new();
            self.number += 1;
            let mut piece = (&mut self.input).take(LINE_BYTES_MAX as u64 + 1);
            piece
                .read_until(b'\n', &mut bytes)
                .map_err(|error| self.bad(&format!("it cannot be read: {error}")))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.len() > LINE_BYTES_MAX {
                return Err(self.bad("it is too long"));
            }
            let text = String::from_utf8(bytes).map_err(|_| self.bad("it is not UTF-8"))?;
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn bad(&self, what: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Invalid, format!("line {}: {what}", self.number))
            .with_help("Nothing was imported. Use the file as `meddah world export` wrote it.")
    }

    fn parsed<'t, T: Deserialize<'t>>(&self, text: &'t str) -> Result<T, StoreError> {
        // Only the place: the error's text may hold what a player said.
        serde_json::from_str(text)
            .map_err(|error| self.bad(&format!("column {} makes no sense", error.column())))
    }
}

/// Tells which line it is.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    branch: Option<u32>,
    #[serde(default)]
    at: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    save: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    end: Option<serde::de::IgnoredAny>,
}

fn timeline<R: BufRead>(
    transaction: &Transaction<'_>,
    lines: &mut Lines<R>,
    head: &str,
) -> Result<(TimelineKey, Exported), StoreError> {
    let key = begin(transaction, lines, head)?;
    let timeline = Timeline::get(transaction, &key)?;
    let mut reading =
        Reading { transaction, timeline, branches: BTreeMap::new(), counts: Exported::default() };
    loop {
        let text = lines.next()?.ok_or_else(|| lines.bad("the file ends before its last line"))?;
        let kind: Kind = lines.parsed(&text)?;
        if kind.end.is_some() {
            reading.end(lines, &lines.parsed(&text)?)?;
            return Ok((key, reading.counts));
        } else if kind.at.is_some() {
            reading.entry(lines, &lines.parsed(&text)?)?;
        } else if kind.save.is_some() {
            reading.save(lines, lines.parsed(&text)?)?;
        } else if kind.branch.is_some() {
            reading.branch(lines, &lines.parsed(&text)?)?;
        } else {
            return Err(lines.bad("it is none of the lines that an export has"));
        }
    }
}

fn begin<R: BufRead>(
    transaction: &Transaction<'_>,
    lines: &Lines<R>,
    text: &str,
) -> Result<TimelineKey, StoreError> {
    let head: Head = lines.parsed(text)?;
    if head.format != FORMAT || head.version != VERSION {
        return Err(lines.bad("this is no export of a timeline, or one of a newer version"));
    }
    let key = TimelineKey { world: head.world, player: head.player };
    check_key(&key)?;
    let id = u64::from_str_radix(&head.timeline, 16).map(TimelineId::from_bits);
    let id = id.map_err(|_| lines.bad("the name of the timeline cannot be read"))?;
    let taken = "SELECT EXISTS (SELECT 1 FROM timeline WHERE public_id = ?1 OR (world = ?2 AND player = ?3))";
    let taken: bool =
        transaction.query_one(taken, params![id.bits(), key.world, key.player], |row| row.get(0))?;
    if taken {
        let message = format!("player {:?} has a timeline in world {:?} already", key.player, key.world);
        return Err(StoreError::new(StoreErrorKind::Invalid, message).with_help(
            "Nothing was imported. Import it into another data folder (MEDDAH_DATA), or move the memory file aside.",
        ));
    }
    let insert = "INSERT INTO timeline (public_id, world, player, head_branch, head_seq, loads, created_ms)
                  VALUES (?1, ?2, ?3, 0, 0, ?4, ?5)";
    transaction.execute(insert, params![id.bits(), key.world, key.player, head.loads, head.created_ms])?;
    Ok(key)
}

struct Reading<'a> {
    transaction: &'a Transaction<'a>,
    timeline: Timeline,
    /// Where each branch was split off, and its newest entry so far.
    branches: BTreeMap<u32, (Option<Place>, u64)>,
    counts: Exported,
}

impl Reading<'_> {
    fn branch<R: BufRead>(&mut self, lines: &Lines<R>, line: &BranchLine) -> Result<(), StoreError> {
        let known = |number: &u32| self.branches.contains_key(number);
        let fits = match line.parent {
            None => line.branch == 0 && line.fork_seq == 0,
            Some(parent) => parent < line.branch && known(&parent),
        };
        if !fits || known(&line.branch) {
            return Err(lines.bad("the branch is there already, or its parent is not"));
        }
        let fork = line.parent.map(|parent| Place { branch: parent, seq: line.fork_seq });
        match fork {
            Some(fork) => {
                place::add(self.transaction, self.timeline.row, line.branch, fork, line.created_ms)?;
            }
            None => {
                let insert = include_str!("../sql/branch_insert.sql");
                let first: Option<u32> = None;
                let row = self.timeline.row;
                self.transaction.execute(insert, params![row, 0, first, 0, 0, 0, line.created_ms])?;
            }
        }
        self.branches.insert(line.branch, (fork, line.fork_seq));
        self.counts.branches += 1;
        Ok(())
    }

    fn entry<R: BufRead>(&mut self, lines: &Lines<R>, line: &EntryLine) -> Result<(), StoreError> {
        let (branch, seq) = (line.at.branch.0, line.at.seq);
        let changed = || lines.bad("the entry was changed, or lines before it are missing");
        let (fork, tip) = self.branches.get_mut(&branch).ok_or_else(changed)?;
        if Some(seq) != tip.checked_add(1) || line.at.timeline != self.timeline.id {
            return Err(changed());
        }
        let before = match fork {
            Some(fork) if fork.seq == *tip => *fork,
            _ => Place { branch, seq: *tip },
        };
        let body = line.entry.get();
        let before: EntryHash = self.timeline.hash(self.transaction, before)?.ok_or_else(changed)?;
        let hash = chain::after(before, body);
        if hash != line.at.hash || body.len() > ENTRY_BYTES_MAX {
            return Err(changed());
        }
        let entry: Entry = lines.parsed(body)?;
        entry.check()?;
        write::insert(self.transaction, self.timeline.row, Place { branch, seq }, hash, &entry, body)?;
        *tip = seq;
        self.counts.entries += 1;
        Ok(())
    }

    fn save<R: BufRead>(&mut self, _: &Lines<R>, line: SaveLine) -> Result<(), StoreError> {
        let Place { branch, seq } = self.timeline.place(self.transaction, line.save)?;
        let insert = include_str!("../sql/save_point_insert.sql");
        let SaveLine { name, game_time, saved_ms, .. } = line;
        self.transaction
            .execute(insert, params![self.timeline.row, branch, seq, name, game_time, saved_ms])?;
        self.counts.saves += 1;
        Ok(())
    }

    fn end<R: BufRead>(&mut self, lines: &Lines<R>, line: &End) -> Result<(), StoreError> {
        if line.end != self.counts || !self.branches.contains_key(&0) {
            return Err(lines.bad("it counts other lines than there are"));
        }
        for (number, (_, tip)) in &self.branches {
            let set = include_str!("../sql/branch_set_tip.sql");
            self.transaction.execute(set, params![self.timeline.row, number, tip])?;
        }
        self.timeline.head = self.timeline.place(self.transaction, line.head)?;
        self.timeline.write_head(self.transaction)
    }
}
