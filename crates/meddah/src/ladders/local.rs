//! Models on this PC: installed ones and files, and the scripted double of tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use meddah_inference::scripted::{Script, ScriptedModel};
use meddah_inference::{ErrorKind, ModelError};
use meddah_llama::LocalConfig;

use crate::config::Settings;
use crate::models::{Kind, ModelStore};
use crate::paths::Paths;

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
        return Ok(store.default_model(Kind::Chat));
    }
    store.find(Kind::Chat, name).map(Some).ok_or_else(|| {
        ModelError::new(ErrorKind::NotFound, format!("no model {name:?} is installed"))
            .with_help(format!("Install it with `meddah models pull {name}`, or see `meddah models list`."))
    })
}

/// Nothing is named and nothing is installed.
pub(super) fn no_model() -> ModelError {
    ModelError::new(ErrorKind::NotFound, "no model is installed").with_help(
        "Install one with `meddah models pull NAME` (`meddah models list` shows names), give a file with \
         `--model FILE.gguf`, or use an online one: `meddah key set openai`, then `--model openai:NAME`.",
    )
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
        read_ahead: local.read_ahead,
        ..LocalConfig::new(file, command)
    })
}

pub(super) fn scripted(file: &Path) -> Result<ScriptedModel, ModelError> {
    let bad = |message: String| {
        ModelError::new(ErrorKind::BadModel, format!("script {}: {message}", file.display()))
            .with_help("A script is TOML: [[reply]] tables with `text`, and perhaps `when`.")
    };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let script: Script = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    Ok(ScriptedModel::new(script))
}
