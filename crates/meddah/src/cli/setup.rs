//! What most commands need: settings, logs, a runtime, worlds, a store, a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_engine::world::World;
use meddah_speech::SpeechError;
use meddah_store::{SqliteStore, StoreError};

use super::{BAD_INPUT, Failure, print};
use crate::config::Settings;
use crate::embedder::LateEmbedder;
use crate::ladders::Ladders;
use crate::paths::Paths;
use crate::sidecar::Sidecar;
use crate::tavern;
use crate::turn::Ports;
use crate::voice::{self, Voices};
use crate::world_files;
use crate::worlds::Worlds;

/// Warnings of one world that are printed before the rest is only counted: five hundred guards have one name.
const WARNINGS_SHOWN_MAX: usize = 20;

/// Flags that many commands share.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Common {
    /// A world pack's folder; several may be given. Without one: the built-in tavern
    #[arg(long, value_name = "DIR")]
    pub world: Vec<PathBuf>,
    /// Use this model and no ladder: an installed name, a .gguf file, provider:model for an online one, a name of
    /// [rungs.NAME], or scripted:FILE for tests
    #[arg(long)]
    pub model: Option<String>,
    /// The same seed gives the same words
    #[arg(long)]
    pub seed: Option<i64>,
}

/// Settings and folders, with the flags applied.
pub struct Setup {
    /// Folders.
    pub paths: Paths,
    /// Settings.
    pub settings: Settings,
}

impl Setup {
    /// Reads the settings and starts logging.
    pub fn open(common: &Common) -> Result<Setup, Failure> {
        let paths = Paths::open().map_err(|error| Failure::new(BAD_INPUT, format!("{error:#}")))?;
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut settings = Settings::load(&paths.data, variables)
            .map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?;
        for warning in &settings.warnings {
            print::warning(&warning.to_string());
        }
        if !common.world.is_empty() {
            settings.worlds = common.world.clone();
        }
        if let Some(model) = &common.model {
            // What is asked for here and now is meant to be used, without anything else.
            settings.model = model.clone();
            settings.ladder.clear();
            settings.background_ladder.clear();
            settings.ladders.clear();
            settings.pack_ladders = false;
        }
        if let Some(seed) = common.seed {
            settings.turn.seed = seed;
        }
        start_logging(&settings.log);
        Ok(Setup { paths, settings })
    }

    /// The worlds of the settings, else the built-in tavern. Warnings go to standard error.
    pub fn worlds(&self) -> Result<Vec<World>, Failure> {
        if self.settings.worlds.is_empty() {
            return Ok(vec![tavern::world()]);
        }
        let mut worlds: Vec<World> = Vec::new();
        for folder in &self.settings.worlds {
            let world = load_world(folder)?;
            if worlds.iter().any(|other| other.id == world.id) {
                let message = format!(
                    "two worlds have the id `{}`; the second is {}\nA world's id is the name of its folder: rename one.",
                    world.id,
                    folder.display()
                );
                return Err(Failure::new(BAD_INPUT, message));
            }
            worlds.push(world);
        }
        Ok(worlds)
    }

    /// Everything for turns, ready to open sessions.
    pub fn sidecar(&self) -> Result<Arc<Sidecar>, Failure> {
        let worlds = Worlds::new(self.worlds()?)
            .with_overlay(self.paths.worlds())
            .map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?;
        self.sidecar_of(worlds, SqliteStore::open(&self.paths.timeline()))
    }

    /// As [`Setup::sidecar`], with these worlds alone and a memory that is gone afterwards.
    pub fn sidecar_for_trial(&self, worlds: Vec<World>) -> Result<Arc<Sidecar>, Failure> {
        self.sidecar_of(Worlds::new(worlds), SqliteStore::in_memory())
    }

    fn sidecar_of(
        &self,
        worlds: Worlds,
        store: Result<SqliteStore, StoreError>,
    ) -> Result<Arc<Sidecar>, Failure> {
        let store =
            store.map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))?;
        let ladders = Ladders::open(&self.settings, &self.paths)
            .map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))?;
        let embedder = LateEmbedder::from_setting(&self.settings.embedder, &self.paths);
        let voices = Voices::open(&self.settings, &self.paths).map_err(unusable)?;
        let mut ports = Ports::new(ladders, Arc::new(store), embedder).with_voices(voices);
        if let Some(listener) = voice::listener(&self.settings, &self.paths).map_err(unusable)? {
            ports = ports.with_ears(listener);
        }
        Ok(Sidecar::new(Arc::new(worlds), ports, self.settings.clone()))
    }
}

fn unusable(error: SpeechError) -> Failure {
    Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help))
}

pub(super) fn load_world(folder: &Path) -> Result<World, Failure> {
    let (world, warnings) =
        world_files::load(folder).map_err(|errors| Failure::new(BAD_INPUT, errors.to_string()))?;
    for warning in warnings.iter().take(WARNINGS_SHOWN_MAX) {
        print::warning(&warning.to_string());
    }
    if warnings.len() > WARNINGS_SHOWN_MAX {
        print::warning(&format!(
            "… and {} more of {}",
            warnings.len() - WARNINGS_SHOWN_MAX,
            folder.display()
        ));
    }
    Ok(world)
}

/// Logs go to standard error; standard output belongs to the talk or to `--json`.
fn start_logging(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(colours).try_init().ok(); // set once
}

/// Runs a command on the async runtime.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // Two threads serve hundreds of sessions; the model has its own process.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(1, format!("cannot start: {error}")))?;
    let result = runtime.block_on(future);
    // A blocked read of standard input must not hold the program up.
    runtime.shutdown_background();
    result
}
