//! What an operator can set about waiting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::player::Class;

/// How many may wait, for how long, and what is kept free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionSettings {
    /// Slots that stay free for live requests: others start only while more than these are free. At least one slot is
    /// always for everybody.
    pub kept_for_live: u32,
    /// What players wait for.
    pub live: ClassSettings,
    /// Summaries and memories.
    pub session: ClassSettings,
    /// Talk among characters.
    pub ambient: ClassSettings,
    /// How long a request holds its slot, in milliseconds: a guess that is used until requests have shown it.
    pub hold_guess_ms: u64,
    /// When to ask again once the host stops, in milliseconds.
    pub drain_retry_ms: u64,
}

/// What holds for one class. A table in the settings names all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSettings {
    /// How many requests of all players may wait.
    pub waiting_max: u32,
    /// How many requests of one player may wait.
    pub waiting_of_player_max: u32,
    /// How long any of them may wait, in milliseconds. An ambient request that is late is worth nothing.
    pub patience_ms: u64,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        AdmissionSettings {
            kept_for_live: 0,
            live: ClassSettings { waiting_max: 2048, waiting_of_player_max: 8, patience_ms: 15_000 },
            session: ClassSettings { waiting_max: 1024, waiting_of_player_max: 8, patience_ms: 60_000 },
            ambient: ClassSettings { waiting_max: 512, waiting_of_player_max: 4, patience_ms: 10_000 },
            hold_guess_ms: 3_000,
            drain_retry_ms: 10_000,
        }
    }
}

impl AdmissionSettings {
    /// Those of a class.
    pub fn class(&self, class: Class) -> &ClassSettings {
        match class {
            Class::Live => &self.live,
            Class::Session => &self.session,
            Class::Ambient => &self.ambient,
        }
    }
}

impl ClassSettings {
    /// How long any request of this class may wait.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}
