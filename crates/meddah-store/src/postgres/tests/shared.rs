//! Several programs on one database: each store object stands for one.

use std::sync::Arc;
use std::time::Duration;

use meddah_engine::timeline::TimelineKey;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Cluster, PostgresStore, opened};
use crate::suite::{event, ids, key};
use crate::{EntryFilter, LoadBy, ScanMark, StoreErrorKind, TimelineStore, VectorKey};

async fn tell(store: &PostgresStore, number: usize) -> meddah_engine::timeline::Cursor {
    TimelineStore::append(store, &key(), vec![event(number, &["mira"])]).await.expect("written")
}

#[tokio::test]
async fn what_one_writes_the_other_reads_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let (one, two) = (opened(settings.clone()).await, opened(settings).await);
    let begun = TimelineStore::open(&*one, &key()).await.expect("begun");
    assert_eq!(TimelineStore::open(&*two, &key()).await, Ok(begun));
    let filter = || EntryFilter::PerceivedBy("mira".into());
    for number in 0..20 {
        let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let written = tell(writer, number).await;
        assert_eq!(reader.head(&key()).await, Ok(written));
        let seen = reader.recent(&key(), filter(), 1, None).await.expect("readable");
        assert_eq!(seen.iter().map(|stored| stored.cursor).collect::<Vec<_>>(), [written]);
    }
    let all = one.recent(&key(), EntryFilter::All, 99, None).await.expect("readable");
    assert_eq!(all.len(), 20);
    assert_eq!(two.recent(&key(), EntryFilter::All, 99, None).await, Ok(all));
}

/// What one loads away, the other can neither add to nor remember.
#[tokio::test]
async fn a_load_of_one_supersedes_the_work_of_the_other() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let (one, two) = (opened(settings.clone()).await, opened(settings).await);
    TimelineStore::open(&*one, &key()).await.expect("begun");
    let save = tell(&one, 0).await;
    let lost = tell(&one, 1).await;
    let loads = two.loads(&key()).await.expect("counted");
    two.recent(&key(), EntryFilter::PerceivedBy("mira".into()), 9, None).await.expect("readable");
    one.load(&key(), LoadBy::Cursor(save)).await.expect("loaded");
    let late = two.append_since(&key(), Some(loads), vec![event(2, &["mira"])]).await;
    assert_eq!(late.expect_err("refused").kind, StoreErrorKind::Superseded);
    let derived = two.append_derived(&key(), lost, vec![event(2, &["mira"])]).await;
    assert_eq!(derived.expect_err("refused").kind, StoreErrorKind::Superseded);
    assert_eq!(two.loads(&key()).await, Ok(loads + 1));
    tell(&two, 3).await;
    let seen = one.recent(&key(), EntryFilter::PerceivedBy("mira".into()), 9, None).await.expect("readable");
    assert_eq!(ids(&seen), ["entry-00000000", "entry-00000003"]);
}

/// Reads on from mark to mark until this many entries are there.
async fn index(store: Arc<PostgresStore>, count: usize) -> Vec<String> {
    let (mut mark, mut read) = (ScanMark::default(), Vec::new());
    while read.len() < count {
        let piece = store.scan(&key(), mark, 5).await.expect("readable");
        assert!(!piece.anew);
        if piece.entries.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        mark = piece.mark;
        read.extend(ids(&piece.entries).into_iter().map(str::to_owned));
    }
    read
}

/// Others write while an index reads on from its mark: a number that is committed later than a larger one would
/// be missed for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_misses_nothing_that_others_write() {
    const WRITERS: usize = 6;
    const APPENDS: usize = 30;
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let stores = [opened(settings.clone()).await, opened(settings.clone()).await];
    TimelineStore::open(&*stores[0], &key()).await.expect("begun");
    let reading = index(opened(settings).await, WRITERS * APPENDS * 2);
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let store = stores[writer % 2].clone();
        writing.spawn(async move {
            for number in 0..APPENDS {
                let id = (writer * APPENDS + number) * 2;
                let pair = vec![event(id, &["mira"]), event(id + 1, &["mira"])];
                let written = TimelineStore::append(&*store, &key(), pair).await.expect("written");
                if number % 7 == 3 {
                    store.load(&key(), LoadBy::Cursor(written)).await.expect("loaded");
                }
            }
        });
    }
    let (read, _) = tokio::join!(
        async { timeout(Duration::from_secs(120), reading).await.expect("the index sees everything") },
        writing.join_all()
    );
    let mut sorted = read.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), WRITERS * APPENDS * 2, "each once");
    let again = stores[0].scan(&key(), ScanMark::default(), 10_000).await.expect("readable");
    assert_eq!(ids(&again.entries), read, "in one order for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_begin_together_make_the_tables_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        let settings = settings.clone();
        opening.spawn(async move {
            let store = opened(settings).await;
            let mine = TimelineStore::open(&*store, &key()).await.expect("begun");
            (store, mine.id)
        });
    }
    let begun = opening.join_all().await;
    assert!(begun.iter().all(|(_, id)| *id == begun[0].1), "one timeline for all");
    let listed = begun[0].0.timelines().await.expect("listed");
    assert_eq!(listed.len(), 1);
}

/// The same vectors in opposite orders, again and again: nobody waits for each other in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_put_by_both_at_once_are_kept() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let mut putting = JoinSet::new();
    for writer in 0..4u8 {
        let store = opened(settings.clone()).await;
        putting.spawn(async move {
            for round in 0..10 {
                let mut vectors: Vec<_> = (0..200)
                    .map(|n| (VectorKey::new("small", &n.to_string()), vec![writer, round]))
                    .collect();
                if writer % 2 == 0 {
                    vectors.reverse();
                }
                vectors.push(vectors[7].clone());
                store.put_vectors(vectors).await.expect("kept");
            }
        });
    }
    putting.join_all().await;
    let store = opened(settings).await;
    let keys = (0..200).map(|n| VectorKey::new("small", &n.to_string())).collect();
    let found = store.vectors(keys).await.expect("readable");
    assert!(found.iter().all(|bytes| bytes.as_ref().is_some_and(|bytes| bytes[1] == 9)));
}

/// Many timelines at once over few connections: each waits its turn, none is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_carry_forty_players() {
    let Some(cluster) = Cluster::shared() else { return };
    let store = opened(cluster.empty().with_connections(2).expect("a number")).await;
    let mut playing = JoinSet::new();
    for player in 0..40 {
        let store = store.clone();
        playing.spawn(async move {
            let key = TimelineKey::new("tavern", format!("player {player}"));
            TimelineStore::open(&*store, &key).await.expect("begun");
            for number in 0..5 {
                TimelineStore::append(&*store, &key, vec![event(number, &["mira"])]).await.expect("written");
            }
            let seen = store.recent(&key, EntryFilter::All, 9, None).await.expect("readable");
            assert_eq!(seen.len(), 5);
        });
    }
    playing.join_all().await;
    assert_eq!(store.timelines().await.expect("listed").len(), 40);
}
