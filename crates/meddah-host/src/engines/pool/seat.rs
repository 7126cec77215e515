//! A slot of an engine that is taken, for as long as one request needs it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::Instant;

use super::Pool;
use super::member::Outcome;
use crate::engines::aimd::Sample;
use crate::engines::{Engine, EngineError, EngineErrorKind};

/// The last event of an engine is noted this often, and not for each of thousands.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// Who leaves after so long without a first event may have left because of the engine.
const SUSPECT_AFTER: Duration = Duration::from_secs(10);

/// Gives the slot back when it is dropped, however that comes.
pub(super) struct Seat {
    pool: Arc<Pool>,
    engine: usize,
    running: u32,
    sent_at: Instant,
    noted_at: Instant,
    /// The request may have reached the engine.
    is_sent: bool,
    /// Events that came.
    events: u32,
    outcome: Outcome,
    /// The engine may go on although the request is over for us.
    may_linger: bool,
}

impl Seat {
    pub fn new(pool: Arc<Pool>, engine: usize, running: u32, now: Instant) -> Seat {
        Seat {
            pool,
            engine,
            running,
            sent_at: now,
            noted_at: now,
            is_sent: false,
            events: 0,
            outcome: Outcome::Left,
            may_linger: true,
        }
    }

    /// Its place in the pool.
    pub fn engine(&self) -> usize {
        self.engine
    }

    /// Who is asked, from now on.
    pub fn send(&mut self) -> Arc<dyn Engine> {
        self.is_sent = true;
        self.sent_at = Instant::now();
        self.pool.lock()[self.engine].engine.clone()
    }

    /// Tells when the engine is found to be down.
    pub fn down(&self) -> latest::Receiver<bool> {
        self.pool.down[self.engine].subscribe()
    }

    /// The first event came.
    pub fn first_event(&mut self) {
        let now = Instant::now();
        self.noted_at = now;
        let sample = Sample { running: self.running, first_byte: now - self.sent_at };
        self.events = 1;
        self.pool.change(self.engine, |member| member.first_byte(sample, now));
    }

    /// Another event came.
    pub fn event(&mut self) {
        self.events = self.events.saturating_add(1);
        let now = Instant::now();
        if now - self.noted_at >= NOTED_EVERY {
            self.noted_at = now;
            self.pool.lock()[self.engine].last_event = Some(now);
        }
    }

    /// The answer came to its end.
    pub fn served(mut self) {
        (self.outcome, self.may_linger) = (Outcome::Served, false);
    }

    /// It failed, so that nothing more comes of it.
    pub fn failed(mut self, error: &EngineError) {
        self.outcome = match error.kind {
            EngineErrorKind::Cancelled => Outcome::Left,
            _ => Outcome::Failed(error.clone(), self.events),
        };
        // Whoever refused or hung up does not work on it; whoever we hung up on may.
        use EngineErrorKind as K;
        self.may_linger = matches!(error.kind, K::Cancelled | K::Timeout | K::Protocol);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (now, settings) = (Instant::now(), self.pool.settings);
        let lingers = self.is_sent && self.may_linger;
        let is_silent = self.is_sent && self.events == 0 && now - self.sent_at >= SUSPECT_AFTER;
        if is_silent && matches!(self.outcome, Outcome::Left) {
            self.outcome = Outcome::LeftInSilence;
        }
        self.pool.change(self.engine, |member| {
            let wait = if member.facts.busy.is_some() { settings.linger_max } else { settings.linger };
            member.ended(&self.outcome, lingers.then_some(wait), now);
        });
        self.pool.look[self.engine].notify_one();
    }
}
