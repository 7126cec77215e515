//! What holds for SQLite: the suite of the port in a file and in memory, and what only files do.

mod crash;
mod file;
mod random;
mod speed;
mod upkeep;

use tempfile::TempDir;

use super::SqliteStore;

fn in_file() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("memory.db")).expect("opens");
    (store, folder)
}

crate::timeline_store_suite!(suite_in_file, in_file());
crate::timeline_store_suite!(suite_in_memory, (SqliteStore::in_memory().expect("opens"), ()));
