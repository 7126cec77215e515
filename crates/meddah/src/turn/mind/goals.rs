//! What the character wants from this talk.

use meddah_engine::goal::{self, Moment};
use meddah_engine::prompt::Past;

use super::state::Holds;
use crate::turn::Turn;

/// Goals that are told at once: more of them make a small model restless.
const GOALS_TOLD_MAX: usize = 1;
/// Turns for which a goal need not be told again.
const GOAL_TURNS: usize = 3;

/// The goal that is pursued, unless it was told a moment ago.
pub(super) fn pursued(turn: &Turn, past: &Past, holds: &Holds) -> Vec<String> {
    let goals = &turn.character.goal;
    // Goals that begin at once have begun, although nothing was written down yet.
    let step = goal::step(&turn.character, &holds.goals, &holds.state, &Moment::default());
    let active = step.states.active(goals).take(GOALS_TOLD_MAX).map(goal::sentence);
    active.filter(|text| !past.told_within(GOAL_TURNS, text)).collect()
}
