//! Opens a rung: from its settings to something that answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meddah_inference::budget::{Ledger, Part};
use meddah_inference::http::Http;
use meddah_inference::ladder::{Rung, RungLimits, Thinker};
use meddah_inference::model_table::ModelTable;
use meddah_inference::{Key, ModelError, providers};
use meddah_llama::LocalModel;

use super::local::{find_model, local_config, no_model, scripted};
use super::online;
use super::order::RungName;
use super::pack;
use super::settings::{LOCAL, RungSettings, SCRIPTED, resolve};
use crate::config::Settings;
use crate::paths::Paths;

/// What is needed to open rungs.
pub(super) struct Opener {
    pub(super) table: ModelTable,
    settings: Settings,
    paths: Paths,
    http: Http,
    ledger: Arc<dyn Ledger>,
    /// By file: two names of one model share its process.
    locals: Mutex<HashMap<PathBuf, Arc<LocalModel>>>,
}

impl Opener {
    pub fn new(settings: &Settings, paths: &Paths) -> Result<Opener, ModelError> {
        Ok(Opener {
            table: ModelTable::embedded(),
            settings: settings.clone(),
            paths: paths.clone(),
            http: Http::new()?,
            ledger: Arc::new(meddah_inference::budget::MemoryLedger::new(Default::default())),
            locals: Mutex::default(),
        })
    }

    /// Whether there can be such a rung. Nothing is opened.
    pub fn check(&self, name: &RungName) -> Result<(), ModelError> {
        let settings = self.resolve(name)?;
        match settings.provider.as_str() {
            LOCAL => find_model(&settings.model, &self.paths).map(drop),
            SCRIPTED => scripted(Path::new(&settings.model)).map(drop),
            _ => online::check(name.shown(), &settings),
        }
    }

    /// A rung that opens when it is first asked.
    pub fn rung(self: Arc<Opener>, name: &RungName, part: Part) -> Result<Arc<Rung>, ModelError> {
        let settings = self.resolve(name)?;
        let limits = self.limits(&settings);
        let kind = match settings.provider.as_str() {
            LOCAL => "local",
            SCRIPTED => "scripted",
            "" => "service",
            _ => "online",
        };
        let name = name.clone();
        Ok(Rung::late(name.shown().to_owned(), kind, limits, move || self.open(&name, &settings, part)))
    }

    /// Ends the processes of local models in order.
    pub async fn shutdown(&self) {
        let locals: Vec<Arc<LocalModel>> = self.locals().values().cloned().collect();
        futures::future::join_all(locals.iter().map(|local| local.shutdown())).await;
    }

    fn resolve(&self, name: &RungName) -> Result<RungSettings, ModelError> {
        let providers: Vec<&str> = providers::known().iter().map(|info| info.name).collect();
        match name {
            RungName::Player(name) => resolve(name, &self.settings.rungs, &providers),
            RungName::Pack { world, name, settings } => pack::read(world, name, settings),
        }
    }

    fn open(&self, name: &RungName, settings: &RungSettings, part: Part) -> Result<Thinker, ModelError> {
        match settings.provider.as_str() {
            LOCAL => Ok(Thinker::Model(self.local(&settings.model)?)),
            SCRIPTED => Ok(Thinker::Model(Arc::new(scripted(Path::new(&settings.model))?))),
            _ => Ok(Thinker::Model(self.online(name, settings, part)?)),
        }
    }

    fn local(&self, model: &str) -> Result<Arc<LocalModel>, ModelError> {
        let file = find_model(model, &self.paths)?.ok_or_else(no_model)?;
        let mut locals = self.locals();
        if let Some(local) = locals.get(&file) {
            return Ok(local.clone());
        }
        let local = LocalModel::new(local_config(file.clone(), &self.settings, &self.paths)?);
        locals.insert(file, local.clone());
        Ok(local)
    }

    /// The key that the rung names, if it may go where the rung is.
    pub(super) fn key(
        &self,
        _name: &RungName,
        settings: &RungSettings,
        usual: &str,
        _usual_url: &str,
    ) -> Result<Option<Key>, ModelError> {
        let name = if settings.key.is_empty() { usual } else { &settings.key };
        let variable = format!("MEDDAH_KEY_{}", name.to_uppercase().replace('-', "_"));
        Ok(std::env::var(variable).ok().map(|key| Key::new(&key)))
    }

    pub(super) fn ledger(&self) -> Result<Arc<dyn Ledger>, ModelError> {
        Ok(self.ledger.clone())
    }

    pub(super) fn http(&self) -> Result<Http, ModelError> {
        Ok(self.http.clone())
    }

    fn limits(&self, rung: &RungSettings) -> RungLimits {
        if matches!(rung.provider.as_str(), LOCAL | SCRIPTED) {
            return RungLimits::LOCAL;
        }
        let online = &self.settings.online;
        let own = |own: u64, usual: u64| Duration::from_millis(if own == 0 { usual } else { own });
        RungLimits {
            first_token: own(rung.first_token_ms, online.first_token_ms),
            stall: own(rung.stall_ms, online.stall_ms),
            retries: online.retries,
            rests: true,
        }
    }

    fn locals(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<LocalModel>>> {
        self.locals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
