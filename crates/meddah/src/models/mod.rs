//! Model files on this PC: what is installed, what can be had, and getting it here whole.
//!
//! One rule holds throughout: a file under its final name in `<data>/models` is complete and checked.
//! Everything unfinished has another name, so listing a folder is enough to know what can be used, and a
//! player may just as well drop a `.gguf` or `.onnx` file into it (a voice with its `.onnx.json`).

mod catalogue;
mod convert;
mod description;
mod error;
mod files;
mod hash;
mod http;
mod import;
mod kind;
mod online_table;
mod part;
mod progress;
mod pull;
mod source;
#[cfg(test)]
mod test_server;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use catalogue::{Entry, catalogue};
pub use error::{ModelsError, ModelsErrorKind};
pub use hash::Sha256Hash;
pub use import::Placement;
pub use kind::Kind;
pub use online_table::{Refreshed, refresh};
pub use progress::{Progress, ProgressPrinter};
pub use pull::PullLimits;

use crate::paths::MODELS;
use crate::whole_file;
use files::FolderLock;

/// Models and leftovers looked at in the folder; a folder with more is not ours.
const FILES_MAX: usize = 10_000;
/// A larger record is not one of ours.
const RECORD_BYTES_MAX: u64 = 64 * 1024;

/// Reads a model's header: `Err` says in a few words why the file cannot be run.
pub type InspectFn = fn(&Path) -> Result<Inspected, String>;

/// What a model file says of itself, as far as listing and checking need it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspected {
    /// Family, for example `llama`.
    pub architecture: String,
    /// How most weights are stored, for example `Q4_0`.
    pub file_type: String,
    /// Weights.
    pub parameters: u64,
    /// Tokens it was trained for.
    pub context_tokens: u32,
    /// SPDX name, if the file gives one.
    pub licence: Option<String>,
    /// It knows how a conversation is written.
    pub has_chat_template: bool,
    /// Bytes of all weights.
    pub weight_bytes: u64,
    /// Bytes that the attention keeps per token.
    pub kv_bytes_per_token: u64,
}

/// How sure we are that the bytes are the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// They have the SHA-256 that the caller or the catalogue gave.
    Expected,
    /// They have the SHA-256 that the server announced: not damaged on the way, but only as honest as it is.
    Announced,
    /// Nobody said which SHA-256 to expect.
    Unverified,
}

/// What is written beside a model, as `<name>.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The address without anything secret, or the file it was imported from.
    pub source: String,
    /// Its name in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// Of the whole file.
    pub sha256: Sha256Hash,
    /// How far that was checked.
    pub verification: Verification,
    /// Of the whole file.
    pub bytes: u64,
    /// SPDX name or the licence's own, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// When it came, as an HTTP date.
    pub added: String,
    /// What became of its weights, if it was made from a checkpoint folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversion: Vec<String>,
}

/// A model that can be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Installed {
    /// The file's name without `.gguf` or `.onnx`.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Where it is.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where it came from; `None` if somebody put it into the folder by hand.
    pub record: Option<Record>,
    #[serde(skip)]
    added: SystemTime,
}

/// A download that can be continued.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unfinished {
    /// The model's name-to-be.
    pub name: String,
    /// What it will do.
    pub kind: Kind,
    /// What has arrived.
    pub bytes: u64,
    /// What it will be, if known.
    pub bytes_total: Option<u64>,
    /// The address.
    pub source: String,
}

/// Everything there is to show.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Ready to use, newest first.
    pub installed: Vec<Installed>,
    /// Downloads that stopped.
    pub unfinished: Vec<Unfinished>,
    /// Models of the catalogue that are not installed.
    pub available: Vec<&'static Entry>,
}

/// What a pull or an import led to.
#[derive(Clone, Debug, Serialize)]
pub struct Added {
    /// The model.
    pub model: Installed,
    /// How sure we are of its bytes.
    pub verification: Verification,
    /// Nothing had to be done.
    pub was_installed: bool,
}

/// The models folder of one data folder.
#[derive(Clone, Debug)]
pub struct ModelStore {
    folder: PathBuf,
    inspect: Option<InspectFn>,
    limits: PullLimits,
    free_space: fn(&Path) -> io::Result<u64>,
}

impl ModelStore {
    /// Opens the models of this data folder; the folder is created.
    pub fn open(data_dir: &Path) -> Result<ModelStore, ModelsError> {
        let folder = data_dir.join(MODELS);
        std::fs::create_dir_all(&folder)
            .map_err(|error| ModelsError::storage("create the models folder", &folder, &error))?;
        Ok(ModelStore {
            folder,
            inspect: None,
            limits: PullLimits::default(),
            free_space: |path| fs4::available_space(path),
        })
    }

    /// Checks the header of everything that is pulled or imported with this.
    pub fn with_inspect(mut self, inspect: InspectFn) -> Self {
        self.inspect = Some(inspect);
        self
    }

    /// Other limits for downloads.
    pub fn with_limits(mut self, limits: PullLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the models are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything installed, unfinished and to be had.
    pub fn list(&self) -> Result<Listing, ModelsError> {
        let installed = self.installed()?;
        let has = |entry: &Entry| {
            installed.iter().any(|model| {
                model.file.file_name().is_some_and(|file| file.eq_ignore_ascii_case(&entry.file))
            })
        };
        let available = catalogue().iter().filter(|entry| !has(entry)).collect();
        Ok(Listing { unfinished: self.unfinished()?, available, installed })
    }

    /// The models that can be used, newest first.
    pub fn installed(&self) -> Result<Vec<Installed>, ModelsError> {
        let mut models: Vec<_> =
            self.file_names()?.into_iter().filter_map(|file_name| self.read_installed(&file_name)).collect();
        models.sort_by(|left, right| right.added.cmp(&left.added).then(left.name.cmp(&right.name)));
        Ok(models)
    }

    /// The file of an installed model of this kind, by its name, file name or name in the catalogue.
    pub fn find(&self, kind: Kind, name: &str) -> Option<PathBuf> {
        Some(self.find_installed(name, |model| model.kind == kind)?.file)
    }

    /// The model to use when the settings name none: the one of this kind that came last.
    pub fn default_model(&self, kind: Kind) -> Option<PathBuf> {
        Some(self.installed().ok()?.into_iter().find(|model| model.kind == kind)?.file)
    }

    /// Deletes a model and its record, or an unfinished download. Says which.
    pub fn remove(&self, name: &str) -> Result<String, ModelsError> {
        let _lock = FolderLock::take(&self.folder)?;
        let delete = |path: &Path| {
            files::delete(path).map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy => ModelsError::new(
                    ModelsErrorKind::Busy,
                    format!("{} is in use", path.display()),
                    "Close the game and Meddah, then remove the model again.",
                ),
                _ => ModelsError::storage("delete", path, &error),
            })
        };
        if let Some(model) = self.find_installed(name, |_| true) {
            delete(&model.file)?;
            if model.kind == Kind::Voice {
                delete(&kind::description(&model.file))?;
            }
            delete(&self.record_path(&model.name))?;
            return Ok(model.name);
        }
        let unfinished = self.unfinished()?;
        if let Some(part) = unfinished.into_iter().find(|part| part.name.eq_ignore_ascii_case(name)) {
            let paths = part::Paths::of(&self.final_path(&part.name, part.kind));
            delete(&paths.part)?;
            delete(&paths.origin)?;
            return Ok(part.name);
        }
        Err(ModelsError::new(
            ModelsErrorKind::UnknownModel,
            format!("no model {name:?} is installed"),
            "`meddah models list` shows the names.",
        ))
    }

    fn find_installed(&self, name: &str, wanted: impl Fn(&Installed) -> bool) -> Option<Installed> {
        let stem = files::stem(name);
        self.installed().ok()?.into_iter().filter(wanted).find(|model| {
            let catalogue = model.record.as_ref().and_then(|record| record.catalogue.as_deref());
            model.name.eq_ignore_ascii_case(stem)
                || catalogue.is_some_and(|catalogue| catalogue.eq_ignore_ascii_case(name))
        })
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, ModelsError> {
        let names = self.file_names()?;
        let parts = names.iter().filter_map(|file| file.strip_suffix(part::PART_SUFFIX));
        Ok(parts
            .filter_map(|file_name| {
                let paths = part::Paths::of(&self.folder.join(file_name));
                let bytes = std::fs::metadata(&paths.part).ok()?.len();
                let origin = part::Origin::read(&paths.origin).unwrap_or_default();
                let (kind, name) = (Kind::of(file_name)?, files::stem(file_name).to_owned());
                Some(Unfinished { name, kind, bytes, bytes_total: origin.bytes, source: origin.url })
            })
            .collect())
    }

    fn file_names(&self) -> Result<Vec<String>, ModelsError> {
        let fail = |error: io::Error| ModelsError::storage("read the models folder", &self.folder, &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(fail)?.take(FILES_MAX) {
            // Names that are no Unicode are not ours and could not be typed either.
            names.extend(entry.map_err(fail)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn read_installed(&self, file_name: &str) -> Option<Installed> {
        let name = files::stem(file_name);
        let file = self.folder.join(file_name);
        let metadata = std::fs::metadata(&file).ok().filter(std::fs::Metadata::is_file)?;
        let kind = Kind::of_file(&file).filter(|_| !name.is_empty())?;
        let record = self.read_record(name).filter(|record| record.bytes == metadata.len());
        let added = record.as_ref().and_then(|record| httpdate::parse_http_date(&record.added).ok());
        Some(Installed {
            name: name.to_owned(),
            kind,
            file,
            bytes: metadata.len(),
            record,
            added: added.or_else(|| metadata.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    /// A record that cannot be read is as good as none: the model still works.
    fn read_record(&self, name: &str) -> Option<Record> {
        files::read_small(&self.record_path(name), RECORD_BYTES_MAX)
            .and_then(|text| toml::from_str(&text).ok())
    }

    fn write_record(&self, name: &str, record: &Record) -> Result<(), ModelsError> {
        let path = self.record_path(name);
        let text = toml::to_string(record).expect("a record has only plain values under plain keys");
        whole_file::write(&path, text.as_bytes())
            .map_err(|error| ModelsError::storage("write", &path, &error))
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }

    fn final_path(&self, name: &str, kind: Kind) -> PathBuf {
        self.folder.join(format!("{name}{}", kind.suffix()))
    }
}

#[cfg(test)]
mod tests;
