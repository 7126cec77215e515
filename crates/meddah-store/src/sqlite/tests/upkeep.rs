//! Taking a copy out and in, and making room.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::in_file;
use crate::suite::{event, ids, key, memory, turn};
use crate::{
    Compacted, EntryFilter, Exported, LoadBy, ScanMark, SqliteStore, StoreErrorKind, StoredEntry,
    TimelineStore, VectorKey,
};

/// A file in memory that is looked at when it is written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn exported(store: &SqliteStore) -> (Exported, String) {
    let out = Written::default();
    let counts = store.export(&key(), out.clone()).await.expect("exported");
    let bytes = out.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (counts, String::from_utf8(bytes).expect("UTF-8"))
}

/// Three branches: two saves, one future that nobody saved, and the head.
async fn played(store: &SqliteStore) -> Vec<crate::SavePoint> {
    TimelineStore::open(store, &key()).await.expect("begun");
    store.append(&key(), vec![turn(0, "t0", "mira", &["bert"]), memory(1, "mira")]).await.expect("written");
    let first = store.save(&key(), Some("inn"), Some(5)).await.expect("saved");
    store.append(&key(), vec![event(2, &["mira"])]).await.expect("written");
    store.save(&key(), None, None).await.expect("saved");
    store.append(&key(), vec![event(3, &["mira"])]).await.expect("written");
    store.load(&key(), LoadBy::Cursor(first)).await.expect("loaded");
    store.append(&key(), vec![event(4, &["mira"])]).await.expect("written");
    store.load(&key(), LoadBy::Cursor(first)).await.expect("loaded");
    store.append(&key(), vec![event(5, &["mira"])]).await.expect("written");
    store.save_points(&key()).await.expect("listed")
}

async fn all(store: &SqliteStore) -> Vec<StoredEntry> {
    store.recent(&key(), EntryFilter::All, 99, None).await.expect("readable")
}

#[tokio::test]
async fn what_is_taken_out_and_in_again_is_the_same() {
    let (store, _alive) = in_file();
    let saves = played(&store).await;
    let (counts, text) = exported(&store).await;
    assert_eq!(counts, Exported { branches: 3, entries: 6, saves: 2 });
    let (copy, _alive) = in_file();
    let imported = copy.import(std::io::Cursor::new(text.clone())).await.expect("imported");
    assert_eq!(imported, [(key(), counts)]);
    assert_eq!(exported(&copy).await.1, text, "to the byte");
    assert_eq!(all(&copy).await, all(&store).await);
    assert_eq!(copy.branches(&key()).await, store.branches(&key()).await);
    // A cursor from a save file of the game goes on to fit, and so does a name.
    for by in [LoadBy::Cursor(saves[1].cursor), LoadBy::Name("inn".into())] {
        assert_eq!(copy.load(&key(), by.clone()).await, store.load(&key(), by).await);
        let filter = EntryFilter::PerceivedBy("mira".into());
        let seen = copy.recent(&key(), filter.clone(), 9, None).await;
        assert_eq!(seen, store.recent(&key(), filter, 9, None).await);
    }
    let after = copy.append(&key(), vec![event(6, &[])]).await.expect("goes on");
    assert_eq!(after.branch.0, 3);
    let again = copy.import(std::io::Cursor::new(text)).await.expect_err("it is there");
    assert!(again.kind == StoreErrorKind::Invalid && again.message.contains("already"), "{again}");
}

#[tokio::test]
async fn a_changed_or_cut_export_is_refused_whole() {
    let (store, _alive) = in_file();
    played(&store).await;
    let (_, text) = exported(&store).await;
    let lines: Vec<&str> = text.lines().collect();
    let without = |skip: usize| {
        let kept: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, l)| *l).collect();
        kept.join("\n")
    };
    let mut bad: Vec<String> = (0..lines.len()).map(without).collect();
    bad.push(text.replace("event 3", "event 7"));
    bad.push(text.replace("meddah timeline", "something"));
    bad.push("{}".to_owned());
    bad.push("no JSON".to_owned());
    for text in bad {
        let (copy, _alive) = in_file();
        let error = copy.import(std::io::Cursor::new(text.clone())).await.expect_err(&text);
        assert!(!error.help.is_empty(), "{error}");
        assert!(copy.timelines().await.expect("listed").is_empty(), "something was left: {text}");
    }
}

#[tokio::test]
async fn compacting_deletes_what_nothing_follows_from_and_nothing_else() {
    let (store, _alive) = in_file();
    let saves = played(&store).await;
    let vector = VectorKey::new("small", "a");
    store.put_vectors(vec![(vector, vec![1])]).await.expect("kept");
    let before = (all(&store).await, exported(&store).await);
    let mark = store.scan(&key(), ScanMark::default(), 99).await.expect("readable").mark;
    let would = store.compact(&key(), Vec::new(), true, true).await.expect("looked at");
    assert_eq!(would, Compacted { entries: 2, branches: 1, saves: 0, vectors: 1 });
    assert_eq!((all(&store).await, exported(&store).await), before, "a dry run changes nothing");

    assert_eq!(store.compact(&key(), Vec::new(), true, false).await, Ok(would));
    assert_eq!(all(&store).await, before.0);
    let left = store.scan(&key(), ScanMark::default(), 99).await.expect("readable");
    let kept = ["entry-00000000", "entry-00000001", "entry-00000002", "entry-00000005"];
    assert_eq!(ids(&left.entries), kept);
    assert_eq!(store.vectors(vec![vector]).await, Ok(vec![None]));
    let anew = store.scan(&key(), mark, 99).await.expect("readable");
    assert!(anew.anew && anew.entries == left.entries, "an index begins again");
    for save in &saves {
        store.load(&key(), LoadBy::Cursor(save.cursor)).await.expect("still there");
    }
    // Row ids are not given anew: what a reader keeps by them stays true.
    store.append(&key(), vec![event(7, &["mira"])]).await.expect("goes on");
    assert_eq!(all(&store).await.last().map(|stored| stored.entry.id.as_str()), Some("entry-00000007"));

    let inn = saves[0].cursor;
    store.load(&key(), LoadBy::Cursor(inn)).await.expect("loaded");
    let done = store.compact(&key(), vec![inn], false, false).await.expect("compacted");
    assert_eq!((done.entries, done.saves), (3, 1));
    assert_eq!(ids(&all(&store).await), kept[..2]);
    let gone = store.load(&key(), LoadBy::Cursor(saves[1].cursor)).await.expect_err("deleted");
    assert_eq!(gone.kind, StoreErrorKind::NotFound, "{gone}");
    let nothing = store.compact(&key(), Vec::new(), true, false).await.expect("nothing to do");
    assert_eq!(nothing, Compacted::default());
    let sizes = store.sizes().await.expect("counted");
    assert_eq!((sizes[0].entries, sizes[0].branches, sizes[0].saves), (2, 1, 1));
}
