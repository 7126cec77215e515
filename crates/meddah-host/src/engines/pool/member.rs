//! What the pool knows of one engine: its slots, its health, its figures. Everything here is plain state; the pool
//! has the lock.

use std::sync::Arc;
use std::time::Duration;

use meddah_inference::ladder::Breaker;
use tokio::time::Instant;

use super::state::{EngineSettings, EngineState, Health};
use crate::engines::aimd::{Aimd, Sample};
use crate::engines::facts::{Dialect, EngineFacts};
use crate::engines::{Engine, EngineError, EngineErrorKind};

/// Slots of an engine that neither tells nor is told: at most so many at a time.
const UNKNOWN_SLOTS_MAX: u32 = 64;
/// First bytes that the median is of.
const FIRST_BYTES_KEPT: usize = 64;
/// An engine that sent an event so lately is well, whatever a probe says: busy servers answer probes late.
const ALIVE_FOR: Duration = Duration::from_secs(10);
/// Probes in a row that fail before an engine counts as down.
const PROBE_FAILURES_MAX: u32 = 2;

/// How a request to an engine ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was answered to the end.
    Served,
    /// It failed, behind so many events.
    Failed(EngineError, u32),
    /// The caller left.
    Left,
    /// The caller left after a long wait in which nothing came.
    LeftInSilence,
}

/// A slot that was left: when, and until when it counts at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lingering {
    pub since: Instant,
    pub until: Instant,
}

/// One engine of the pool.
pub(super) struct Member {
    pub engine: Arc<dyn Engine>,
    pub settings: EngineSettings,
    pub key: u64,
    pub breaker: Breaker,
    pub facts: EngineFacts,
    /// `None` before the first probe.
    pub is_up: Option<bool>,
    /// The breaker is open.
    pub is_resting: bool,
    /// It should be tried now: what went wrong may have been its fault or that of the requests.
    pub is_suspect: bool,
    /// Since it was last well, answers failed behind so many events at most.
    pub failed_after: u32,
    pub is_draining: bool,
    /// Requests of ours there.
    pub running: u32,
    /// Slots of requests that were left and that the engine may still work on.
    pub lingering: Vec<Lingering>,
    pub last_event: Option<Instant>,
    /// Of a probe its words; of an answer only the kind, because a player's words may be in it.
    pub last_error: Option<String>,
    probe_failures: u32,
    aimd: Aimd,
    began: Instant,
    first_bytes: Vec<Duration>,
    next_first_byte: usize,
    pub served: u64,
    pub failed: u64,
    pub left: u64,
    pub failed_over: u64,
}

impl Member {
    pub fn new(engine: Arc<dyn Engine>, settings: EngineSettings, now: Instant) -> Member {
        Member {
            key: super::choose::key(engine.name()),
            engine,
            aimd: Aimd::new(settings.slots_max.unwrap_or(UNKNOWN_SLOTS_MAX)),
            settings,
            breaker: Breaker::default(),
            facts: EngineFacts::default(),
            is_up: None,
            is_resting: false,
            is_suspect: false,
            failed_after: 0,
            is_draining: false,
            running: 0,
            lingering: Vec::new(),
            last_event: None,
            last_error: None,
            probe_failures: 0,
            began: now,
            first_bytes: Vec::new(),
            next_first_byte: 0,
            served: 0,
            failed: 0,
            left: 0,
            failed_over: 0,
        }
    }

    /// Whether it takes new requests.
    pub fn is_usable(&self) -> bool {
        self.is_up == Some(true) && !self.is_resting && !self.is_draining
    }

    pub fn serves(&self, model: Option<&str>) -> bool {
        let Some(model) = model else { return true };
        match self.settings.models.is_empty() {
            true => self.engine.serves(model, &self.facts),
            false => self.settings.models.iter().any(|name| name == model),
        }
    }

    /// Requests at a time. The operator may lower what the engine tells, and not raise it.
    pub fn slots(&self) -> u32 {
        match (self.settings.slots, self.facts.slots) {
            (Some(set), Some(told)) => set.min(told),
            (Some(slots), None) | (None, Some(slots)) => slots,
            (None, None) if self.facts.dialect == Dialect::Ollama => 1,
            (None, None) => self.aimd.limit(),
        }
    }

    pub fn taken(&self) -> u32 {
        self.running + self.lingering.len() as u32
    }

    /// What it adds to the slots of the pool: those that can be given out, and those of the requests that run on
    /// where nothing new goes, because whoever counts slots counts these requests too.
    pub fn capacity(&self) -> u32 {
        match self.is_usable() {
            true => self.slots().saturating_sub(self.lingering.len() as u32).max(self.running),
            false => self.running,
        }
    }

    /// Slots that have lingered for too long are free.
    pub fn forget_lingering(&mut self, now: Instant) {
        self.lingering.retain(|slot| slot.until > now);
    }

    /// A request got its first event.
    pub fn first_byte(&mut self, sample: Sample, now: Instant) {
        self.aimd.began(sample, now - self.began);
        self.last_event = Some(now);
        match self.first_bytes.get_mut(self.next_first_byte) {
            Some(place) => *place = sample.first_byte,
            None => self.first_bytes.push(sample.first_byte),
        }
        self.next_first_byte = (self.next_first_byte + 1) % FIRST_BYTES_KEPT;
    }

    /// A request is over. The engine may still work on it for so long.
    pub fn ended(&mut self, outcome: &Outcome, lingers: Option<Duration>, now: Instant) {
        self.running -= 1;
        self.lingering.extend(lingers.map(|wait| Lingering { since: now, until: now + wait }));
        match outcome {
            Outcome::Served => {
                self.served += 1;
                self.is_well();
            }
            Outcome::Left => self.left += 1,
            Outcome::LeftInSilence => {
                self.left += 1;
                self.is_suspect = true;
            }
            Outcome::Failed(error, events) => {
                self.failed += 1;
                self.failed_after = self.failed_after.max(*events);
                self.failure(error, now);
            }
        }
    }

    /// It answered.
    pub fn is_well(&mut self) {
        self.breaker.succeeded();
        (self.is_resting, self.is_suspect, self.failed_after) = (false, false, 0);
    }

    /// Tells the breaker what a player's request came to.
    fn failure(&mut self, error: &EngineError, now: Instant) {
        match error.kind {
            kind if !kind.is_retryable() => {}
            // The player may have asked for a model that is none, or the engine's address is wrong: a trial tells.
            EngineErrorKind::NotFound => self.is_suspect = true,
            _ => {
                let was_resting = self.is_resting;
                self.trouble(error, now);
                // A player can make requests on which a sound engine fails, and must not make it rest. But who asks
                // for a pause is not asked again before it is over.
                self.is_suspect |= self.is_resting && !was_resting && error.retry_after.is_none();
            }
        }
    }

    /// Tells the breaker what is certainly the engine's own trouble.
    pub fn trouble(&mut self, error: &EngineError, now: Instant) {
        if matches!(error.kind, EngineErrorKind::Overloaded | EngineErrorKind::RateLimited) {
            self.aimd.overloaded(now - self.began);
        }
        self.breaker.failed(&error.into(), now);
        self.is_resting = self.breaker.rests(now);
        self.last_error = Some(format!("{} in an answer", error.kind.name()));
    }

    /// A probe answered. It was sent at a time when so many ran. Tells whether the engine is back.
    pub fn probed(&mut self, facts: EngineFacts, sent: (Instant, u32), now: Instant) -> bool {
        if let Some(admits) = facts.admits {
            self.aimd.set_max(self.settings.slots_max.map_or(admits, |max| max.min(admits)));
        }
        if let Some(waiting) = facts.waiting {
            self.aimd.waiting(waiting, now - self.began);
        }
        if let Some(busy) = facts.busy {
            // What it works on beyond ours is what was left, or another client's: then the bound frees the slots.
            // Ours are those that ran all the while. What was left meanwhile may be among the busy ones or not.
            let beyond = busy.saturating_sub(sent.1.min(self.running)) as usize;
            let asked_about = self.lingering.iter().take_while(|slot| slot.since <= sent.0).count();
            self.lingering.drain(..asked_about.saturating_sub(beyond));
        }
        self.facts = facts;
        self.probe_failures = 0;
        let is_back = self.is_up != Some(true);
        if is_back {
            // It comes back as a new one: what failed before was another life.
            self.is_up = Some(true);
            self.is_well();
            self.last_error = None;
        }
        is_back
    }

    /// A probe failed; tells whether the last one did not.
    pub fn probe_failed(&mut self, error: &EngineError, now: Instant) -> bool {
        self.probe_failures += 1;
        self.last_error = Some(error.message.clone());
        let is_alive = self.last_event.is_some_and(|event| now < event + ALIVE_FOR);
        // It asks for a pause, so it is there.
        let is_there = error.kind == EngineErrorKind::RateLimited;
        if self.is_up.is_none() || self.probe_failures >= PROBE_FAILURES_MAX && !is_alive && !is_there {
            self.is_up = Some(false);
        }
        self.probe_failures == 1
    }

    pub fn state(&self) -> EngineState {
        let mut sorted = self.first_bytes.clone();
        sorted.sort_unstable();
        EngineState {
            name: self.engine.name().to_owned(),
            dialect: self.facts.dialect,
            health: match (self.is_up, self.is_resting) {
                (None, _) => Health::Unknown,
                (Some(false), _) => Health::Down,
                (Some(true), true) => Health::Resting,
                (Some(true), false) => Health::Up,
            },
            is_draining: self.is_draining,
            slots: self.slots(),
            running: self.running,
            lingering: self.lingering.len() as u32,
            waiting_there: self.facts.waiting,
            served: self.served,
            failed: self.failed,
            left: self.left,
            failed_over: self.failed_over,
            first_byte_p50: sorted.get(sorted.len() / 2).copied(),
            models: if self.settings.models.is_empty() { &self.facts.models } else { &self.settings.models }
                .clone(),
            context_tokens: self.facts.context_tokens,
            parameters: self.facts.parameters,
            last_error: self.last_error.clone(),
        }
    }
}
