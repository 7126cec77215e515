//! Random playthroughs, compared with the naive reference.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::SqliteStore;
use crate::suite::reference::{Op, follows_the_reference};

fn any_op() -> impl Strategy<Value = Op> {
    let clock = || option::weighted(0.6, 0..40i64);
    prop_oneof![
        4 => (any::<u8>(), clock()).prop_map(|(witnesses, game_time)| Op::Event { witnesses, game_time }),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(character, witnesses)| Op::Turn { character, witnesses }),
        2 => (0usize..4).prop_map(|back| Op::Heard { back }),
        3 => (option::of(0usize..2), clock()).prop_map(|(name, game_time)| Op::Save { name, game_time }),
        4 => any::<usize>().prop_map(Op::LoadCursor),
        1 => (0usize..2).prop_map(Op::LoadName),
        1 => (0..45i64).prop_map(Op::LoadGameTime),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_playthrough_is_recalled_as_the_reference_recalls_it(ops in vec(any_op(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let store = SqliteStore::in_memory().expect("opens");
        runtime.block_on(follows_the_reference(Arc::new(store), &ops));
    }
}
