//! How long writing and reading take beside SQLite, printed, and held to a generous bound. Processor time is that of
//! this process and, apart from it, of all of the server; the tests run at the same time in one process, so look at
//! it with this test alone.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_engine::timeline::{Entry, TimelineKey};
use tokio::task::JoinSet;

use super::{Cluster, opened};
use crate::suite::{Store, event, key, turn};
use crate::{EntryFilter, LoadBy, SqliteStore, StateOf};

/// No read of a turn's start may take as much of the processors, here and at the server.
const RECALL_MAX: Duration = Duration::from_millis(50);
/// Entries that are there before anything is measured.
const ENTRIES: usize = 10_000;
const CALLS: usize = 200;

/// Nanoseconds of processor time that all threads of a process have used; Linux alone tells.
fn processor_ns(process: &str) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let used = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// The same of a server and its processes.
fn server_ns(postmaster: &str) -> u64 {
    let children = format!("/proc/{postmaster}/task/{postmaster}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    children.split_whitespace().chain([postmaster]).map(processor_ns).sum()
}

struct Measured {
    took: Vec<Duration>,
    ours_ns: u64,
    servers_ns: u64,
}

/// Carries out a call many times, one after the other.
async fn measured(postmaster: &str, mut call: impl AsyncFnMut(usize)) -> Measured {
    let before = (processor_ns("self"), server_ns(postmaster));
    let mut took = Vec::with_capacity(CALLS);
    for number in 0..CALLS {
        let begun = Instant::now();
        call(number).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let after = (processor_ns("self"), server_ns(postmaster));
    Measured { took, ours_ns: after.0 - before.0, servers_ns: after.1.saturating_sub(before.1) }
}

fn print(store: &str, what: &str, measured: &Measured) {
    let wall = |share: usize| measured.took[(CALLS * share / 100).min(CALLS - 1)].as_secs_f64() * 1e3;
    let processor = |ns: u64| ns as f64 / 1e3 / CALLS as f64;
    println!(
        "{store}: {what}: p50 {:.3} ms, p99 {:.3} ms, processor {:.0} us here, {:.0} us at the server",
        wall(50),
        wall(99),
        processor(measured.ours_ns),
        processor(measured.servers_ns)
    );
    let each = Duration::from_nanos((measured.ours_ns + measured.servers_ns) / CALLS as u64);
    assert!(!what.starts_with("recent") || each < RECALL_MAX, "{what}: {each:?}");
}

/// One turn as the program writes it: the turn and how the character felt.
fn turn_of(number: usize) -> Vec<Entry> {
    vec![turn(number, &format!("t{number}"), "mira", &["bert"]), event(number + 1_000_000, &["mira"])]
}

async fn calls(name: &str, store: &Store, postmaster: &str) {
    store.open(&key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["rare"])]).await.expect("written");
    for batch in (1..ENTRIES).collect::<Vec<_>>().chunks(1_000) {
        let entry = |&number: &usize| turn(number, &format!("t{number}"), "mira", &["bert", "cleo"]);
        store.append(&key(), batch.iter().map(entry).collect()).await.expect("written");
    }
    let append = measured(postmaster, async |number| {
        store.append(&key(), turn_of(ENTRIES + number)).await.expect("written");
    });
    print(name, "append of a turn", &append.await);
    let recent = async |being: &str, limit| {
        let filter = EntryFilter::PerceivedBy(being.to_owned());
        store.recent(&key(), filter, limit, None).await.expect("readable");
    };
    for (being, limit) in [("mira", 20), ("mira", 64), ("mira", 500), ("rare", 20), ("nobody", 20)] {
        let what = format!("recent({being}, {limit})");
        print(name, &what, &measured(postmaster, async |_| recent(being, limit).await).await);
    }
    let scene = async |_| {
        store.recent(&key(), EntryFilter::State(StateOf::Scene), 1, None).await.expect("readable");
    };
    print(name, "recent(scene, 1)", &measured(postmaster, scene).await);
    let loads = async |_| assert!(store.loads(&key()).await.is_ok());
    print(name, "loads", &measured(postmaster, loads).await);
    let save = async |_| assert!(store.save(&key(), None, None).await.is_ok());
    print(name, "save", &measured(postmaster, save).await);
}

/// Each player writes turns to a timeline of its own.
async fn players(name: &str, store: &Store, postmaster: &str, players: usize) {
    const TURNS: usize = 40;
    let before = (Instant::now(), processor_ns("self"), server_ns(postmaster));
    let mut playing = JoinSet::new();
    for player in 0..players {
        let store = store.clone();
        playing.spawn(async move {
            let key = TimelineKey::new("tavern", format!("player {player}"));
            store.open(&key).await.expect("begun");
            for number in 0..TURNS {
                store.append(&key, turn_of(number)).await.expect("written");
            }
        });
    }
    playing.join_all().await;
    let turns = (players * TURNS) as f64;
    let (ours, servers) = (processor_ns("self") - before.1, server_ns(postmaster) - before.2);
    println!(
        "{name}: {players} players: {:.0} turns written a second, processor {:.0} us here, {:.0} us at the server a turn",
        turns / before.0.elapsed().as_secs_f64(),
        ours as f64 / 1e3 / turns,
        servers as f64 / 1e3 / turns
    );
}

/// Load upon load: each branch is split off the last, and holds a future that was loaded away.
async fn branches(name: &str, store: &Store, postmaster: &str) {
    const LOADS: usize = 300;
    let key = TimelineKey::new("tavern", "loader");
    store.open(&key).await.expect("begun");
    store.append(&key, vec![event(0, &["rare", "mira"])]).await.expect("written");
    for number in 0..LOADS {
        let saved = store.append(&key, vec![event(number, &["bert"])]).await.expect("written");
        store.append(&key, vec![turn(number, "t", "mira", &["bert"])]).await.expect("written");
        store.load(&key, LoadBy::Cursor(saved)).await.expect("loaded");
    }
    for being in ["bert", "mira", "nobody"] {
        let recent = async |_| {
            let filter = EntryFilter::PerceivedBy(being.to_owned());
            store.recent(&key, filter, 20, None).await.expect("readable");
        };
        let what = format!("recent({being}, 20) behind {LOADS} nested branches");
        print(name, &what, &measured(postmaster, recent).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_written_and_recalled_beside_sqlite() {
    let Some(cluster) = Cluster::with("fsync = on") else { return };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file: Store = Arc::new(SqliteStore::open(&folder.path().join("memory.db")).expect("opens"));
    let postgres: Store = opened(cluster.empty()).await;
    let postmaster = cluster.postmaster();
    assert!(!Path::new("/proc").exists() || server_ns(&postmaster) > 0, "the server's time is not counted");
    for (name, store) in [("sqlite", &file), ("postgres", &postgres)] {
        calls(name, store, &postmaster).await;
        players(name, store, &postmaster, 16).await;
        branches(name, store, &postmaster).await;
    }
}
