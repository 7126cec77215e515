//! Where players' characters remember: a file for each player, or one database for several hosts.

use std::sync::Arc;

use async_trait::async_trait;
use meddah_engine::timeline::{Cursor, Entry, Lineage, TimelineKey};
use meddah_host::player::PlayerId;
use meddah_host::settings::HostSettings;
use meddah_protocol::WireError;
use meddah_store::{
    BranchInfo, EntryFilter, LoadBy, Loaded, PostgresSettings, PostgresStore, Recent, ScanMark, Scanned,
    SqliteStore, StoreError, StoredEntry, TimelineInfo, TimelineStore, VectorKey,
};

use super::spaces::folder;
use crate::paths::Paths;

/// Memories of all players.
pub enum Timelines {
    /// In each player's folder.
    Files(Paths),
    /// In one database, each player's under a name of its own.
    Database(Arc<PostgresStore>),
}

impl Timelines {
    /// Where the settings of the host say.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn open(settings: &HostSettings, paths: &Paths) -> Result<Timelines, StoreError> {
        let url = &settings.database_url.0;
        if url.is_empty() {
            return Ok(Timelines::Files(paths.clone()));
        }
        Ok(Timelines::Database(Arc::new(PostgresStore::open(PostgresSettings::new(url)?).await?)))
    }

    /// One player's.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn of(&self, player: &PlayerId) -> Result<Arc<dyn TimelineStore>, WireError> {
        match self {
            Timelines::Files(paths) => {
                let folder = folder(paths, player);
                let opened = tokio::task::spawn_blocking(move || {
                    std::fs::create_dir_all(&folder).ok(); // opening says what is wrong
                    SqliteStore::open(&folder.join("timeline.sqlite3"))
                });
                let store = opened.await.map_err(|error| {
                    WireError::new(meddah_protocol::ErrorCode::Internal, error.to_string())
                })??;
                Ok(Arc::new(store))
            }
            Timelines::Database(store) => {
                Ok(Arc::new(OfPlayer { store: store.clone(), prefix: prefix(player) }))
            }
        }
    }

    /// Deletes what is not in the player's folder.
    ///
    /// # Errors
    /// The database is away.
    pub async fn forget(&self, player: &PlayerId) -> Result<(), StoreError> {
        match self {
            Timelines::Files(_) => Ok(()),
            Timelines::Database(store) => store.forget_players(&prefix(player)).await,
        }
    }
}

/// What stands before the ids that a player's games use. Ids of players have no slash.
fn prefix(player: &PlayerId) -> String {
    format!("{player}/")
}

/// A database as one player sees it.
struct OfPlayer {
    store: Arc<PostgresStore>,
    prefix: String,
}

impl OfPlayer {
    fn key(&self, key: &TimelineKey) -> TimelineKey {
        TimelineKey { world: key.world.clone(), player: format!("{}{}", self.prefix, key.player) }
    }

    fn own(&self, info: TimelineInfo) -> Option<TimelineInfo> {
        let player = info.key.player.strip_prefix(&self.prefix)?.to_owned();
        Some(TimelineInfo { key: TimelineKey { player, ..info.key }, ..info })
    }
}

#[async_trait]
impl TimelineStore for OfPlayer {
    async fn open(&self, key: &TimelineKey) -> Result<TimelineInfo, StoreError> {
        let info = self.store.open(&self.key(key)).await?;
        Ok(TimelineInfo { key: key.clone(), ..info })
    }

    async fn head(&self, key: &TimelineKey) -> Result<Cursor, StoreError> {
        self.store.head(&self.key(key)).await
    }

    async fn loads(&self, key: &TimelineKey) -> Result<u64, StoreError> {
        self.store.loads(&self.key(key)).await
    }

    async fn append_since(
        &self,
        key: &TimelineKey,
        loads: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        self.store.append_since(&self.key(key), loads, entries).await
    }

    async fn append_derived(
        &self,
        key: &TimelineKey,
        began_at: Cursor,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        self.store.append_derived(&self.key(key), began_at, entries).await
    }

    async fn lineage(&self, key: &TimelineKey, at: Option<Cursor>) -> Result<Lineage, StoreError> {
        self.store.lineage(&self.key(key), at).await
    }

    async fn scan(&self, key: &TimelineKey, after: ScanMark, limit: usize) -> Result<Scanned, StoreError> {
        self.store.scan(&self.key(key), after, limit).await
    }

    async fn vectors(&self, keys: Vec<VectorKey>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.store.vectors(keys).await
    }

    async fn put_vectors(&self, vectors: Vec<(VectorKey, Vec<u8>)>) -> Result<(), StoreError> {
        self.store.put_vectors(vectors).await
    }

    async fn recent(
        &self,
        key: &TimelineKey,
        filter: EntryFilter,
        limit: usize,
        at: Option<Cursor>,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.store.recent(&self.key(key), filter, limit, at).await
    }

    async fn recent_each(
        &self,
        key: &TimelineKey,
        questions: Vec<(EntryFilter, usize)>,
    ) -> Result<Recent, StoreError> {
        self.store.recent_each(&self.key(key), questions).await
    }

    async fn entries_at(
        &self,
        key: &TimelineKey,
        places: Vec<Cursor>,
    ) -> Result<Vec<Option<StoredEntry>>, StoreError> {
        self.store.entries_at(&self.key(key), places).await
    }

    async fn save(
        &self,
        key: &TimelineKey,
        name: Option<&str>,
        game_time: Option<i64>,
    ) -> Result<Cursor, StoreError> {
        self.store.save(&self.key(key), name, game_time).await
    }

    async fn load(&self, key: &TimelineKey, by: LoadBy) -> Result<Loaded, StoreError> {
        self.store.load(&self.key(key), by).await
    }

    async fn find_request(&self, key: &TimelineKey, req_id: &str) -> Result<Option<StoredEntry>, StoreError> {
        self.store.find_request(&self.key(key), req_id).await
    }

    async fn branches(&self, key: &TimelineKey) -> Result<Vec<BranchInfo>, StoreError> {
        self.store.branches(&self.key(key)).await
    }

    /// The player's alone.
    async fn timelines(&self) -> Result<Vec<TimelineInfo>, StoreError> {
        Ok(self.store.timelines().await?.into_iter().filter_map(|info| self.own(info)).collect())
    }
}
