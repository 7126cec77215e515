//! The one thread that computes: takes requests, shares each step among all replies, tells what comes out.

mod ahead;
mod step;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use meddah_inference::{ChatRequest, Role, Sampling, TokenUsage};
use serde_json::Value;

use super::control::Control;
use super::grammar::{Grammar, Grammars};
use super::measure;
use super::neutral::Probe;
use super::outbox::Outbox;
use super::pace::{Pace, STEP_TOKENS_MAX};
use super::places::Places;
use super::prepare::{Prepared, prepare};
use super::reply::{Event, Reply as Speech, Tools};
use super::sampling::Sampler;
use super::slots::Slots;
use super::states::States;
use super::threads::Threads;
use crate::ffi::{Batch, Context, Dry, Token};
use crate::template::Template;
use crate::wire::{Reply, Request, Stats, WireError, WireErrorKind};
use ahead::Draft;

/// Requests that wait for a place.
const WAITING_MAX: usize = 64;
/// Tokens of earlier replies that count as repetition.
const EARLIER_TOKENS_MAX: usize = 384;

/// Nobody has said anything for so long: time to copy something to disk.
const KEEP_AFTER: Duration = Duration::from_millis(200);

/// A reply that has a place.
struct Running {
    id: u64,
    slot: usize,
    speech: Speech,
    prompt_tokens: usize,
    cached_tokens: usize,
    /// Nobody waits for it.
    ahead: bool,
}

impl Running {
    fn usage(&self, total_tokens: usize) -> TokenUsage {
        TokenUsage {
            prompt_tokens: self.prompt_tokens as u32,
            cached_tokens: self.cached_tokens as u32,
            completion_tokens: total_tokens.saturating_sub(self.prompt_tokens) as u32,
            ..TokenUsage::default()
        }
    }
}

/// See the top of this file.
pub struct Engine {
    pub context: Context,
    pub template: Template,
    pub states: States,
    pub slots: Slots,
    pub context_tokens: usize,
    pub outbox: Arc<Outbox>,
    pub control: Arc<Control>,
    batch: Batch,
    waiting: VecDeque<Prepared>,
    running: Vec<Running>,
    /// A reply that nobody has asked for yet.
    draft: Option<Draft>,
    places: Places,
    grammars: Option<Grammars>,
    penalty: Option<(f32, Dry)>,
    pace: Pace,
    threads: Threads,
    steps: u64,
    aborted_steps: u64,
    parallel: usize,
}

/// What an [`Engine`] is made of.
pub struct Parts {
    pub context: Context,
    pub template: Template,
    pub states: States,
    pub slots: Slots,
    pub context_tokens: usize,
    pub parallel: usize,
    pub threads: u32,
    pub outbox: Arc<Outbox>,
    pub control: Arc<Control>,
}

impl Engine {
    /// Nothing to do yet.
    pub fn new(parts: Parts) -> Engine {
        Engine {
            context: parts.context,
            template: parts.template,
            states: parts.states,
            slots: parts.slots,
            context_tokens: parts.context_tokens,
            outbox: parts.outbox,
            control: parts.control,
            parallel: parts.parallel,
            batch: Batch::new(STEP_TOKENS_MAX as u32),
            waiting: VecDeque::new(),
            running: Vec::new(),
            draft: None,
            places: Places::new(),
            grammars: None,
            penalty: None,
            pace: Pace::new(),
            threads: Threads::new(parts.threads),
            steps: 0,
            aborted_steps: 0,
        }
    }

    /// Works until it is told to leave or nobody can tell it anything any more.
    pub fn run(&mut self, requests: &Receiver<Request>) {
        loop {
            let nothing_to_do = self.running.is_empty() && self.waiting.is_empty();
            self.control.busy.store(self.somebody_waits(), Ordering::Relaxed);
            let request = if nothing_to_do {
                self.slots.tidy(&mut self.states, &mut self.context);
                self.rest(requests)
            } else {
                requests.try_recv()
            };
            match request {
                Ok(Request::Shutdown) | Err(TryRecvError::Disconnected) => return self.leave(),
                Ok(request) => self.handle(request),
                Err(TryRecvError::Empty) => {
                    self.drop_cancelled();
                    self.admit();
                    self.step();
                }
            }
        }
    }

    /// Waits for the next request. What was read is copied to disk meanwhile, one conversation at a time, so
    /// that a crash does not cost it.
    fn rest(&mut self, requests: &Receiver<Request>) -> Result<Request, TryRecvError> {
        loop {
            match requests.recv_timeout(KEEP_AFTER) {
                Ok(request) => return Ok(request),
                Err(RecvTimeoutError::Disconnected) => return Err(TryRecvError::Disconnected),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !self.slots.keep(&mut self.states, &mut self.context) {
                return requests.recv().map_err(|_| TryRecvError::Disconnected);
            }
        }
    }

    fn leave(&mut self) {
        self.slots.park_all(&mut self.states, &mut self.context);
        self.states.save_all();
    }

    fn fail(&self, id: u64, error: WireError) {
        self.outbox.send(&Reply::Error { id, error });
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Chat { id, request } => self.receive(id, *request),
            Request::ReadAhead { id, request } => self.read_ahead(id, *request),
            Request::Count { id, texts } => {
                let count =
                    |text: &String| self.context.model().tokenize(text.as_bytes(), false).len() as u32;
                let tokens = texts.iter().map(count).collect();
                self.outbox.send(&Reply::Counted { id, tokens });
            }
            Request::Stats { id } => {
                let stats = Stats {
                    live: self.slots.live(),
                    steps: self.steps,
                    aborted_steps: self.aborted_steps,
                    ..self.states.stats()
                };
                self.outbox.send(&Reply::Stats { id, stats });
            }
            Request::Measure { id, prompt_tokens, decode_tokens, repetitions } => {
                self.end_ahead();
                if !self.running.is_empty() {
                    return self.fail(id, WireError::new(WireErrorKind::Overloaded, "replies are running"));
                }
                self.slots.park_all(&mut self.states, &mut self.context);
                self.context.set_threads(u32::MAX);
                match measure::raw_speed(&mut self.context, prompt_tokens, decode_tokens, repetitions) {
                    Ok(speed) => self.outbox.send(&Reply::Measured { id, speed }),
                    Err(error) => self.fail(id, WireError::new(WireErrorKind::Broken, error.to_string())),
                }
            }
            Request::Load(_) | Request::Cancel { .. } | Request::Shutdown => {}
        }
    }

    fn receive(&mut self, id: u64, request: ChatRequest) {
        let Some(request) = self.take_up(id, request) else { return };
        self.end_ahead();
        if self.waiting.len() >= WAITING_MAX {
            return self.fail(id, WireError::new(WireErrorKind::Overloaded, "too many replies are waiting"));
        }
        self.queue(id, request, false);
    }

    fn queue(&mut self, id: u64, request: ChatRequest, ahead: bool) {
        match prepare(self.context.model(), &self.template, self.context_tokens, id, request) {
            Ok(prepared) => self.waiting.push_back(Prepared { ahead, ..prepared }),
            Err(error) => self.fail(id, error),
        }
    }

    fn drop_cancelled(&mut self) {
        let cancelled = || WireError::new(WireErrorKind::Cancelled, "cancelled");
        let (control, outbox) = (&self.control, &self.outbox);
        self.waiting.retain(|prepared| {
            let id = prepared.id;
            let gone = control.take_cancelled(id);
            if gone {
                outbox.send(&Reply::Error { id, error: cancelled() });
            }
            !gone
        });
        for index in (0..self.running.len()).rev() {
            let id = self.running[index].id;
            if self.control.take_cancelled(id) {
                self.end(index);
                self.fail(id, cancelled());
            }
        }
    }

    /// Takes a reply out; what was read stays.
    fn end(&mut self, index: usize) {
        let mut running = self.running.remove(index);
        if let Some(probe) = running.speech.probe() {
            probe.end(&mut self.context);
        }
        self.slots.release(running.slot);
    }

    fn admit(&mut self) {
        while let Some(next) = self.waiting.front() {
            let (conversation, prompt) = (&next.request.conversation, &next.prompt);
            let slot = self.slots.take(conversation, prompt, next.cells, &mut self.states, &mut self.context);
            let Some(slot) = slot else { return };
            if let Some(prepared) = self.waiting.pop_front() {
                self.start(prepared, slot);
            }
        }
    }

    fn start(&mut self, prepared: Prepared, slot: usize) {
        let Prepared { id, request, prompt, neutral, options, ahead, .. } = prepared;
        let cached_tokens = self.slots.sequence(slot).evaluated().len();
        let probe = neutral.map(|neutral| {
            let kv = (self.parallel + slot) as i32;
            Probe::new(kv, neutral, &prompt, &options, &self.places)
        });
        let grammar = match &request.json_schema {
            None => None,
            Some(schema) => match grammar_of(&mut self.grammars, &self.context, schema) {
                Some(grammar) => Some(grammar),
                None => {
                    self.slots.release(slot);
                    let message = "the JSON Schema of the words cannot be followed";
                    return self.fail(id, WireError::new(WireErrorKind::Refused, message));
                }
            },
        };
        let sampler = self.sampler(&request);
        let mut speech = Speech::new(request, options, sampler, grammar, probe, self.context_tokens);
        if ahead {
            speech.remember_places();
        }
        speech.begin(
            self.slots.sequence(slot),
            &mut Tools {
                model: self.context.model(),
                places: &self.places,
                grammar_of: &mut |schema| grammar_of(&mut self.grammars, &self.context, schema),
            },
        );
        self.running.push(Running { id, slot, speech, prompt_tokens: prompt.len(), cached_tokens, ahead });
        self.tell(self.running.len() - 1);
    }

    /// The repetition penalty looks at what the character said, not at the rest of the prompt: there it would
    /// forbid the names of things.
    fn sampler(&mut self, request: &ChatRequest) -> Sampler {
        let Sampling { dry_multiplier, .. } = request.sampling;
        if request.json_schema.is_some() || !dry_multiplier.is_finite() || dry_multiplier <= 0.0 {
            return Sampler::new(&request.sampling, None);
        }
        if self.penalty.as_ref().is_none_or(|(multiplier, _)| *multiplier != dry_multiplier) {
            self.penalty =
                Dry::new(self.context.model(), dry_multiplier).map(|penalty| (dry_multiplier, penalty));
        }
        let mut penalty = self.penalty.as_ref().and_then(|(_, penalty)| penalty.fresh_copy());
        if let Some(penalty) = &mut penalty {
            let mut earlier: Vec<Token> = Vec::new();
            let own = request.messages.iter().rev().filter(|message| message.role == Role::Assistant);
            for message in own {
                let mut tokens = self.context.model().tokenize(message.text.as_bytes(), false);
                tokens.extend(self.context.model().tokenize(b"\n", false));
                tokens.extend(earlier);
                earlier = tokens;
                if earlier.len() >= EARLIER_TOKENS_MAX {
                    break;
                }
            }
            for &token in &earlier[earlier.len().saturating_sub(EARLIER_TOKENS_MAX)..] {
                penalty.accept(token);
            }
        }
        Sampler::new(&request.sampling, penalty)
    }

    /// Of what is thought up ahead nothing is told.
    fn tell(&mut self, index: usize) {
        let running = &mut self.running[index];
        if running.ahead {
            return;
        }
        let (id, events) = (running.id, running.speech.take_events());
        let usage = running.usage(self.slots.sequence(running.slot).len());
        self.tell_events(id, events, usage);
    }

    fn tell_events(&self, id: u64, events: Vec<Event>, usage: TokenUsage) {
        if events.is_empty() {
            return;
        }
        self.control.told.fetch_add(1, Ordering::Relaxed);
        for event in events {
            self.outbox.send(&match event {
                Event::Decided { decision, choice, arguments } => {
                    Reply::Decided { id, decision, choice, arguments }
                }
                Event::Text(text) => {
                    self.outbox.send(&Reply::Usage { id, usage });
                    Reply::Text { id, text }
                }
                Event::Over(stop) => Reply::Done { id, stop, usage },
            });
        }
    }

    fn end_over(&mut self) {
        for index in (0..self.running.len()).rev() {
            if self.running[index].speech.is_over() {
                self.keep_draft(index);
                self.end(index);
            }
        }
    }
}

fn grammar_of(grammars: &mut Option<Grammars>, context: &Context, schema: &Value) -> Option<Grammar> {
    if grammars.is_none() {
        *grammars = Grammars::new(context.model())
            .inspect_err(|error| tracing::warn!(%error, "grammars are not available"))
            .ok();
    }
    let grammar = grammars.as_ref()?.of_schema(schema);
    grammar.inspect_err(|error| tracing::warn!(%error, "a schema cannot be followed")).ok()
}
