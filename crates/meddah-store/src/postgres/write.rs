//! Beginning a timeline and appending to it.
//!
//! A transaction goes to the server in two pieces: begin, lock and look; then write and commit. Each piece is sent
//! as a whole, so the lock is held for one way to the server and back, and the writing to its disk.

use std::collections::HashMap;

use futures::try_join;
use meddah_engine::timeline::{Cursor, Entry, EntryHash, TimelineKey};
use tokio_postgres::Row;

use super::cache::EntryCache;
use super::connection::{Connection, Param};
use super::error::Failed;
use super::read::{heading, newest};
use super::timeline::{Seen, cursor_with, hash, number, place_of, stored_number};
use crate::place::Place;
use crate::rules::{self, body_of, now_ms};
use crate::{StoredEntry, chain, topic};

/// Begins a timeline, unless it is there.
pub(super) async fn begin(connection: &Connection, key: &TimelineKey) -> Result<(), Failed> {
    rules::check_key(key)?;
    let statement = &connection.sql.timeline_insert;
    connection.client.execute(statement, &[&key.world, &key.player, &now_ms()]).await?;
    Ok(())
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

/// A timeline that nobody else writes to.
pub(super) struct Locked {
    pub head: Seen,
    pub loads: u64,
    /// How many entries there are.
    written: i64,
    head_branch: HeadBranch,
    newest_branch: u32,
}

/// The branch of the head, and what a child of it must know, see [`Locked::fork`].
struct HeadBranch {
    tip_seq: u64,
    depth: u32,
    jump_depth: u32,
    far_jump: u32,
    far_jump_depth: u32,
}

impl Locked {
    fn from_row(row: &Row) -> Result<Self, Failed> {
        Ok(Locked {
            head: Seen::from_row(row)?,
            loads: number(row, 4)?,
            written: number(row, 5)?,
            head_branch: HeadBranch {
                tip_seq: number(row, 6)?,
                depth: number(row, 7)?,
                jump_depth: number(row, 8)?,
                far_jump: number(row, 9)?,
                far_jump_depth: number(row, 10)?,
            },
            newest_branch: number(row, 11)?,
        })
    }

    pub fn id(&self) -> i64 {
        stored_number(self.head.timeline.bits())
    }

    /// A place of this timeline, with its hash if it exists.
    pub async fn seen(&self, connection: &Connection, place: Place) -> Result<Seen, Failed> {
        let (branch, seq) = (i64::from(place.branch), stored_number(place.seq));
        let statement = &connection.sql.entry_hash;
        let row = connection.client.query_opt(statement, &[&self.id(), &branch, &seq]).await?;
        let stored = row.as_ref().map(|row| hash(row, 0)).transpose()?.flatten();
        Ok(Seen::new(self.head.timeline, place, stored))
    }

    async fn check(&self, connection: &Connection, since: &Since) -> Result<(), Failed> {
        let still = match since {
            Since::Ever => true,
            Since::Loads(loads) => *loads == self.loads,
            Since::Place(cursor) => {
                let place = place_of(*cursor);
                self.seen(connection, place).await?.check(Some(*cursor))?;
                self.lies_behind_head(connection, place).await?
            }
        };
        if still { Ok(()) } else { Err(rules::superseded().into()) }
    }

    async fn lies_behind_head(&self, connection: &Connection, place: Place) -> Result<bool, Failed> {
        let head = self.head.place;
        if place.branch == head.branch || place == Place::BEGINNING {
            return Ok(place.seq <= head.seq);
        }
        let (from, at_most) = (i64::from(head.branch), i64::from(place.branch));
        let statement = &connection.sql.back_to;
        let row = connection.client.query_opt(statement, &[&self.id(), &from, &at_most]).await?;
        let back = row.as_ref().map(|row| super::timeline::place(row, 0)).transpose()?.flatten();
        Ok(back.is_some_and(|back| back.branch == place.branch && place.seq <= back.seq))
    }

    /// The branch that grows: the head's if the head is its tip, else a new one. Gives whether it is new.
    fn branch_to_grow(&self) -> (u32, bool) {
        if self.head_branch.tip_seq == self.head.place.seq {
            (self.head.place.branch, false)
        } else {
            (self.newest_branch + 1, true)
        }
    }

    /// Adds a branch of this number that is split off at the head.
    async fn fork(&self, connection: &Connection, branch: u32) -> Result<(), tokio_postgres::Error> {
        let (parent, head) = (&self.head_branch, self.head.place);
        // Two jumps of equal length become one of their sum: the rule of skew-binary numbers.
        let equal = parent.depth - parent.jump_depth == parent.jump_depth - parent.far_jump_depth;
        let jump = if equal { parent.far_jump } else { head.branch };
        let (number, parent_number, jump) = (i64::from(branch), i64::from(head.branch), i64::from(jump));
        let (fork_seq, depth) = (stored_number(head.seq), i64::from(parent.depth) + 1);
        let row: [Param<'_>; 7] = [&self.id(), &number, &parent_number, &fork_seq, &jump, &depth, &now_ms()];
        connection.client.execute(&connection.sql.branch_insert, &row).await.map(drop)
    }
}

/// Begins a transaction and locks the timeline in it.
pub(super) async fn lock(connection: &Connection, key: &TimelineKey) -> Result<Locked, Failed> {
    let (client, sql) = (&connection.client, &connection.sql);
    let of: [Param<'_>; 2] = [&key.world, &key.player];
    let (_, _, row) = try_join!(
        client.batch_execute("BEGIN"),
        client.execute(&sql.timeline_lock, &of),
        client.query_opt(&sql.timeline_to_write, &of),
    )?;
    Locked::from_row(&row.ok_or_else(|| rules::no_timeline(key))?)
}

/// Carries out work that begins a transaction; if it fails, nothing of it is kept.
pub(super) async fn in_transaction<T>(
    connection: &Connection,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let done = work.await;
    match done {
        Err(failed) if !failed.lost => {
            let undone = connection.client.batch_execute("ROLLBACK").await;
            Err(Failed { lost: undone.is_err(), ..failed })
        }
        done => done,
    }
}

/// Ends a transaction.
pub(super) async fn commit(connection: &Connection) -> Result<(), Failed> {
    connection.client.batch_execute("COMMIT").await.map_err(|error| Failed::from(error).while_committing())
}

pub(super) async fn append(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    since: &Since,
    entries: &[Entry],
) -> Result<Cursor, Failed> {
    rules::check_entries(entries)?;
    let append = async {
        let timeline = lock(connection, key).await?;
        timeline.check(connection, since).await?;
        let (branch, is_new) = timeline.branch_to_grow();
        let mut batch = Batch::behind(&timeline, branch)?;
        for entry in entries {
            batch.push(amended(connection, cache, key, &timeline, &batch, entry).await?)?;
        }
        if entries.is_empty() {
            commit(connection).await?;
        } else {
            batch.write(connection, &timeline, is_new).await?;
        }
        Ok(batch)
    };
    let batch = in_transaction(connection, append).await?;
    cache.put_timeline(key, batch.cursor.timeline);
    for (stored, body) in batch.stored.iter().zip(&batch.bodies) {
        cache.put(stored, body.len());
    }
    Ok(batch.cursor)
}

/// An entry as it is written: a note is given the witnesses of its turn.
async fn amended(
    connection: &Connection,
    cache: &EntryCache,
    key: &TimelineKey,
    timeline: &Locked,
    batch: &Batch,
    entry: &Entry,
) -> Result<Entry, Failed> {
    let mut entry = entry.clone();
    if let Some(topic) = topic::amended(&entry.kind) {
        let turn = match batch.newest(&topic) {
            Some(turn) => Some(turn.clone()),
            None => newest(connection, cache, key, &topic, Some(timeline.head.place)).await?,
        };
        if let Some(turn) = turn {
            entry.inherit_witnesses(&turn.entry);
        }
    }
    Ok(entry)
}

/// Entries to be written behind each other, as columns.
struct Batch {
    cursor: Cursor,
    stored: Vec<StoredEntry>,
    hashes: Vec<i64>,
    game_times: Vec<Option<i64>>,
    bodies: Vec<String>,
    topics: Vec<Vec<u8>>,
    topic_seqs: Vec<i64>,
    /// Which entry is the newest under a heading.
    newest: HashMap<Vec<u8>, usize>,
}

impl Batch {
    fn behind(timeline: &Locked, branch: u32) -> Result<Self, Failed> {
        let place = Place { branch, ..timeline.head.place };
        let head = timeline.head.cursor()?;
        Ok(Batch {
            // The branch only counts once there is an entry on it.
            cursor: cursor_with(head.timeline, place, head.hash),
            stored: Vec::new(),
            hashes: Vec::new(),
            game_times: Vec::new(),
            bodies: Vec::new(),
            topics: Vec::new(),
            topic_seqs: Vec::new(),
            newest: HashMap::new(),
        })
    }

    fn push(&mut self, entry: Entry) -> Result<(), Failed> {
        let (body, entry) = body_of(&entry)?;
        let EntryHash(hash) = chain::after(self.cursor.hash, &body);
        self.cursor = Cursor { seq: self.cursor.seq + 1, hash: EntryHash(hash), ..self.cursor };
        for topic in topic::of(&entry) {
            let topic = heading(&topic);
            self.newest.insert(topic.clone(), self.stored.len());
            self.topics.push(topic);
            self.topic_seqs.push(stored_number(self.cursor.seq));
        }
        self.hashes.push(i64::from_be_bytes(hash));
        self.game_times.push(entry.game_time);
        self.bodies.push(body);
        self.stored.push(StoredEntry { cursor: self.cursor, entry: entry.into() });
        Ok(())
    }

    fn newest(&self, topic: &str) -> Option<&StoredEntry> {
        self.newest.get(&heading(topic)).map(|&index| &self.stored[index])
    }

    /// Writes all of it, moves the head behind it, and commits.
    async fn write(
        &self,
        connection: &Connection,
        timeline: &Locked,
        new_branch: bool,
    ) -> Result<(), Failed> {
        let (client, sql) = (&connection.client, &connection.sql);
        let (id, branch) = (timeline.id(), i64::from(self.cursor.branch.0));
        let (before, seq) = (stored_number(timeline.head.place.seq), stored_number(self.cursor.seq));
        let (loads, written) = (stored_number(timeline.loads), timeline.written + self.bodies.len() as i64);
        let fork =
            async { if new_branch { timeline.fork(connection, self.cursor.branch.0).await } else { Ok(()) } };
        let (hashes, game_times, bodies) = (&self.hashes, &self.game_times, &self.bodies);
        let entries: [Param<'_>; 7] = [&id, &timeline.written, &branch, &before, hashes, game_times, bodies];
        let postings: [Param<'_>; 4] = [&id, &branch, &self.topics, &self.topic_seqs];
        let head: [Param<'_>; 5] = [&id, &branch, &seq, &loads, &written];
        let tip: [Param<'_>; 3] = [&id, &branch, &seq];
        // In this order they are sent.
        let sent = try_join!(
            fork,
            client.execute(&sql.entry_insert, &entries),
            client.execute(&sql.posting_insert, &postings),
            client.execute(&sql.timeline_set, &head),
            client.execute(&sql.branch_set_tip, &tip),
            client.batch_execute("COMMIT"),
        );
        sent.map(drop).map_err(|error| Failed::from(error).while_committing())
    }
}

impl Locked {
    /// Moves the head to a place that was loaded, and commits.
    pub async fn load(&self, connection: &Connection, place: Place) -> Result<(), Failed> {
        let (branch, seq) = (i64::from(place.branch), stored_number(place.seq));
        let (id, loads) = (self.id(), stored_number(self.loads + 1));
        let head: [Param<'_>; 5] = [&id, &branch, &seq, &loads, &self.written];
        let (client, sql) = (&connection.client, &connection.sql);
        let sent = try_join!(client.execute(&sql.timeline_set, &head), client.batch_execute("COMMIT"));
        sent.map(drop).map_err(|error| Failed::from(error).while_committing())
    }
}
