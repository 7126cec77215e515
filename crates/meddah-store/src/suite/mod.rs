//! What every adapter of [`TimelineStore`] must do, as tests that take the adapter as an argument.
//!
//! [`timeline_store_suite!`](crate::timeline_store_suite) makes a test of each. They panic on a
//! failure, as tests do; nothing of this is in a shipped build.

mod derived;
pub mod reference;
mod saves;
#[cfg(test)]
pub(crate) mod steps;
mod telling;

use std::sync::Arc;

use meddah_engine::timeline::{Entry, EntryKind, MemoryRecord, SpokenLine, TimelineKey, TurnRecord};
use meddah_protocol::Finish;

use crate::{EntryFilter, StoreErrorKind, StoredEntry, TimelineStore};

pub use derived::*;
pub use saves::*;
pub use telling::*;

/// The adapter under test, with nothing in it.
pub type Store = Arc<dyn TimelineStore>;

/// Makes a test of each case, in a module of this name. `$make` gives the empty store and whatever
/// must live as long as it.
#[macro_export]
macro_rules! timeline_store_suite {
    ($module:ident, $make:expr) => {
        $crate::timeline_store_suite!(@cases $module, $make,
            a_timeline_is_begun_once
            entries_come_back_in_the_order_of_telling
            hostile_names_are_only_names
            only_what_was_perceived_is_recalled
            notes_come_along_with_their_turns
            a_note_may_be_written_with_its_turn
            the_value_of_a_state_is_the_newest
            questions_at_once_are_answered_as_one_by_one
            kinds_of_other_versions_are_kept
            an_append_is_written_whole_or_not_at_all
            appends_at_the_same_time_all_arrive
            a_request_is_found_on_its_line_of_time
            a_load_brings_back_the_memory_of_the_save
            a_load_of_the_tip_goes_on_with_its_branch
            a_save_is_found_by_name
            a_save_is_found_by_game_time
            a_save_is_found_by_name_and_game_time
            loads_are_counted
            foreign_cursors_are_refused
            work_from_before_a_load_is_superseded
            a_thousand_loads_leave_a_thousand_branches
            a_long_chain_of_branches_is_seen_through
            memories_are_seen_by_whose_they_are
            what_was_derived_is_refused_once_its_beginning_is_no_ancestor
            a_lineage_names_what_lies_behind
            entries_are_read_where_they_are
            an_index_catches_up_in_the_order_of_writing
            vectors_are_kept_by_what_they_were_made_from
            a_failed_append_takes_no_other_with_it
        );
    };
    (@cases $module:ident, $make:expr, $($case:ident)*) => {
        mod $module {
            #[allow(unused_imports, reason = "depends on what `make` names")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _alive) = $make;
                    $crate::suite::$case(std::sync::Arc::new(store)).await;
                }
            )*
        }
    };
}

/// Player "ann" in the world "tavern".
pub fn key() -> TimelineKey {
    TimelineKey::new("tavern", "ann")
}

/// An entry of this kind. `id` makes it unlike all others.
pub fn entry(id: usize, kind: EntryKind, character: Option<&str>, witnesses: &[&str]) -> Entry {
    Entry {
        id: format!("entry-{id:08}"),
        kind,
        character: character.map(str::to_owned),
        witnesses: witnesses.iter().map(|&id| id.to_owned()).collect(),
        game_time: None,
        wall_time_ms: 1_700_000_000_000 + id as i64,
    }
}

/// Something that these witnesses perceived.
pub fn event(id: usize, witnesses: &[&str]) -> Entry {
    entry(id, EntryKind::Event { text: format!("event {id}") }, None, witnesses)
}

/// A turn of "ann" with `character`, of one line and no action.
pub fn turn(id: usize, turn: &str, character: &str, witnesses: &[&str]) -> Entry {
    let record = TurnRecord {
        turn: turn.to_owned(),
        req_id: format!("req-{turn}"),
        speaker: "ann".to_owned(),
        speaker_name: "Ann".to_owned(),
        text: "Where is the key?".to_owned(),
        told: String::new(),
        lines: vec![SpokenLine::spoken("It is under the mat.")],
        emotion: None,
        decisions: Vec::new(),
        actions: Vec::new(),
        finish: Finish::Complete,
    };
    entry(id, EntryKind::Turn(record), Some(character), witnesses)
}

/// A memory of `character`.
pub fn memory(id: usize, character: &str) -> Entry {
    let record = MemoryRecord { text: format!("memory {id}"), ..MemoryRecord::default() };
    entry(id, EntryKind::Memory(record), Some(character), &[])
}

/// The ids of entries.
pub fn ids(entries: &[StoredEntry]) -> Vec<&str> {
    entries.iter().map(|stored| stored.entry.id.as_str()).collect()
}

fn expected_ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("entry-{number:08}")).collect()
}

/// All entries as seen from the head, by number.
async fn assert_all(store: &Store, numbers: impl IntoIterator<Item = usize>) {
    let all = store.recent(&key(), EntryFilter::All, usize::MAX, None).await.expect("readable");
    assert_eq!(ids(&all), expected_ids(numbers));
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, crate::StoreError>, kind: StoreErrorKind) {
    let error = result.expect_err("refused");
    assert_eq!(error.kind, kind, "{error}");
    assert!(kind == StoreErrorKind::Superseded || !error.help.is_empty(), "{error} has no help");
}
