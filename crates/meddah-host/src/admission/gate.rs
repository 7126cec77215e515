//! The scheduler for async code: who waits is woken, who stops waiting is forgotten, and time passes by itself.
//!
//! One mutex holds the scheduler, never across an await; who was decided on is woken after it is free again. One task,
//! owned by the gate, wakes at the next deadline and tells those who wait where they stand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::asking::{Asking, Place, Shed, Ticket};
use super::cost::Usage;
use super::figures::GateFigures;
use super::scheduler::{Scheduler, Verdict};
use super::settings::AdmissionSettings;
use super::slot::{Leaving, Slot};

/// How often those who wait are told where they stand.
const PLACES_EVERY: Duration = Duration::from_millis(500);

/// Lets requests through to the engines, each when its turn has come.
pub struct Gate {
    state: Mutex<State>,
    started: Instant,
    /// The next deadline is sooner than the timer thinks.
    sooner: Arc<Notify>,
    /// Aborted with the gate.
    _timer: JoinSet<()>,
}

struct State {
    scheduler: Scheduler,
    waiting: HashMap<Ticket, Waiting>,
    /// How many of these want to know their place.
    curious: usize,
    places_at: Duration,
    /// When the timer wakes.
    armed: Option<Duration>,
}

struct Waiting {
    decided: oneshot::Sender<Result<(), Shed>>,
    progress: Option<watch::Sender<Place>>,
}

type Decided = (oneshot::Sender<Result<(), Shed>>, Result<(), Shed>);

impl Gate {
    /// Without slots at first, so that all wait. Has to be called within a tokio runtime, for the timer.
    pub fn new(settings: AdmissionSettings) -> Arc<Self> {
        // Spreads the times to ask again; two hosts that start together shall not spread them alike.
        let seed = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::from(since.subsec_nanos()));
        Arc::new_cyclic(|gate| {
            let sooner = Arc::new(Notify::new());
            let mut timer = JoinSet::new();
            timer.spawn(keep_time(Weak::clone(gate), Arc::clone(&sooner)));
            let state = State {
                scheduler: Scheduler::new(settings, seed),
                waiting: HashMap::new(),
                curious: 0,
                places_at: Duration::ZERO,
                armed: None,
            };
            Gate { state: Mutex::new(state), started: Instant::now(), sooner, _timer: timer }
        })
    }

    /// How many requests may run from now on.
    pub fn set_slots(&self, slots: u32) {
        self.change(|state, _| state.scheduler.set_slots(slots));
    }

    /// Waits for a slot. Whoever drops the future leaves the queue. `progress` is told at once where the request stands,
    /// and then twice a second.
    ///
    /// # Errors
    /// The request was turned away, at once or while it waited.
    pub async fn enter(
        self: &Arc<Self>,
        asking: Asking,
        progress: Option<watch::Sender<Place>>,
    ) -> Result<Slot, Shed> {
        let (decided, decision) = oneshot::channel();
        let asked_at = Instant::now();
        let asked = self.change(|state, now| {
            let asked = state.scheduler.ask(now, asking)?;
            if let Some(progress) = &progress {
                progress.send_replace(asked.place);
                if state.curious == 0 {
                    state.places_at = now + PLACES_EVERY;
                }
                state.curious += 1;
            }
            state.waiting.insert(asked.ticket, Waiting { decided, progress });
            Ok(asked)
        })?;
        let leaving = Leaving::new(Arc::clone(self), asked.ticket);
        // The sender is dropped only when the request is forgotten, which nobody but `leaving` does.
        let decision = decision
            .await
            .unwrap_or(Err(Shed { why: super::ShedReason::Draining, retry_after: PLACES_EVERY }));
        decision.map(|()| Slot::new(leaving, asked_at.elapsed()))
    }

    /// Nobody is let in any more; those who wait are turned away; what runs may end.
    pub fn drain(&self) {
        self.change(|state, _| state.scheduler.drain());
    }

    /// For metrics.
    pub fn figures(&self) -> GateFigures {
        self.lock().scheduler.figures()
    }

    pub(super) fn used(&self, ticket: Ticket, usage: Usage) {
        self.lock().scheduler.used(ticket, usage);
    }

    pub(super) fn end(&self, ticket: Ticket) {
        self.change(|state, now| {
            state.forget(ticket);
            state.scheduler.end(now, ticket);
        });
    }

    /// Something happens, and what follows from it is decided.
    fn change<T>(&self, happens: impl FnOnce(&mut State, Duration) -> T) -> T {
        let now = self.started.elapsed();
        let mut state = self.lock();
        let result = happens(&mut state, now);
        let decided = state.decide(now);
        let sooner = state.next_wake().is_some_and(|next| state.armed.is_none_or(|armed| next < armed));
        drop(state);
        if sooner {
            self.sooner.notify_one();
        }
        for (sender, decision) in decided {
            // Nobody listens when the request was given up in this moment; then its end is on the way.
            let _ = sender.send(decision);
        }
        result
    }

    /// What time alone brings about. Gives when to look again.
    fn tick(&self) -> Option<Instant> {
        self.change(|state, now| {
            if state.curious > 0 && state.places_at <= now {
                state.tell_places();
                state.places_at = now + PLACES_EVERY;
            }
        });
        let mut state = self.lock();
        state.armed = state.next_wake();
        state.armed.map(|at| self.started + at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn decide(&mut self, now: Duration) -> Vec<Decided> {
        let mut decided = Vec::new();
        while let Some(verdict) = self.scheduler.poll(now) {
            let (ticket, decision) = match verdict {
                Verdict::Start(ticket) => (ticket, Ok(())),
                Verdict::Refuse(ticket, shed) => (ticket, Err(shed)),
            };
            if let Some(waiting) = self.forget(ticket) {
                decided.push((waiting.decided, decision));
            }
        }
        decided
    }

    fn forget(&mut self, ticket: Ticket) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        self.curious -= usize::from(waiting.progress.is_some());
        Some(waiting)
    }

    fn tell_places(&mut self) {
        for (ticket, place) in self.scheduler.places() {
            let progress = self.waiting.get(&ticket).and_then(|waiting| waiting.progress.as_ref());
            if let Some(progress) = progress {
                progress.send_if_modified(|old| std::mem::replace(old, place) != place);
            }
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let places = (self.curious > 0).then_some(self.places_at);
        self.scheduler.next_deadline().into_iter().chain(places).min()
    }
}

async fn keep_time(gate: Weak<Gate>, sooner: Arc<Notify>) {
    loop {
        let Some(next) = gate.upgrade().map(|gate| gate.tick()) else { return };
        match next {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = sooner.notified() => {}
            },
            None => sooner.notified().await,
        }
    }
}
