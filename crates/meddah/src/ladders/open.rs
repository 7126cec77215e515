//! Opens a rung: from its settings to something that answers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use meddah_inference::budget::{Ask, Ledger, Part, Refusal};
use meddah_inference::http::Http;
use meddah_inference::ladder::{Rung, RungLimits, Thinker};
use meddah_inference::model_table::{ModelTable, TABLE_BYTES_MAX};
use meddah_inference::{ErrorKind, Key, ModelError, providers};
use meddah_llama::LocalModel;

use super::local::{find_model, local_config, no_model, scripted};
use super::online;
use super::order::{Purpose, RungName};
use super::pack;
use super::service;
use super::settings::{HOST, LOCAL, RungSettings, SCRIPTED, resolve};
use crate::budget;
use crate::config::Settings;
use crate::hosts;
use crate::keys::{KeyError, KeyStore, SetBy};
use crate::paths::Paths;

/// The first piece of a host's answer is there after so long, its queue included: a host turns away after half of it.
const HOST_FIRST_TOKEN_MS: u64 = 30_000;

/// What is needed to open rungs.
pub(super) struct Opener {
    pub(super) table: ModelTable,
    settings: Settings,
    paths: Paths,
    http: Http,
    keys: KeyStore,
    /// Opened when it is first needed: most players pay nobody.
    ledger: OnceLock<Arc<dyn Ledger>>,
    /// By file: two names of one model share its process.
    locals: Mutex<HashMap<PathBuf, Arc<LocalModel>>>,
}

impl Opener {
    pub fn new(settings: &Settings, paths: &Paths) -> Result<Opener, ModelError> {
        Ok(Opener {
            table: model_table(paths)?,
            settings: settings.clone(),
            paths: paths.clone(),
            http: Http::new()?,
            keys: KeyStore::open(paths, settings).map_err(key_error)?,
            ledger: OnceLock::new(),
            locals: Mutex::default(),
        })
    }

    /// Whether there can be such a rung. Nothing is opened.
    pub fn check(&self, name: &RungName) -> Result<(), ModelError> {
        let settings = self.resolve(name)?;
        match settings.provider.as_str() {
            LOCAL => find_model(&settings.model, &self.paths).map(drop),
            SCRIPTED => scripted(Path::new(&settings.model)).map(drop),
            "" => service::check(name.shown(), &settings),
            _ => online::check(name.shown(), &settings),
        }
    }

    /// A rung that opens when it is first asked.
    pub fn rung(self: Arc<Opener>, name: &RungName, purpose: Purpose) -> Result<Arc<Rung>, ModelError> {
        let settings = self.resolve(name)?;
        let limits = self.limits(&settings);
        let kind = match settings.provider.as_str() {
            LOCAL => "local",
            SCRIPTED => "scripted",
            HOST => "hosted",
            "" => "service",
            _ => "online",
        };
        let name = name.clone();
        let keys = self.paths.keys();
        let needs_key = !matches!(settings.provider.as_str(), LOCAL | SCRIPTED);
        let stamp = move || if needs_key { changed(&keys) } else { 0 };
        let shown = name.shown().to_owned();
        Ok(Rung::late(shown, kind, limits, stamp, move || self.open(&name, &settings, purpose)))
    }

    /// In a word why nothing may be spent on this rung, if so.
    pub fn budget_state(&self, name: &RungName, part: Part) -> Option<&'static str> {
        let settings = self.resolve(name).ok()?;
        let micro = match settings.provider.as_str() {
            LOCAL | SCRIPTED => None,
            "" => service::least(name.shown(), &settings),
            _ => self.least(name.shown(), &settings, self.settings.turn.reply_tokens_max),
        }?;
        let ask = Ask { part, source: name.shown().to_owned(), model: settings.model, micro };
        match self.ledger().check(&ask) {
            Err(Refusal::Off(_)) => Some("budget_off"),
            Err(Refusal::Ceiling { .. }) => Some("budget_spent"),
            Err(Refusal::Unavailable { .. }) => Some("failed"),
            Ok(()) => None,
        }
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

    fn open(
        &self,
        name: &RungName,
        settings: &RungSettings,
        purpose: Purpose,
    ) -> Result<Thinker, ModelError> {
        match settings.provider.as_str() {
            LOCAL => Ok(Thinker::Model(self.local(&settings.model)?)),
            SCRIPTED => Ok(Thinker::Model(Arc::new(scripted(Path::new(&settings.model))?))),
            "" => Ok(Thinker::Service(self.service(name, settings, purpose.part())?)),
            _ => Ok(Thinker::Model(self.online(name, settings, purpose)?)),
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

    /// The key that the rung names, if it may go where the rung is. What a world pack puts elsewhere is not
    /// asked at all before the player has said yes: what the player says would go there, too.
    pub(super) fn key(
        &self,
        name: &RungName,
        settings: &RungSettings,
        usual_key: &str,
        usual_url: &str,
    ) -> Result<Option<Key>, ModelError> {
        let key = if settings.key.is_empty() { usual_key } else { &settings.key };
        if key.is_empty() {
            return Ok(None); // a service that knows no keys
        }
        let usual_url = Some(usual_url).filter(|url| !url.is_empty());
        let url = Some(settings.base_url.as_str()).filter(|url| !url.is_empty()).or(usual_url);
        let Some(url) = url else { return Ok(None) };
        let set_by = match name {
            RungName::Player(_) => SetBy::Player,
            RungName::Pack { .. } => SetBy::Pack,
        };
        if !self.keys.allowed(key, url, set_by, usual_url).map_err(key_error)? {
            let message =
                format!("the world wants {} to answer at {url}, which you have not allowed", name.shown());
            return Err(ModelError::new(ErrorKind::Unauthorized, message)
                .with_help(format!("If you trust it: `meddah key allow {key} {url}`.")));
        }
        let found = self.keys.key_for(key, url, set_by, usual_url).map_err(key_error)?;
        if found.is_none() && !settings.key.is_empty() {
            if settings.provider == HOST {
                return Err(hosts::not_joined(url));
            }
            let message = format!("{} wants the key {key}, which is not set", name.shown());
            return Err(ModelError::new(ErrorKind::Unauthorized, message)
                .with_help(format!("Set it with `meddah key set {key}`.")));
        }
        Ok(found)
    }

    pub(super) fn ledger(&self) -> Arc<dyn Ledger> {
        self.ledger.get_or_init(|| budget::open_or_refuse(&self.paths, &self.settings)).clone()
    }

    pub(super) fn http(&self) -> Http {
        self.http.clone()
    }

    pub(super) fn limits(&self, rung: &RungSettings) -> RungLimits {
        if matches!(rung.provider.as_str(), LOCAL | SCRIPTED) {
            return RungLimits::LOCAL;
        }
        let online = &self.settings.online;
        let own = |own: u64, usual: u64| Duration::from_millis(if own == 0 { usual } else { own });
        // Players of a host wait for their turn.
        let usual = if rung.provider == HOST { HOST_FIRST_TOKEN_MS } else { online.first_token_ms };
        RungLimits {
            first_token: own(rung.first_token_ms, usual),
            stall: own(rung.stall_ms, online.stall_ms),
            retries: online.retries,
            rests: true,
        }
    }

    fn locals(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<LocalModel>>> {
        self.locals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Differs when the file has changed: a key was set, replaced, removed, allowed or denied.
fn changed(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = std::fs::metadata(file).ok();
    metadata.map(|metadata| (metadata.modified().ok(), metadata.len())).hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn key_error(error: KeyError) -> ModelError {
    ModelError::new(ErrorKind::Unauthorized, error.to_string()).with_help(error.help())
}

/// What is known of models: the table of the program, with the rows of the player's own file over it.
pub fn model_table(paths: &Paths) -> Result<ModelTable, ModelError> {
    let file = paths.model_table();
    let bad = |message: String, help: String| {
        let message = format!("{}: {message}", file.display());
        ModelError::new(ErrorKind::BadRequest, message).with_help(help)
    };
    match std::fs::metadata(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ModelTable::embedded()),
        Ok(metadata) if metadata.len() > TABLE_BYTES_MAX as u64 => {
            return Err(bad("it is too large".into(), "Delete it, or get a new one.".into()));
        }
        _ => {}
    }
    let text = std::fs::read_to_string(&file)
        .map_err(|error| bad(error.to_string(), "It must be a text file that you may read.".into()))?;
    let newer = ModelTable::parse(&text).map_err(|error| bad(error.message, error.help))?;
    Ok(ModelTable::embedded().merge(newer))
}
