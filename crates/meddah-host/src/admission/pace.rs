//! How long requests hold their slots, learned from those that have ended.

use std::time::Duration;

/// How much of what is known remains when one more request has ended: the last fifty or so count.
const KEPT: f64 = 0.98;
/// The cost of the request that the first guess stands for: 600 tokens in, 100 out.
const GUESS_COST: f64 = 8_000.0;

/// Sums over past requests, older ones fading.
pub(super) struct Pace {
    seconds: f64,
    cost: f64,
    requests: f64,
}

impl Pace {
    /// Begins with a guess for one request of middling size.
    pub fn new(guess: Duration) -> Self {
        Pace { seconds: guess.as_secs_f64(), cost: GUESS_COST, requests: 1.0 }
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
}
