//! Cases about what is derived: memories, lineages, indexes, vectors.

use meddah_engine::timeline::{Cursor, EntryKind, TimelineKey};
use tokio::task::JoinSet;

use super::{Store, assert_all, assert_refused, entry, event, expected_ids, ids, key, memory};
use crate::{
    ENTRIES_AT_MAX, ENTRY_BYTES_MAX, EntryFilter, LoadBy, ScanMark, StoreErrorKind, VECTOR_BYTES_MAX,
    VECTORS_PER_CALL_MAX, VectorKey,
};

async fn tell(store: &Store, number: usize) -> Cursor {
    store.append(&key(), vec![event(number, &["mira"])]).await.expect("written")
}

async fn load(store: &Store, cursor: Cursor) {
    store.load(&key(), LoadBy::Cursor(cursor)).await.expect("loaded");
}

async fn memories(store: &Store, character: &str, at: Option<Cursor>) -> Vec<String> {
    let filter = EntryFilter::MemoriesOf(character.to_owned());
    let found = store.recent(&key(), filter, 9, at).await.expect("readable");
    ids(&found).into_iter().map(str::to_owned).collect()
}

/// A memory is its character's alone, and no part of what is told again.
pub async fn memories_are_seen_by_whose_they_are(store: Store) {
    store.open(&key()).await.expect("begun");
    let before = tell(&store, 0).await;
    let mut foreign = memory(1, "mira");
    foreign.witnesses = vec!["bert".into()];
    store.append(&key(), vec![foreign, memory(2, "bert")]).await.expect("written");
    assert_eq!(memories(&store, "mira", None).await, expected_ids([1]));
    assert_eq!(memories(&store, "bert", None).await, expected_ids([2]));
    assert_eq!(memories(&store, "mira", Some(before)).await, Vec::<String>::new());
    let told =
        store.recent(&key(), EntryFilter::PerceivedBy("mira".into()), 9, None).await.expect("readable");
    assert_eq!(ids(&told), expected_ids([0]));
    let nobodys = entry(3, memory(3, "mira").kind, None, &[]);
    assert_refused(store.append(&key(), vec![nobodys]).await, StoreErrorKind::Invalid);
}

/// Work that began at a place counts as long as that place lies behind the head, on whichever branch.
pub async fn what_was_derived_is_refused_once_its_beginning_is_no_ancestor(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let early = tell(&store, 0).await;
    let save = tell(&store, 1).await;
    let late = tell(&store, 2).await;
    let derive = async |began_at: Cursor, id: usize| {
        store.append_derived(&key(), began_at, vec![memory(id, "mira")]).await
    };
    // More was told in between, and it is written behind that.
    assert_eq!(derive(early, 10).await.expect("welcome").seq, 4);
    load(&store, save).await;
    assert_refused(derive(late, 11).await, StoreErrorKind::Superseded);
    derive(save, 12).await.expect("the head itself");
    let branched = tell(&store, 3).await;
    derive(early, 13).await.expect("behind the fork");
    derive(begun.head, 14).await.expect("the beginning lies behind everything");
    derive(branched, 15).await.expect("on the new branch");
    assert_refused(derive(late, 16).await, StoreErrorKind::Superseded);
    assert_all(&store, [0, 1, 12, 3, 13, 14, 15]).await;
    // On the other branch the work of this one is as foreign.
    load(&store, late).await;
    assert_refused(derive(branched, 17).await, StoreErrorKind::Superseded);
    assert_eq!(derive(late, 18).await.expect("welcome").seq, 4);
    assert_all(&store, [0, 1, 2, 18]).await;
    let foreign = Cursor { hash: early.hash, ..late };
    assert_refused(derive(foreign, 19).await, StoreErrorKind::Invalid);
    let nobody = TimelineKey::new("tavern", "nobody");
    let result = store.append_derived(&nobody, early, vec![memory(20, "mira")]).await;
    assert_refused(result, StoreErrorKind::NotFound);
}

/// The way back goes through every fork, and names how far each branch counts.
pub async fn a_lineage_names_what_lies_behind(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let first = tell(&store, 0).await;
    let lost = tell(&store, 1).await;
    load(&store, first).await;
    let second = tell(&store, 2).await;
    tell(&store, 3).await;
    load(&store, second).await;
    let third = tell(&store, 4).await;
    let lineage = store.lineage(&key(), None).await.expect("readable");
    let stretches: Vec<_> = lineage.stretches().iter().map(|s| (s.branch.0, s.seq_max)).collect();
    assert_eq!(stretches, [(2, 3), (1, 2), (0, 1)]);
    assert!([begun.head, first, second, third].iter().all(|place| lineage.holds_place(*place)));
    assert!(!lineage.holds_place(lost));
    let other = store.lineage(&key(), Some(lost)).await.expect("readable");
    assert!(other.holds_place(lost) && other.holds_place(first) && !other.holds_place(second));
    let at_beginning = store.lineage(&key(), Some(begun.head)).await.expect("readable");
    assert!(!at_beginning.holds_place(first));
}

/// On whichever branch; what is not here is missing, and takes nothing of the others with it.
pub async fn entries_are_read_where_they_are(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let first = tell(&store, 0).await;
    let lost = tell(&store, 1).await;
    load(&store, first).await;
    let second = tell(&store, 2).await;
    let other = TimelineKey::new("tavern", "bert");
    store.open(&other).await.expect("begun");
    let elsewhere = store.append(&other, vec![event(90, &["mira"])]).await.expect("written");
    let own = store.entries_at(&other, vec![elsewhere]).await.expect("readable");
    assert!(own.iter().flatten().any(|stored| stored.cursor == elsewhere));
    let changed = Cursor { hash: lost.hash, ..second };
    let places = vec![second, begun.head, changed, lost, elsewhere, first, Cursor { seq: u64::MAX, ..first }];
    for _ in 0..2 {
        let found = store.entries_at(&key(), places.clone()).await.expect("readable");
        let found: Vec<_> =
            found.iter().map(|found| found.as_ref().map(|f| (f.cursor, &*f.entry.id))).collect();
        let [none, zero, one, two] = [
            None,
            Some((first, "entry-00000000")),
            Some((lost, "entry-00000001")),
            Some((second, "entry-00000002")),
        ];
        assert_eq!(found, [two, none, none, one, none, zero, none]);
    }
    let known = store.entries_at(&key(), vec![first, second]).await.expect("readable");
    assert!(known.iter().all(Option::is_some));
    assert_eq!(store.entries_at(&key(), vec![elsewhere]).await, Ok(vec![None]), "somebody else's");
    let too_many = vec![first; ENTRIES_AT_MAX + 1];
    assert_refused(store.entries_at(&key(), too_many).await, StoreErrorKind::Invalid);
}

/// All branches of one timeline, each entry once, and then nothing until more is written.
pub async fn an_index_catches_up_in_the_order_of_writing(store: Store) {
    store.open(&key()).await.expect("begun");
    let other = TimelineKey::new("tavern", "bert");
    store.open(&other).await.expect("begun");
    let first = tell(&store, 0).await;
    tell(&store, 1).await;
    store.append(&other, vec![event(90, &[])]).await.expect("written");
    load(&store, first).await;
    tell(&store, 2).await;
    store.append(&key(), vec![memory(3, "mira")]).await.expect("written");
    let (mut mark, mut seen) = (ScanMark::default(), Vec::new());
    loop {
        let piece = store.scan(&key(), mark, 3).await.expect("readable");
        assert!(piece.entries.len() <= 3 && !piece.anew);
        assert_eq!(Ok(piece.head), store.head(&key()).await);
        mark = piece.mark;
        if piece.entries.is_empty() {
            break;
        }
        seen.extend(piece.entries);
    }
    assert_eq!(ids(&seen), expected_ids(0..4));
    let places: Vec<_> = seen.iter().map(|stored| (stored.cursor.branch.0, stored.cursor.seq)).collect();
    assert_eq!(places, [(0, 1), (0, 2), (1, 2), (1, 3)]);
    assert_eq!(seen[0].cursor, first);
    tell(&store, 4).await;
    let piece = store.scan(&key(), mark, 9).await.expect("readable");
    assert_eq!(ids(&piece.entries), expected_ids([4]));
}

/// Found by model and text, whoever put them; bounds are kept.
pub async fn vectors_are_kept_by_what_they_were_made_from(store: Store) {
    let named = |text: &str| VectorKey::new("small", text);
    let put = vec![(named("a"), vec![1, 2, 3]), (named("b"), Vec::new()), (named("c"), vec![7; 5_000])];
    store.put_vectors(put).await.expect("kept");
    store.put_vectors(vec![(named("a"), vec![4])]).await.expect("kept");
    let keys = vec![named("c"), named("missing"), named("a"), named("b"), VectorKey::new("large", "a")];
    let found = store.vectors(keys).await.expect("readable");
    assert_eq!(found, [Some(vec![7; 5_000]), None, Some(vec![4]), Some(Vec::new()), None]);
    let too_long = vec![(named("d"), vec![1]), (named("e"), vec![0; VECTOR_BYTES_MAX + 1])];
    assert_refused(store.put_vectors(too_long).await, StoreErrorKind::Invalid);
    assert_eq!(store.vectors(vec![named("d")]).await, Ok(vec![None]), "all or none");
    let too_many = vec![named("a"); VECTORS_PER_CALL_MAX + 1];
    assert_refused(store.vectors(too_many).await, StoreErrorKind::Invalid);
}

/// Writes that wait together may be carried out together; a bad one among them fails alone.
pub async fn a_failed_append_takes_no_other_with_it(store: Store) {
    const TASKS: usize = 40;
    let begun = store.open(&key()).await.expect("begun");
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let bad = number % 4 == 3;
            // Refused only after its first entries were written, so that there is something to undo.
            let mut entries = vec![event(number * 2, &["mira"]), event(number * 2 + 1, &["mira"])];
            if bad {
                entries[1].kind = EntryKind::Event { text: "x".repeat(ENTRY_BYTES_MAX) };
            }
            let result = store.append(&key(), entries).await;
            assert_eq!(result.is_err(), bad, "append {number}");
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("as expected");
    }
    let all = store.recent(&key(), EntryFilter::All, 1_000, None).await.expect("readable");
    let mut written: Vec<&str> = ids(&all);
    written.sort_unstable();
    let good = (0..TASKS).filter(|number| number % 4 != 3).flat_map(|number| [number * 2, number * 2 + 1]);
    assert_eq!(written, expected_ids(good));
    assert_eq!(all.len() as u64, all[all.len() - 1].cursor.seq - begun.head.seq, "no gap in the numbers");
}
