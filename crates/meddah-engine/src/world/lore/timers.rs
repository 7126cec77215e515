//! What earlier talk means for lore: entries that stay, rest, or wait.
//!
//! Everything is counted in things said, as the books of others do, and kept in the timeline: a save that is
//! loaded has the counts of its own line of time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LoreEntry;

/// How far one character's talk has come, and when timed entries came up in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoreTimers {
    /// Things said so far, by the character and to it.
    pub utterances: u64,
    /// After how many of them an entry last came up, by its id. Only entries that stay or rest are here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub came_up: BTreeMap<String, u64>,
}

/// Whether an entry's time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It may come up.
    Free,
    /// It came up and stays.
    Stays,
    /// It cannot come up.
    Waits,
}

impl LoreTimers {
    pub(super) fn phase(&self, entry: &LoreEntry) -> Phase {
        if let Some(since) = self.came_up.get(&entry.id) {
            let passed = self.utterances.saturating_sub(*since);
            if passed < u64::from(entry.stays) {
                return Phase::Stays;
            }
            if passed < u64::from(entry.stays) + u64::from(entry.rests) {
                return Phase::Waits;
            }
        }
        if self.utterances < u64::from(entry.not_before) { Phase::Waits } else { Phase::Free }
    }

    /// Notes what came up; an entry that stays is not renewed. What is over is forgotten.
    pub(super) fn note<'l>(&mut self, all: &[LoreEntry], came_up: impl Iterator<Item = &'l LoreEntry>) {
        let now = self.utterances;
        for entry in came_up.filter(|entry| entry.stays > 0 || entry.rests > 0) {
            if self.phase(entry) == Phase::Free {
                self.came_up.insert(entry.id.clone(), now);
            }
        }
        if self.came_up.is_empty() {
            return;
        }
        let timed: BTreeMap<&str, u64> = all
            .iter()
            .filter(|entry| entry.stays > 0 || entry.rests > 0)
            .map(|entry| (entry.id.as_str(), u64::from(entry.stays) + u64::from(entry.rests)))
            .collect();
        self.came_up.retain(|id, since| {
            timed.get(id.as_str()).is_some_and(|length| now.saturating_sub(*since) < *length)
        });
    }
}
