//! All of a host in one SQLite file: enough for one machine, with any number of programs on it.
//!
//! One thread writes, many writes to a commit; others read beside it, and one folds the journal in. There is no sync at
//! each commit: a crash of the program loses nothing, a power cut may lose the last moments.

mod count;
mod error;
mod folding;
mod hosts;
mod open;
mod people;
mod post;
mod rows;
mod upkeep;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{backup, params};

use self::folding::Folding;
use self::hosts::Alive;
use self::worker::Worker;
use super::error::{StorageError, StorageErrorKind};
use super::model::{
    Identity, Invite, LedgerLine, LedgerPage, PAGE_MAX, Player, PlayerChange, PlayerExport, SecretHash, Sums,
    Token,
};
use super::port::HostStore;
use super::posting::{Batch, HostId, Posted, ServerState};
use crate::player::PlayerId;
use crate::quota::Window;

/// Connections that read.
const READERS: usize = 2;
/// Pages that a backup copies at once, and how long it lets others work between.
const BACKUP_PAGES: i32 = 256;
const BACKUP_PAUSE: Duration = Duration::from_millis(1);

type Done<T> = Result<T, StorageError>;

/// A host's file.
pub struct SqliteHost {
    path: PathBuf,
    writer: Worker,
    readers: Vec<Worker>,
    folding: Folding,
    turn: AtomicUsize,
    /// The programs that were begun here; one, but for tests.
    alive: Mutex<HashMap<HostId, Alive>>,
}

impl SqliteHost {
    /// Opens the file, or makes it. Blocks for as long as bringing an old file up to date takes.
    ///
    /// # Errors
    /// If it is not a host's file, was written by a newer version, or cannot be used.
    pub fn open(path: &Path) -> Done<SqliteHost> {
        Self::open_with(path, open::MIGRATIONS)
    }

    fn open_with(path: &Path, migrations: &[&str]) -> Done<SqliteHost> {
        let writer = Worker::spawn("host-write", open::writer(path, migrations)?)?;
        hosts::tidy_up(path);
        let reader = |number| Worker::spawn(&format!("host-read-{number}"), open::reader(path)?);
        let readers = (0..READERS).map(reader).collect::<Result<_, _>>()?;
        let folding = Folding::begin(open::connect(path)?)?;
        let (turn, alive) = (AtomicUsize::new(0), Mutex::default());
        Ok(SqliteHost { path: path.to_owned(), writer, readers, folding, turn, alive })
    }

    fn reader(&self) -> &Worker {
        &self.readers[self.turn.fetch_add(1, Ordering::Relaxed) % READERS]
    }

    fn alive(&self) -> MutexGuard<'_, HashMap<HostId, Alive>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HostStore for SqliteHost {
    async fn join(&self, now_ms: u64) -> Done<HostId> {
        let alive = Alive::begin(&self.path).map_err(|error| {
            let help = "Check that the folder of the host's database may be written to.";
            StorageError::new(
                StorageErrorKind::Unavailable,
                format!("no lock beside the database: {error}"),
                help,
            )
        })?;
        let id = alive.id;
        self.writer.write(move |connection| upkeep::join(connection, id, now_ms)).await?;
        self.alive().insert(id, alive);
        self.upkeep(id, now_ms).await?; // what a crash left behind is there at once
        Ok(id)
    }

    async fn leave(&self, host: HostId) -> Done<()> {
        self.writer.write(move |connection| upkeep::leave(connection, host)).await?;
        self.alive().remove(&host);
        Ok(())
    }

    async fn post(&self, host: HostId, batch: &Batch) -> Done<Posted> {
        let batch = batch.clone();
        let posted = self.writer.write(move |connection| post::post(connection, host, &batch)).await?;
        self.folding.written();
        Ok(posted)
    }

    async fn upkeep(&self, host: HostId, now_ms: u64) -> Done<ServerState> {
        let path = self.path.clone();
        let due = self.reader().read(move |connection| upkeep::look(connection, &path, host, now_ms)).await?;
        let state = due.state;
        if !due.is_nothing() {
            self.writer.write(move |connection| upkeep::upkeep(connection, &due, now_ms)).await?;
        }
        Ok(state)
    }

    async fn sums(&self, windows: &[Window]) -> Done<Vec<Sums>> {
        let windows = windows.to_vec();
        let read = move |connection: &rusqlite::Connection| {
            let _same_moment = connection.unchecked_transaction()?;
            let mut leased = connection.prepare_cached(include_str!("sql/leased_by_others.sql"))?;
            let mut sums = |window: &Window| -> Done<Sums> {
                let used = count::used(connection, window)?;
                // Nobody's name is empty: all are others.
                let leased = leased.query_row(params![window.key(), ""], |row| rows::amounts(row, 0))?;
                Ok(Sums { used, leased })
            };
            windows.iter().map(&mut sums).collect()
        };
        self.reader().read(read).await
    }

    async fn state(&self) -> Done<ServerState> {
        let read = |connection: &rusqlite::Connection| {
            Ok(connection.prepare_cached("SELECT state FROM server")?.query_row([], rows::state)?)
        };
        self.reader().read(read).await
    }

    async fn set_state(&self, state: ServerState) -> Done<()> {
        let write = move |connection: &rusqlite::Connection| {
            connection.execute("UPDATE server SET state = ?", [state.name()])?;
            Ok(())
        };
        self.writer.write(write).await
    }

    async fn backup(&self, to: &Path) -> Done<()> {
        if to.exists() {
            let help = "Name a file that is not there yet.";
            return Err(StorageError::new(StorageErrorKind::Taken, format!("{to:?} is there already"), help));
        }
        let (from, to) = (open::reader(&self.path)?, to.to_owned());
        let copy = move || -> Done<()> {
            let mut copy = open::empty(&to)?;
            backup::Backup::new(&from, &mut copy)?.run_to_completion(BACKUP_PAGES, BACKUP_PAUSE, None)?;
            Ok(())
        };
        // A thread of its own: it takes as long as the file is large.
        tokio::task::spawn_blocking(copy).await.unwrap_or_else(|error| {
            let help = "Look into the log of the host.";
            Err(StorageError::new(StorageErrorKind::Unavailable, format!("the backup broke: {error}"), help))
        })
    }

    async fn forget_before(&self, ms: u64) -> Done<u64> {
        self.writer.write(move |connection| upkeep::forget_before(connection, ms)).await
    }

    async fn add_player(&self, player: &Player) -> Done<()> {
        let player = player.clone();
        self.writer.write(move |connection| people::add_player(connection, &player)).await
    }

    async fn player(&self, id: &PlayerId) -> Done<Option<Player>> {
        let id = id.clone();
        self.reader().read(move |connection| people::player(connection, &id)).await
    }

    async fn players(&self, after: Option<&PlayerId>, limit: usize) -> Done<Vec<Player>> {
        let after = after.cloned().unwrap_or_else(|| PlayerId::from(""));
        self.reader().read(move |connection| people::players(connection, &after.0, limit)).await
    }

    async fn change_player(&self, id: &PlayerId, change: &PlayerChange) -> Done<Player> {
        let (id, change) = (id.clone(), change.clone());
        self.writer.write(move |connection| people::change_player(connection, &id, &change)).await
    }

    async fn delete_player(&self, id: &PlayerId) -> Done<()> {
        let id = id.clone();
        self.writer.write(move |connection| people::delete_player(connection, &id)).await
    }

    async fn export_player(&self, id: &PlayerId) -> Done<PlayerExport> {
        let id = id.clone();
        self.writer.write(count::count).await?;
        self.reader().read(move |connection| people::export_player(connection, &id)).await
    }

    async fn people_changes(&self) -> Done<u64> {
        let read = |connection: &rusqlite::Connection| {
            Ok(connection.prepare_cached("SELECT people FROM server")?.query_row([], |row| row.get(0))?)
        };
        self.reader().read(read).await
    }

    async fn add_token(&self, token: &Token) -> Done<()> {
        let token = token.clone();
        self.writer.write(move |connection| people::add_token(connection, &token)).await
    }

    async fn token(&self, id: &str) -> Done<Option<(Token, Player)>> {
        let id = id.to_owned();
        self.reader().read(move |connection| people::token(connection, &id)).await
    }

    async fn tokens_of(&self, player: &PlayerId) -> Done<Vec<Token>> {
        let player = player.clone();
        self.reader().read(move |connection| people::tokens_of(connection, &player)).await
    }

    async fn revoke_token(&self, id: &str, now_ms: u64) -> Done<()> {
        let id = id.to_owned();
        self.writer.write(move |connection| people::revoke_token(connection, &id, now_ms)).await
    }

    async fn tokens_used(&self, used: &[(String, u64)]) -> Done<()> {
        let used = used.to_vec();
        self.writer.write(move |connection| people::tokens_used(connection, &used)).await
    }

    async fn add_invite(&self, invite: &Invite) -> Done<()> {
        let invite = invite.clone();
        self.writer.write(move |connection| people::add_invite(connection, &invite)).await
    }

    async fn invites(&self, after: Option<&str>, limit: usize) -> Done<Vec<Invite>> {
        let after = after.unwrap_or_default().to_owned();
        self.reader().read(move |connection| people::invites(connection, &after, limit)).await
    }

    async fn delete_invite(&self, id: &str) -> Done<()> {
        let id = id.to_owned();
        self.writer.write(move |connection| people::delete_invite(connection, &id)).await
    }

    async fn redeem(&self, code: SecretHash, player: &Player, token: &Token) -> Done<Player> {
        let (player, token) = (player.clone(), token.clone());
        self.writer.write(move |connection| people::redeem(connection, code, &player, &token)).await
    }

    async fn sign_in(&self, identity: &Identity, newcomer: Option<&Player>) -> Done<Option<Player>> {
        let (identity, newcomer) = (identity.clone(), newcomer.cloned());
        let write = move |connection: &rusqlite::Connection| {
            people::sign_in(connection, &identity, newcomer.as_ref())
        };
        self.writer.write(write).await
    }

    async fn link(&self, player: &PlayerId, identity: &Identity) -> Done<()> {
        let (player, identity) = (player.clone(), identity.clone());
        self.writer.write(move |connection| people::link(connection, &player, &identity)).await
    }

    async fn ledger(&self, page: &LedgerPage) -> Done<Vec<LedgerLine>> {
        let page = page.clone();
        if page.player.is_some() {
            self.writer.write(count::count).await?;
        }
        let read = move |connection: &rusqlite::Connection| {
            let of_player = if page.player.is_some() {
                "seq IN (SELECT seq FROM ledger_player WHERE player = ?2 AND seq > ?1 ORDER BY seq LIMIT ?3)"
            } else {
                "?2 IS NULL"
            };
            let sql = format!("{} WHERE seq > ?1 AND {of_player} ORDER BY seq LIMIT ?3", rows::LEDGER);
            let player = page.player.as_ref().map(|player| player.0.as_ref());
            let mut lines = connection.prepare_cached(&sql)?;
            let lines =
                lines.query_map(params![page.after, player, page.limit.min(PAGE_MAX)], rows::ledger_line)?;
            Ok(lines.collect::<Result<_, _>>()?)
        };
        self.reader().read(read).await
    }
}
