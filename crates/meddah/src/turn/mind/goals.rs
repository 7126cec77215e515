//! What the character wants from this talk.

use meddah_engine::goal::{self, Moment};

use super::state::Holds;
use crate::turn::Turn;

/// Goals that come to mind at once; the prompt has room for fewer, by the size of the model.
const GOALS_MAX: usize = 4;

/// The goals that are pursued, what matters most first.
pub(super) fn pursued(turn: &Turn, holds: &Holds) -> Vec<String> {
    // Goals that begin at once have begun, although nothing was written down yet.
    let step = goal::step(&turn.character, &holds.goals, &holds.state, &Moment::default());
    let active = step.states.active(&turn.character.goal).into_iter();
    active.take(GOALS_MAX).map(goal::sentence).collect()
}
