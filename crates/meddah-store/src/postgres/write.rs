//! Beginning a timeline and appending to it, see [`super::locked`].

use std::collections::HashMap;

use futures::try_join;
use meddah_engine::timeline::{Cursor, Entry, EntryHash, TimelineKey};

use super::cache::EntryCache;
use super::connection::{Connection, Param};
use super::error::Failed;
use super::locked::{Locked, Since, commit, in_transaction, lock};
use super::read::{heading, newest};
use super::timeline::{cursor_with, stored_number};
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
