//! From the `model` setting to something that thinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meddah_inference::scripted::{Script, ScriptedModel};
use meddah_inference::{ChatModel, ChatRequest, ChatStream, ErrorKind, ModelError, ModelInfo, ModelState};
use meddah_llama::{LocalConfig, LocalModel};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::models::ModelStore;
use crate::paths::Paths;

/// Marks a scripted model, which only tests and measurements ask for.
const SCRIPTED: &str = "scripted:";

/// The model in use, and what has to be shut down with it.
pub struct Thinking {
    /// The port.
    pub model: Arc<dyn ChatModel>,
    local: Option<Arc<LocalModel>>,
}

impl Thinking {
    /// Finds the model. A model that is not there is no error yet: the game can start, `talk` explains.
    pub fn open(settings: &Settings, paths: &Paths) -> Result<Thinking, ModelError> {
        if let Some(file) = settings.model.strip_prefix(SCRIPTED) {
            return Ok(Thinking { model: Arc::new(scripted(Path::new(file))?), local: None });
        }
        match find_model(&settings.model, paths)? {
            Some(file) => {
                let local = LocalModel::new(local_config(file, settings, paths)?);
                Ok(Thinking { model: local.clone(), local: Some(local) })
            }
            None => Ok(Thinking { model: Arc::new(NoModel), local: None }),
        }
    }

    /// Ends the model's process in order.
    pub async fn shutdown(&self) {
        if let Some(local) = &self.local {
            local.shutdown().await;
        }
    }
}

/// Whether the setting asks for a script instead of a model.
pub fn is_scripted(setting: &str) -> bool {
    setting.starts_with(SCRIPTED)
}

/// The file of the model that the settings name; `None` if none is named and none is installed.
pub fn find_model(name: &str, paths: &Paths) -> Result<Option<PathBuf>, ModelError> {
    let as_path = Path::new(name);
    if !name.is_empty() && (as_path.is_file() || name.ends_with(".gguf")) {
        if !as_path.is_file() {
            return Err(ModelError::new(ErrorKind::NotFound, format!("there is no file {name:?}"))
                .with_help("Check the path, or see `meddah models list`."));
        }
        return Ok(Some(as_path.to_owned()));
    }
    let store = ModelStore::open(&paths.data)
        .map_err(|error| ModelError::new(ErrorKind::NotFound, error.to_string()).with_help(error.help))?;
    if name.is_empty() {
        return Ok(store.default_model());
    }
    store.find(name).map(Some).ok_or_else(|| {
        ModelError::new(ErrorKind::NotFound, format!("no model {name:?} is installed"))
            .with_help(format!("Install it with `meddah models pull {name}`, or see `meddah models list`."))
    })
}

/// How the settings run this file.
pub fn local_config(file: PathBuf, settings: &Settings, paths: &Paths) -> Result<LocalConfig, ModelError> {
    let program = std::env::current_exe().map_err(|error| {
        ModelError::new(ErrorKind::Broken, format!("cannot find this program's own file: {error}"))
    })?;
    let local = &settings.local;
    let command = vec![program.into_os_string(), "worker".into()];
    Ok(LocalConfig {
        context_tokens: local.context_tokens,
        parallel: local.parallel,
        threads: local.threads,
        state_memory_mb: local.state_memory_mb,
        state_disk_mb: local.state_disk_mb,
        state_dir: Some(paths.states()),
        hang_timeout: Duration::from_millis(local.hang_timeout_ms),
        background: local.background,
        ..LocalConfig::new(file, command)
    })
}

fn scripted(file: &Path) -> Result<ScriptedModel, ModelError> {
    let bad = |message: String| {
        ModelError::new(ErrorKind::BadModel, format!("script {}: {message}", file.display()))
            .with_help("A script is TOML: [[reply]] tables with `text`, and perhaps `when`.")
    };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let script: Script = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    Ok(ScriptedModel::new(script))
}

/// What thinks when there is nothing to think with: says what to do.
struct NoModel;

impl NoModel {
    fn error() -> ModelError {
        ModelError::new(ErrorKind::NotFound, "no model is installed").with_help(
            "Install one with `meddah models pull NAME` (`meddah models list` shows names), or give a file \
             with `--model FILE.gguf`.",
        )
    }
}

#[async_trait]
impl ChatModel for NoModel {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        Err(Self::error())
    }

    fn label(&self) -> (String, String) {
        ("none".into(), "local".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Failed
    }

    async fn count_tokens(&self, _texts: &[String]) -> Result<Vec<u32>, ModelError> {
        Err(Self::error())
    }

    async fn stream(&self, _: ChatRequest, _: CancellationToken) -> Result<ChatStream, ModelError> {
        Err(Self::error())
    }
}
