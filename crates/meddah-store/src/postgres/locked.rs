//! A timeline that is locked: what is read of it stays true until the transaction ends.
//!
//! A transaction goes to the server in two pieces: begin, lock and look; then write and commit. Each piece is sent
//! as a whole, so the lock is held for one way to the server and back, and the writing to its disk.

use futures::try_join;
use meddah_engine::timeline::{Cursor, TimelineKey};
use tokio_postgres::Row;

use super::connection::{Connection, Param};
use super::error::Failed;
use super::timeline::{Seen, hash, number, place_of, stored_number};
use crate::place::Place;
use crate::rules::{self, now_ms};

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
    pub written: i64,
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

    pub async fn check(&self, connection: &Connection, since: &Since) -> Result<(), Failed> {
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
    pub fn branch_to_grow(&self) -> (u32, bool) {
        if self.head_branch.tip_seq == self.head.place.seq {
            (self.head.place.branch, false)
        } else {
            (self.newest_branch + 1, true)
        }
    }

    /// Adds a branch of this number that is split off at the head.
    pub async fn fork(&self, connection: &Connection, branch: u32) -> Result<(), tokio_postgres::Error> {
        let (parent, head) = (&self.head_branch, self.head.place);
        // Two jumps of equal length become one of their sum: the rule of skew-binary numbers.
        let equal = parent.depth - parent.jump_depth == parent.jump_depth - parent.far_jump_depth;
        let jump = if equal { parent.far_jump } else { head.branch };
        let (number, parent_number, jump) = (i64::from(branch), i64::from(head.branch), i64::from(jump));
        let (fork_seq, depth) = (stored_number(head.seq), i64::from(parent.depth) + 1);
        let row: [Param<'_>; 7] = [&self.id(), &number, &parent_number, &fork_seq, &jump, &depth, &now_ms()];
        connection.client.execute(&connection.sql.branch_insert, &row).await.map(drop)
    }

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
