//! What goes into a pool and what can be seen of it: settings, and states for the status command and metrics.

use std::time::Duration;

use crate::engines::Dialect;

/// What the operator says of one engine.
#[derive(Clone, Debug, Default)]
pub struct EngineSettings {
    /// Requests at a time; what the engine tells is not exceeded.
    pub slots: Option<u32>,
    /// Where neither the engine nor `slots` tells: the most that is tried; 64 if it is not set.
    pub slots_max: Option<u32>,
    /// Models that are asked for here, by the names that players use. Empty: what the engine tells, or any.
    pub models: Vec<String>,
}

/// How the pool behaves.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// From one probe of an engine to the next.
    pub probe_every: Duration,
    /// Longest wait for a slot within [`Pool::chat`](super::Pool::chat).
    pub slot_wait: Duration,
    /// How long a slot lingers that was left, at an engine that does not tell what it works on.
    pub linger: Duration,
    /// The same at one that tells, if it goes on telling that it works.
    pub linger_max: Duration,
    /// Longest wait for the answer to a trial.
    pub trial_wait: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        PoolSettings {
            probe_every: Duration::from_secs(5),
            slot_wait: Duration::from_secs(2),
            linger: Duration::from_secs(2),
            linger_max: Duration::from_secs(60),
            trial_wait: Duration::from_secs(15),
        }
    }
}

/// How an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not probed yet.
    Unknown,
    /// It takes requests.
    Up,
    /// It answers probes, but its breaker is open.
    Resting,
    /// It does not answer.
    Down,
}

/// An engine, for the status command and metrics.
#[derive(Clone, Debug)]
pub struct EngineState {
    /// Its name.
    pub name: String,
    /// Who it is.
    pub dialect: Dialect,
    /// How it is.
    pub health: Health,
    /// It takes nothing new, by the operator's word.
    pub is_draining: bool,
    /// Requests at a time.
    pub slots: u32,
    /// Requests of ours there.
    pub running: u32,
    /// Slots of requests that were left and that it may still work on.
    pub lingering: u32,
    /// Requests in its own queue, if it tells.
    pub waiting_there: Option<u32>,
    /// Requests that were answered to the end.
    pub served: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that the caller left.
    pub left: u64,
    /// Requests that failed here and then went to another engine.
    pub failed_over: u64,
    /// Median time to the first event, of the last 64 requests.
    pub first_byte_p50: Option<Duration>,
    /// Models that it serves; empty for any.
    pub models: Vec<String>,
    /// Tokens of prompt and answer together.
    pub context_tokens: Option<u32>,
    /// Weights of its one model.
    pub parameters: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}
