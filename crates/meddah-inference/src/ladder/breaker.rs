//! A breaker: a rung that keeps failing rests, so that no turn waits for it in vain, and one turn at a time
//! tries whether it is back.
//!
//! Closed: every turn may pass. After [`FAILURES_MAX`] failures in a row, or one that time alone does not
//! heal (a wrong key), it opens: nobody passes. When the rest is over it is half open: the first turn passes
//! as a probe, the others go on down the ladder. A probe that succeeds closes it; one that fails opens it
//! for twice as long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{ErrorKind, ModelError};

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 3;
/// The first rest, and the longest that doubling leads to.
const REST_MIN: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(120);
/// Rest after an error that only the player can mend, such as a wrong key or an empty account.
const REST_UNTIL_MENDED: Duration = Duration::from_secs(60);
/// No other side is believed that asks for a longer rest.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);
/// A probe that nobody reports on is over after this long.
const PROBE_MAX: Duration = Duration::from_secs(60);

/// Whether a turn may try this rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Yes.
    Open,
    /// Yes, to find out whether it is back.
    Probe,
    /// No: it rests for so long.
    Resting(Duration),
    /// No: the other side asked not to be asked for so long.
    Told(Duration),
}

/// The breaker of one rung.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rests: u32,
    resting_until: Option<Instant>,
    told_until: Option<Instant>,
    probe_since: Option<Instant>,
}

impl Breaker {
    /// Asks to pass. A [`Pass::Probe`] must be answered with [`succeeded`](Self::succeeded),
    /// [`failed`](Self::failed) or [`given_up`](Self::given_up).
    pub fn pass(&self, now: Instant) -> Pass {
        let mut state = self.state();
        if let Some(until) = state.told_until.filter(|until| *until > now) {
            return Pass::Told(until - now);
        }
        let Some(until) = state.resting_until else { return Pass::Open };
        if until > now {
            return Pass::Resting(until - now);
        }
        if let Some(since) = state.probe_since.filter(|since| now < *since + PROBE_MAX) {
            return Pass::Resting(since + PROBE_MAX - now);
        }
        state.probe_since = Some(now);
        Pass::Probe
    }

    /// Whether [`pass`](Self::pass) would say no, without taking the place of the probe.
    pub fn rests(&self, now: Instant) -> bool {
        let state = self.state();
        let probed_until = state.probe_since.map(|since| since + PROBE_MAX);
        let closed_until = [state.told_until, state.resting_until, probed_until];
        closed_until.into_iter().flatten().any(|until| until > now)
    }

    /// It answered.
    pub fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// It did not answer. Errors that say nothing of its health do not count.
    pub fn failed(&self, error: &ModelError, now: Instant) {
        let mut state = self.state();
        let was_probe = state.probe_since.take().is_some();
        if let Some(wait) = error.retry_after {
            state.told_until = Some(now + wait.min(RETRY_AFTER_MAX));
        }
        match error.kind {
            ErrorKind::Unauthorized | ErrorKind::Quota | ErrorKind::UnknownModel => {
                state.resting_until = Some(now + REST_UNTIL_MENDED);
            }
            kind if says_nothing_of_health(kind) => {}
            // Turns that were on their way when it opened say nothing new.
            _ if !was_probe && state.resting_until.is_some_and(|until| until > now) => {}
            _ => {
                state.failures += 1;
                if was_probe || state.failures >= FAILURES_MAX {
                    let rest = REST_MIN.saturating_mul(1 << state.rests.min(8)).min(REST_MAX);
                    state.resting_until = Some(now + rest);
                    state.rests += 1;
                }
            }
        }
    }

    /// The turn ended for another reason before it knew.
    pub fn given_up(&self) {
        self.state().probe_since = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Errors of the request, of the player's ceiling or of the caller.
fn says_nothing_of_health(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BadRequest
            | ErrorKind::ToolsFailed
            | ErrorKind::ContextFull
            | ErrorKind::Refused
            | ErrorKind::OverBudget
            | ErrorKind::Cancelled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> ModelError {
        ModelError::new(kind, "x")
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_probe_at_a_time_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..2 {
            breaker.failed(&error(ErrorKind::Timeout), start);
            assert_eq!(breaker.pass(start), Pass::Open);
        }
        breaker.failed(&error(ErrorKind::Timeout), start);
        assert_eq!(breaker.pass(start), Pass::Resting(REST_MIN));
        let later = start + REST_MIN;
        assert_eq!(breaker.pass(later), Pass::Probe);
        assert!(matches!(breaker.pass(later), Pass::Resting(_)));
        breaker.failed(&error(ErrorKind::Timeout), later);
        assert_eq!(breaker.pass(later), Pass::Resting(2 * REST_MIN));
        assert_eq!(breaker.pass(later + 2 * REST_MIN), Pass::Probe);
        breaker.succeeded();
        assert_eq!(breaker.pass(later + 2 * REST_MIN), Pass::Open);
    }

    #[test]
    fn many_turns_that_fail_together_open_it_once() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..20 {
            breaker.failed(&error(ErrorKind::Timeout), now);
        }
        assert_eq!(breaker.pass(now), Pass::Resting(REST_MIN));
    }

    #[test]
    fn a_success_in_between_begins_the_count_anew() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            breaker.failed(&error(ErrorKind::Network), now);
            breaker.failed(&error(ErrorKind::Network), now);
            breaker.succeeded();
        }
        assert_eq!(breaker.pass(now), Pass::Open);
    }

    #[test]
    fn retry_after_is_honoured_and_not_for_ever() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let wait = |seconds| ModelError {
            retry_after: Some(Duration::from_secs(seconds)),
            ..error(ErrorKind::RateLimited)
        };
        breaker.failed(&wait(30), now);
        assert_eq!(breaker.pass(now), Pass::Told(Duration::from_secs(30)));
        assert_eq!(breaker.pass(now + Duration::from_secs(30)), Pass::Open);
        breaker.failed(&wait(1_000_000), now);
        assert_eq!(breaker.pass(now), Pass::Told(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_wrong_key_opens_at_once_and_a_refused_request_never() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            breaker.failed(&error(ErrorKind::Refused), now);
            breaker.failed(&error(ErrorKind::OverBudget), now);
        }
        assert_eq!(breaker.pass(now), Pass::Open);
        breaker.failed(&error(ErrorKind::Unauthorized), now);
        assert!(breaker.rests(now) && matches!(breaker.pass(now), Pass::Resting(_)));
    }

    #[test]
    fn a_probe_that_was_given_up_lets_the_next_one_pass() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(&error(ErrorKind::Quota), now);
        let later = now + REST_UNTIL_MENDED;
        assert_eq!(breaker.pass(later), Pass::Probe);
        breaker.given_up();
        assert_eq!(breaker.pass(later), Pass::Probe);
        assert_eq!(breaker.pass(later + PROBE_MAX), Pass::Probe, "nobody reported on the last one");
    }
}
