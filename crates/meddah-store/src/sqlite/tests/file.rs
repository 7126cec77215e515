//! What only files do: they are closed, damaged, full, foreign, newer.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::in_file;
use crate::suite::{event, ids, key, memory};
use crate::{
    EntryFilter, LoadBy, ScanMark, SqliteStore, StoreError, StoreErrorKind, TimelineStore, VectorKey,
    move_aside,
};

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("memory.db");
    (folder, path)
}

/// Refused with help, and not a byte changed.
fn assert_refused_untouched(path: &PathBuf, kind: StoreErrorKind) -> StoreError {
    let before = fs::read(path).expect("readable");
    let error = SqliteStore::open(path).err().expect("refused");
    assert_eq!(error.kind, kind, "{error}");
    assert!(!error.help.is_empty(), "{error}");
    assert_eq!(fs::read(path).expect("readable"), before, "{path:?} was changed");
    error
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (_alive, path) = folder();
    let store = SqliteStore::open(&path).expect("opens");
    let begun = TimelineStore::open(&store, &key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["mira"])]).await.expect("written");
    let saved = store.save(&key(), Some("slot"), None).await.expect("saved");
    let tip = store.append(&key(), vec![event(1, &["mira"])]).await.expect("written");
    store.load(&key(), LoadBy::Name("slot".into())).await.expect("loaded");
    store.close();
    assert_eq!(store.head(&key()).await.expect_err("closed").kind, StoreErrorKind::Unavailable);
    assert!(!path.with_extension("db-wal").exists(), "the journal is folded in on closing");

    let store = SqliteStore::open(&path).expect("opens again");
    let opened = TimelineStore::open(&store, &key()).await.expect("opened");
    assert_eq!(
        (opened.id, opened.head, opened.loads),
        (begun.id, saved, 1),
        "the head is where the load put it"
    );
    store.load(&key(), LoadBy::Cursor(tip)).await.expect("loaded");
    let all = store.recent(&key(), EntryFilter::All, 9, None).await.expect("readable");
    assert_eq!(ids(&all), ["entry-00000000", "entry-00000001"]);
}

#[tokio::test]
async fn two_programs_may_use_one_file() {
    let (_alive, path) = folder();
    let (one, two) = (SqliteStore::open(&path).expect("opens"), SqliteStore::open(&path).expect("opens"));
    let begun = TimelineStore::open(&one, &key()).await.expect("begun");
    assert_eq!(TimelineStore::open(&two, &key()).await, Ok(begun));
    for number in 0..20 {
        let store = if number % 2 == 0 { &one } else { &two };
        store.append(&key(), vec![event(number, &["mira"])]).await.expect("written");
    }
    let all = one.recent(&key(), EntryFilter::All, 99, None).await.expect("readable");
    assert_eq!(all.len(), 20);
    assert_eq!(two.recent(&key(), EntryFilter::All, 99, None).await, Ok(all));
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let (_alive, path) = folder();
    fs::write(&path, "Dear diary, this is not a database at all.").expect("written");
    assert_refused_untouched(&path, StoreErrorKind::Corrupt);
    fs::write(&path, "short").expect("written");
    assert_refused_untouched(&path, StoreErrorKind::Corrupt);

    let (_alive, path) = folder();
    let other = Connection::open(&path).expect("opens");
    other
        .execute_batch("CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('x');")
        .expect("made");
    drop(other);
    let error = assert_refused_untouched(&path, StoreErrorKind::Corrupt);
    assert!(error.message.contains("is not a memory file"), "{error}");
}

/// A file as the version before wrote it: made by its migration alone, with entries put in by hand.
#[tokio::test]
async fn a_file_of_the_version_before_is_brought_up_to_date() {
    let (_alive, path) = folder();
    let old = Connection::open(&path).expect("opens");
    old.execute_batch(include_str!("../migrations/001_timelines.sql")).expect("made");
    old.pragma_update(None, "application_id", 0x4d64_544c).expect("marked");
    old.pragma_update(None, "user_version", 1).expect("marked");
    let body = serde_json::to_string(&event(0, &["mira"])).expect("serialises");
    let beginning = crate::chain::beginning(meddah_engine::timeline::TimelineId::from_bits(7));
    let hash = crate::chain::after(beginning, &body);
    old.execute_batch(
        "INSERT INTO timeline VALUES (1, 7, 'tavern', 'ann', 0, 1, 0, 0);
         INSERT INTO branch VALUES (1, 0, NULL, 0, 0, 0, 1, 0);",
    )
    .expect("written");
    old.execute("INSERT INTO entry VALUES (1, 1, 0, 1, ?1, NULL, ?2)", (hash.0, body)).expect("written");
    old.execute("INSERT INTO posting VALUES (1, 'told\u{1f}mira', 0, 1, 1)", []).expect("written");
    old.execute("INSERT INTO save_point VALUES (1, 1, 0, 1, 'slot', NULL, 0)", []).expect("written");
    drop(old);

    let store = SqliteStore::open(&path).expect("brought up to date");
    let filter = EntryFilter::PerceivedBy("mira".into());
    let seen = store.recent(&key(), filter, 9, None).await.expect("readable");
    assert_eq!(ids(&seen), ["entry-00000000"]);
    let scanned = store.scan(&key(), ScanMark::default(), 9).await.expect("readable");
    assert_eq!(scanned.entries, seen);
    let vector = VectorKey::new("small", "a");
    store.put_vectors(vec![(vector, vec![1])]).await.expect("kept");
    store.append(&key(), vec![memory(1, "mira")]).await.expect("written");
    store.load(&key(), LoadBy::Name("slot".into())).await.expect("the save is found");
    drop(store);
    let again = SqliteStore::open(&path).expect("opens");
    assert_eq!(again.vectors(vec![vector]).await, Ok(vec![Some(vec![1])]));
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let (_alive, path) = folder();
    drop(SqliteStore::open(&path).expect("opens"));
    Connection::open(&path).and_then(|file| file.pragma_update(None, "user_version", 99)).expect("marked");
    let error = assert_refused_untouched(&path, StoreErrorKind::Invalid);
    assert!(error.help.contains("Update Meddah"), "{error:?}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_can_be_moved_aside() {
    let (store, alive) = in_file();
    let path = alive.path().join("memory.db");
    TimelineStore::open(&store, &key()).await.expect("begun");
    let many: Vec<_> = (0..500).map(|number| event(number, &["mira", "bert"])).collect();
    store.append(&key(), many).await.expect("written");
    drop(store);
    let mut bytes = fs::read(&path).expect("readable");
    let half = bytes.len() / 2;
    bytes[8_192..half].fill(0x5a);
    fs::write(&path, &bytes).expect("damaged");
    assert_refused_untouched(&path, StoreErrorKind::Corrupt);

    let aside = move_aside(&path).expect("moved");
    assert_eq!(fs::read(&aside).expect("kept"), bytes);
    let fresh = SqliteStore::open(&path).expect("begun anew");
    assert_eq!(TimelineStore::open(&fresh, &key()).await.expect("begun").head.seq, 0);
    drop(fresh);
    let second = move_aside(&path).expect("moved again");
    assert_ne!(second, aside, "nothing is overwritten");

    // Cut short, as by a copy that was broken off.
    fs::write(&path, &bytes[..half]).expect("written");
    assert_refused_untouched(&path, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn damage_found_while_running_is_an_error_not_a_wrong_answer() {
    let (store, alive) = in_file();
    TimelineStore::open(&store, &key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["mira"])]).await.expect("written");
    let other = Connection::open(alive.path().join("memory.db")).expect("opens");
    other.execute("UPDATE entry SET body = '{\"id\": 7}'", []).expect("damaged");
    let error = store.recent(&key(), EntryFilter::All, 9, None).await.expect_err("unreadable");
    assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let (store, alive) = in_file();
    TimelineStore::open(&store, &key()).await.expect("begun");
    let limit = |connection: &mut Connection, pages: u32| -> Result<(), StoreError> {
        Ok(connection.pragma_update(None, "max_page_count", pages)?)
    };
    store.writer.run(move |connection| limit(connection, 40)).await.expect("limited");
    let mut acknowledged = 0;
    let error = loop {
        let batch = (acknowledged..acknowledged + 10).map(|number| event(number, &["mira"])).collect();
        match store.append(&key(), batch).await {
            Ok(cursor) => acknowledged = cursor.seq as usize,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert!(error.help.contains("Make room") && acknowledged > 0);
    store.writer.run(move |connection| limit(connection, 4_000)).await.expect("room was made");
    store.append(&key(), vec![event(acknowledged, &["mira"])]).await.expect("goes on");
    drop(store);
    let store = SqliteStore::open(&alive.path().join("memory.db")).expect("sound");
    let all = store.recent(&key(), EntryFilter::All, 10_000, None).await.expect("readable");
    assert_eq!(all.len(), acknowledged + 1);
}

#[test]
fn a_folder_in_the_way_is_an_error_with_help() {
    let (_alive, path) = folder();
    fs::create_dir(&path).expect("made");
    let error = SqliteStore::open(&path).err().expect("refused");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(!error.help.is_empty());
}
