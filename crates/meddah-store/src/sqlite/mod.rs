//! Timelines in one SQLite file.
//!
//! One thread writes and one reads, each with its own connection, so that a question asked at the
//! start of a turn never waits for a disk that is still writing the last one. Short questions do not even wait for
//! that thread: they are answered where they are asked, because to wake a thread takes longer than to answer. Both are fed by short
//! queues and end with the store. A third folds the journal into the file now and then: done in a commit, it
//! would make one write in a hundred wait ten times as long.

mod answers;
mod cache;
mod derived;
mod error;
mod loads;
pub(crate) mod open;
mod perceived;
mod place;
mod read;
#[cfg(test)]
mod tests;
mod timeline;
mod upkeep;
mod worker;
mod write;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use meddah_engine::timeline::{Cursor, Entry, Lineage, TimelineKey};

use crate::{
    BranchInfo, ENTRIES_AT_MAX, EntryFilter, LoadBy, Loaded, Recent, ScanMark, Scanned, StoreError,
    StoreErrorKind, StoredEntry, TimelineInfo, TimelineStore, VectorKey, rules,
};
use answers::AnswerCache;
use cache::EntryCache;
use loads::LoadCounts;
use perceived::PerceivedCache;
use rusqlite::Connection;
use worker::Worker;
use write::Since;

pub use open::move_aside;
pub use upkeep::{Compacted, Exported, SavePoint, TimelineSize};

/// Timelines in one SQLite file, or in memory.
pub struct SqliteStore {
    writer: Worker,
    /// Absent in memory, where the writer's connection is the only one that sees anything.
    reader: Option<Worker>,
    /// For questions that are answered where they are asked. Absent in memory, too, and once closed.
    here: Mutex<Option<Connection>>,
    /// What was read before.
    kept: Arc<Kept>,
    /// How often timelines were loaded.
    loads: LoadCounts,
    /// Absent in memory, where there is no journal.
    folding: Option<Folding>,
}

/// What was read before.
#[derive(Default)]
struct Kept {
    entries: EntryCache,
    /// What was perceived of late.
    perceived: PerceivedCache,
    answers: AnswerCache,
}

/// Folds the journal into the file, beside the writer.
struct Folding {
    worker: Worker,
    writes: AtomicU32,
}

/// Writes between two times that the journal is folded in; a turn takes some ten pages.
const WRITES_PER_FOLDING: u32 = 64;

impl Folding {
    fn written(&self) {
        if self.writes.fetch_add(1, Ordering::Relaxed) % WRITES_PER_FOLDING == WRITES_PER_FOLDING - 1 {
            self.worker.hint(|connection| {
                // Passive: it waits for nobody and nobody waits for it. What it cannot fold in comes next time.
                connection.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).ok();
            });
        }
    }
}

/// The most entries of a question that is answered where it is asked.
const ASKED_HERE_MAX: usize = 128;

/// For a connection behind which there is nothing to keep.
fn no_disk() -> worker::Sync {
    Box::new(|| Ok(()))
}

impl SqliteStore {
    /// Opens the file, or begins one. Blocks while it is checked and brought up to date.
    ///
    /// A file that is damaged, of another program or of a newer version is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open::file(path)?;
        let sync = open::sync(path, &connection)?;
        let writer = Worker::spawn("meddah-store-write", connection, sync)?;
        let reader = Worker::spawn("meddah-store-read", open::reader(path)?, no_disk())?;
        let worker = Worker::spawn("meddah-store-fold", open::folder(path)?, no_disk())?;
        let folding = Some(Folding { worker, writes: AtomicU32::new(0) });
        let here = Mutex::new(Some(open::reader(path)?));
        Ok(SqliteStore { here, ..SqliteStore::of(writer, Some(reader), folding) })
    }

    /// A store that is gone when it is dropped.
    pub fn in_memory() -> Result<Self, StoreError> {
        let writer = Worker::spawn("meddah-store-memory", open::memory()?, no_disk())?;
        Ok(SqliteStore::of(writer, None, None))
    }

    fn of(writer: Worker, reader: Option<Worker>, folding: Option<Folding>) -> SqliteStore {
        let (kept, loads) = Default::default();
        SqliteStore { writer, reader, here: Mutex::default(), kept, loads, folding }
    }

    /// Carries out what is waiting and lets go of the file. Blocks until then; later calls are
    /// refused. Dropping the store does the same.
    pub fn close(&self) {
        if let Some(folding) = &self.folding {
            folding.worker.close();
        }
        self.here.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = &self.reader {
            reader.close();
        }
        self.writer.close();
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let written = self.writer.write(job).await;
        self.folding.iter().for_each(Folding::written);
        written
    }

    /// The newest entries by each of these filters and limits, all of one moment, and the place that they are seen from.
    async fn recent_from(
        &self,
        key: &TimelineKey,
        questions: Vec<(EntryFilter, usize)>,
        at: Option<Cursor>,
    ) -> Result<Recent, StoreError> {
        let (key, kept) = (key.clone(), self.kept.clone());
        let entries = questions.iter().fold(0_usize, |sum, (_, limit)| sum.saturating_add(*limit));
        let question =
            move |connection: &mut Connection| read::recent(connection, &kept, &key, questions, at);
        if entries <= ASKED_HERE_MAX { self.ask(question).await } else { self.reader().run(question).await }
    }

    /// Answers a question that is answered within some ten microseconds if the file is in memory.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if let Ok(mut here) = self.here.try_lock()
            && let Some(connection) = &mut *here
        {
            return question(connection);
        }
        self.reader().run(question).await
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
        self.write(move |connection| write::begin(connection, &key)).await
    }

    async fn head(&self, key: &TimelineKey) -> Result<Cursor, StoreError> {
        let key = key.clone();
        self.reader().run(move |connection| read::head(connection, &key)).await
    }

    async fn loads(&self, key: &TimelineKey) -> Result<u64, StoreError> {
        let asked = match self.loads.get(key) {
            Ok(loads) => return Ok(loads),
            Err(asked) => asked,
        };
        let loads = self.open(key).await?.loads;
        self.loads.put(asked, key, loads);
        Ok(loads)
    }

    async fn append_since(
        &self,
        key: &TimelineKey,
        loads: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        let key = key.clone();
        let since = loads.map_or(Since::Ever, Since::Loads);
        let of = key.clone();
        let written = self.write(move |connection| write::append(connection, &of, &since, entries)).await;
        if written.as_ref().is_err_and(|error| error.kind == StoreErrorKind::Superseded) {
            self.loads.forget(&key); // perhaps another program loaded it
        }
        written
    }

    async fn append_derived(
        &self,
        key: &TimelineKey,
        began_at: Cursor,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError> {
        let key = key.clone();
        let since = Since::Place(began_at);
        self.write(move |connection| write::append(connection, &key, &since, entries)).await
    }

    async fn lineage(&self, key: &TimelineKey, at: Option<Cursor>) -> Result<Lineage, StoreError> {
        let key = key.clone();
        self.reader().run(move |connection| derived::lineage(connection, &key, at)).await
    }

    async fn scan(&self, key: &TimelineKey, after: ScanMark, limit: usize) -> Result<Scanned, StoreError> {
        let key = key.clone();
        let question = move |connection: &mut Connection| derived::scan(connection, &key, after, limit);
        if limit <= ASKED_HERE_MAX { self.ask(question).await } else { self.reader().run(question).await }
    }

    async fn vectors(&self, keys: Vec<VectorKey>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.reader().run(move |connection| derived::vectors(connection, &keys)).await
    }

    async fn put_vectors(&self, vectors: Vec<(VectorKey, Vec<u8>)>) -> Result<(), StoreError> {
        self.write(move |connection| derived::put_vectors(connection, vectors)).await
    }

    async fn recent(
        &self,
        key: &TimelineKey,
        filter: EntryFilter,
        limit: usize,
        at: Option<Cursor>,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let recent = self.recent_from(key, vec![(filter, limit)], at).await?;
        Ok(recent.answers.into_iter().next().unwrap_or_default())
    }

    async fn recent_each(
        &self,
        key: &TimelineKey,
        questions: Vec<(EntryFilter, usize)>,
    ) -> Result<Recent, StoreError> {
        self.recent_from(key, questions, None).await
    }

    async fn entries_at(
        &self,
        key: &TimelineKey,
        places: Vec<Cursor>,
    ) -> Result<Vec<Option<StoredEntry>>, StoreError> {
        rules::check_count("entries", places.len(), ENTRIES_AT_MAX)?;
        // Mostly they were asked for a moment ago, and nobody has to wait for the reading thread.
        if let Some(known) = places.iter().map(|place| self.kept.entries.at(key, *place).map(Some)).collect()
        {
            return Ok(known);
        }
        let (key, kept) = (key.clone(), self.kept.clone());
        self.ask(move |connection| derived::entries_at(connection, &kept.entries, &key, &places)).await
    }

    async fn save(
        &self,
        key: &TimelineKey,
        name: Option<&str>,
        game_time: Option<i64>,
    ) -> Result<Cursor, StoreError> {
        let (key, name) = (key.clone(), name.map(str::to_owned));
        self.writer
            .write_to_disk(move |connection| write::save(connection, &key, name.as_deref(), game_time))
            .await
    }

    async fn load(&self, key: &TimelineKey, by: LoadBy) -> Result<Loaded, StoreError> {
        let of = key.clone();
        self.loads.load_begins(key);
        let loaded = self.write(move |connection| write::load(connection, &of, &by)).await;
        self.loads.forget(key);
        loaded
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
