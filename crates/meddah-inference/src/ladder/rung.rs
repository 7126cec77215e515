//! One step of a ladder: what answers, how patient to be with it, and how it has been doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use crate::{CharacterService, ChatModel, ErrorKind, ModelError, ModelState};

/// Anything that answers.
#[derive(Clone)]
pub enum Thinker {
    /// A model, for which the caller composes a prompt.
    Model(Arc<dyn ChatModel>),
    /// A service with a character of its own.
    Service(Arc<dyn CharacterService>),
}

impl Thinker {
    /// Name and kind.
    pub fn label(&self) -> (String, String) {
        match self {
            Thinker::Model(model) => model.label(),
            Thinker::Service(service) => service.label(),
        }
    }

    /// Where it is in its life, without waiting.
    pub fn state(&self) -> ModelState {
        match self {
            Thinker::Model(model) => model.state(),
            Thinker::Service(service) => service.state(),
        }
    }
}

/// How patient a turn is with a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RungLimits {
    /// The first piece of a reply must be there after so long.
    pub first_token: Duration,
    /// Within a reply, the next piece must be there after so long.
    pub stall: Duration,
    /// How often it is asked again when it fails before the first piece.
    pub retries: u32,
    /// Whether it is left alone for a while when it keeps failing.
    pub rests: bool,
}

impl RungLimits {
    /// For a model on this PC: it may have to be loaded first, and its own supervisor watches and restarts it.
    pub const LOCAL: RungLimits = RungLimits {
        first_token: Duration::from_secs(600),
        stall: Duration::from_secs(60),
        retries: 0,
        rests: false,
    };
}

/// Opens what answers, when it is first asked and after its key was refused or changed.
type Open = Box<dyn Fn() -> Result<Thinker, ModelError> + Send + Sync>;
/// Differs when what [`Open`] needs has changed. Asked on every turn, so it has to be quick.
type Stamp = Box<dyn Fn() -> u64 + Send + Sync>;

#[derive(Default)]
struct Opened {
    thinker: Option<Thinker>,
    stamp: u64,
}

/// One step of a ladder. The same rung may be part of many ladders; its health is known to all.
pub struct Rung {
    /// Its name in the settings.
    pub name: String,
    /// How long to wait for it.
    pub limits: RungLimits,
    kind: String,
    open: Open,
    stamp: Stamp,
    opened: Mutex<Opened>,
    /// Why it was left last, for whoever meets it while it rests.
    last_error: Mutex<Option<ModelError>>,
    pub(super) breaker: Breaker,
}

impl Rung {
    /// A rung that is opened when it is needed, and anew when `stamp` differs: a key may be set, changed or
    /// taken back, a model installed, after the program began.
    pub fn late(
        name: impl Into<String>,
        kind: impl Into<String>,
        limits: RungLimits,
        stamp: impl Fn() -> u64 + Send + Sync + 'static,
        open: impl Fn() -> Result<Thinker, ModelError> + Send + Sync + 'static,
    ) -> Arc<Rung> {
        Arc::new(Rung {
            name: name.into(),
            limits,
            kind: kind.into(),
            open: Box::new(open),
            stamp: Box::new(stamp),
            opened: Mutex::default(),
            last_error: Mutex::default(),
            breaker: Breaker::default(),
        })
    }

    /// A rung that is open.
    pub fn new(name: impl Into<String>, thinker: Thinker, limits: RungLimits) -> Arc<Rung> {
        Rung::late(name, thinker.label().1, limits, || 0, move || Ok(thinker.clone()))
    }

    /// What answers.
    pub fn thinker(&self) -> Result<Thinker, ModelError> {
        let mut opened = self.opened();
        let stamp = (self.stamp)();
        match &opened.thinker {
            Some(thinker) if opened.stamp == stamp => return Ok(thinker.clone()),
            Some(_) => self.breaker.succeeded(), // with another key it has another chance
            None => {}
        }
        opened.thinker = None;
        let thinker = (self.open)()?;
        *opened = Opened { thinker: Some(thinker.clone()), stamp };
        Ok(thinker)
    }

    /// The service, if it is one and somebody asked it already.
    pub fn opened_service(&self) -> Option<Arc<dyn CharacterService>> {
        match &self.opened().thinker {
            Some(Thinker::Service(service)) => Some(service.clone()),
            _ => None,
        }
    }

    /// Name and kind of what answers.
    pub fn label(&self) -> (String, String) {
        match &self.opened().thinker {
            Some(thinker) => thinker.label(),
            None => (self.name.clone(), self.kind.clone()),
        }
    }

    /// Where it is in its life, in a word.
    pub fn state(&self) -> &'static str {
        if self.rests() {
            return "resting";
        }
        match self.thinker().map(|thinker| thinker.state()) {
            Err(_) | Ok(ModelState::Failed) => "failed",
            Ok(ModelState::Unloaded) => "unloaded",
            Ok(ModelState::Loading(_)) => "loading",
            Ok(ModelState::Ready) => "ready",
        }
    }

    /// It is passed by at the moment.
    pub fn rests(&self) -> bool {
        self.breaker.rests(Instant::now())
    }

    pub(super) fn failed(&self, error: &ModelError) {
        if self.limits.rests {
            self.breaker.failed(error, Instant::now());
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        if error.kind == ErrorKind::Unauthorized {
            // The next one who asks finds the key that the player has set by then.
            self.opened().thinker = None;
        }
    }

    /// Why it is passed by: the error that it rests for.
    pub(super) fn resting(&self, wait: Duration) -> ModelError {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = last.unwrap_or_else(|| ModelError::new(ErrorKind::Overloaded, "it is being tried"));
        let message = format!("{} rests for {} s: {}", self.name, wait.as_secs() + 1, last.message);
        ModelError { message, retry_after: Some(wait), ..last }
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
