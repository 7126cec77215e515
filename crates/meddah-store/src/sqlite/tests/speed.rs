//! How long reading takes in a long game, printed, and held to a generous bound.

use std::time::{Duration, Instant};

use super::in_file;
use crate::suite::{event, key, turn};
use crate::{EntryFilter, LoadBy, SqliteStore, TimelineStore};

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

async fn wait_for_disk(store: &SqliteStore, synchronous: &'static str) {
    let set = move |connection: &mut rusqlite::Connection| {
        Ok(connection.pragma_update(None, "synchronous", synchronous)?)
    };
    store.writer.run(set).await.expect("set");
}
