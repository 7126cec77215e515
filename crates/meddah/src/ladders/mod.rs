//! From the settings to what thinks: which rungs there are, and which ladder a turn has.
//!
//! Rungs are opened when they are first needed and shared by all ladders, so that their health is known to
//! all. A ladder belongs to a world or character; what the player settles comes before what a world pack
//! suggests.

mod local;
mod online;
mod open;
mod order;
mod pack;
mod service;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meddah_engine::world::{Character, World};
use meddah_inference::ladder::{Ladder, LadderModel, Rung, RungLimits, Thinker};
use meddah_inference::{CharacterService, ChatModel, ModelError};
use meddah_protocol::LadderState;

use crate::config::Settings;
use crate::paths::Paths;
use crate::turn::Turn;
use open::Opener;
use order::{Order, Purpose, RungName};

pub use local::{find_model, local_config};
pub(crate) use open::key_error;
pub use open::model_table;
pub use order::{hosts, usual};
pub use settings::{HOST, PriceSettings, RungSettings};

/// Ladders and rungs that are kept; more only come from world packs that change while the program runs.
const LADDERS_MAX: usize = 1024;
const RUNGS_MAX: usize = 1024;

/// Everything that thinks; cheap to clone.
#[derive(Clone)]
pub struct Ladders(Arc<Source>);

enum Source {
    /// The same ladders for everybody.
    Fixed(PerPurpose),
    /// As the settings say.
    Settings(Box<Registry>),
}

/// A ladder for each purpose.
struct PerPurpose {
    talk: Arc<Ladder>,
    chatter: Arc<Ladder>,
    reflection: Arc<Ladder>,
}

impl PerPurpose {
    fn of(&self, purpose: Purpose) -> Arc<Ladder> {
        match purpose {
            Purpose::Talk => self.talk.clone(),
            Purpose::Chatter => self.chatter.clone(),
            Purpose::Reflection => self.reflection.clone(),
        }
    }
}

struct Registry {
    order: Order,
    opener: Arc<Opener>,
    /// By name and by what it is paid for, as are the ladders.
    rungs: Mutex<HashMap<String, Known>>,
    ladders: Mutex<HashMap<String, Arc<Ladder>>>,
    /// How long a request with a prompt of its own may wait.
    timeout: Duration,
}

/// A rung and what it is.
#[derive(Clone)]
struct Known {
    name: RungName,
    purpose: Purpose,
    rung: Arc<Rung>,
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
        let ladder = Arc::new(Ladder::new(rungs));
        let (talk, chatter, reflection) = (ladder.clone(), ladder.clone(), ladder);
        Ladders(Arc::new(Source::Fixed(PerPurpose { talk, chatter, reflection })))
    }

    /// One model for everybody, that is told how urgent each request is.
    ///
    /// # Errors
    /// Whatever `open` says.
    pub fn by_urgency(
        open: impl Fn(&'static str) -> Result<Arc<dyn ChatModel>, ModelError>,
    ) -> Result<Ladders, ModelError> {
        let ladder = |purpose: Purpose| {
            let model = open(purpose.class())?;
            let rung = Rung::new(model.label().0, Thinker::Model(model), RungLimits::LOCAL);
            Ok::<_, ModelError>(Arc::new(Ladder::new(vec![rung])))
        };
        let (talk, chatter) = (ladder(Purpose::Talk)?, ladder(Purpose::Chatter)?);
        let fixed = PerPurpose { talk, chatter, reflection: ladder(Purpose::Reflection)? };
        Ok(Ladders(Arc::new(Source::Fixed(fixed))))
    }

    /// The ladder of a turn.
    pub fn of(&self, turn: &Turn) -> Arc<Ladder> {
        match &*self.0 {
            Source::Fixed(ladders) => ladders.of(order::purpose(&turn.cause, &turn.player.id)),
            Source::Settings(registry) => {
                let (names, purpose) = registry.order.of(turn);
                registry.ladder(&names, purpose)
            }
        }
    }

    /// The ladder of what a character does when nobody waits for it.
    pub fn in_background(&self, world: &World, character: &Character) -> Arc<Ladder> {
        match &*self.0 {
            Source::Fixed(ladders) => ladders.of(Purpose::Reflection),
            Source::Settings(registry) => {
                registry.ladder(&registry.order.in_background(world, character), Purpose::Reflection)
            }
        }
    }

    /// The ladder of whoever has none of their own.
    pub fn usual(&self) -> Arc<Ladder> {
        match &*self.0 {
            Source::Fixed(ladders) => ladders.of(Purpose::Talk),
            Source::Settings(registry) => registry.ladder(&registry.order.usual(), Purpose::Talk),
        }
    }

    /// The usual ladder as one model, for requests with prompts of their own.
    pub fn as_model(&self) -> Arc<dyn ChatModel> {
        let timeout = match &*self.0 {
            Source::Fixed(_) => Duration::from_secs(120),
            Source::Settings(registry) => registry.timeout,
        };
        Arc::new(LadderModel::new(self.usual(), timeout))
    }

    /// How the rungs of the usual ladder are, and behind them all others that a turn has asked so far, those of
    /// world packs among them.
    pub fn states(&self) -> Vec<LadderState> {
        match &*self.0 {
            Source::Fixed(ladders) => ladders.talk.rungs().iter().map(|rung| state(rung, "", None)).collect(),
            Source::Settings(registry) => registry.states(),
        }
    }

    /// Loads the first rung if it is a model, so that the first talk need not wait.
    pub async fn preload(&self) {
        let first = self.usual().rungs().first().cloned();
        if let Some(Ok(Thinker::Model(model))) = first.map(|rung| rung.thinker()) {
            model.info().await.ok(); // a turn says what is wrong
        }
    }

    /// The game loaded an older save: services that remember by themselves begin these conversations anew.
    pub async fn forget(&self, conversations: &[String]) {
        let services: Vec<Arc<dyn CharacterService>> = {
            let rungs: Vec<Arc<Rung>> = match &*self.0 {
                Source::Fixed(ladders) => ladders.talk.rungs().to_vec(),
                Source::Settings(registry) => {
                    registry.rungs().values().map(|known| known.rung.clone()).collect()
                }
            };
            rungs.iter().filter_map(|rung| rung.opened_service()).collect()
        };
        for service in services {
            for conversation in conversations {
                service.forget(conversation).await;
            }
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
    fn ladder(&self, names: &[RungName], purpose: Purpose) -> Arc<Ladder> {
        let key = names.iter().fold(purpose.class().to_owned(), |key, name| key + "\n" + &name.key());
        let mut ladders = self.ladders.lock().unwrap_or_else(PoisonError::into_inner);
        if ladders.len() >= LADDERS_MAX {
            ladders.clear(); // worlds that change for ever; what is in use lives on
        }
        let build = || Arc::new(Ladder::new(names.iter().map(|name| self.rung(name, purpose)).collect()));
        ladders.entry(key).or_insert_with(build).clone()
    }

    fn states(&self) -> Vec<LadderState> {
        let usual = self.order.usual();
        let mut all: Vec<Known> = usual
            .iter()
            .map(|name| Known {
                name: name.clone(),
                purpose: Purpose::Talk,
                rung: self.rung(name, Purpose::Talk),
            })
            .collect();
        let mut others: Vec<Known> = self.rungs().values().cloned().collect();
        others.sort_by_key(|known| (known.name.key(), known.purpose));
        for other in others {
            if !all.iter().any(|known| known.name == other.name) {
                all.push(other);
            }
        }
        let shown = |known: &Known| {
            let world = match &known.name {
                RungName::Pack { world, .. } => world,
                RungName::Player(_) => "",
            };
            state(&known.rung, world, self.opener.budget_state(&known.name, known.purpose.part()))
        };
        all.iter().map(shown).collect()
    }

    fn rungs(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.rungs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rung(&self, name: &RungName, purpose: Purpose) -> Arc<Rung> {
        let mut rungs = self.rungs();
        if rungs.len() >= RUNGS_MAX {
            rungs.clear();
        }
        let build = || {
            let rung = self.opener.clone().rung(name, purpose).unwrap_or_else(|error| {
                // The settings were checked; what is wrong in a pack is no reason to fall silent.
                Rung::late(name.shown(), "unusable", RungLimits::LOCAL, || 0, move || Err(error.clone()))
            });
            Known { name: name.clone(), purpose, rung }
        };
        rungs.entry(format!("{} {}", purpose.class(), name.key())).or_insert_with(build).rung.clone()
    }
}

/// A rung that could answer cannot if the budget does not let it.
fn state(rung: &Rung, world: &str, budget: Option<&'static str>) -> LadderState {
    let own = rung.state();
    let (name, kind) = rung.label();
    let state = budget.filter(|_| matches!(own, "ready" | "unloaded")).unwrap_or(own).to_owned();
    LadderState { name, kind, state, world: world.to_owned() }
}
