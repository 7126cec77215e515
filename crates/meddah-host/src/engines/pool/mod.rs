//! The pool: which engines there are, who of them is well, and who takes the next request.
//!
//! * A request goes to an engine only if a slot is free there. The admission in front sends no more requests than
//!   [`Pool::slots`] says, so that [`Pool::chat`] waits for moments only, and for [`PoolSettings::slot_wait`] at most.
//! * A request that fails before its first event goes to another engine, within a budget (a tenth of the traffic,
//!   and a few). After the first event it never does: the player has seen it.
//! * A breaker rests an engine after three failures in a row, but [`Pool::run`] asks it for a token at once, or for some
//!   more than came before answers failed: if it answers, the requests were to blame, and it goes on. Otherwise it rests for 5 s, is asked again, and rests twice
//!   as long each time, up to 120 s. No player's request is the trial; only an answer closes the breaker.
//! * Probes find engines that are gone (two in a row fail, and no event came for 10 s) and those that came back.
//!   Requests that wait for the first event of an engine that is found gone go to another at once.
//! * A request that is left may run on in the engine: its slot lingers. An engine that tells what it works on (see
//!   [`EngineFacts::busy`](super::EngineFacts::busy)) gets it back as soon as it tells that it works on no more than ours, and after
//!   [`PoolSettings::linger_max`] anyway; one that does not tell after [`PoolSettings::linger`].

mod answer;
mod choose;
mod failover;
mod member;
mod seat;
mod state;
mod trial;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch as latest};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use super::{Engine, EngineError, EngineErrorKind, EngineRequest, ReadStream};
use choose::Candidate;
use failover::FailoverBudget;
use member::Member;
use seat::Seat;
pub use state::{EngineSettings, EngineState, Health, PoolSettings};

/// Requests that wait for a slot within the pool; those beyond are refused at once.
const WAITERS_MAX: usize = 256;
/// When to come back if no slot is free: slots become free all the time.
const NO_SLOT_PAUSE: Duration = Duration::from_secs(1);
/// When to come back if no engine is well: no sooner than the next trial or probe.
const NONE_WELL_PAUSE: Duration = Duration::from_secs(5);

fn overloaded(message: &str, pause: Duration) -> EngineError {
    EngineError { retry_after: Some(pause), ..EngineError::new(EngineErrorKind::Overloaded, message) }
}

/// An answer, and who gives it.
pub struct PoolReply {
    /// The engine's name.
    pub engine: Arc<str>,
    /// Its events. Errors in the stream come as errors, and garbage too. Dropping it stops the engine.
    pub events: ReadStream,
}

/// All engines.
pub struct Pool {
    members: Mutex<Vec<Member>>,
    names: Vec<Arc<str>>,
    settings: PoolSettings,
    failovers: FailoverBudget,
    slots: latest::Sender<u32>,
    /// A slot became free, or an engine usable.
    freed: Notify,
    waiters: Semaphore,
    /// By engine: whether it is down; who waits for its first event wants to know.
    down: Vec<latest::Sender<bool>>,
    /// By engine: look at it now.
    look: Vec<Notify>,
}

impl Pool {
    /// Engines with names that differ. Nothing is usable before [`Pool::run`] has probed it.
    pub fn new(engines: Vec<(Arc<dyn Engine>, EngineSettings)>, settings: PoolSettings) -> Arc<Pool> {
        let now = Instant::now();
        let names = engines.iter().map(|(engine, _)| Arc::from(engine.name())).collect();
        let down = engines.iter().map(|_| latest::Sender::new(false)).collect();
        let look = engines.iter().map(|_| Notify::new()).collect();
        let members =
            engines.into_iter().map(|(engine, settings)| Member::new(engine, settings, now)).collect();
        Arc::new(Pool {
            members: Mutex::new(members),
            names,
            settings,
            failovers: FailoverBudget::new(now),
            slots: latest::Sender::new(0),
            freed: Notify::new(),
            waiters: Semaphore::new(WAITERS_MAX),
            down,
            look,
        })
    }

    /// Requests that can be under way at a time: the slots of the engines that are well, and those of requests that
    /// run on elsewhere.
    pub fn slots(&self) -> latest::Receiver<u32> {
        self.slots.subscribe()
    }

    /// Sends a request to an engine that serves its model, waits for the first event, and gives back the stream.
    /// Requests of one [`affinity`](EngineRequest::affinity) go to one engine where that is fair.
    ///
    /// # Errors
    /// The last engine's error, if no other could take over; `NotFound` if no engine serves the model; `Overloaded`
    /// if none of those that do is well or had a slot in time. Dropping the future leaves the engine.
    pub async fn chat(
        self: &Arc<Self>,
        request: EngineRequest,
        meter: &Arc<Meter>,
    ) -> Result<PoolReply, EngineError> {
        self.failovers.earn();
        let mut tried = Vec::new();
        let mut failed: Option<EngineError> = None;
        loop {
            let seat = match self.seat(&request, &tried).await {
                Ok(seat) => seat,
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            if failed.is_some() {
                self.failed_over(tried.last().copied());
                meter.restart();
            }
            let engine = seat.engine();
            tried.push(engine);
            match answer::begin(seat, request.clone(), meter.clone()).await {
                Ok(events) => return Ok(PoolReply { engine: self.names[engine].clone(), events }),
                Err(error) => {
                    let may_go_on = error.kind.is_retryable() && tried.len() < self.names.len();
                    if !may_go_on || !self.failovers.take(Instant::now()) {
                        return Err(error);
                    }
                    failed = Some(error);
                }
            }
        }
    }

    /// Gives an engine nothing new; what runs there ends in peace. `false` if there is no such engine.
    pub fn drain(&self, engine: &str) -> bool {
        self.set_draining(engine, true)
    }

    /// Ends [`Pool::drain`].
    pub fn undrain(&self, engine: &str) -> bool {
        self.set_draining(engine, false)
    }

    /// All engines, in the order of the settings.
    pub fn states(&self) -> Vec<EngineState> {
        self.lock().iter().map(Member::state).collect()
    }

    /// Probes the engines until `stop`, tries those that rest, and frees slots that lingered. Must run for the pool
    /// to work.
    pub async fn run(self: &Arc<Self>, stop: CancellationToken) {
        let watches = (0..self.names.len()).map(|engine| watch::watch(self, engine));
        stop.run_until_cancelled(futures::future::join_all(watches)).await;
    }

    /// Waits for a slot of an engine that was not tried yet.
    async fn seat(self: &Arc<Self>, request: &EngineRequest, tried: &[usize]) -> Result<Seat, EngineError> {
        let until = Instant::now() + self.settings.slot_wait;
        let no_slot = || overloaded("no engine has a slot that is free", NO_SLOT_PAUSE);
        let mut waiter = None;
        loop {
            let freed = self.freed.notified();
            if let Some(seat) = self.take(request.affinity, request.model.as_deref(), tried)? {
                return Ok(seat);
            }
            if waiter.is_none() {
                waiter = Some(self.waiters.try_acquire().map_err(|_| no_slot())?);
            }
            let waited = tokio::time::timeout_at(until, freed);
            match request.cancel.run_until_cancelled(waited).await {
                None => return Err(EngineError::cancelled()),
                Some(Ok(())) => {}
                Some(Err(_)) => return Err(no_slot()),
            }
        }
    }

    /// Takes a slot, if one is free now.
    fn take(
        self: &Arc<Self>,
        affinity: u64,
        model: Option<&str>,
        tried: &[usize],
    ) -> Result<Option<Seat>, EngineError> {
        let now = Instant::now();
        let mut members = self.lock();
        members.iter_mut().for_each(|member| member.forget_lingering(now));
        let serving = members
            .iter()
            .enumerate()
            .filter(|(place, member)| !tried.contains(place) && member.serves(model));
        let serving: Vec<(usize, &Member)> = serving.collect();
        if serving.is_empty() {
            let message = format!("no engine serves {}", model.unwrap_or("anything"));
            return Err(EngineError::new(EngineErrorKind::NotFound, message)
                .with_help("Ask for one of the models that this host lists."));
        }
        let usable: Vec<(usize, Candidate)> = serving
            .into_iter()
            .filter(|(_, member)| member.is_usable())
            .map(|(place, member)| {
                (place, Candidate { key: member.key, slots: member.slots(), taken: member.taken() })
            })
            .collect();
        if usable.is_empty() {
            return Err(overloaded("no engine for this model is well", NONE_WELL_PAUSE));
        }
        let candidates: Vec<Candidate> = usable.iter().map(|(_, candidate)| *candidate).collect();
        let Some(chosen) = choose::choose(affinity, &candidates) else { return Ok(None) };
        let engine = usable[chosen].0;
        members[engine].running += 1;
        Ok(Some(Seat::new(self.clone(), engine, members[engine].running, now)))
    }

    fn failed_over(&self, engine: Option<usize>) {
        if let Some(engine) = engine {
            self.lock()[engine].failed_over += 1;
        }
    }

    fn set_draining(&self, engine: &str, is_draining: bool) -> bool {
        let Some(place) = self.names.iter().position(|name| name.as_ref() == engine) else { return false };
        self.change(place, |member| member.is_draining = is_draining);
        true
    }

    /// Changes what is known of an engine, and tells whoever depends on it.
    fn change<T>(&self, engine: usize, change: impl FnOnce(&mut Member) -> T) -> T {
        let mut members = self.lock();
        let changed = change(&mut members[engine]);
        let is_down = members[engine].is_up == Some(false);
        let slots = members.iter().map(Member::capacity).sum();
        drop(members);
        self.down[engine].send_if_modified(|was| std::mem::replace(was, is_down) != is_down);
        self.slots.send_if_modified(|before| std::mem::replace(before, slots) != slots);
        self.freed.notify_waiters();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
