//! The embedder of this program: found by the settings, read from disk when it is first wanted.
//!
//! A sidecar that nobody talks to keeps no model in memory. Without an embedder everything works, and memories
//! are found by their words alone. Only a model on this PC is used: what characters remember is not sent to
//! anybody for that, also where a rung of the ladder could embed text.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use meddah_embedding::MiniLm;
use meddah_inference::{Embedder, ErrorKind, ModelError, Notice};

use crate::models::{Kind, ModelStore};
use crate::paths::Paths;

/// What the setting says when none is wanted.
const OFF: &str = "off";
/// What it says when the installed one is.
const AUTO: &str = "auto";

/// The embedder, once it is there. Clones share it.
#[derive(Clone, Default)]
pub struct LateEmbedder(Arc<Inner>);

type Opening = Shared<BoxFuture<'static, Result<Arc<dyn Embedder>, ModelError>>>;

#[derive(Default)]
struct Inner {
    choice: Choice,
    /// Set once somebody wanted it and its file was there. A file that cannot be used is not tried again.
    opening: Mutex<Option<Opening>>,
    told: AtomicBool,
}

/// What the settings say.
#[derive(Clone, Debug, Default)]
enum Choice {
    #[default]
    Off,
    /// The installed one, looked for when it is wanted: it may be pulled while a game runs.
    Installed(PathBuf),
    Named(PathBuf),
    Missing(ModelError),
}

/// Where the embedder stands, without opening it.
#[derive(Clone, Debug)]
pub enum Standing {
    /// The settings want none.
    Off,
    /// This file would be used.
    File(PathBuf),
    /// None is installed.
    Missing,
    /// One is named that is not there.
    Unusable(ModelError),
}

impl LateEmbedder {
    /// As the setting `embedder` says: "auto", "off", an installed name or a file. Reads no model.
    pub fn from_setting(setting: &str, paths: &Paths) -> LateEmbedder {
        let choice = match setting {
            OFF => Choice::Off,
            AUTO | "" => Choice::Installed(paths.data.clone()),
            name => match named(name, &paths.data) {
                Ok(file) => Choice::Named(file),
                Err(error) => Choice::Missing(error),
            },
        };
        LateEmbedder(Arc::new(Inner { choice, ..Inner::default() }))
    }

    /// This one, there from the beginning; for tests and measurements.
    pub fn ready(embedder: Arc<dyn Embedder>) -> LateEmbedder {
        let opening = futures::future::ready(Ok(embedder)).boxed().shared();
        LateEmbedder(Arc::new(Inner { opening: Mutex::new(Some(opening)), ..Inner::default() }))
    }

    /// The embedder; the first who asks waits until it is read from disk, a fraction of a second. The error says
    /// why there is none and what to do.
    pub async fn get(&self) -> Result<Arc<dyn Embedder>, ModelError> {
        self.opening()?.await
    }

    /// The embedder if it is there already. If not, it is being read from disk from now on and there for a later
    /// question: a turn never waits for that. Must be called on the async runtime.
    pub fn now_or_soon(&self) -> Option<Arc<dyn Embedder>> {
        self.opening().ok()?.now_or_never()?.ok()
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match &self.0.choice {
            Choice::Off => Standing::Off,
            Choice::Installed(data) => installed(data).map_or(Standing::Missing, Standing::File),
            Choice::Named(file) => Standing::File(file.clone()),
            Choice::Missing(error) => Standing::Unusable(error.clone()),
        }
    }

    /// What the player should know, the first time that this is asked: that memories are found by their words
    /// alone. Nothing if the embedder is there or not wanted.
    pub fn notice_once(&self) -> Option<Notice> {
        if matches!(self.0.choice, Choice::Off) {
            return None;
        }
        let error = match self.opening() {
            Ok(opening) => opening.now_or_never()?.err()?,
            Err(error) => error,
        };
        let first = !self.0.told.swap(true, Ordering::Relaxed);
        first.then(|| Notice {
            code: "no_embedder".into(),
            message: format!("memories are found by their words alone: {}", error.message),
            help: error.help,
        })
    }

    fn opening(&self) -> Result<Opening, ModelError> {
        let mut opening = self.lock();
        if let Some(opening) = &*opening {
            return Ok(opening.clone());
        }
        let file = match self.standing() {
            Standing::File(file) => file,
            Standing::Off => return Err(off()),
            Standing::Missing => return Err(missing()),
            Standing::Unusable(error) => return Err(error),
        };
        // The thread is awaited by whoever holds a clone; it ends by itself when the file is read.
        let reading = tokio::task::spawn_blocking(move || MiniLm::open(&file));
        let embedder = reading.map(|read| match read {
            Ok(Ok(embedder)) => Ok(Arc::new(embedder) as Arc<dyn Embedder>),
            Ok(Err(error)) => Err(ModelError::from(error)),
            Err(error) => {
                Err(ModelError::new(ErrorKind::Broken, format!("the embedder did not open: {error}")))
            }
        });
        Ok(opening.insert(embedder.boxed().shared()).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Opening>> {
        self.0.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn installed(data: &Path) -> Option<PathBuf> {
    ModelStore::open(data).ok()?.default_model(Kind::Embedder)
}

/// An installed name, or a file.
fn named(name: &str, data: &Path) -> Result<PathBuf, ModelError> {
    let as_path = Path::new(name);
    if as_path.is_file() {
        return Ok(as_path.to_owned());
    }
    let found = ModelStore::open(data).ok().and_then(|store| store.find(Kind::Embedder, name));
    found.ok_or_else(|| {
        ModelError::new(
            ErrorKind::NotFound,
            format!("the setting `embedder` names {name:?}, which is not there"),
        )
        .with_help("Set it to \"auto\", \"off\", a name of `meddah models list` or an .onnx file.")
    })
}

fn off() -> ModelError {
    ModelError::new(ErrorKind::NotFound, "the setting `embedder` is \"off\"")
        .with_help("Set it to \"auto\", and install the model with `meddah models pull minilm` (23 MB).")
}

fn missing() -> ModelError {
    ModelError::new(ErrorKind::NotFound, "no embedder is installed")
        .with_help("Install it with `meddah models pull minilm` (23 MB), or set `embedder` to \"off\".")
}

#[cfg(test)]
mod tests {
    use meddah_inference::ScriptedEmbedder;

    use super::*;

    fn with_setting(setting: &str) -> (tempfile::TempDir, LateEmbedder) {
        let folder = tempfile::tempdir().unwrap();
        let embedder = LateEmbedder::from_setting(setting, &Paths { data: folder.path().to_owned() });
        (folder, embedder)
    }

    #[tokio::test]
    async fn one_that_is_missing_is_told_once() {
        for setting in ["auto", "minilm", "/no/such/model.onnx"] {
            let (_folder, embedder) = with_setting(setting);
            assert!(embedder.now_or_soon().is_none());
            let error = embedder.get().await.err().unwrap();
            assert!(error.kind == ErrorKind::NotFound && !error.help.is_empty(), "{setting}");
            let notice = embedder.notice_once().unwrap();
            assert_eq!(notice.code, "no_embedder");
            assert!(embedder.clone().notice_once().is_none(), "{setting}");
        }
    }

    #[tokio::test]
    async fn off_is_no_news() {
        let (_folder, embedder) = with_setting("off");
        assert!(embedder.now_or_soon().is_none() && embedder.notice_once().is_none());
        assert!(embedder.get().await.is_err());
        assert!(matches!(embedder.standing(), Standing::Off));
    }

    #[tokio::test]
    async fn one_that_is_there_is_given_to_everybody() {
        let embedder = LateEmbedder::ready(Arc::new(ScriptedEmbedder));
        assert_eq!(embedder.now_or_soon().unwrap().name(), "scripted");
        assert_eq!(embedder.clone().get().await.unwrap().name(), "scripted");
        assert!(embedder.notice_once().is_none());
    }

    #[tokio::test]
    async fn one_that_is_installed_later_is_found_and_a_bad_one_is_told() {
        let (folder, embedder) = with_setting("auto");
        assert!(matches!(embedder.standing(), Standing::Missing));
        std::fs::write(folder.path().join("models/bad.onnx"), b"\x08\x07").unwrap();
        assert!(matches!(embedder.standing(), Standing::File(_)));
        assert_eq!(embedder.get().await.err().unwrap().kind, ErrorKind::BadModel);
        assert!(embedder.notice_once().unwrap().message.contains("not the embedding model"));
    }
}
