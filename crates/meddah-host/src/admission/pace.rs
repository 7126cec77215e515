//! How long requests hold their slots, and how many slots each class holds, learned from what was.

use std::time::Duration;

use crate::player::Class;

/// How much of what is known remains when one more request has ended: the last fifty or so count.
const KEPT: f64 = 0.98;
/// The cost of the request that the first guess stands for: 600 tokens in, 100 out.
const GUESS_COST: f64 = 8_000.0;

/// Seconds after which what a class held counts a third.
const HELD_FADES_SECONDS: f64 = 30.0;

/// Sums over past requests, older ones fading.
pub(super) struct Pace {
    seconds: f64,
    cost: f64,
    requests: f64,
    /// Slots that each class held on average, and until when that was counted.
    held: [f64; Class::ALL.len()],
    counted: Duration,
}

impl Pace {
    /// Begins with a guess for one request of middling size.
    pub fn new(guess: Duration) -> Self {
        Pace {
            seconds: guess.as_secs_f64(),
            cost: GUESS_COST,
            requests: 1.0,
            held: [0.0; 3],
            counted: Duration::ZERO,
        }
    }

    /// A request whose cost was estimated so has held its slot for so long.
    pub fn learn(&mut self, held: Duration, estimated_cost: u64) {
        self.seconds = self.seconds * KEPT + held.as_secs_f64();
        self.cost = self.cost * KEPT + estimated_cost as f64;
        self.requests = self.requests * KEPT + 1.0;
    }

    /// Seconds of slots that work of this estimated cost will take. Estimates that are wrong by the same factor each
    /// time cancel out.
    pub fn slot_seconds(&self, estimated_cost: u64) -> f64 {
        estimated_cost as f64 * self.seconds / self.cost.max(1.0)
    }

    /// Seconds that one request takes.
    pub fn request_seconds(&self) -> f64 {
        self.seconds / self.requests
    }

    /// Until now so many slots were held, by class.
    pub fn count_held(&mut self, now: Duration, running: &[u32; Class::ALL.len()]) {
        let since = now.saturating_sub(self.counted).as_secs_f64();
        let part = 1.0 - (-since / HELD_FADES_SECONDS).exp();
        for (held, running) in self.held.iter_mut().zip(running) {
            *held += (f64::from(*running) - *held) * part;
        }
        self.counted = now;
    }

    /// Slots that classes more urgent than this one usually hold.
    pub fn held_by_more_urgent(&self, class: Class) -> f64 {
        self.held[..class as usize].iter().sum()
    }
}
