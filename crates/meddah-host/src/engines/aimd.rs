//! How many requests an engine takes at a time, where it does not tell: found out as TCP finds out a network's
//! window, with additive increase and multiplicative decrease (Chiu and Jain, 1989).
//!
//! The limit grows while it is used to the full and the first byte comes about as soon as it does at best. It
//! shrinks when first bytes take much longer than that, when the engine's own queue holds requests, or when it
//! says that it is overloaded. Until the first shrinking it grows by one with each answer (slow start), so that it is found in a few rounds.

use std::time::Duration;

/// What is left of the limit when it shrinks.
const SHRINK: f64 = 0.75;
/// Of one crowd of late answers only the first shrinks it: the next ones were sent under the old limit.
const SHRINK_PAUSE: Duration = Duration::from_secs(1);
/// A first byte is late that takes this many times the best one, and this much longer.
const LATE_FACTOR: u32 = 3;
const LATE_SLACK: Duration = Duration::from_millis(250);
/// The best first byte is that of the current and the last stretch of so long, because prompts and engines change.
const BEST_STRETCH: Duration = Duration::from_secs(60);

/// One answer that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Requests that ran on the engine when this one was sent, itself among them.
    pub running: u32,
    /// From sending to the first event.
    pub first_byte: Duration,
}

/// The limit of one engine. Pure: `now` is the time since any fixed moment.
#[derive(Clone, Debug)]
pub struct Aimd {
    limit: f64,
    max: u32,
    is_starting: bool,
    shrunk_at: Option<Duration>,
    best: Option<Duration>,
    last_best: Option<Duration>,
    stretch_began: Duration,
}

impl Aimd {
    /// Begins at 1 and goes up to `max`.
    pub fn new(max: u32) -> Aimd {
        Aimd {
            limit: 1.0,
            max: max.max(1),
            is_starting: true,
            shrunk_at: None,
            best: None,
            last_best: None,
            stretch_began: Duration::ZERO,
        }
    }

    /// Requests at a time.
    pub fn limit(&self) -> u32 {
        // At least 1 and at most `max`, so that nothing is cut off.
        self.limit as u32
    }

    /// The engine lets in no more than this.
    pub fn set_max(&mut self, max: u32) {
        self.max = max.max(1);
        self.limit = self.limit.min(f64::from(self.max));
    }

    /// An answer began.
    pub fn began(&mut self, sample: Sample, now: Duration) {
        if now.saturating_sub(self.stretch_began) >= BEST_STRETCH {
            (self.last_best, self.best, self.stretch_began) = (self.best, None, now);
        }
        self.best = Some(self.best.map_or(sample.first_byte, |best| best.min(sample.first_byte)));
        let best = [self.best, self.last_best].into_iter().flatten().min().unwrap_or(sample.first_byte);
        if sample.first_byte > best * LATE_FACTOR && sample.first_byte > best + LATE_SLACK {
            self.shrink(now);
        } else if self.is_used(sample.running) {
            self.grow();
        }
    }

    /// The engine tells how many requests wait in its own queue.
    pub fn waiting(&mut self, waiting: u32, now: Duration) {
        if waiting > 0 {
            self.shrink(now);
        }
    }

    /// The engine says that it has too much to do.
    pub fn overloaded(&mut self, now: Duration) {
        self.shrink(now);
    }

    /// Whether so many requests show that the limit holds. At first half of it is enough: it grows by half its size
    /// in a round then, because those that are sent together raise it one after the other.
    fn is_used(&self, running: u32) -> bool {
        let factor = if self.is_starting { 2 } else { 1 };
        running.saturating_mul(factor) >= self.limit()
    }

    fn grow(&mut self) {
        let step = if self.is_starting { 1.0 } else { 1.0 / self.limit };
        self.limit = (self.limit + step).min(f64::from(self.max));
    }

    fn shrink(&mut self, now: Duration) {
        if self.shrunk_at.is_some_and(|at| now.saturating_sub(at) < SHRINK_PAUSE) {
            return;
        }
        (self.shrunk_at, self.is_starting) = (Some(now), false);
        self.limit = (self.limit * SHRINK).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Keeps an engine busy that really has so many slots: beyond them the first byte waits for one of 2 s.
    fn limit_after(rounds: u32, slots: u32, max: u32) -> (Aimd, Vec<u32>) {
        let (mut aimd, mut limits) = (Aimd::new(max), Vec::new());
        for round in 0..rounds {
            let (running, now) = (aimd.limit(), Duration::from_secs(2) * round);
            for place in 1..=running {
                let queued = (place - 1) / slots;
                let first_byte = 100 * MS + queued * Duration::from_secs(2);
                aimd.began(Sample { running: place, first_byte }, now);
            }
            limits.push(aimd.limit());
        }
        (aimd, limits)
    }

    #[test]
    fn it_finds_the_slots_of_an_engine_and_stays_near_them() {
        for slots in [1, 2, 8, 40] {
            let (_, limits) = limit_after(400, slots, 64);
            let late = &limits[100..];
            let mean = f64::from(late.iter().sum::<u32>()) / late.len() as f64;
            let wanted = f64::from(slots);
            assert!((0.7 * wanted..=1.3 * wanted + 1.0).contains(&mean), "{slots}: {mean}");
            assert!(late.iter().all(|limit| *limit <= 2 * slots), "{slots}: {late:?}");
        }
    }

    #[test]
    fn it_grows_fast_at_first_and_only_where_it_is_used() {
        let mut aimd = Aimd::new(16);
        for _ in 0..100 {
            aimd.began(Sample { running: 1, first_byte: 100 * MS }, Duration::ZERO);
        }
        assert_eq!(aimd.limit(), 3, "one at a time says nothing of four");
        assert_eq!(limit_after(8, 1000, 16).0.limit(), 16);
    }

    #[test]
    fn a_queue_in_the_engine_shrinks_it_once_a_second() {
        let mut aimd = limit_after(10, 1000, 16).0;
        let now = Duration::from_secs(100);
        (0..50).for_each(|_| aimd.waiting(3, now));
        assert_eq!(aimd.limit(), 12);
        aimd.waiting(0, now + Duration::from_secs(2));
        assert_eq!(aimd.limit(), 12);
        aimd.overloaded(now + Duration::from_secs(2));
        assert_eq!(aimd.limit(), 9);
        (0..100).for_each(|second| aimd.overloaded(Duration::from_secs(200 + 2 * second)));
        assert_eq!(aimd.limit(), 1);
    }

    #[test]
    fn slower_prompts_become_the_measure_after_a_while() {
        let mut aimd = limit_after(8, 1000, 16).0;
        let slow = Sample { running: 16, first_byte: Duration::from_secs(1) };
        aimd.began(slow, Duration::from_secs(100));
        let shrunk = aimd.limit();
        assert!(shrunk < 16);
        for second in (200..500).step_by(2) {
            aimd.began(Sample { running: aimd.limit(), ..slow }, Duration::from_secs(second));
        }
        assert_eq!(aimd.limit(), 16);
    }

    #[test]
    fn the_bound_is_kept_when_it_changes() {
        let mut aimd = limit_after(8, 1000, 16).0;
        aimd.set_max(5);
        assert_eq!(aimd.limit(), 5);
        aimd.set_max(0);
        assert_eq!(aimd.limit(), 1);
    }
}
