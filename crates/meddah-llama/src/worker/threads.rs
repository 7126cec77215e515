//! How many threads compute.
//!
//! llama.cpp's threads wait for each other by spinning. When a game wants the cores too, the one that is
//! running spins for the one that is not, and two threads can be ten times slower than one (8 instead of 90
//! tokens read per second was measured). No fixed number is right, so now and then a step is computed with
//! another number, and the faster one stays.

use std::time::Duration;

/// Compute time between two trials.
const TRIAL_EVERY: Duration = Duration::from_secs(3);
/// Compute time before the first one.
const FIRST_TRIAL: Duration = Duration::from_millis(300);
/// Tokens of a step that tries out another number while a prompt is read.
pub const TRIAL_TOKENS: usize = 16;
/// Most tokens of a step that counts as writing, and fewest of one that counts as reading.
const WRITING_TOKENS_MAX: usize = 4;
const READING_TOKENS_MIN: usize = 12;
/// Weight of the newest measurement, and of one that was taken in a trial: what was known before is old.
const NEWEST: f64 = 0.3;
const TRIAL: f64 = 0.8;
/// Another number has to be so much better.
const BETTER: f64 = 0.85;

/// Steps that can be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Writing,
    Reading,
}

impl Kind {
    fn of(tokens: usize) -> Option<Kind> {
        match tokens {
            0 => None,
            1..=WRITING_TOKENS_MAX => Some(Kind::Writing),
            READING_TOKENS_MIN.. => Some(Kind::Reading),
            _ => None,
        }
    }
}

struct Candidate {
    threads: u32,
    /// Seconds per token, for each kind of step.
    cost: [Option<f64>; 2],
}

/// Finds the number that is fastest at the moment.
pub struct Threads {
    candidates: Vec<Candidate>,
    current: usize,
    trial: Option<usize>,
    trials: usize,
    until_trial: Duration,
}

impl Threads {
    /// At most so many; then half as many, and so on down to one.
    pub fn new(most: u32) -> Threads {
        let halves =
            std::iter::successors(Some(most.max(1)), |&threads| (threads > 1).then_some(threads / 2));
        let candidates = halves.map(|threads| Candidate { threads, cost: [None; 2] }).collect();
        Threads { candidates, current: 0, trial: None, trials: 0, until_trial: FIRST_TRIAL }
    }

    /// For the next step.
    pub fn next(&mut self) -> u32 {
        if self.until_trial.is_zero() && self.candidates.len() > 1 {
            self.until_trial = TRIAL_EVERY;
            self.trial = Some(self.neighbour());
        }
        self.candidates[self.trial.unwrap_or(self.current)].threads
    }

    /// One more or one fewer, in turn, as far as there is one.
    fn neighbour(&mut self) -> usize {
        self.trials += 1;
        let fewer = Some(self.current + 1).filter(|&index| index < self.candidates.len());
        let more = self.current.checked_sub(1);
        let (first, second) = if self.trials % 2 == 1 { (fewer, more) } else { (more, fewer) };
        first.or(second).unwrap_or(self.current)
    }

    /// The next step is a trial: it should be short.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// A step with the number of [`Threads::next`] took so long.
    pub fn measured(&mut self, tokens: usize, took: Duration) {
        self.until_trial = self.until_trial.saturating_sub(took);
        let Some(kind) = Kind::of(tokens) else { return };
        let weight = if self.trial.is_some() { TRIAL } else { NEWEST };
        let measured = self.trial.take().unwrap_or(self.current);
        let cost = &mut self.candidates[measured].cost[kind as usize];
        let seconds = took.as_secs_f64() / tokens as f64;
        *cost = Some(cost.map_or(seconds, |cost| cost + (seconds - cost) * weight));
        let known = self.candidates[self.current].cost[kind as usize];
        let best = (0..self.candidates.len())
            .filter_map(|index| Some((index, self.candidates[index].cost[kind as usize]?)))
            .min_by(|left, right| left.1.total_cmp(&right.1));
        if let (Some(known), Some((best, cost))) = (known, best)
            && cost < known * BETTER
        {
            self.current = best;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps of one token whose time depends on the number of threads; the number in use at the end.
    fn settle(threads: &mut Threads, steps: usize, ms: impl Fn(u32) -> u64) -> u32 {
        for _ in 0..steps {
            let count = threads.next();
            threads.measured(1, Duration::from_millis(ms(count)));
        }
        threads.trial = None;
        threads.candidates[threads.current].threads
    }

    #[test]
    fn all_threads_are_used_while_that_is_fastest_and_fewer_beside_a_game() {
        let mut threads = Threads::new(4);
        let quiet = |count: u32| 40 / u64::from(count);
        let crowded = |count: u32| 40 * u64::from(count);
        assert_eq!(settle(&mut threads, 400, quiet), 4);
        assert_eq!(settle(&mut threads, 400, crowded), 1);
        assert_eq!(settle(&mut threads, 1200, quiet), 4);
    }

    #[test]
    fn one_thread_needs_no_trials() {
        let mut threads = Threads::new(1);
        assert_eq!(settle(&mut threads, 1000, |_| 50), 1);
        assert!(!threads.is_trial());
    }

    #[test]
    fn trials_cost_little() {
        let mut threads = Threads::new(2);
        let mut trials = 0;
        for _ in 0..1000 {
            let count = threads.next();
            trials += u32::from(threads.is_trial());
            threads.measured(1, Duration::from_millis(if count == 2 { 12 } else { 20 }));
        }
        assert!(trials <= 6, "{trials}");
    }
}
