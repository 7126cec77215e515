//! What characters make of a talk once it has paused: a summary and single facts, off the turn's path.
//!
//! One job at a time. A job that a local model works on ends at once when a turn begins, because the turn
//! needs the model, and is taken up again later. What it writes is tied to the place that it began from: a
//! save that is loaded in between makes it void ([`meddah_store::TimelineStore::append_derived`]).

mod asking;
mod job;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use meddah_engine::timeline::TimelineKey;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::{ReflectionBy, ReflectionSettings};
use crate::turn::Ports;
use crate::worlds::Worlds;

/// Talks that may wait to be thought over; of more, the one that rests the longest is passed by.
const TALKS_MAX: usize = 1024;

/// Thinks talks over. Cheap to clone.
#[derive(Clone)]
pub struct Reflection(Arc<Shared>);

struct Shared {
    ports: Ports,
    worlds: Arc<Worlds>,
    settings: ReflectionSettings,
    state: Mutex<State>,
    /// Something changed that the worker waits for.
    changed: Notify,
    stop: CancellationToken,
    /// The worker; begun with the first talk.
    worker: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    turns_running: usize,
    quiet_since: Instant,
    talks: BTreeMap<TalkKey, Talk>,
    job: Option<Job>,
}

/// Whose talk: the timeline and the character.
type TalkKey = (TimelineKey, String);

/// A talk that was not thought over yet.
#[derive(Clone, Debug)]
struct Talk {
    /// Where it was, if the game said so.
    place: Option<String>,
    /// About how many tokens it has.
    tokens: u32,
    newest: Instant,
    /// The game said that it is over.
    ended: bool,
}

struct Job {
    cancel: CancellationToken,
    /// It holds a model that turns need.
    in_the_way: bool,
}

/// A turn runs as long as this lives.
pub struct TurnRuns(Arc<Shared>);

impl Reflection {
    /// Without a talk yet.
    pub fn new(ports: Ports, worlds: Arc<Worlds>, settings: ReflectionSettings) -> Reflection {
        Reflection(Arc::new(Shared {
            ports,
            worlds,
            settings,
            state: Mutex::new(State {
                turns_running: 0,
                quiet_since: Instant::now(),
                talks: BTreeMap::new(),
                job: None,
            }),
            changed: Notify::new(),
            stop: CancellationToken::new(),
            worker: Mutex::default(),
        }))
    }

    /// A turn begins: a job that holds the local model ends.
    pub fn turn_begins(&self) -> TurnRuns {
        let mut state = self.0.state();
        state.turns_running += 1;
        if let Some(job) = state.job.as_ref().filter(|job| job.in_the_way) {
            job.cancel.cancel();
        }
        TurnRuns(self.0.clone())
    }

    /// A turn of this character ended, of about so many tokens.
    pub fn talked(&self, key: &TimelineKey, character: &str, place: Option<&str>, tokens: u32) {
        if self.0.settings.by == ReflectionBy::Off || self.0.stop.is_cancelled() {
            return;
        }
        {
            let mut state = self.0.state();
            if state.talks.len() >= TALKS_MAX
                && let Some(oldest) = state.talks.iter().min_by_key(|(_, talk)| talk.newest)
            {
                let oldest = oldest.0.clone();
                state.talks.remove(&oldest);
            }
            let talk = state.talks.entry((key.clone(), character.to_owned())).or_insert(Talk {
                place: None,
                tokens: 0,
                newest: Instant::now(),
                ended: false,
            });
            talk.tokens = talk.tokens.saturating_add(tokens);
            talk.newest = Instant::now();
            talk.ended = false;
            talk.place = place.map(str::to_owned).or(talk.place.take());
        }
        self.0.clone().begin_worker();
        self.0.changed.notify_one();
    }

    /// The game says that the talk with a character (absent: with all) is over.
    pub fn talk_ended(&self, key: &TimelineKey, character: Option<&str>) {
        for ((of, who), talk) in &mut self.0.state().talks {
            talk.ended |= of == key && character.is_none_or(|character| character == who);
        }
        self.0.changed.notify_one();
    }

    /// A save was loaded: what was talked about since belongs to another time.
    pub fn loaded(&self, key: &TimelineKey) {
        self.0.state().talks.retain(|(of, _), _| of != key);
    }

    /// Ends the worker; what was not thought over yet is found again after the next talk.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        let worker = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            worker.await.ok(); // it panicked, which the log says
        }
    }
}

impl Drop for TurnRuns {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.turns_running = state.turns_running.saturating_sub(1);
        state.quiet_since = Instant::now();
        drop(state);
        self.0.changed.notify_one();
    }
}

/// What the worker does next.
enum Next {
    /// This talk is due.
    ThinkOver(TalkKey, Talk),
    /// Nothing before that.
    Wait(Duration),
    /// Nothing before something changes.
    Rest,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "its handle is kept, and shutdown waits for it")]
    fn begin_worker(self: Arc<Self>) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.as_ref().is_none_or(JoinHandle::is_finished) {
            *worker = Some(tokio::spawn(self.clone().work()));
        }
    }

    async fn work(self: Arc<Self>) {
        while !self.stop.is_cancelled() {
            match self.next() {
                Next::ThinkOver(key, talk) => self.think_over(key, talk).await,
                Next::Wait(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.changed.notified() => {}
                    () = self.stop.cancelled() => {}
                },
                Next::Rest => tokio::select! {
                    () = self.changed.notified() => {}
                    () = self.stop.cancelled() => {}
                },
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.state();
        if state.turns_running > 0 {
            return Next::Rest;
        }
        let settings = &self.settings;
        let idle = Duration::from_millis(settings.idle_ms);
        let pause = Duration::from_millis(settings.pause_ms).saturating_sub(state.quiet_since.elapsed());
        let wait = |talk: &Talk| {
            let due = talk.ended || talk.tokens >= settings.after_tokens;
            pause.max(if due { Duration::ZERO } else { idle.saturating_sub(talk.newest.elapsed()) })
        };
        let first = state.talks.iter().map(|(key, talk)| (wait(talk), key)).min_by_key(|(wait, _)| *wait);
        let Some((wait, key)) = first.map(|(wait, key)| (wait, key.clone())) else { return Next::Rest };
        if !wait.is_zero() {
            return Next::Wait(wait);
        }
        match state.talks.remove(&key) {
            Some(talk) => Next::ThinkOver(key, talk),
            None => Next::Rest,
        }
    }

    async fn think_over(&self, key: TalkKey, talk: Talk) {
        let Some(job) = job::Job::new(self, &key, &talk) else { return };
        let cancel = self.stop.child_token();
        {
            let mut state = self.state();
            if state.turns_running > 0 {
                state.talks.entry(key).or_insert(talk);
                return;
            }
            state.job = Some(Job { cancel: cancel.clone(), in_the_way: job.is_in_the_way() });
        }
        let done = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            done = job.run(&cancel) => Some(done),
        };
        let mut state = self.state();
        state.job = None;
        match done {
            Some(Ok(kept)) => debug!(kept, "a talk was thought over"),
            Some(Err(error)) => debug!(kind = ?error.kind, "a talk could not be thought over"),
            // A turn needed the model. Should the talk have gone on, what is new of it counts.
            None => {
                state.talks.entry(key).or_insert(talk);
            }
        }
    }
}
