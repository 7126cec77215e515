//! When the same rung is asked once more: only before it said anything, only for errors that pass by
//! themselves, only after a wait that a player does not notice, and only while few requests need it. The
//! last rule keeps a provider in trouble from being asked twice as much because it is in trouble.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{ErrorKind, ModelError};

/// A longer wait is a reason to step down instead.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Wait when the other side names none.
const WAIT: Duration = Duration::from_millis(250);
/// Each request earns a tenth of a retry.
const EARNED_PER_REQUEST: u32 = 1;
const COST: u32 = 10;
/// Retries that may be saved up.
const SAVED_MAX: u32 = 5 * COST;

/// Retries that are left to a ladder.
#[derive(Debug)]
pub struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget(AtomicU32::new(SAVED_MAX))
    }
}

impl RetryBudget {
    /// A request is made.
    pub fn earn(&self) {
        let add = |saved: u32| Some((saved + EARNED_PER_REQUEST).min(SAVED_MAX));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok(); // never refused
    }

    /// How long to wait before asking the same rung again, or `None` to leave it.
    pub fn wait_before_retry(&self, error: &ModelError, can_step_down: bool) -> Option<Duration> {
        let usual = if error.kind == ErrorKind::ToolsFailed { Duration::ZERO } else { WAIT };
        let wait = error.retry_after.unwrap_or(usual);
        if !passes_by_itself(error.kind, can_step_down) || wait > WAIT_MAX {
            return None;
        }
        let take = |saved: u32| saved.checked_sub(COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok().then_some(wait)
    }
}

fn passes_by_itself(kind: ErrorKind, can_step_down: bool) -> bool {
    match kind {
        ErrorKind::Overloaded | ErrorKind::RateLimited | ErrorKind::Protocol => true,
        // It is asked without tools then.
        ErrorKind::ToolsFailed => true,
        // A network that is away stays away for longer than a player waits; a lower rung answers at once.
        ErrorKind::Network => !can_step_down,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_tried_again_and_only_soon() {
        let budget = RetryBudget::default();
        let wait = |kind, after: Option<u64>, can_step_down| {
            let error =
                ModelError { retry_after: after.map(Duration::from_millis), ..ModelError::new(kind, "") };
            budget.wait_before_retry(&error, can_step_down)
        };
        assert_eq!(wait(ErrorKind::Overloaded, None, true), Some(WAIT));
        assert_eq!(wait(ErrorKind::RateLimited, Some(900), true), Some(Duration::from_millis(900)));
        assert_eq!(wait(ErrorKind::RateLimited, Some(1100), false), None);
        assert_eq!(wait(ErrorKind::Quota, None, false), None);
        assert_eq!(wait(ErrorKind::ToolsFailed, None, true), Some(Duration::ZERO));
        assert_eq!(wait(ErrorKind::Network, None, true), None);
        assert_eq!(wait(ErrorKind::Network, None, false), Some(WAIT));
    }

    #[test]
    fn of_many_failing_requests_a_tenth_is_retried() {
        let budget = RetryBudget::default();
        let error = ModelError::new(ErrorKind::Overloaded, "");
        let retried = (0..1000)
            .filter(|_| {
                budget.earn();
                budget.wait_before_retry(&error, true).is_some()
            })
            .count();
        assert_eq!(retried, 1000 / 10 + 5 - 1, "what was saved comes on top; the first earned is lost");
    }
}
