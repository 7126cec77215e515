//! What only servers do: they go away and come back, hold locks, belong to others, are newer.

use std::time::Duration;

use meddah_engine::timeline::TimelineKey;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use super::{Cluster, PostgresSettings, PostgresStore, opened};
use crate::suite::{event, ids, key};
use crate::{EntryFilter, LoadBy, StoreError, StoreErrorKind, TimelineStore};

/// A connection of somebody else, and the task that drives it.
async fn stranger(cluster: &Cluster) -> (Client, tokio::task::JoinSet<()>) {
    let (client, connection) = tokio_postgres::connect(&cluster.address(), NoTls).await.expect("connected");
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move {
        connection.await.ok(); // the server may be stopped
    });
    (client, driver)
}

async fn tell(store: &PostgresStore, number: usize) -> Result<meddah_engine::timeline::Cursor, StoreError> {
    TimelineStore::append(store, &key(), vec![event(number, &["mira"])]).await
}

fn assert_refused<T>(result: Result<T, StoreError>, kind: StoreErrorKind) -> StoreError {
    let error = result.err().expect("refused");
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.help.is_empty(), "{error} has no help");
    error
}

/// Stopped in order, or as in a power cut: the same store goes on, and what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let Some(cluster) = Cluster::start() else { return };
    let store = opened(cluster.empty()).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    let mut told = 0;
    for how in ["fast", "immediate", "fast"] {
        for _ in 0..5 {
            tell(&store, told).await.expect("written");
            told += 1;
        }
        let saved = store.save(&key(), Some("slot"), None).await.expect("saved");
        cluster.control(&["-m", how, "stop"]);
        assert_refused(tell(&store, 999).await, StoreErrorKind::Unavailable);
        assert_refused(store.head(&key()).await, StoreErrorKind::Unavailable);
        assert_refused(PostgresStore::open(cluster.settings()).await, StoreErrorKind::Unavailable);
        cluster.control(&["start"]);
        assert_eq!(store.head(&key()).await, Ok(saved), "after a stop that is {how}");
        assert_eq!(store.load(&key(), LoadBy::Name("slot".into())).await.expect("loaded").cursor, saved);
    }
    let all = store.recent(&key(), EntryFilter::All, 99, None).await.expect("readable");
    assert_eq!(all.len(), told);
}

/// While calls rest, a restart of the server goes unnoticed, even by a write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_idle_are_replaced() {
    let Some(cluster) = Cluster::start() else { return };
    let store = opened(cluster.empty()).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    tell(&store, 0).await.expect("written");
    cluster.control(&["-m", "fast", "restart"]);
    tell(&store, 1).await.expect("written");
    let (stranger, _driver) = stranger(&cluster).await;
    for number in 2..30 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'meddah'";
        stranger.batch_execute(end).await.expect("ended");
        if number % 2 == 0 {
            tell(&store, number).await.expect("written");
        } else {
            store.recent(&key(), EntryFilter::All, 9, None).await.expect("readable");
        }
    }
    let all = store.recent(&key(), EntryFilter::All, 99, None).await.expect("readable");
    assert_eq!(all.len(), 16, "each once");
}

/// Whoever asks may leave at any moment: nobody finds a timeline locked, or a connection amid something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_leave_hold_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let store = opened(cluster.empty().with_connections(2).expect("a number")).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    for number in 0..200u64 {
        let leaves = Duration::from_micros(number * 37 % 3_000);
        timeout(leaves, tell(&store, number as usize)).await.ok(); // written or not
        timeout(leaves / 2, store.recent(&key(), EntryFilter::All, 9, None)).await.ok();
    }
    let before = store.head(&key()).await.expect("readable").seq;
    let written = timeout(Duration::from_secs(4), tell(&store, 1_000)).await.expect("not locked");
    let seq = written.expect("written").seq;
    assert!(seq > before, "{seq} behind {before}");
    let all = store.recent(&key(), EntryFilter::All, 999, None).await.expect("readable");
    assert_eq!(all.len() as u64, seq, "no gap in the numbers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_holds_ends_in_an_error() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let schema = settings.schema.clone();
    let store = opened(settings).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    let (stranger, _driver) = stranger(cluster).await;
    let lock = format!("BEGIN; SELECT * FROM {schema}.timeline FOR UPDATE");
    stranger.batch_execute(&lock).await.expect("locked");
    let other = TimelineKey::new("tavern", "bert");
    let (refused, _) = tokio::join!(tell(&store, 0), async {
        // Others go on meanwhile.
        TimelineStore::open(&*store, &other).await.expect("begun");
        TimelineStore::append(&*store, &other, vec![event(1, &["mira"])]).await.expect("written");
        store.recent(&key(), EntryFilter::All, 9, None).await.expect("readable");
    });
    assert_refused(refused, StoreErrorKind::Unavailable);
    stranger.batch_execute("ROLLBACK").await.expect("released");
    assert_eq!(tell(&store, 0).await.expect("written").seq, 1);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let schema = settings.schema.clone();
    drop(opened(settings.clone()).await);
    let (stranger, _driver) = stranger(cluster).await;
    let set = format!("UPDATE {schema}.version SET version = 99");
    stranger.batch_execute(&set).await.expect("marked");
    let error = assert_refused(PostgresStore::open(settings).await, StoreErrorKind::Invalid);
    assert!(error.message.contains("newer") && error.help.contains("Update"), "{error:?}");
    let version = format!("SELECT version FROM {schema}.version");
    let version: i64 = stranger.query_one(&version, &[]).await.expect("readable").get(0);
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_schema_of_something_else_is_left_alone() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let schema = &settings.schema;
    let (stranger, _driver) = stranger(cluster).await;
    let make = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.version (of_what TEXT)");
    stranger.batch_execute(&make).await.expect("made");
    let error = assert_refused(PostgresStore::open(settings.clone()).await, StoreErrorKind::Corrupt);
    assert!(error.message.contains("something else"), "{error:?}");
    let count = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
    let tables: i64 = stranger.query_one(&count, &[]).await.expect("readable").get(0);
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_character_is_refused() {
    let Some(cluster) = Cluster::shared() else { return };
    let (stranger, _driver) = stranger(cluster).await;
    let make = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    stranger.batch_execute(make).await.expect("made");
    let address = cluster.address().replace("dbname=postgres", "dbname=latin");
    let settings = PostgresSettings::new(&address).expect("an address");
    let error = assert_refused(PostgresStore::open(settings).await, StoreErrorKind::Invalid);
    assert!(error.help.contains("UTF8"), "{error:?}");
}

#[tokio::test]
async fn names_with_a_zero_byte_are_nobodys() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let store = opened(settings.clone()).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    tell(&store, 0).await.expect("written");
    let nobody = TimelineKey::new("tavern", "ann\0");
    assert_refused(TimelineStore::open(&*store, &nobody).await, StoreErrorKind::Invalid);
    assert_refused(store.head(&nobody).await, StoreErrorKind::NotFound);
    assert_refused(store.load(&key(), LoadBy::Name("slot\0".into())).await, StoreErrorKind::NotFound);
    assert_eq!(store.find_request(&key(), "req\0").await, Ok(None));
    let seen = store.recent(&key(), EntryFilter::PerceivedBy("mira\0".into()), 9, None).await;
    assert_eq!(seen, Ok(Vec::new()));
    // In an entry's text it is a character like any other.
    let mut told = event(1, &["mira"]);
    told.kind = meddah_engine::timeline::EntryKind::Event { text: "a\0b".into() };
    TimelineStore::append(&*store, &key(), vec![told.clone()]).await.expect("written");
    let again = opened(settings).await;
    let all = again.recent(&key(), EntryFilter::All, 9, None).await.expect("readable");
    assert_eq!((ids(&all), &*all[1].entry), (vec!["entry-00000000", "entry-00000001"], &told));
}

#[tokio::test]
async fn damage_is_an_error_not_a_wrong_answer() {
    let Some(cluster) = Cluster::shared() else { return };
    let settings = cluster.empty();
    let schema = settings.schema.clone();
    let store = opened(settings.clone()).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    tell(&store, 0).await.expect("written");
    let (stranger, _driver) = stranger(cluster).await;
    let damage = format!("UPDATE {schema}.entry SET body = '{{\"id\": 7}}'");
    stranger.batch_execute(&damage).await.expect("damaged");
    let fresh = opened(settings).await;
    let read = fresh.recent(&key(), EntryFilter::All, 9, None).await;
    let error = assert_refused(read, StoreErrorKind::Corrupt);
    assert!(!error.message.contains('7'), "it speaks of the place alone: {error}");
    stranger.batch_execute(&format!("DELETE FROM {schema}.entry")).await.expect("deleted");
    assert_refused(fresh.head(&key()).await, StoreErrorKind::Corrupt);
    stranger.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.expect("dropped");
    assert_refused(fresh.head(&key()).await, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_closed_store_refuses() {
    let Some(cluster) = Cluster::shared() else { return };
    let store = opened(cluster.empty()).await;
    TimelineStore::open(&*store, &key()).await.expect("begun");
    store.close().await;
    let error = store.head(&key()).await.expect_err("closed");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn no_server_is_an_error_with_help() {
    // Nobody listens on a port that was just let go.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let address = format!("postgresql://meddah:hunter2@127.0.0.1:{port}/meddah");
    let settings = PostgresSettings::new(&address).expect("an address");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let error = assert_refused(PostgresStore::open(settings).await, StoreErrorKind::Unavailable);
    assert!(!error.message.contains("hunter2"));
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let error = assert_refused(PostgresSettings::new("postgresql://a:hunter2@[/"), StoreErrorKind::Invalid);
    assert!(!format!("{error:?}").contains("hunter2"));
    let settings = PostgresSettings::new("host=127.0.0.1 user=a").expect("an address");
    for schema in ["", "pg_x", "1st", "Upper", "a\"; DROP SCHEMA b; --", &"x".repeat(64)] {
        assert_refused(settings.clone().with_schema(schema), StoreErrorKind::Invalid);
    }
    for connections in [0, 65] {
        assert_refused(settings.clone().with_connections(connections), StoreErrorKind::Invalid);
    }
}
