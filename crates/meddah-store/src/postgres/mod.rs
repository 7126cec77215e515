//! Timelines in a Postgres database, for several programs at once.
//!
//! Each call takes one of a bounded number of connections, and mostly goes to the server and back once. Whoever
//! writes to a timeline locks its row until the commit, so that its entries are numbered in the order in which others
//! come to see them. What is read needs no lock: the past of a place never changes.
//!
//! `meddah world` (sizes, export, import, compact) knows files only; a database has its own tools for backups, and
//! nothing is ever deleted from these tables. Restart the hosts after putting back a backup: they remember entries.

mod cache;
mod connection;
mod derived;
mod error;
mod forget;
mod locked;
mod pool;
mod read;
mod saves;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod timeline;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meddah_engine::timeline::{Cursor, Entry, Lineage, TimelineKey};
use tokio::time::timeout;

use crate::{
    BranchInfo, ENTRIES_AT_MAX, EntryFilter, LoadBy, Loaded, ScanMark, Scanned, StoreError, StoredEntry,
    TimelineInfo, TimelineStore, VectorKey, rules,
};
use cache::EntryCache;
use connection::Connection;
use error::Failed;
use locked::Since;
use pool::{Lease, Pool};

pub use settings::PostgresSettings;

/// The longest that a call may take once it has a connection: a few statements, each with a limit of its own at the
/// server. This limit is for a server that is silent.
const CALL_MAX: Duration = connection::STATEMENT_MAX.saturating_mul(2);
/// The longest that opening a store may take.
const OPEN_MAX: Duration = Duration::from_secs(180);
/// How often a timeline is begun until it is found: a second time if its random name was taken.
const BEGIN_TRIES: usize = 3;

/// Timelines in a Postgres database. Several programs may use one database at the same time.
///
/// A server that is away makes calls fail as [`Unavailable`](crate::StoreErrorKind::Unavailable); once it is back, they succeed again. A
/// write that fails while the server goes away may have been carried out; its message says so.
pub struct PostgresStore {
    pool: Pool,
    cache: EntryCache,
}

impl PostgresStore {
    /// Connects, and makes the tables or brings them up to date.
    ///
    /// Tables of a newer version, and a schema that belongs to something else, are refused and left as they are.
    pub async fn open(settings: PostgresSettings) -> Result<Self, StoreError> {
        let prepared = timeout(OPEN_MAX, schema::prepare(&settings)).await;
        prepared.unwrap_or_else(|_| Err(Failed::too_slow())).map_err(|failed| failed.error)?;
        let store = PostgresStore { pool: Pool::new(settings), cache: EntryCache::default() };
        let lease = store.pool.lease().await.map_err(|failed| failed.error)?;
        store.pool.give_back(lease);
        Ok(store)
    }

    /// Ends the connections. Calls under way come to their end; later ones are refused.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Deletes the timelines of all players whose id begins so, with everything that hangs on them. For a host whose
    /// player is deleted; programs that have such a timeline open see errors from then on.
    ///
    /// # Errors
    /// The server is away; then nothing is deleted.
    pub async fn forget_players(&self, prefix: &str) -> Result<(), StoreError> {
        self.call(|c| async move { forget::players(&c, prefix).await }).await
    }

    /// Carries out a call. One that finds its idle connection dead is carried out on a new one.
    async fn call<T, F>(&self, work: impl Fn(Arc<Connection>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let lease = self.pool.lease().await.map_err(|failed| failed.error)?;
        let reused = lease.reused;
        let done = match self.once(lease, &work).await {
            Err(failed) if failed.again && reused => match self.pool.lease_new().await {
                Ok(lease) => self.once(lease, &work).await,
                Err(failed) => Err(failed),
            },
            done => done,
        };
        done.map_err(|failed| failed.error)
    }

    async fn once<T, F>(&self, lease: Lease, work: &impl Fn(Arc<Connection>) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let done = timeout(CALL_MAX, work(lease.connection.clone())).await;
        let done = done.unwrap_or_else(|_| Err(Failed::too_slow()));
        if !done.as_ref().is_err_and(|failed| failed.lost) {
            self.pool.give_back(lease);
        }
        done
    }

    /// As [`call`](Self::call), about one timeline.
    async fn about<T, F>(
        &self,
        key: &TimelineKey,
        work: impl Fn(Arc<Connection>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        // No timeline has such a key, and the server takes no such text.
        if key.world.contains('\0') || key.player.contains('\0') {
            return Err(rules::no_timeline(key));
        }
        self.call(work).await
    }

    async fn append(
        &self,
        key: &TimelineKey,
        since: Since,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        let (since, entries) = (&since, &entries[..]);
        self.about(key, |c| async move { write::append(&c, &self.cache, key, since, entries).await }).await
    }
}

#[async_trait]
impl TimelineStore for PostgresStore {
    async fn open(&self, key: &TimelineKey) -> Result<TimelineInfo, StoreError> {
        rules::check_key(key)?;
        for _ in 0..BEGIN_TRIES {
            if let Some(info) = self.call(|c| async move { read::info(&c, key).await }).await? {
                return Ok(info);
            }
            self.call(|c| async move { write::begin(&c, key).await }).await?;
        }
        self.call(|c| async move { read::info_of_known(&c, key).await }).await
    }

    async fn head(&self, key: &TimelineKey) -> Result<Cursor, StoreError> {
        Ok(self.about(key, |c| async move { read::info_of_known(&c, key).await }).await?.head)
    }

    async fn loads(&self, key: &TimelineKey) -> Result<u64, StoreError> {
        // Not remembered: another program may load a save at any time.
        Ok(TimelineStore::open(self, key).await?.loads)
    }

    async fn append_since(
        &self,
        key: &TimelineKey,
        loads: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        PostgresStore::append(self, key, loads.map_or(Since::Ever, Since::Loads), entries).await
    }

    async fn append_derived(
        &self,
        key: &TimelineKey,
        began_at: Cursor,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        PostgresStore::append(self, key, Since::Place(began_at), entries).await
    }

    async fn lineage(&self, key: &TimelineKey, at: Option<Cursor>) -> Result<Lineage, StoreError> {
        self.about(key, |c| async move { derived::lineage(&c, key, at).await }).await
    }

    async fn scan(&self, key: &TimelineKey, after: ScanMark, limit: usize) -> Result<Scanned, StoreError> {
        self.about(key, |c| async move { derived::scan(&c, key, after, limit).await }).await
    }

    async fn vectors(&self, keys: Vec<VectorKey>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let keys = &keys[..];
        self.call(|c| async move { derived::vectors(&c, keys).await }).await
    }

    async fn put_vectors(&self, vectors: Vec<(VectorKey, Vec<u8>)>) -> Result<(), StoreError> {
        let vectors = &vectors[..];
        self.call(|c| async move { derived::put_vectors(&c, vectors).await }).await
    }

    async fn recent(
        &self,
        key: &TimelineKey,
        filter: EntryFilter,
        limit: usize,
        at: Option<Cursor>,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let filter = &filter;
        self.about(key, |c| async move { read::recent(&c, &self.cache, key, filter, limit, at).await }).await
    }

    async fn entries_at(
        &self,
        key: &TimelineKey,
        places: Vec<Cursor>,
    ) -> Result<Vec<Option<StoredEntry>>, StoreError> {
        rules::check_count("entries", places.len(), ENTRIES_AT_MAX)?;
        if let Some(remembered) = read::entries_remembered(&self.cache, key, &places) {
            return Ok(remembered);
        }
        let places = &places[..];
        self.about(key, |c| async move { read::entries_at(&c, &self.cache, key, places).await }).await
    }

    async fn save(
        &self,
        key: &TimelineKey,
        name: Option<&str>,
        game_time: Option<i64>,
    ) -> Result<Cursor, StoreError> {
        self.about(key, |c| async move { saves::save(&c, key, name, game_time).await }).await
    }

    async fn load(&self, key: &TimelineKey, by: LoadBy) -> Result<Loaded, StoreError> {
        let by = &by;
        self.about(key, |c| async move { saves::load(&c, key, by).await }).await
    }

    async fn find_request(&self, key: &TimelineKey, req_id: &str) -> Result<Option<StoredEntry>, StoreError> {
        self.about(key, |c| async move { read::find_request(&c, &self.cache, key, req_id).await }).await
    }

    async fn branches(&self, key: &TimelineKey) -> Result<Vec<BranchInfo>, StoreError> {
        self.about(key, |c| async move { read::branches(&c, key).await }).await
    }

    async fn timelines(&self) -> Result<Vec<TimelineInfo>, StoreError> {
        self.call(|c| async move { read::timelines(&c).await }).await
    }
}
