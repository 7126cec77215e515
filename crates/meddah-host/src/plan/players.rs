//! Simulated players: when they ask, and for how much. All chance of a simulation is here, and a seed repeats it.

use rand_distr::{Distribution, Exp1, StandardNormal, StandardUniform};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::engine::{NANOS_PER_SECOND, Nanos};
use super::scenario::{Habits, Length};
use crate::admission::Usage;
use crate::player::Class;

const SECONDS_PER_HOUR: f64 = 3_600.0;

/// What is asked for, as the engine will count it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub class: Class,
    pub usage: Usage,
}

/// Draws what players do.
pub(super) struct Dice {
    random: Pcg64Mcg,
    habits: Habits,
}

impl Dice {
    pub fn new(habits: Habits, seed: u64) -> Self {
        Dice { random: Pcg64Mcg::seed_from_u64(seed), habits }
    }

    /// From one request of a player to the next. Players ask whether or not they were answered: many players together
    /// do, and it is the harder case for the host.
    pub fn gap(&mut self) -> Nanos {
        let mean = SECONDS_PER_HOUR / self.habits.requests_per_hour;
        let gap: f64 = Exp1.sample(&mut self.random);
        (gap * mean * NANOS_PER_SECOND) as Nanos
    }

    pub fn wish(&mut self) -> Wish {
        let kind: f64 = StandardUniform.sample(&mut self.random);
        let class = if kind < self.habits.ambient_share {
            Class::Ambient
        } else if kind < self.habits.ambient_share + self.habits.session_share {
            Class::Session
        } else {
            Class::Live
        };
        Wish { class, ..self.live_wish() }
    }

    pub fn live_wish(&mut self) -> Wish {
        let prompt_tokens = self.length(self.habits.prompt);
        let cached_tokens = (f64::from(prompt_tokens) * self.habits.cached_share) as u32;
        let output_tokens = self.length(self.habits.output);
        Wish { class: Class::Live, usage: Usage { prompt_tokens, cached_tokens, output_tokens } }
    }

    fn length(&mut self, length: Length) -> u32 {
        let deviation: f64 = StandardNormal.sample(&mut self.random);
        let drawn = length.median * (length.spread * deviation).exp();
        drawn.round().clamp(1.0, f64::from(length.max.max(1))) as u32
    }
}
