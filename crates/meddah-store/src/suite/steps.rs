//! Random steps of a playthrough, for adapters of this crate.

use proptest::option;
use proptest::prelude::*;

use super::reference::Op;

/// Any step. Loads are frequent, so that branches nest.
pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let clock = || option::weighted(0.6, 0..40i64);
    prop_oneof![
        4 => (any::<u8>(), clock()).prop_map(|(witnesses, game_time)| Op::Event { witnesses, game_time }),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(character, witnesses)| Op::Turn { character, witnesses }),
        2 => (0usize..4).prop_map(|back| Op::Heard { back }),
        3 => (option::of(0usize..2), clock()).prop_map(|(name, game_time)| Op::Save { name, game_time }),
        4 => any::<usize>().prop_map(Op::LoadCursor),
        1 => (0usize..2).prop_map(Op::LoadName),
        1 => (0..45i64).prop_map(Op::LoadGameTime),
        2 => any::<usize>().prop_map(Op::BeginWork),
        2 => any::<usize>().prop_map(Op::EndWork),
        1 => Just(Op::Restart),
    ]
}
