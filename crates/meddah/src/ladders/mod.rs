//! From the settings to what thinks: which rungs there are, and which ladder a turn has.
//!
//! Rungs are opened when they are first needed and shared by all ladders, so that their health is known to
//! all. A ladder belongs to a world or character; what the player settles comes before what a world pack
//! suggests.

mod local;
mod open;
mod order;
mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meddah_inference::ladder::{Ladder, LadderModel, Rung, RungLimits, Thinker};
use meddah_inference::{ChatModel, ModelError};
use meddah_protocol::LadderState;

use crate::config::Settings;
use crate::paths::Paths;
use crate::turn::Turn;
use open::Opener;
use order::{Order, RungName};

pub use local::{find_model, is_scripted, local_config};
pub use settings::{PriceSettings, RungSettings};

/// Everything that thinks; cheap to clone.
#[derive(Clone)]
pub struct Ladders(Arc<Source>);

enum Source {
    /// The same ladder for everybody.
    Fixed(Arc<Ladder>),
    /// As the settings say.
    Settings(Box<Registry>),
}

struct Registry {
    order: Order,
    opener: Arc<Opener>,
    rungs: Mutex<HashMap<RungName, Arc<Rung>>>,
    ladders: Mutex<HashMap<Vec<RungName>, Arc<Ladder>>>,
    /// How long a request with a prompt of its own may wait.
    timeout: Duration,
}

impl Ladders {
    /// The ladders of the settings. Fails if one names a rung that does not exist; a model that is not
    /// installed or a key that is not set is no error yet: the game can start, a turn explains.
    pub fn open(settings: &Settings, paths: &Paths) -> Result<Ladders, ModelError> {
        let order = Order::new(settings);
        let opener = Arc::new(Opener::new(settings, paths)?);
        for name in order.all() {
            opener.check(&name)?;
        }
        let timeout = Duration::from_millis(settings.turn.timeout_ms);
        let (rungs, ladders) = (Mutex::default(), Mutex::default());
        Ok(Ladders(Arc::new(Source::Settings(Box::new(Registry { order, opener, rungs, ladders, timeout })))))
    }

    /// One model for everybody, without settings.
    pub fn single(model: Arc<dyn ChatModel>) -> Ladders {
        let name = model.label().0;
        Ladders::fixed(vec![Rung::new(name, Thinker::Model(model), RungLimits::LOCAL)])
    }

    /// The same rungs for everybody, without settings.
    pub fn fixed(rungs: Vec<Arc<Rung>>) -> Ladders {
        Ladders(Arc::new(Source::Fixed(Arc::new(Ladder::new(rungs)))))
    }

    /// The ladder of a turn.
    pub fn of(&self, turn: &Turn) -> Result<Arc<Ladder>, ModelError> {
        match &*self.0 {
            Source::Fixed(ladder) => Ok(ladder.clone()),
            Source::Settings(registry) => registry.ladder(registry.order.of(turn)),
        }
    }

    /// The ladder of whoever has none of their own.
    pub fn usual(&self) -> Result<Arc<Ladder>, ModelError> {
        match &*self.0 {
            Source::Fixed(ladder) => Ok(ladder.clone()),
            Source::Settings(registry) => registry.ladder(registry.order.usual()),
        }
    }

    /// The usual ladder as one model, for requests with prompts of their own.
    pub fn as_model(&self) -> Result<Arc<dyn ChatModel>, ModelError> {
        let timeout = match &*self.0 {
            Source::Fixed(_) => Duration::from_secs(120),
            Source::Settings(registry) => registry.timeout,
        };
        Ok(Arc::new(LadderModel::new(self.usual()?, timeout)))
    }

    /// How the rungs of the usual ladder are.
    pub fn states(&self) -> Vec<LadderState> {
        let Ok(ladder) = self.usual() else { return Vec::new() };
        let state = |rung: &Arc<Rung>| {
            let state = rung.state().to_owned();
            let (name, kind) = rung.label();
            LadderState { name, kind, state }
        };
        ladder.rungs().iter().map(state).collect()
    }

    /// Loads the first rung if it is a model, so that the first talk need not wait.
    pub async fn preload(&self) {
        let first = self.usual().ok().and_then(|ladder| ladder.rungs().first().cloned());
        if let Some(Ok(Thinker::Model(model))) = first.map(|rung| rung.thinker()) {
            model.info().await.ok(); // a turn says what is wrong
        }
    }

    /// Ends the processes of local models in order.
    pub async fn shutdown(&self) {
        if let Source::Settings(registry) = &*self.0 {
            registry.opener.shutdown().await;
        }
    }
}

impl Registry {
    fn ladder(&self, names: Vec<RungName>) -> Result<Arc<Ladder>, ModelError> {
        let mut ladders = self.ladders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ladder) = ladders.get(&names) {
            return Ok(ladder.clone());
        }
        let rungs = names.iter().map(|name| self.rung(name)).collect::<Result<_, _>>()?;
        let ladder = Arc::new(Ladder::new(rungs));
        ladders.insert(names, ladder.clone());
        Ok(ladder)
    }

    fn rung(&self, name: &RungName) -> Result<Arc<Rung>, ModelError> {
        let mut rungs = self.rungs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rung) = rungs.get(name) {
            return Ok(rung.clone());
        }
        let rung = self.opener.clone().rung(name)?;
        rungs.insert(name.clone(), rung.clone());
        Ok(rung)
    }
}
