//! What the gate counts, for the operator's metrics. No names of players.

use super::asking::ShedReason;
use crate::player::Class;

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateFigures {
    /// Requests that may run at once.
    pub slots: u32,
    classes: [ClassFigures; Class::ALL.len()],
}

/// Of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFigures {
    /// Requests that wait now.
    pub waiting: u64,
    /// Requests that run now.
    pub running: u64,
    /// Players that are remembered now, because they wait, are served, or lately got more than others.
    pub players: u64,
    /// Requests that got a slot, since the start.
    pub started: u64,
    /// Of these, the ones that gave it back.
    pub ended: u64,
    /// Requests that were given up by the one who asked while they waited.
    pub left: u64,
    shed: [u64; ShedReason::ALL.len()],
}

impl GateFigures {
    /// Of one class.
    pub fn of(&self, class: Class) -> &ClassFigures {
        &self.classes[class as usize]
    }

    pub(super) fn of_mut(&mut self, class: Class) -> &mut ClassFigures {
        &mut self.classes[class as usize]
    }
}

impl ClassFigures {
    /// Requests that were turned away for this reason, since the start.
    pub fn shed(&self, why: ShedReason) -> u64 {
        self.shed[why as usize]
    }

    pub(super) fn count_shed(&mut self, why: ShedReason) {
        self.shed[why as usize] += 1;
    }
}
