//! Cases about saving and loading.

use std::time::Duration;

use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId, TimelineKey};

use super::{Store, assert_all, assert_refused, event, expected_ids, ids, key, turn};
use crate::{EntryFilter, LoadBy, Loaded, StoreErrorKind};

async fn tell(store: &Store, numbers: std::ops::Range<usize>) -> Cursor {
    let events = numbers.map(|number| event(number, &["mira"])).collect();
    store.append(&key(), events).await.expect("written")
}

async fn load(store: &Store, cursor: Cursor) -> Loaded {
    store.load(&key(), LoadBy::Cursor(cursor)).await.expect("loaded")
}

/// A request is answered from the line of time that is being played.
pub async fn a_request_is_found_on_its_line_of_time(store: Store) {
    store.open(&key()).await.expect("begun");
    store.append(&key(), vec![turn(0, "t0", "mira", &[])]).await.expect("written");
    let saved = store.save(&key(), None, None).await.expect("saved");
    store.append(&key(), vec![turn(1, "t1", "mira", &[])]).await.expect("written");
    let find = async |req_id: &str| {
        let found = store.find_request(&key(), req_id).await.expect("readable");
        found.map(|stored| stored.entry.id.clone())
    };
    assert_eq!(find("req-t1").await, expected_ids([1]).pop());
    load(&store, saved).await;
    assert_eq!(find("req-t1").await, None);
    assert_eq!(find("req-t0").await, expected_ids([0]).pop());
    assert_eq!(find("").await, None);
    // The same id again: the newest counts.
    store.append(&key(), vec![turn(2, "t0", "mira", &[])]).await.expect("written");
    assert_eq!(find("req-t0").await, expected_ids([2]).pop());
}

/// Back to the save, on to another future, and over to the first future again.
pub async fn a_load_brings_back_the_memory_of_the_save(store: Store) {
    store.open(&key()).await.expect("begun");
    tell(&store, 0..3).await;
    let save = store.save(&key(), None, None).await.expect("saved");
    assert_eq!(store.head(&key()).await, Ok(save), "a save moves nothing");
    let lost_future = tell(&store, 3..6).await;

    let loaded = load(&store, save).await;
    assert_eq!(loaded, Loaded { cursor: save, branch: BranchId(0), uncertain: false });
    assert_all(&store, 0..3).await;
    let other_future = tell(&store, 6..8).await;
    assert_eq!((other_future.branch, other_future.seq), (BranchId(1), 5));
    assert_all(&store, [0, 1, 2, 6, 7]).await;

    let seen = store.recent(&key(), EntryFilter::All, 9, Some(lost_future)).await.expect("readable");
    assert_eq!(ids(&seen), expected_ids(0..6), "the other future can be looked at");
    load(&store, lost_future).await;
    assert_all(&store, 0..6).await;
    let branches = store.branches(&key()).await.expect("listed");
    let shape: Vec<_> = branches.iter().map(|branch| (branch.id.0, branch.forked_at, branch.tip)).collect();
    assert_eq!(shape, [(0, None, lost_future), (1, Some(save), other_future)]);
}

/// Only a second future makes a branch.
pub async fn a_load_of_the_tip_goes_on_with_its_branch(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let first_tip = tell(&store, 0..2).await;
    load(&store, first_tip).await;
    assert_eq!(tell(&store, 2..3).await.branch, BranchId(0));
    load(&store, first_tip).await;
    let second_tip = tell(&store, 3..4).await;
    assert_eq!(second_tip.branch, BranchId(1));
    load(&store, begun.head).await;
    assert_all(&store, []).await;
    let new_game = tell(&store, 4..5).await;
    assert_eq!((new_game.branch, new_game.seq), (BranchId(2), 1));
    load(&store, second_tip).await;
    assert_eq!(tell(&store, 5..6).await.branch, BranchId(1));
    assert_all(&store, [0, 1, 3, 5]).await;
}

/// By name: the newest save of that name; unsure if it once meant another moment.
pub async fn a_save_is_found_by_name(store: Store) {
    store.open(&key()).await.expect("begun");
    tell(&store, 0..1).await;
    let early = store.save(&key(), Some("slot 1"), None).await.expect("saved");
    store.save(&key(), Some("slot 1"), None).await.expect("saved");
    tell(&store, 1..2).await;
    let by_name = |name: &str| LoadBy::Name(name.to_owned());
    let found = store.load(&key(), by_name("slot 1")).await.expect("loaded");
    assert_eq!(found, Loaded { cursor: early, branch: BranchId(0), uncertain: false });
    tell(&store, 2..3).await;
    let late = store.save(&key(), Some("slot 1"), None).await.expect("saved");
    load(&store, early).await;
    let found = store.load(&key(), by_name("slot 1")).await.expect("loaded");
    assert_eq!(found, Loaded { cursor: late, branch: BranchId(1), uncertain: true });
    assert_refused(store.load(&key(), by_name("slot 2")).await, StoreErrorKind::NotFound);
    assert_refused(store.save(&key(), Some(""), None).await, StoreErrorKind::Invalid);
    assert_eq!(store.head(&key()).await, Ok(late), "a load that failed moves nothing");
}

/// By the game's clock: the newest moment of this line of time that is not later, and never sure.
pub async fn a_save_is_found_by_game_time(store: Store) {
    store.open(&key()).await.expect("begun");
    tell(&store, 0..1).await;
    assert_refused(store.load(&key(), LoadBy::GameTime(5)).await, StoreErrorKind::NotFound);
    for (number, game_time) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
        let mut timed = event(number, &[]);
        timed.game_time = Some(game_time);
        store.append(&key(), vec![timed]).await.expect("written");
    }
    let end = tell(&store, 5..6).await;
    store.save(&key(), None, Some(40)).await.expect("saved");
    let mut seq_at = Vec::new();
    for game_time in [9, 10, 19, 20, 29, 30, 39, 40, 99] {
        load(&store, end).await;
        let found = store.load(&key(), LoadBy::GameTime(game_time)).await.expect("loaded");
        assert!(found.uncertain);
        seq_at.push(found.cursor.seq);
    }
    assert_eq!(seq_at, [0, 2, 2, 4, 4, 5, 5, 6, 6]);
    // From another line of time, the moments of this one are not seen.
    load(&store, end).await;
    store.load(&key(), LoadBy::GameTime(10)).await.expect("loaded");
    let branched = tell(&store, 6..7).await;
    let found = store.load(&key(), LoadBy::GameTime(99)).await.expect("loaded");
    assert_eq!((found.cursor.seq, found.branch), (2, BranchId(0)));
    assert_eq!(branched.branch, BranchId(1));
}

/// The game's clock tells saves of one name apart, also on a branch that was left.
pub async fn a_save_is_found_by_name_and_game_time(store: Store) {
    store.open(&key()).await.expect("begun");
    tell(&store, 0..1).await;
    let early = store.save(&key(), Some("quick"), Some(10)).await.expect("saved");
    tell(&store, 1..2).await;
    let late = store.save(&key(), Some("quick"), Some(20)).await.expect("saved");
    load(&store, early).await;
    tell(&store, 2..3).await;
    let other = store.save(&key(), Some("quick"), Some(15)).await.expect("saved");
    let at = async |game_time: i64| {
        let by = LoadBy::NameAt { name: "quick".into(), game_time };
        let loaded = store.load(&key(), by).await.expect("loaded");
        (loaded.cursor, loaded.uncertain)
    };
    assert_eq!(at(10).await, (early, false));
    assert_eq!(at(20).await, (late, false));
    assert_eq!(at(15).await, (other, false));
    assert_eq!(at(17).await, (other, true), "no save of that time");
    // The same clock again elsewhere.
    load(&store, late).await;
    let again = store.save(&key(), Some("quick"), Some(15)).await.expect("saved");
    assert_eq!(at(15).await, (again, true));
    let missing = LoadBy::NameAt { name: "none".into(), game_time: 1 };
    assert_refused(store.load(&key(), missing).await, StoreErrorKind::NotFound);
}

/// A cursor that does not belong here changes nothing and says what to do.
pub async fn foreign_cursors_are_refused(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let other = TimelineKey::new("tavern", "bert");
    store.open(&other).await.expect("begun");
    let foreign = store.append(&other, vec![event(0, &[])]).await.expect("written");
    let head = tell(&store, 0..2).await;
    let refused = [
        (foreign, StoreErrorKind::Invalid),
        (Cursor { timeline: TimelineId::from_bits(1), ..head }, StoreErrorKind::Invalid),
        (Cursor { hash: EntryHash([0; 8]), ..head }, StoreErrorKind::Invalid),
        (Cursor { hash: head.hash, ..begun.head }, StoreErrorKind::Invalid),
        (Cursor { seq: 3, ..head }, StoreErrorKind::NotFound),
        (Cursor { seq: u64::MAX, ..head }, StoreErrorKind::NotFound),
        (Cursor { branch: BranchId(1), ..head }, StoreErrorKind::NotFound),
        (Cursor { branch: BranchId(u32::MAX), ..begun.head }, StoreErrorKind::NotFound),
    ];
    for (cursor, kind) in refused {
        assert_refused(store.load(&key(), LoadBy::Cursor(cursor)).await, kind);
        assert_refused(store.recent(&key(), EntryFilter::All, 9, Some(cursor)).await, kind);
    }
    assert_eq!(store.head(&key()).await, Ok(head));
}

/// What was thought up before a load cannot slip into the past.
pub async fn work_from_before_a_load_is_superseded(store: Store) {
    let begun = store.open(&key()).await.expect("begun");
    let head = store.append_since(&key(), Some(begun.loads), vec![event(0, &[])]).await.expect("written");
    load(&store, head).await;
    let late = store.append_since(&key(), Some(begun.loads), vec![event(1, &[])]).await;
    assert_refused(late, StoreErrorKind::Superseded);
    let now = store.open(&key()).await.expect("opened");
    store.append_since(&key(), Some(now.loads), vec![event(2, &[])]).await.expect("written");
    assert_all(&store, [0, 2]).await;
}

/// The same save, loaded again and again.
pub async fn a_thousand_loads_leave_a_thousand_branches(store: Store) {
    store.open(&key()).await.expect("begun");
    tell(&store, 0..3).await;
    let save = store.save(&key(), None, None).await.expect("saved");
    let mut tips = Vec::new();
    for number in 0..1_000 {
        tips.push(tell(&store, 10 + number..11 + number).await);
        assert_eq!(load(&store, save).await.cursor, save);
    }
    assert_all(&store, 0..3).await;
    assert_eq!(store.branches(&key()).await.expect("listed").len(), 1_000);
    load(&store, tips[500]).await;
    assert_all(&store, [0, 1, 2, 510]).await;
}

/// Each save is made on the branch that the last load began, so that branches nest. Half of them
/// have a future that was loaded away.
pub async fn a_long_chain_of_branches_is_seen_through(store: Store) {
    const DEPTH: usize = 300;
    store.open(&key()).await.expect("begun");
    store.append(&key(), vec![event(0, &["cleo", "mira"])]).await.expect("written");
    let mut kept = vec![0];
    for number in 1..=DEPTH {
        let place = store.append(&key(), vec![event(number, &["mira"])]).await.expect("written");
        kept.push(number);
        store.append(&key(), vec![event(10_000 + number, &["cleo", "mira"])]).await.expect("written");
        load(&store, place).await;
    }
    assert_all(&store, kept.iter().copied()).await;
    assert_eq!(store.branches(&key()).await.expect("listed").len(), DEPTH);
    let seen = async |being: &str, limit| {
        let filter = EntryFilter::PerceivedBy(being.to_owned());
        let found = store.recent(&key(), filter, limit, None).await.expect("readable");
        ids(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(seen("mira", 1_000).await, expected_ids(kept));
    assert_eq!(seen("mira", 2).await, expected_ids([DEPTH - 1, DEPTH]));
    assert_eq!(seen("cleo", 9).await, expected_ids([0]));
    assert!(seen("dan", 9).await.is_empty());
}

/// However it is asked for, and whoever else asks meanwhile.
pub async fn loads_are_counted(store: Store) {
    let key = key();
    store.open(&key).await.expect("begun");
    let place = store.append(&key, vec![event(0, &["mira"])]).await.expect("written");
    assert_eq!(store.loads(&key).await, Ok(0));
    for number in 1..40 {
        let load = || store.load(&key, LoadBy::Cursor(place));
        let (loaded, during) = tokio::join!(load(), store.loads(&key));
        loaded.expect("loaded");
        assert!((number - 1..=number).contains(&during.expect("counted")), "load {number}");
        assert_eq!(store.loads(&key).await, Ok(number));
        assert_eq!(store.loads(&key).await, Ok(store.open(&key).await.expect("there").loads));
    }
    // Whoever waits for a load may leave; it may still be carried out.
    tokio::time::timeout(Duration::ZERO, store.load(&key, LoadBy::Cursor(place))).await.ok();
    store.append(&key, vec![event(1, &["mira"])]).await.expect("written behind that load");
    assert_eq!(store.loads(&key).await, Ok(store.open(&key).await.expect("there").loads));
    let new = TimelineKey::new("tavern", "newcomer");
    assert_eq!(store.loads(&new).await, Ok(0), "begun");
}
