//! Counts guesses of tokens by address, before anybody looks whether they are right.
//!
//! The generic cell rate algorithm (ITU-T I.371) in its form of a virtual schedule: one moment is kept of each address,
//! until which its guesses are used up. Unlike the limiters of crates, this one takes back what proves to be no guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered; of more, those that guessed least are forgotten.
const ADDRESSES_MAX: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// So many guesses in a minute of each address, all at once if it likes.
pub(super) struct Guesses {
    /// One guess comes back after so long.
    each: Duration,
    used_until: Mutex<HashMap<IpAddr, Instant>>,
}

impl Guesses {
    pub fn per_minute(number: NonZeroU32) -> Guesses {
        Guesses { each: MINUTE / number.get(), used_until: Mutex::default() }
    }

    /// One more.
    ///
    /// # Errors
    /// There were too many: how long it takes until the next one is looked at.
    pub fn count(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut used_until = self.lock();
        let used = used_until.get(&address).map_or(now, |until| (*until).max(now)) + self.each;
        let beyond = used.saturating_duration_since(now + MINUTE);
        if !beyond.is_zero() {
            return Err(beyond);
        }
        if used_until.len() >= ADDRESSES_MAX && !used_until.contains_key(&address) {
            // The half that guessed least is forgotten.
            let mut all: Vec<Instant> = used_until.values().copied().collect();
            let (_, middle, _) = all.select_nth_unstable(ADDRESSES_MAX / 2);
            let middle = *middle;
            used_until.retain(|_, until| *until > middle);
        }
        used_until.insert(address, used);
        Ok(())
    }

    /// The last one was none.
    pub fn take_back(&self, address: IpAddr) {
        if let Some(until) = self.lock().get_mut(&address) {
            *until = until.checked_sub(self.each).unwrap_or(*until);
        }
    }

    /// Forgets addresses that have been quiet; called now and then.
    pub fn tidy(&self, now: Instant) {
        self.lock().retain(|_, until| *until > now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.used_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    fn three_per_minute() -> (Guesses, Instant) {
        (Guesses::per_minute(NonZeroU32::new(3).unwrap()), Instant::now())
    }

    #[test]
    fn so_many_are_free_at_once_and_come_back_one_by_one() {
        let (guesses, start) = three_per_minute();
        let after = |seconds| guesses.count(address(1), start + Duration::from_secs(seconds));
        assert_eq!([after(0), after(0), after(0)], [Ok(()); 3]);
        assert_eq!(after(0), Err(Duration::from_secs(20)));
        assert_eq!(
            (after(15), after(20), after(21)),
            (Err(Duration::from_secs(5)), Ok(()), Err(Duration::from_secs(19)))
        );
        assert_eq!(guesses.count(address(2), start), Ok(()), "another address has its own");
    }

    #[test]
    fn what_was_no_guess_is_taken_back() {
        let (guesses, now) = three_per_minute();
        for _ in 0..100 {
            assert_eq!(guesses.count(address(1), now), Ok(()));
            guesses.take_back(address(1));
        }
        guesses.take_back(address(9));
        guesses.tidy(now);
        assert!(guesses.lock().is_empty());
    }

    #[test]
    fn addresses_are_not_remembered_without_end() {
        let (guesses, now) = three_per_minute();
        (0..3).for_each(|_| guesses.count(address(7), now).unwrap());
        for number in 0..3 * ADDRESSES_MAX as u32 {
            guesses.count(address(1 << 16 | number << 4), now).ok();
        }
        assert!(guesses.lock().len() <= ADDRESSES_MAX);
        assert!(guesses.count(address(7), now).is_err(), "who guessed most is not forgotten");
    }
}
