//! Random playthroughs, compared with the naive reference.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::SqliteStore;
use crate::suite::Store;
use crate::suite::reference::follows_the_reference;
use crate::suite::steps::any_op;

/// A store in a file. It does not wait for the disk: that counts when the power fails, which no test can play.
fn opened(path: &Path) -> Store {
    let store = SqliteStore::open(path).expect("opens");
    let hurry =
        |connection: &mut rusqlite::Connection| Ok(connection.pragma_update(None, "synchronous", "OFF")?);
    let folding = store.folding.as_ref().map(|folding| &folding.worker);
    for worker in [Some(&store.writer), store.reader.as_ref(), folding].into_iter().flatten() {
        block_on(worker.run(hurry)).expect("set");
    }
    Arc::new(store)
}

/// A file in which nothing is remembered yet; making one waits for the disk.
fn empty_file() -> &'static [u8] {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let (store, folder) = super::in_file();
        store.close();
        fs::read(folder.path().join("memory.db")).expect("readable")
    })
}

/// What a program that is killed now leaves behind: the file and its journal as they are, without a last word.
fn left_behind(path: &Path, number: usize) -> PathBuf {
    let copy = path.with_file_name(format!("after-{number}.db"));
    let journal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    fs::copy(path, &copy).expect("copied");
    fs::copy(journal(path), journal(&copy)).expect("copied");
    copy
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_playthrough_is_recalled_as_the_reference_recalls_it(ops in vec(any_op(), 1..40)) {
        let folder = TempDir::new().expect("a temporary folder");
        let mut path = folder.path().join("memory.db");
        fs::write(&path, empty_file()).expect("written");
        let store = opened(&path);
        let mut restarts = 0;
        let mut restart = |store: Store| {
            restarts += 1;
            path = left_behind(&path, restarts);
            drop(store);
            std::thread::scope(|scope| scope.spawn(|| opened(&path)).join().expect("opened"))
        };
        block_on(follows_the_reference(store, &ops, &mut restart));
    }
}
