//! Settings: the embedded `default.toml`, then `meddah.toml`, then `MEDDAH_*`, then flags.
//!
//! The defaults file is the reference: a key that is not in it does not exist, so a misspelt one in the file
//! is an error with a suggestion. In the environment it is a warning: other programs set variables, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meddah_host::settings::HostSettings;
use serde::Deserialize;
use toml::{Table, Value};

use crate::budget::BudgetSettings;
use crate::keys::KeyPlace;
use crate::ladders::RungSettings;
use crate::suggestion::nearest;
use crate::turn::Explainer;
use crate::voice::SpeechServiceSettings;

/// The reference, also shown by `meddah doctor --settings`.
pub const DEFAULTS: &str = include_str!("default.toml");
/// The file in the data folder.
pub const FILE_NAME: &str = "meddah.toml";
/// A larger settings file is not one.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// All settings. `default.toml` says what each does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is odd and does no harm: variables that name no setting. They may be another program's.
    #[serde(skip)]
    pub warnings: Vec<ConfigError>,
    /// The folder they were read from, where everything else is kept, too.
    #[serde(skip)]
    pub data: PathBuf,
    pub port: u16,
    pub require_token: bool,
    pub face_token: bool,
    pub allowed_origins: Vec<String>,
    pub worlds: Vec<PathBuf>,
    pub faces: Vec<String>,
    pub model: String,
    pub embedder: String,
    pub ladder: Vec<String>,
    pub background_ladder: Vec<String>,
    pub pack_ladders: bool,
    pub log: String,
    pub keys: KeyPlace,
    pub turn: TurnSettings,
    pub reflection: ReflectionSettings,
    pub scenes: SceneSettings,
    pub budget: BudgetSettings,
    pub local: LocalSettings,
    pub speech: SpeechSettings,
    pub online: OnlineSettings,
    pub ladders: BTreeMap<String, Vec<String>>,
    pub rungs: BTreeMap<String, RungSettings>,
    pub speech_services: BTreeMap<String, SpeechServiceSettings>,
    pub host: HostSettings,
}

/// Patience with models elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineSettings {
    pub first_token_ms: u64,
    pub stall_ms: u64,
    pub retries: u32,
}

/// How turns are run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnSettings {
    pub timeout_ms: u64,
    pub reply_tokens_max: u32,
    pub lines_max: u32,
    pub temperature: f32,
    pub min_p: f32,
    pub dry_multiplier: f32,
    pub choice_weight: f32,
    pub words_weight: f32,
    pub seed: i64,
    pub recent_turns_max: usize,
    pub speak_first_pause_ms: u64,
    pub prompt: PromptChoice,
    /// Who looks on, in this program alone: how each reply came about.
    #[serde(skip)]
    pub explain: Option<Explainer>,
}

/// Characters among themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneSettings {
    pub turns_max: u32,
    pub one_call: bool,
    pub after_events: u32,
    pub pause_ms: u64,
    pub cooldown_ms: u64,
}

/// For how large a model prompts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptChoice {
    /// As large as the model is.
    Auto,
    Tiny,
    Small,
    Medium,
    Large,
}

/// When and by what talks are thought over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReflectionSettings {
    pub by: ReflectionBy,
    pub after_tokens: u32,
    pub idle_ms: u64,
    pub pause_ms: u64,
    pub reply_tokens_max: u32,
    pub timeout_ms: u64,
}

/// What thinks talks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReflectionBy {
    /// The background ladder; code where no model can.
    Model,
    /// Code alone.
    Code,
    /// Nobody.
    Off,
}

/// How a local model is run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    pub context_tokens: u32,
    pub parallel: u32,
    pub threads: u32,
    pub state_memory_mb: u32,
    pub state_disk_mb: u32,
    pub hang_timeout_ms: u64,
    pub background: bool,
    pub read_ahead: bool,
    pub preload: bool,
}

/// What characters sound like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechSettings {
    pub voices: Vec<String>,
    pub listeners: Vec<String>,
    pub threads: usize,
    pub memory_mb: usize,
    pub loudspeaker: String,
    pub microphone: String,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {message}. {help}")]
pub struct ConfigError {
    /// The file or variable.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Settings {
    /// Reads all layers. `variables` are the environment's, as an argument so that tests need no process.
    pub fn load(
        data_dir: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, ConfigError> {
        let mut table = defaults();
        let file = data_dir.join(FILE_NAME);
        if let Some(text) = read_file(&file)? {
            let place = file.display().to_string();
            let layer: Table = text.parse().map_err(|error: toml::de::Error| ConfigError {
                place: place.clone(),
                message: error.to_string().trim_end().to_owned(),
                help: "Correct this line, or delete the file to use the defaults.".into(),
            })?;
            merge(&mut table, layer, "", &place)?;
        }
        let mut warnings = Vec::new();
        for (name, value) in variables {
            warnings.extend(apply_variable(&mut table, &name, &value)?);
        }
        let settings: Settings =
            Value::Table(table).try_into().map_err(|error: toml::de::Error| ConfigError {
                place: file.display().to_string(),
                message: error.message().to_owned(),
                help: "The defaults show which values are possible: `meddah doctor --settings`.".into(),
            })?;
        settings.budget.limits()?;
        Ok(Settings { warnings, data: data_dir.to_owned(), ..settings })
    }
}

fn defaults() -> Table {
    let mut table: Table = DEFAULTS.parse().expect("default.toml is checked by a test");
    let host: Table = meddah_host::settings::DEFAULTS.parse().expect("host.toml is checked by a test");
    table.extend(host);
    table
}

fn read_file(file: &Path) -> Result<Option<String>, ConfigError> {
    let fail = |message: String| ConfigError {
        place: file.display().to_string(),
        message,
        help: "It must be a small UTF-8 text file that you may read.".into(),
    };
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => return Err(fail("it is too large".into())),
        Ok(_) => {}
    }
    std::fs::read_to_string(file).map(Some).map_err(|error| fail(error.to_string()))
}

/// Tables whose keys the player chooses.
const FREE_TABLES: &[&str] = &["ladders", "rungs", "speech_services", "host.tiers", "host.sign_in"];
/// Lists of tables that have no default.
const FREE_LISTS: &[&str] = &["host.engines"];

fn merge(base: &mut Table, layer: Table, path: &str, place: &str) -> Result<(), ConfigError> {
    for (key, value) in layer {
        let whole = format!("{path}{key}");
        if FREE_TABLES.contains(&whole.as_str()) || FREE_LISTS.contains(&whole.as_str()) {
            base.insert(key, value);
            continue;
        }
        let Some(slot) = base.get_mut(&key) else {
            return Err(unknown_key(
                place,
                &format!("{path}{key}"),
                base.keys().map(|k| format!("{path}{k}")),
            ));
        };
        match (slot, value) {
            (Value::Table(inner), Value::Table(value)) => {
                merge(inner, value, &format!("{path}{key}."), place)?;
            }
            (Value::Float(slot), Value::Integer(value)) => *slot = value as f64,
            (slot, value) if slot.same_type(&value) => *slot = value,
            (slot, value) => return Err(wrong_type(place, &format!("{path}{key}"), slot, &value)),
        }
    }
    Ok(())
}

fn unknown_key(place: &str, key: &str, known: impl Iterator<Item = String>) -> ConfigError {
    let known: Vec<String> = known.collect();
    let best = nearest(key, known.iter().map(String::as_str));
    ConfigError {
        place: place.into(),
        message: format!("unknown setting `{key}`"),
        help: match best {
            Some(name) => format!("Did you mean `{name}`?"),
            None => "`meddah doctor --settings` lists all of them.".into(),
        },
    }
}

fn wrong_type(place: &str, key: &str, expected: &Value, found: &Value) -> ConfigError {
    ConfigError {
        place: place.into(),
        message: format!("`{key}` is a {}, not a {}", found.type_str(), expected.type_str()),
        help: format!("Write it like its default: `{key} = {expected}`."),
    }
}

/// Variables that are no settings: the data folder, and what scripts use.
const OTHER_VARIABLES: &[&str] = &["MEDDAH_DATA", "MEDDAH_BIN", "MEDDAH_URL"];
/// A list of folders, written as the system writes them in PATH; other lists have commas.
const PATHS_VARIABLE: &str = "MEDDAH_WORLDS";
/// Variables of tests begin with this.
const TEST_PREFIX: &str = "MEDDAH_TEST_";
/// Variables with keys begin with this. They are no settings: nothing here may hold a key.
pub const KEY_PREFIX: &str = "MEDDAH_KEY_";

/// Applies a variable. A name that is no setting is only warned of; a value that makes no sense is an error.
fn apply_variable(table: &mut Table, name: &str, text: &str) -> Result<Option<ConfigError>, ConfigError> {
    let others = name.starts_with(TEST_PREFIX) || name.starts_with(KEY_PREFIX);
    if !name.starts_with("MEDDAH_") || OTHER_VARIABLES.contains(&name) || others {
        return Ok(None);
    }
    let mut leaves = Vec::new();
    collect_leaves(table, "MEDDAH", &mut leaves);
    let Some(slot) = leaves.iter_mut().find(|(leaf, _)| leaf == name).map(|(_, slot)| slot) else {
        return Ok(Some(unknown_key("environment", name, leaves.into_iter().map(|(leaf, _)| leaf))));
    };
    let parsed = match slot {
        Value::String(_) => Some(Value::String(text.into())),
        Value::Array(_) if name == PATHS_VARIABLE => {
            let items = std::env::split_paths(text).map(|p| Value::String(p.display().to_string()));
            Some(Value::Array(items.collect()))
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Array(items.map(|item| Value::String(item.into())).collect()))
        }
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => match text {
            "1" | "true" | "yes" | "on" => Some(Value::Boolean(true)),
            "0" | "false" | "no" | "off" => Some(Value::Boolean(false)),
            _ => None,
        },
        _ => None,
    };
    let Some(parsed) = parsed else {
        return Err(wrong_type("environment", name, slot, &Value::String(text.into())));
    };
    **slot = parsed;
    Ok(None)
}

fn collect_leaves<'t>(table: &'t mut Table, prefix: &str, leaves: &mut Vec<(String, &'t mut Value)>) {
    for (key, value) in table.iter_mut() {
        let name = format!("{prefix}_{}", key.to_uppercase());
        match value {
            Value::Table(inner) => collect_leaves(inner, &name, leaves),
            leaf => leaves.push((name, leaf)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
        let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Settings::load(folder.path(), variables).map_err(|error| {
            error.to_string().replace(&folder.path().display().to_string(), "DATA").replace('\\', "/")
        })
    }

    #[test]
    fn defaults_load() {
        assert_eq!(check("", &[]).unwrap().port, meddah_protocol::DEFAULT_PORT);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = check("port = 1\n[local]\nthreads = 3", &[("MEDDAH_PORT", "2")]).unwrap();
        assert_eq!((settings.port, settings.local.threads), (2, 3));
        let origins = check("", &[("MEDDAH_ALLOWED_ORIGINS", "https://a.example, http://b:81")]).unwrap();
        assert_eq!(origins.allowed_origins, ["https://a.example", "http://b:81"]);
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_a_suggestion() {
        let error = check("[local]\nthread = 3", &[]).unwrap_err();
        assert_eq!(error, "DATA/meddah.toml: unknown setting `local.thread`. Did you mean `local.threads`?");
    }

    #[test]
    fn a_misspelt_variable_is_warned_of_and_does_not_keep_a_game_from_starting() {
        let others = [("MEDDAH_LOCAL_THREDS", "3"), ("MEDDAH_TEST_RUN", "x"), ("PATH", "/")];
        let warnings = check("", &others).unwrap().warnings;
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let expected =
            "environment: unknown setting `MEDDAH_LOCAL_THREDS`. Did you mean `MEDDAH_LOCAL_THREADS`?";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn keys_in_the_environment_are_no_settings() {
        let settings = check("", &[("MEDDAH_KEY_OPENAI", "sk-secret"), ("MEDDAH_KEYS", "file")]).unwrap();
        assert!(settings.warnings.is_empty() && settings.keys == KeyPlace::File);
        assert!(!format!("{settings:?}").contains("sk-secret"));
    }

    #[test]
    fn a_wrong_type_names_the_default() {
        let error = check("port = \"yes\"", &[]).unwrap_err();
        assert!(error.contains("`port` is a string, not a integer"), "{error}");
        assert!(check("port = 99999", &[]).is_err());
    }
}
