//! Timelines in one SQLite file.
//!
//! One thread writes and one reads, each with its own connection, so that a question asked at the
//! start of a turn never waits for a disk that is still writing the last one. Both are fed by short
//! queues and end with the store.

mod cache;
mod error;
pub(crate) mod open;
mod place;
mod read;
#[cfg(test)]
mod tests;
mod timeline;
mod worker;
mod write;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use meddah_engine::timeline::{Cursor, Entry, TimelineKey};

use crate::{BranchInfo, EntryFilter, LoadBy, Loaded, StoreError, StoredEntry, TimelineInfo, TimelineStore};
use cache::EntryCache;
use worker::Worker;

pub use open::move_aside;

/// Timelines in one SQLite file, or in memory.
pub struct SqliteStore {
    writer: Worker,
    /// Absent in memory, where the writer's connection is the only one that sees anything.
    reader: Option<Worker>,
    /// Entries that were read before.
    entries: Arc<EntryCache>,
}

impl SqliteStore {
    /// Opens the file, or begins one. Blocks while it is checked and brought up to date.
    ///
    /// A file that is damaged, of another program or of a newer version is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = Worker::spawn("meddah-store-write", open::file(path)?)?;
        let reader = Worker::spawn("meddah-store-read", open::reader(path)?)?;
        Ok(SqliteStore { writer, reader: Some(reader), entries: Arc::default() })
    }

    /// A store that is gone when it is dropped.
    pub fn in_memory() -> Result<Self, StoreError> {
        let writer = Worker::spawn("meddah-store-memory", open::memory()?)?;
        Ok(SqliteStore { writer, reader: None, entries: Arc::default() })
    }

    /// Carries out what is waiting and lets go of the file. Blocks until then; later calls are
    /// refused. Dropping the store does the same.
    pub fn close(&self) {
        if let Some(reader) = &self.reader {
            reader.close();
        }
        self.writer.close();
    }

    fn reader(&self) -> &Worker {
        self.reader.as_ref().unwrap_or(&self.writer)
    }
}

#[async_trait]
impl TimelineStore for SqliteStore {
    async fn open(&self, key: &TimelineKey) -> Result<TimelineInfo, StoreError> {
        // Mostly it is there, and nobody has to wait for what is being written.
        let known = key.clone();
        if let Some(info) = self.reader().run(move |connection| read::info(connection, &known)).await? {
            return Ok(info);
        }
        let key = key.clone();
        self.writer.run(move |connection| write::open(connection, &key)).await
    }

    async fn head(&self, key: &TimelineKey) -> Result<Cursor, StoreError> {
        let key = key.clone();
        self.reader().run(move |connection| read::head(connection, &key)).await
    }

    async fn append_since(
        &self,
        key: &TimelineKey,
        loads: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        let key = key.clone();
        self.writer.run(move |connection| write::append(connection, &key, loads, entries)).await
    }

    async fn recent(
        &self,
        key: &TimelineKey,
        filter: EntryFilter,
        limit: usize,
        at: Option<Cursor>,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let (key, cache) = (key.clone(), self.entries.clone());
        self.reader().run(move |connection| read::recent(connection, &cache, &key, &filter, limit, at)).await
    }

    async fn save(
        &self,
        key: &TimelineKey,
        name: Option<&str>,
        game_time: Option<i64>,
    ) -> Result<Cursor, StoreError> {
        let (key, name) = (key.clone(), name.map(str::to_owned));
        self.writer.run(move |connection| write::save(connection, &key, name.as_deref(), game_time)).await
    }

    async fn load(&self, key: &TimelineKey, by: LoadBy) -> Result<Loaded, StoreError> {
        let key = key.clone();
        self.writer.run(move |connection| write::load(connection, &key, &by)).await
    }

    async fn find_request(&self, key: &TimelineKey, req_id: &str) -> Result<Option<StoredEntry>, StoreError> {
        let (key, req_id) = (key.clone(), req_id.to_owned());
        self.reader().run(move |connection| read::find_request(connection, &key, &req_id)).await
    }

    async fn branches(&self, key: &TimelineKey) -> Result<Vec<BranchInfo>, StoreError> {
        let key = key.clone();
        self.reader().run(move |connection| read::branches(connection, &key)).await
    }

    async fn timelines(&self) -> Result<Vec<TimelineInfo>, StoreError> {
        self.reader().run(read::timelines).await
    }
}
