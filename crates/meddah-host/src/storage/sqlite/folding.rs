//! Folds the journal into the file, beside the thread that writes: that takes two syncs of the disk, and whoever settled
//! something would wait for them.

use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::worker::Worker;
use crate::storage::StorageError;

/// After so many batches; the journal has one to three megabytes then. Where it grows nevertheless, because somebody
/// always writes, the writer folds it in (`open::JOURNAL_PAGES_MAX`).
const BATCHES_PER_FOLDING: u32 = 256;

pub(super) struct Folding {
    worker: Worker,
    batches: AtomicU32,
}

impl Folding {
    pub fn begin(connection: Connection) -> Result<Folding, StorageError> {
        Ok(Folding { worker: Worker::spawn("host-fold", connection)?, batches: AtomicU32::new(0) })
    }

    /// A batch was written.
    pub fn written(&self) {
        if self.batches.fetch_add(1, Ordering::Relaxed) % BATCHES_PER_FOLDING == BATCHES_PER_FOLDING - 1 {
            self.worker.hint(|connection| {
                // Passive: it waits for nobody and nobody waits for it. What it cannot fold in comes next time.
                connection.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).ok();
            });
        }
    }
}
