//! Figures for the operator's Prometheus. No label names a player.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use meddah_protocol::ErrorCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::admission::GateFigures;
use crate::engines::{EngineState, Health};
use crate::player::Class;

/// A refusal's code as a label.
pub(super) fn word(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthorized | ErrorCode::Forbidden => "unknown_player",
        ErrorCode::Quota | ErrorCode::OverBudget => "quota",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::Busy => "busy",
        ErrorCode::Timeout => "timeout",
        ErrorCode::ShuttingDown => "closed",
        ErrorCode::Moderation => "moderation",
        ErrorCode::ModelFailed | ErrorCode::NoModel => "engine",
        _ => "bad_request",
    }
}

/// Bounds of waiting times, in seconds.
const WAITS_S: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 60.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClass {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    class: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEngine {
    engine: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenKind {
    kind: &'static str,
}

type PerClass = Family<OfClass, Histogram, fn() -> Histogram>;

/// What is counted. Cheap to update from many requests at once.
pub struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    tokens: Family<TokenKind, Counter>,
    queue_wait: PerClass,
    first_token: PerClass,
    waiting: Family<OfClass, Gauge>,
    running: Family<OfClass, Gauge>,
    slots: Gauge,
    engine_up: Family<OfEngine, Gauge>,
    engine_running: Family<OfEngine, Gauge>,
    money: Counter<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(WAITS_S);
        let mut metrics = Metrics {
            registry: Registry::with_prefix("meddah_host"),
            requests: Family::default(),
            tokens: Family::default(),
            queue_wait: Family::new_with_constructor(histogram),
            first_token: Family::new_with_constructor(histogram),
            waiting: Family::default(),
            running: Family::default(),
            slots: Gauge::default(),
            engine_up: Family::default(),
            engine_running: Family::default(),
            money: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by how they ended", self.requests.clone());
        registry.register("tokens", "Tokens that engines read and wrote", self.tokens.clone());
        registry.register("queue_wait_seconds", "Wait for a slot", self.queue_wait.clone());
        registry.register(
            "first_token_seconds",
            "From the request to the first token",
            self.first_token.clone(),
        );
        registry.register("waiting", "Requests that wait for a slot", self.waiting.clone());
        registry.register("running", "Requests that have a slot", self.running.clone());
        registry.register("slots", "Slots of engines that are well", self.slots.clone());
        registry.register("engine_up", "Whether an engine is well", self.engine_up.clone());
        registry.register("engine_running", "Requests at an engine", self.engine_running.clone());
        registry.register("money", "What paid engines cost, in dollars", self.money.clone());
    }

    /// A request ended; `outcome` is `answered`, `cut`, or the code of a refusal.
    pub fn ended(&self, class: Class, outcome: &'static str) {
        self.requests.get_or_create(&Outcome { class: class.name(), outcome }).inc();
    }

    /// What an answer took.
    pub fn used(&self, prompt_tokens: u64, output_tokens: u64, micro: u64) {
        self.tokens.get_or_create(&TokenKind { kind: "prompt" }).inc_by(prompt_tokens);
        self.tokens.get_or_create(&TokenKind { kind: "output" }).inc_by(output_tokens);
        self.money.inc_by(micro as f64 / 1e6);
    }

    /// A slot was found.
    pub fn entered(&self, class: Class, waited: Duration) {
        self.queue_wait.get_or_create(&OfClass { class: class.name() }).observe(waited.as_secs_f64());
    }

    /// The first token is on its way to the player.
    pub fn first_token(&self, class: Class, after: Duration) {
        self.first_token.get_or_create(&OfClass { class: class.name() }).observe(after.as_secs_f64());
    }

    /// Everything in Prometheus' text format, with what is true at this moment.
    pub fn text(&self, gate: &GateFigures, slots: u32, engines: &[EngineState]) -> String {
        for class in Class::ALL {
            let (label, figures) = (OfClass { class: class.name() }, gate.of(class));
            self.waiting.get_or_create(&label).set(figures.waiting as i64);
            self.running.get_or_create(&label).set(figures.running as i64);
        }
        self.slots.set(i64::from(slots));
        for engine in engines {
            let label = OfEngine { engine: engine.name.clone() };
            self.engine_up.get_or_create(&label).set(i64::from(engine.health == Health::Up));
            self.engine_running.get_or_create(&label).set(i64::from(engine.running));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).ok(); // writing to a String cannot fail
        text
    }
}
