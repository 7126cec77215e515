//! One machine's engine: all that runs goes on at the same speed, which falls with its number.
//!
//! So one clock of *work* serves for all: it counts what each running request has done since it began, in nanoseconds of
//! a machine that does nothing else. A request's first token and its end are points of that clock, and stay so when the
//! speed changes.

use std::collections::BTreeSet;

use super::scenario::Machine;
use crate::admission::Ticket;

/// Nanoseconds since the simulation began.
pub(super) type Nanos = u64;
pub(super) const NANOS_PER_SECOND: f64 = 1e9;
const NANOS_PER_MILLI: f64 = 1e6;

pub(super) struct Engine {
    machine: Machine,
    running: u32,
    /// The clock of work, and the time at which it stood there.
    work: Nanos,
    at: Nanos,
    points: BTreeSet<(Nanos, Ticket, Point)>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    FirstToken,
    End,
}

impl Engine {
    pub fn new(machine: Machine) -> Self {
        Engine { machine, running: 0, work: 0, at: 0, points: BTreeSet::new() }
    }

    pub fn running(&self) -> u32 {
        self.running
    }

    /// A request of that many tokens to read and to write.
    pub fn start(&mut self, now: Nanos, ticket: Ticket, prompt_tokens: f64, output_tokens: u32) {
        self.go_on(now);
        let token = self.machine.token_ms * NANOS_PER_MILLI;
        let reading = prompt_tokens / self.machine.prompt_tokens_per_second * NANOS_PER_SECOND;
        let first = self.work + (reading + token) as Nanos;
        let end = self.work + (reading + token * f64::from(output_tokens.max(1))) as Nanos;
        self.points.insert((first, ticket, Point::FirstToken));
        self.points.insert((end, ticket, Point::End));
        self.running += 1;
    }

    /// When the next point is reached, if nothing starts before.
    pub fn next(&self) -> Option<Nanos> {
        let (work, ..) = self.points.first()?;
        Some(self.at + ((work - self.work) as f64 * self.stretch()).ceil() as Nanos)
    }

    /// The point that is reached now.
    pub fn reach(&mut self, now: Nanos) -> Option<(Ticket, Point)> {
        let (work, ticket, point) = self.points.pop_first()?;
        self.at = now;
        self.work = work;
        if point == Point::End {
            self.running -= 1;
        }
        Some((ticket, point))
    }

    fn go_on(&mut self, now: Nanos) {
        let done = ((now - self.at) as f64 / self.stretch()) as Nanos;
        let next = self.points.first().map_or(Nanos::MAX, |(work, ..)| *work);
        self.work = (self.work + done).min(next);
        self.at = now;
    }

    /// How many times longer everything takes.
    fn stretch(&self) -> f64 {
        let others = f64::from(self.running.saturating_sub(1));
        let others_max = f64::from(self.machine.slots.saturating_sub(1)).max(1.0);
        1.0 + self.machine.slowdown * others / others_max
    }
}
