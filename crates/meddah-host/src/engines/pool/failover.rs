//! How often a failed request may go to another engine: for a tenth of the traffic, and a few more. Without a limit
//! an engine in trouble would double the load of the others just when they have more to do.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// In tenths of a fail-over: each request earns one of them.
const COST: u32 = 10;
/// Fail-overs that may be saved up.
const SAVED_MAX: u32 = 50 * COST;
/// Fail-overs to begin with.
const SAVED_FIRST: u32 = 10 * COST;
/// One fail-over is earned after so long, whatever the traffic: a quiet host has its players too.
const EARNED_EVERY: Duration = Duration::from_secs(10);

/// Fail-overs that are left to a pool.
#[derive(Debug)]
pub(super) struct FailoverBudget(Mutex<(u32, Instant)>);

impl FailoverBudget {
    pub fn new(now: Instant) -> FailoverBudget {
        FailoverBudget(Mutex::new((SAVED_FIRST, now)))
    }

    /// A request is made.
    pub fn earn(&self) {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        saved.0 = (saved.0 + 1).min(SAVED_MAX);
    }

    /// Takes one, if any is left.
    pub fn take(&self, now: Instant) -> bool {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while saved.0 < SAVED_FIRST && now.saturating_duration_since(saved.1) >= EARNED_EVERY {
            saved.0 += COST;
            saved.1 += EARNED_EVERY;
        }
        if saved.0 >= SAVED_FIRST {
            // Time earns nothing beyond the floor.
            saved.1 = now;
        }
        let left = saved.0.checked_sub(COST);
        saved.0 = left.unwrap_or(saved.0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_requests_a_tenth_and_the_floor_may_fail_over() {
        let start = Instant::now();
        let budget = FailoverBudget::new(start);
        let taken = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.take(start)
            })
            .count();
        assert_eq!(taken, 10 + 1000 / 10);
    }

    #[test]
    fn many_good_requests_save_up_for_a_bad_moment_but_not_without_end() {
        let start = Instant::now();
        let budget = FailoverBudget::new(start);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.take(start)).count(), 50);
    }

    #[test]
    fn time_fills_it_up_to_the_floor() {
        let start = Instant::now();
        let budget = FailoverBudget::new(start);
        let taken =
            |seconds: u64| (0..1000).filter(|_| budget.take(start + Duration::from_secs(seconds))).count();
        assert_eq!((taken(0), taken(9), taken(10), taken(30)), (10, 0, 1, 2));
        assert_eq!(taken(100_000), 10);
    }
}
