//! How long reading takes in a long game, printed, and held to a generous bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::in_file;
use crate::suite::{event, key, turn};
use crate::{EntryFilter, LoadBy, SqliteStore, TimelineStore, VectorKey};

/// No read of a turn's start may come near to this, on a slow machine with others at work.
const RECALL_MAX: Duration = Duration::from_millis(100);

async fn recall_ms(store: &SqliteStore, being: &str, limit: usize) -> f64 {
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        let filter = EntryFilter::PerceivedBy(being.to_owned());
        store.recent(&key(), filter, limit, None).await.expect("readable");
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    assert!(median < RECALL_MAX, "recalling {limit} of {being} took {median:?}");
    median.as_secs_f64() * 1e3
}

async fn print_recalls(store: &SqliteStore, what: &str) {
    for (being, limit) in [("mira", 20), ("mira", 500), ("rare", 20), ("nobody", 20)] {
        println!("{what}: recent({being}, {limit}) p50 {:.3} ms", recall_ms(store, being, limit).await);
    }
}

#[tokio::test]
async fn recalling_does_not_grow_with_the_length_of_the_game() {
    let (store, folder) = in_file();
    TimelineStore::open(&store, &key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["rare", "mira"])]).await.expect("written");
    for size in [1_000, 200_000] {
        let head = store.head(&key()).await.expect("readable").seq as usize;
        let begun = Instant::now();
        let numbers: Vec<usize> = (head..size).collect();
        for batch in numbers.chunks(1_000) {
            let entry = |&number: &usize| match number % 4 {
                0 => turn(number, &format!("t{number}"), "mira", &["bert"]),
                _ => event(number, &["bert", "cleo"]),
            };
            store.append(&key(), batch.iter().map(entry).collect()).await.expect("written");
        }
        println!("{} entries written in {:?}", size - head, begun.elapsed());
        print_recalls(&store, &format!("{size} entries")).await;
    }
    let begun = Instant::now();
    store.load(&key(), LoadBy::GameTime(0)).await.expect_err("no clock");
    println!("load by game time over 200000 entries without a clock: {:?}", begun.elapsed());
    store.close();
    let path = folder.path().join("memory.db");
    let bytes = std::fs::metadata(&path).expect("there").len();
    let begun = Instant::now();
    drop(SqliteStore::open(&path).expect("opens"));
    println!("{} bytes an entry; opening {} MiB: {:?}", bytes / 200_000, bytes >> 20, begun.elapsed());
}

#[tokio::test]
async fn recalling_does_not_grow_with_the_number_of_loads() {
    const LOADS: usize = 4_000;
    let (store, _folder) = in_file();
    TimelineStore::open(&store, &key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["rare", "mira"])]).await.expect("written");
    // Only the way there is hurried; what is measured below waits for the disk again.
    wait_for_disk(&store, "OFF").await;
    for number in 0..LOADS {
        // Bert is met on every branch; with Mira all talk was loaded away, which is the worst case.
        let saved = store.append(&key(), vec![event(number, &["bert"])]).await.expect("written");
        store.append(&key(), vec![turn(number, "t", "mira", &["bert"])]).await.expect("written");
        store.load(&key(), LoadBy::Cursor(saved)).await.expect("loaded");
    }
    wait_for_disk(&store, "FULL").await;
    println!("bert of {LOADS} nested branches: {:.3} ms", recall_ms(&store, "bert", 20).await);
    print_recalls(&store, &format!("{LOADS} nested branches")).await;
    let begun = Instant::now();
    for _ in 0..1_000 {
        let saved = store.save(&key(), None, None).await.expect("saved");
        store.load(&key(), LoadBy::Cursor(saved)).await.expect("loaded");
    }
    println!("1000 times save and load: {:?}", begun.elapsed());
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..200 {
        let begun = Instant::now();
        store.append(&key(), vec![turn(number, "t", "mira", &["bert"])]).await.expect("written");
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    println!("append of a turn: p50 {:?}, p95 {:?}", took[100], took[190]);
}

/// Of the whole file, what waits in the journal among it.
async fn bytes(store: &SqliteStore) -> u64 {
    let pages = |connection: &mut rusqlite::Connection| {
        Ok(connection.pragma_query_value(None, "page_count", |row| row.get::<_, u64>(0))?)
    };
    store.writer.run(pages).await.expect("counted") * 4_096
}

async fn wait_for_disk(store: &SqliteStore, synchronous: &'static str) {
    let set = move |connection: &mut rusqlite::Connection| {
        Ok(connection.pragma_update(None, "synchronous", synchronous)?)
    };
    store.writer.run(set).await.expect("set");
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(50), at(99), at(100))
}

/// One turn as the program writes it: the turn and how the character felt.
fn turn_of(number: usize) -> Vec<meddah_engine::timeline::Entry> {
    vec![turn(number, &format!("t{number}"), "mira", &["bert"]), event(number + 1_000_000, &["mira"])]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_a_turn_does_not_grow_with_the_length_of_the_game() {
    const ENTRIES: usize = 100_000;
    const APPENDS: usize = 400;
    let (store, folder) = in_file();
    let store = Arc::new(store);
    TimelineStore::open(&*store, &key()).await.expect("begun");
    wait_for_disk(&store, "OFF").await;
    for batch in (0..ENTRIES).collect::<Vec<_>>().chunks(1_000) {
        let entry = |&number: &usize| turn(number, &format!("t{number}"), "mira", &["bert", "cleo"]);
        store.append(&key(), batch.iter().map(entry).collect()).await.expect("written");
    }
    wait_for_disk(&store, "FULL").await;
    let mut took = Vec::new();
    for number in 0..APPENDS {
        let begun = Instant::now();
        store.append(&key(), turn_of(ENTRIES + number)).await.expect("written");
        took.push(begun.elapsed());
    }
    println!("append of a turn behind {ENTRIES} entries: {}", quantiles(took));
    for writers in [1, 16] {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let store = store.clone();
            tasks.spawn(async move {
                let mut took = Vec::new();
                for number in 0..APPENDS / writers {
                    let begun = Instant::now();
                    let number = (2 + writers) * ENTRIES + writer * APPENDS + number;
                    store.append(&key(), turn_of(number)).await.expect("written");
                    took.push(begun.elapsed());
                }
                took
            });
        }
        let took = tasks.join_all().await.into_iter().flatten().collect();
        println!("{writers} writers, {APPENDS} turns in {:?}: {}", begun.elapsed(), quantiles(took));
    }
    let before = bytes(&store).await;
    let begun = Instant::now();
    for number in 0..1_000 {
        let saved = store.save(&key(), Some("quick"), Some(number)).await.expect("saved");
        store.load(&key(), LoadBy::Cursor(saved)).await.expect("loaded");
    }
    let grown = bytes(&store).await - before;
    println!("1000 times save and load: {:?}, {} bytes each", begun.elapsed(), grown / 1_000);
    assert!(grown < 1_000 * 200, "a save costs {} bytes", grown / 1_000);
    drop(folder);
}

#[tokio::test]
async fn vectors_are_read_in_batches() {
    const VECTORS: usize = 20_000;
    const BATCH: usize = 400;
    const BYTES: usize = 3_000;
    let (store, _folder) = in_file();
    wait_for_disk(&store, "OFF").await;
    let key_of = |number: usize| VectorKey::new("small", &format!("text {number}"));
    for batch in (0..VECTORS).collect::<Vec<_>>().chunks(1_000) {
        let put = batch.iter().map(|&number| (key_of(number), vec![number as u8; BYTES])).collect();
        store.put_vectors(put).await.expect("kept");
    }
    wait_for_disk(&store, "FULL").await;
    let mut took = Vec::new();
    for round in 0..50 {
        let keys = (0..BATCH).map(|number| key_of((number * 47 + round * 7_919) % VECTORS)).collect();
        let begun = Instant::now();
        let found = store.vectors(keys).await.expect("readable");
        took.push(begun.elapsed());
        assert!(found.iter().all(|vector| vector.as_ref().is_some_and(|vector| vector.len() == BYTES)));
    }
    println!("{BATCH} vectors of {BYTES} bytes among {VECTORS}: {}", quantiles(took));
    let begun = Instant::now();
    let put = (0..BATCH).map(|number| (key_of(VECTORS + number), vec![1; BYTES])).collect();
    store.put_vectors(put).await.expect("kept");
    println!("{BATCH} vectors put: {:?}", begun.elapsed());
}
