//! How many tokens of a prompt go into one step.
//!
//! A step takes as long as its tokens, and everybody in it waits. Beside replies that are being spoken the
//! piece is small, so that they do not stall; alone it is larger.

use std::time::Duration;

/// Most tokens of a step.
pub const STEP_TOKENS_MAX: usize = 512;
const PIECE_TOKENS_MIN: usize = 16;
/// Length of a step that reads a prompt beside others who speak.
const BESIDE: Duration = Duration::from_millis(100);
/// Length of a step that only reads.
const ALONE: Duration = Duration::from_millis(500);
/// Weight of the newest measurement.
const NEWEST: f64 = 0.3;

/// How fast this machine reads.
pub struct Pace {
    tokens_per_s: f64,
}

impl Pace {
    /// A guess until something has been measured.
    pub fn new() -> Pace {
        Pace { tokens_per_s: 150.0 }
    }

    /// Tokens of prompts for the next step.
    pub fn piece_tokens(&self, beside_others: bool) -> usize {
        let length = if beside_others { BESIDE } else { ALONE };
        let tokens = self.tokens_per_s * length.as_secs_f64();
        (tokens as usize).clamp(PIECE_TOKENS_MIN, STEP_TOKENS_MAX)
    }

    /// A step took so long.
    pub fn measured(&mut self, tokens: usize, took: Duration) {
        if tokens >= PIECE_TOKENS_MIN && !took.is_zero() {
            let speed = tokens as f64 / took.as_secs_f64();
            self.tokens_per_s += (speed - self.tokens_per_s) * NEWEST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_waits_a_tenth_of_a_second_for_what_is_read_beside() {
        let mut pace = Pace::new();
        (0..40).for_each(|_| pace.measured(100, Duration::from_millis(100)));
        assert!(pace.piece_tokens(true).abs_diff(100) <= 1 && pace.piece_tokens(false).abs_diff(500) <= 1);
        (0..40).for_each(|_| pace.measured(100, Duration::from_secs(100)));
        assert_eq!(pace.piece_tokens(true), PIECE_TOKENS_MIN);
    }
}
