//! Whoever listens: which model, and the process that it runs in.

use std::path::{Path, PathBuf};

use meddah_speech::{SpeechError, SpeechErrorKind};
use meddah_whisper::{WhisperConfig, WhisperListener};

use crate::models::{Kind, ModelStore};
use crate::paths::Paths;

/// `meddah worker` with this is the process of the model that listens.
pub const LISTEN_FLAG: &str = "--listen";

/// A listener with this model, an installed name or a file; without one with the model that came last. Reads nothing
/// yet.
pub fn local_listener(model: Option<&str>, paths: &Paths) -> Result<WhisperListener, SpeechError> {
    let file = find_model(model, paths)?;
    let program = std::env::current_exe().map_err(|error| {
        SpeechError::new(
            SpeechErrorKind::Broken,
            format!("cannot find this program's own file: {error}"),
            "Start it again by its full path.",
        )
    })?;
    let command = vec![program.into_os_string(), "worker".into(), LISTEN_FLAG.into()];
    Ok(WhisperListener::new(WhisperConfig::new(file, command)))
}

fn find_model(model: Option<&str>, paths: &Paths) -> Result<PathBuf, SpeechError> {
    let missing = |message: String| {
        SpeechError::new(
            SpeechErrorKind::BadModel,
            message,
            "Install one with `meddah models pull whisper-base.en` (147 MB), or take one in with `meddah models import`: a \
             ggml .bin file of whisper.cpp, or the folder of a CTranslate2 model.",
        )
    };
    if let Some(file) = model.map(Path::new).filter(|path| path.is_file()) {
        return Ok(file.to_owned());
    }
    let store = ModelStore::open(&paths.data).map_err(|error| missing(error.message))?;
    match model {
        None => store
            .default_model(Kind::Listener)
            .ok_or_else(|| missing("no model that listens is installed".to_owned())),
        Some(name) => store
            .find(Kind::Listener, name)
            .ok_or_else(|| missing(format!("no model {name:?} that listens is installed"))),
    }
}
