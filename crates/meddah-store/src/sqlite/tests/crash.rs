//! A process that is killed while it writes: whatever it was told is written, is there.
//!
//! The test starts itself once more as the process to be killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::suite::{event, key};
use crate::{EntryFilter, LoadBy, SqliteStore, TimelineStore};

const NAME: &str = "sqlite::tests::crash::acknowledged_entries_survive_a_kill";
const FILE_VARIABLE: &str = "MEDDAH_STORE_CRASH_FILE";
const ROUNDS: u64 = 20;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Appends, saves and loads without end, and prints each acknowledged cursor.
fn write_until_killed(path: &Path) {
    let store = SqliteStore::open(path).expect("opens");
    runtime().block_on(async {
        let begun = TimelineStore::open(&store, &key()).await.expect("begun");
        let mut number = begun.head.seq as usize;
        loop {
            let batch = vec![event(number, &["mira"]), event(number + 1, &["mira", "bert"])];
            println!("\nacknowledged {}", store.append(&key(), batch).await.expect("written"));
            if number.is_multiple_of(16) {
                let saved = store.save(&key(), None, None).await.expect("saved");
                store.append(&key(), vec![event(number, &["bert"])]).await.expect("written");
                store.load(&key(), LoadBy::Cursor(saved)).await.expect("loaded");
            }
            number += 2;
        }
    });
}

/// Starts the writer, kills it after a while, and gives the cursors that it acknowledged.
fn killed_after(path: &Path, wait: Duration) -> Vec<String> {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["--exact", NAME, "--nocapture"])
        .env(FILE_VARIABLE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut acknowledged = Vec::new();
    let mut take = |line: String| {
        if let Some(cursor) = line.strip_prefix("acknowledged ") {
            acknowledged.push(cursor.to_owned());
            return true;
        }
        false
    };
    // The clock starts with the first acknowledgement, so that every round kills a writer at work.
    while let Some(Ok(line)) = lines.next() {
        if take(line) {
            break;
        }
    }
    let killer = thread::spawn(move || {
        thread::sleep(wait);
        child.kill().expect("killed");
        child.wait().expect("gone")
    });
    for line in lines.map_while(Result::ok) {
        take(line);
    }
    assert!(!killer.join().expect("joined").success());
    // A line that the kill cut short was acknowledged to nobody.
    acknowledged.retain(|cursor| cursor.parse::<meddah_engine::timeline::Cursor>().is_ok());
    acknowledged
}

#[test]
fn acknowledged_entries_survive_a_kill() {
    if let Some(path) = std::env::var_os(FILE_VARIABLE) {
        return write_until_killed(Path::new(&path));
    }
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("memory.db");
    let mut total = 0;
    for round in 0..ROUNDS {
        // Spread over the time of several appends, without a source of randomness.
        let acknowledged = killed_after(&path, Duration::from_micros(200 + (round * 7_919) % 60_000));
        assert!(!acknowledged.is_empty(), "round {round} wrote nothing");
        let store = SqliteStore::open(&path).expect("sound after the kill");
        runtime().block_on(async {
            let last = acknowledged.last().expect("not empty").parse().expect("a cursor");
            let past = store.recent(&key(), EntryFilter::All, 10_000, Some(last)).await.expect("readable");
            let there: Vec<String> = past.iter().map(|stored| stored.cursor.to_string()).collect();
            let missing = acknowledged.iter().filter(|cursor| !there.contains(cursor)).count();
            assert_eq!(missing, 0, "round {round}: acknowledged and not there");
        });
        total += acknowledged.len();
    }
    println!("{ROUNDS} kills, {total} acknowledged appends, none lost");
}
