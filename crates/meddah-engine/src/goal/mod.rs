//! Goals that come and go: what a character pursues now, and what follows when it gets there. It pursues all at
//! once whose time has come, and each is reached on its own.
//!
//! Pure: states go in with what the moment brings, states and outcomes come out. The states are kept in the
//! timeline, so a save that is loaded has the goals of its own line of time.

use std::collections::BTreeMap;

pub use meddah_protocol::GoalProgress;
use serde::{Deserialize, Serialize};

use crate::condition::GameState;
use crate::world::{Character, FoldedUtterance, Goal, GoalOutcome};

/// Facts of reached goals that are kept for a character.
pub const OWN_FACTS_MAX: usize = 256;

/// How far a character is with all of its goals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalStates {
    /// By the goal's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub goals: BTreeMap<String, GoalProgress>,
    /// Conditions that hold for the character since a goal was reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
}

/// What a moment brings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment<'m> {
    /// What was said to the character; may be empty.
    pub heard: &'m str,
    /// The action of the character that the game reports as done; may be empty.
    pub done: &'m str,
    /// The name of what happened; may be empty. It counts as a fact for this moment.
    pub happened: &'m str,
}

/// What came of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step<'g> {
    /// The states after it.
    pub states: GoalStates,
    /// Goals that begin, are reached or are given up, in order.
    pub changes: Vec<(&'g Goal, GoalProgress)>,
}

impl GoalStates {
    /// Adds what the character knows from its goals to what the game says.
    pub fn tell(&self, state: &mut GameState) {
        self.facts.iter().for_each(|fact| state.tell(fact));
    }

    /// The goals that are pursued: what matters most first, else in the order of the file.
    pub fn active<'g>(&self, goals: &'g [Goal]) -> Vec<&'g Goal> {
        let is_pursued = |goal: &&Goal| self.of(&goal.id) == Some(GoalProgress::Active);
        let mut active: Vec<&Goal> = goals.iter().filter(is_pursued).collect();
        active.sort_by_key(|goal| std::cmp::Reverse(goal.priority));
        active
    }

    fn of(&self, id: &str) -> Option<GoalProgress> {
        self.goals.get(id).copied()
    }
}

/// Goes on from `before`: begins, reaches and gives up goals until nothing changes any more.
pub fn step<'g>(
    character: &'g Character,
    before: &GoalStates,
    state: &GameState,
    moment: &Moment<'_>,
) -> Step<'g> {
    let goals = &character.goal;
    let mut state = state.clone();
    before.tell(&mut state);
    if !moment.happened.is_empty() {
        state.tell(moment.happened);
    }
    let heard = FoldedUtterance::new(moment.heard);
    let mut step = Step { states: before.clone(), changes: Vec::new() };
    step.begin(goals, &state);
    // A word or a deed counts for goals that were pursued when it was said or done, not for those that it
    // brings about: one password must not open two doors.
    let pursued = step.states.active(goals);
    for round in 0..=goals.len() {
        let mut changed = false;
        for goal in step.states.active(goals) {
            let by_word = round == 0 && pursued.iter().any(|other| other.id == goal.id);
            let reached = goal.reached.as_ref().is_some_and(|condition| condition.holds(&state))
                || (by_word && (heard.has_one_of(&goal.hears) || is_done(goal, moment)));
            if reached {
                step.set(goal, GoalProgress::Reached);
                step.learn(&goal.then, &mut state);
                changed = true;
            } else if goal.failed.as_ref().is_some_and(|condition| condition.holds(&state)) {
                step.set(goal, GoalProgress::Failed);
                changed = true;
            }
        }
        changed |= step.begin(goals, &state);
        if !changed {
            break;
        }
    }
    step
}

impl<'g> Step<'g> {
    fn set(&mut self, goal: &'g Goal, progress: GoalProgress) {
        self.states.goals.insert(goal.id.clone(), progress);
        self.changes.push((goal, progress));
    }

    fn learn(&mut self, outcome: &GoalOutcome, state: &mut GameState) {
        for fact in &outcome.facts {
            state.tell(fact);
            if self.states.facts.len() < OWN_FACTS_MAX && !self.states.facts.contains(fact) {
                self.states.facts.push(fact.clone());
            }
        }
    }

    /// Begins the goals whose time has come. A goal that comes after another waits for it.
    fn begin(&mut self, goals: &'g [Goal], state: &GameState) -> bool {
        let mut begun = false;
        for goal in goals {
            let mut before =
                goals.iter().filter(|other| other.then.next.as_ref() == Some(&goal.id)).peekable();
            let is_its_turn = before.peek().is_none()
                || before.any(|other| self.states.of(&other.id) == Some(GoalProgress::Reached));
            let is_new = self.states.of(&goal.id).is_none();
            if is_new && is_its_turn && goal.when.as_ref().is_none_or(|condition| condition.holds(state)) {
                self.set(goal, GoalProgress::Active);
                begun = true;
            }
        }
        begun
    }
}

fn is_done(goal: &Goal, moment: &Moment<'_>) -> bool {
    goal.reached_by.as_deref().is_some_and(|action| action == moment.done)
}

/// A goal as it is told to whoever thinks for the character.
pub fn sentence(goal: &Goal) -> String {
    format!("You want {}.", goal.wants.trim().trim_end_matches('.'))
}

#[cfg(test)]
mod tests;
