//! `meddah host`: what the program adds to the crate `meddah-host`: its own model as an engine, and whole characters.

mod engine;
mod pepper;
mod spaces;
mod timelines;

use std::sync::Arc;

use meddah_host::engines::{Engine, EngineSettings};
use meddah_host::server::{self, Opening};
use meddah_host::settings::SettingsError;
use tokio_util::sync::CancellationToken;

use crate::config::{LocalSettings, Settings};
use crate::keys::{KeyStore, SetBy};
use crate::ladders::Ladders;
use crate::paths::Paths;
use engine::OwnEngine;

pub use pepper::{PepperError, pepper};
pub use spaces::{Door, Spaces, folder};
pub use timelines::Timelines;

/// A host cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The section [host].
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The pepper.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// The model of this machine, or a key.
    #[error("{0}")]
    Model(String),
}

/// What a host of these settings is opened from, and the model of this machine if it is an engine.
///
/// # Errors
/// What the operator has to set right.
pub fn opening(
    settings: &Settings,
    paths: &Paths,
    stop: &CancellationToken,
) -> Result<(Opening, Option<Ladders>), HostError> {
    let unusable = |message: &str, help: &str| HostError::Model(format!("{message}\n{help}"));
    let keys =
        KeyStore::open(paths, settings).map_err(|error| unusable(&error.to_string(), &error.help()))?;
    let key = |name: &str| {
        let url =
            settings.host.engines.iter().find(|engine| engine.key == name).map_or("", |engine| &engine.url);
        keys.key_for(name, url, SetBy::Player, None).map_err(|error| error.to_string())
    };
    let mut engines = server::engines(&settings.host.engines, key)?;
    let mut own = None;
    if engines.is_empty() {
        // Nobody plays on a server: its model need not stand back behind everything else.
        let local = LocalSettings { background: false, ..settings.local.clone() };
        let settings = Settings { local, ..settings.clone() };
        let ladders =
            Ladders::open(&settings, paths).map_err(|error| unusable(&error.message, &error.help))?;
        let slots = settings.local.parallel.max(1);
        let engine = OwnEngine::new(ladders.as_model(), settings.turn, slots, stop.clone());
        let slots = EngineSettings { slots: Some(slots), ..EngineSettings::default() };
        engines.push((Arc::new(engine) as Arc<dyn Engine>, slots));
        own = Some(ladders);
    }
    let opening = Opening {
        settings: settings.host.clone(),
        data: paths.data.clone(),
        pepper: pepper(paths)?,
        engines,
    };
    Ok((opening, own))
}
