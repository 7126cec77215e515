//! Cases about writing and reading.

use meddah_engine::timeline::{CalledAction, DecisionRecord, Entry, EntryKind, TimelineKey, project};
use meddah_protocol::{ActionResult, Scene};
use tokio::task::JoinSet;

use super::{Store, assert_all, assert_refused, entry, event, expected_ids, ids, key, memory, turn};
use crate::{ENTRY_BYTES_MAX, EntryFilter, RECENT_MAX, StateOf, StoreErrorKind, StoredEntry};

async fn perceived(store: &Store, being: &str, limit: usize) -> Vec<StoredEntry> {
    let filter = EntryFilter::PerceivedBy(being.to_owned());
    store.recent(&key(), filter, limit, None).await.expect("readable")
}

/// Opening again gives the same timeline; each player and world has its own.
pub async fn a_timeline_is_begun_once(store: Store) {
    assert_refused(store.head(&key()).await, StoreErrorKind::NotFound);
    assert_refused(store.append(&key(), vec![event(0, &[])]).await, StoreErrorKind::NotFound);
    let begun = store.open(&key()).await.expect("begun");
    assert_eq!((begun.head.seq, begun.head.branch.0, begun.loads), (0, 0, 0));
    assert_eq!(store.open(&key()).await, Ok(begun.clone()));
    let other = store.open(&TimelineKey::new("tavern", "bert")).await.expect("begun");
    assert_ne!(other.id, begun.id);
    store.append(&other.key, vec![event(0, &[])]).await.expect("written");
    assert_eq!(store.head(&key()).await, Ok(begun.head));
    let listed: Vec<_> = store.timelines().await.expect("listed").into_iter().map(|info| info.key).collect();
    assert_eq!(listed, [key(), other.key]);
    for bad in [TimelineKey::new("", "ann"), TimelineKey::new("tavern", "a\nb")] {
        assert_refused(store.open(&bad).await, StoreErrorKind::Invalid);
    }
}

/// What went in comes out, with rising numbers; a limit keeps the newest.
pub async fn entries_come_back_in_the_order_of_telling(store: Store) {
    store.open(&key()).await.expect("begun");
    let mut written: Vec<Entry> = (0..10).map(|number| event(number, &["mira"])).collect();
    // Neither clock orders anything.
    written[3].wall_time_ms = 0;
    written[4].game_time = Some(-5);
    let first = store.append(&key(), written[..4].to_vec()).await.expect("written");
    let second = store.append(&key(), written[4..].to_vec()).await.expect("written");
    assert_eq!((first.seq, second.seq), (4, 10));
    assert_eq!(store.append(&key(), Vec::new()).await, Ok(second), "nothing to write is no error");
    let all = store.recent(&key(), EntryFilter::All, 100, None).await.expect("readable");
    assert_eq!(all.iter().map(|stored| (*stored.entry).clone()).collect::<Vec<_>>(), written);
    assert_eq!(all.iter().map(|stored| stored.cursor.seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!((all[3].cursor, all[9].cursor), (first, second));
    for filter in [EntryFilter::All, EntryFilter::PerceivedBy("mira".into())] {
        let newest = store.recent(&key(), filter.clone(), 3, None).await.expect("readable");
        assert_eq!(ids(&newest), expected_ids(7..10));
        let back_then = store.recent(&key(), filter, 2, Some(first)).await.expect("readable");
        assert_eq!(ids(&back_then), expected_ids(2..4));
    }
    assert!(perceived(&store, "mira", 0).await.is_empty());
}

/// Ids are data, whatever they look like.
pub async fn hostile_names_are_only_names(store: Store) {
    let hostile = "x'; DROP TABLE entry; --";
    let key = TimelineKey::new(hostile, "ünï%_\\\"");
    store.open(&key).await.expect("begun");
    store.append(&key, vec![event(0, &[hostile]), event(1, &["%"])]).await.expect("written");
    store.save(&key, Some(hostile), None).await.expect("saved");
    let seen = store.recent(&key, EntryFilter::PerceivedBy(hostile.into()), 9, None).await.expect("readable");
    assert_eq!(ids(&seen), expected_ids([0]));
}

/// A character recalls what it took part in or witnessed, and nothing else.
pub async fn only_what_was_perceived_is_recalled(store: Store) {
    store.open(&key()).await.expect("begun");
    let told = vec![
        turn(0, "t0", "mira", &["bert"]),
        turn(1, "t1", "bert", &[]),
        event(2, &["mira", "mira"]),
        event(3, &[]),
        entry(4, EntryKind::Scene(Scene::default()), None, &["mira"]),
    ];
    store.append(&key(), told).await.expect("written");
    assert_eq!(ids(&perceived(&store, "mira", 9).await), expected_ids([0, 2]));
    assert_eq!(ids(&perceived(&store, "bert", 9).await), expected_ids([0, 1]));
    assert_eq!(ids(&perceived(&store, "ann", 9).await), expected_ids([0, 1]));
    assert!(perceived(&store, "cleo", 9).await.is_empty());
    assert!(perceived(&store, "", 9).await.is_empty());
}

/// What was heard and how actions went is known to those who perceived the turn, does not count
/// towards the limit, and is not seen from before it was known.
pub async fn notes_come_along_with_their_turns(store: Store) {
    store.open(&key()).await.expect("begun");
    let mut first = turn(0, "t0", "mira", &["bert"]);
    if let EntryKind::Turn(record) = &mut first.kind {
        let arguments = serde_json::Map::new();
        record.actions =
            vec![CalledAction { call_id: "c0".into(), name: "give".into(), arguments, target: None }];
    }
    let ended = store.append(&key(), vec![first]).await.expect("written");
    let result = ActionResult { call_id: "c0".into(), ok: true, text: Some("Given.".into()), data: None };
    let notes = vec![
        event(1, &["bert"]),
        entry(2, EntryKind::Heard { turn: "t0".into(), line: 0, fraction: 0.5 }, None, &[]),
        entry(3, EntryKind::ActionResult { turn: String::new(), result }, None, &[]),
        entry(4, EntryKind::Heard { turn: "unknown".into(), line: 0, fraction: 0.5 }, None, &[]),
    ];
    store.append(&key(), notes).await.expect("written");
    let seen = perceived(&store, "bert", 2).await;
    assert_eq!(ids(&seen), expected_ids([0, 1, 2, 3]));
    assert_eq!(ids(&perceived(&store, "bert", 1).await), expected_ids([1, 2, 3]));
    assert!(perceived(&store, "cleo", 9).await.is_empty());
    let turns = project(seen.iter().map(|stored| &*stored.entry), "bert");
    assert_eq!(turns[0].answer(), "It is—");
    assert!(turns[0].actions[0].result.as_ref().is_some_and(|result| result.ok));
    let filter = EntryFilter::PerceivedBy("bert".into());
    let before = store.recent(&key(), filter, 2, Some(ended)).await.expect("readable");
    let turns = project(before.iter().map(|stored| &*stored.entry), "bert");
    assert_eq!(turns[0].answer(), "It is under the mat.");
    assert_eq!(turns[0].actions[0].result, None);
}

/// In one append: the newest turn of that id counts, also if an older one was written before.
pub async fn a_note_may_be_written_with_its_turn(store: Store) {
    store.open(&key()).await.expect("begun");
    store.append(&key(), vec![turn(0, "t0", "mira", &["cleo"])]).await.expect("written");
    let heard = |id| entry(id, EntryKind::Heard { turn: "t0".into(), line: 0, fraction: 0.5 }, None, &[]);
    let told = vec![turn(1, "t0", "mira", &["bert"]), heard(2), turn(3, "t0", "dan", &[]), heard(4)];
    store.append(&key(), told).await.expect("written");
    assert_eq!(ids(&perceived(&store, "bert", 9).await), expected_ids([1, 2]));
    assert_eq!(ids(&perceived(&store, "mira", 9).await), expected_ids([0, 1, 2]));
    assert_eq!(ids(&perceived(&store, "dan", 9).await), expected_ids([3, 4]));
    assert_eq!(ids(&perceived(&store, "cleo", 9).await), expected_ids([0]));
}

/// Scene, emotion and relationship: the newest value holds, for each character and whom it is toward.
pub async fn the_value_of_a_state_is_the_newest(store: Store) {
    store.open(&key()).await.expect("begun");
    let emotion = |label: &str| EntryKind::Emotion {
        label: label.to_owned(),
        intensity: 0.5,
        pleasure: 0.1,
        arousal: 0.2,
        dominance: -0.3,
        why: None,
    };
    let relationship = |toward: &str| EntryKind::Relationship {
        toward: toward.to_owned(),
        trust: 0.5,
        respect: 0.1,
        familiarity: 0.2,
        affection: -0.3,
        sated: 0.0,
        why: None,
    };
    let told = vec![
        entry(0, emotion("joy"), Some("mira"), &[]),
        entry(1, emotion("fear"), Some("bert"), &[]),
        entry(2, relationship("ann"), Some("mira"), &[]),
        entry(3, relationship("bert"), Some("mira"), &[]),
        entry(4, EntryKind::Scene(Scene::default()), None, &[]),
    ];
    let earlier = store.append(&key(), told).await.expect("written");
    store.append(&key(), vec![entry(5, emotion("anger"), Some("mira"), &[])]).await.expect("written");
    let mira = || StateOf::Emotion { character: "mira".into() };
    let newest = async |state: StateOf, at| {
        let found = store.recent(&key(), EntryFilter::State(state), 1, at).await.expect("readable");
        found.into_iter().map(|stored| stored.entry.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(newest(mira(), None).await, expected_ids([5]));
    assert_eq!(newest(mira(), Some(earlier)).await, expected_ids([0]));
    assert_eq!(newest(StateOf::Emotion { character: "bert".into() }, None).await, expected_ids([1]));
    let toward = |toward: &str| StateOf::Relationship { character: "mira".into(), toward: toward.into() };
    assert_eq!(newest(toward("ann"), None).await, expected_ids([2]));
    assert_eq!(newest(toward("cleo"), None).await, Vec::<String>::new());
    assert_eq!(newest(StateOf::Scene, None).await, expected_ids([4]));
}

/// Several filters in one call find what each finds by itself, in their order.
pub async fn questions_at_once_are_answered_as_one_by_one(store: Store) {
    store.open(&key()).await.expect("begun");
    let kinds =
        [event(0, &["mira"]), memory(1, "mira"), turn(2, "t2", "bert", &["mira"]), event(3, &["bert"])];
    store.append(&key(), kinds.to_vec()).await.expect("written");
    let questions = vec![
        (EntryFilter::MemoriesOf("mira".into()), 9),
        (EntryFilter::PerceivedBy("mira".into()), 9),
        (EntryFilter::PerceivedBy("cleo".into()), 9),
        (EntryFilter::All, 2),
        (EntryFilter::State(StateOf::Scene), 1),
    ];
    let recent = store.recent_each(&key(), questions.clone()).await.expect("readable");
    assert_eq!(recent.head, store.head(&key()).await.expect("readable"));
    let answers = recent.answers;
    assert_eq!(answers.len(), questions.len());
    for ((filter, limit), answer) in questions.into_iter().zip(&answers) {
        assert_eq!(*answer, store.recent(&key(), filter, limit, None).await.expect("readable"));
    }
    assert_eq!(ids(&answers[1]), expected_ids([0, 2]));
    assert!(store.recent_each(&key(), Vec::new()).await.expect("readable").answers.is_empty());
}

/// An entry of a kind that this version does not know comes back as it was.
pub async fn kinds_of_other_versions_are_kept(store: Store) {
    store.open(&key()).await.expect("begun");
    let kind: EntryKind =
        serde_json::from_str(r#"{"type":"prophecy","of":["doom",0.5]}"#).expect("unknown kinds are readable");
    let written = entry(0, kind, Some("mira"), &["mira"]);
    store.append(&key(), vec![written.clone()]).await.expect("written");
    let all = store.recent(&key(), EntryFilter::All, 9, None).await.expect("readable");
    assert_eq!(*all[0].entry, written);
    assert!(perceived(&store, "mira", 9).await.is_empty(), "what nobody understands is told to nobody");
}

/// One bad entry, and none of its append is there.
pub async fn an_append_is_written_whole_or_not_at_all(store: Store) {
    store.open(&key()).await.expect("begun");
    let head = store.append(&key(), vec![event(0, &["mira"])]).await.expect("written");
    let mut nameless = event(2, &["mira"]);
    nameless.id.clear();
    let mut huge = event(3, &["mira"]);
    huge.kind = EntryKind::Event { text: "x".repeat(ENTRY_BYTES_MAX) };
    let endless = entry(4, EntryKind::Heard { turn: "t".into(), line: 0, fraction: f32::NAN }, None, &[]);
    let mut nested = turn(5, "t5", "mira", &[]);
    if let EntryKind::Turn(record) = &mut nested.kind {
        let deep = (0..126).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        let arguments = Some(deep);
        record.decisions =
            vec![DecisionRecord { decision: "action".into(), choice: "give".into(), arguments }];
    }
    for bad in [nameless, huge, endless, nested] {
        let result = store.append(&key(), vec![event(1, &["mira"]), bad]).await;
        assert_refused(result, StoreErrorKind::Invalid);
    }
    let too_many = vec![event(1, &[]); crate::ENTRIES_PER_APPEND_MAX + 1];
    assert_refused(store.append(&key(), too_many).await, StoreErrorKind::Invalid);
    assert_eq!(store.head(&key()).await, Ok(head));
    assert_all(&store, [0]).await;
    assert_eq!(ids(&perceived(&store, "mira", RECENT_MAX).await), expected_ids([0]));
}

/// Two sessions of one player may write at once: nothing is lost, no append is torn apart.
pub async fn appends_at_the_same_time_all_arrive(store: Store) {
    const TASKS: usize = 8;
    const APPENDS: usize = 12;
    store.open(&key()).await.expect("begun");
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..APPENDS {
                let id = (task * APPENDS + number) * 2;
                let pair = vec![event(id, &["mira"]), event(id + 1, &["mira"])];
                store.append(&key(), pair).await.expect("written");
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("the task wrote all");
    }
    let all = perceived(&store, "mira", RECENT_MAX).await;
    assert_eq!(all.iter().map(|s| s.cursor.seq).collect::<Vec<_>>(), (1..=192).collect::<Vec<_>>());
    let mut sorted: Vec<&str> = ids(&all);
    for pair in sorted.chunks(2) {
        assert!(pair[0] < pair[1] && pair[0][..13] <= pair[1][..13], "{pair:?} was torn apart");
    }
    sorted.sort_unstable();
    assert_eq!(sorted, expected_ids(0..TASKS * APPENDS * 2));
    assert_eq!(store.branches(&key()).await.expect("listed").len(), 1);
}
