//! Rungs as the player writes them: `[rungs.NAME]` tables, and the short form `provider:model`.

use std::collections::BTreeMap;

use meddah_inference::{ErrorKind, ModelError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::hosts;
use crate::suggestion::nearest;

/// A model or service of the ladder.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RungSettings {
    /// `local`, or a provider of online models: `openai`, `anthropic`, `ollama` and so on.
    pub provider: String,
    /// Instead of a provider: a character service.
    pub service: String,
    /// The model, in the provider's words; for `local` an installed name or a file.
    pub model: String,
    /// Where it is, if not at the provider's usual address.
    pub base_url: String,
    /// The name of its key, if not the provider's.
    pub key: String,
    /// Tokens of prompt and reply together; 0: what is known of the model.
    pub context_tokens: u32,
    /// How actions are asked for: `auto`, `tools`, `schema` or `lines`.
    pub actions: String,
    /// Patience in milliseconds; 0: as in `[online]`.
    pub first_token_ms: u64,
    pub stall_ms: u64,
    /// Further headers of requests. Not for keys.
    pub headers: BTreeMap<String, String>,
    /// Further fields of the request's body.
    pub extra: Map<String, Value>,
    /// For services: our character to theirs; `*` is everybody.
    pub characters: BTreeMap<String, String>,
    /// For services: further settings.
    pub options: Map<String, Value>,
    /// What it costs, if the table of models does not know it or is wrong.
    pub price: Option<PriceSettings>,
}

/// Prices as decimal numbers, in the currency of the budget.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// Per million tokens.
    pub input: String,
    /// Per million tokens that the provider had in its cache.
    pub cached_input: String,
    /// Per million tokens.
    pub output: String,
    /// Per exchange with a character service.
    pub exchange: String,
}

/// The provider that is this PC.
pub const LOCAL: &str = "local";
/// Somebody's `meddah host`; what stands behind the colon is where it is.
pub const HOST: &str = "host";
/// The double for tests.
pub const SCRIPTED: &str = "scripted";

/// A rung by its name: one of the settings, `provider:model`, or a local model's name or file.
pub fn resolve(
    name: &str,
    rungs: &BTreeMap<String, RungSettings>,
    providers: &[&str],
) -> Result<RungSettings, ModelError> {
    if let Some(settings) = rungs.get(name) {
        return checked(&format!("[rungs.{name}]"), settings.clone());
    }
    if name == LOCAL {
        return Ok(RungSettings { provider: LOCAL.into(), ..RungSettings::default() });
    }
    // A file on drive C is no model of a provider C.
    let short = name
        .split_once(':')
        .filter(|(provider, _)| *provider == SCRIPTED || *provider == LOCAL || providers.contains(provider));
    let (provider, model) = match short {
        Some(short) => short,
        None if is_local(name) => (LOCAL, name),
        None => return Err(unknown_rung(name, rungs, providers)),
    };
    if provider == HOST {
        return host(model);
    }
    Ok(RungSettings { provider: provider.into(), model: model.into(), ..RungSettings::default() })
}

/// A host has an address instead of a model, and a key of its own.
fn host(address: &str) -> Result<RungSettings, ModelError> {
    let bad = |message: String, help: &str| ModelError::new(ErrorKind::BadRequest, message).with_help(help);
    if address.contains("/join/") {
        return Err(bad(
            "an invite link is no rung yet".into(),
            "Join with `meddah join LINK` once; it puts the host into the ladder.",
        ));
    }
    let key = hosts::key_name(address).map_err(|error| {
        bad(format!("{address:?} is no address of a host: {error}"), "Write host:https://talk.example.org.")
    })?;
    Ok(RungSettings { provider: HOST.into(), base_url: address.to_owned(), key, ..RungSettings::default() })
}

/// A model of this PC is a file, or a name without a provider in front. Drives have one letter.
fn is_local(name: &str) -> bool {
    let provider = name.split_once(':').map_or("", |(provider, _)| provider);
    provider.len() <= 1 || name.ends_with(".gguf") || std::path::Path::new(name).is_file()
}

fn unknown_rung(name: &str, rungs: &BTreeMap<String, RungSettings>, providers: &[&str]) -> ModelError {
    let provider = name.split_once(':').map_or(name, |(provider, _)| provider);
    let known = rungs.keys().map(String::as_str).chain(providers.iter().copied());
    let meant = nearest(provider, known).map_or(String::new(), |best| format!("; did you mean {best:?}?"));
    ModelError::new(ErrorKind::BadRequest, format!("there is no provider {provider:?}{meant}"))
        .with_help(format!("Write provider:model. Providers are local, {}.", providers.join(", ")))
}

/// Settings of a rung that says what it is.
pub(super) fn checked(place: &str, settings: RungSettings) -> Result<RungSettings, ModelError> {
    let bad =
        |message: String, help: &str| Err(ModelError::new(ErrorKind::BadRequest, message).with_help(help));
    match (settings.provider.is_empty(), settings.service.is_empty()) {
        (true, true) => bad(
            format!("{place} names neither a provider nor a service"),
            "Write for example `provider = \"openai\"` or `provider = \"local\"`.",
        ),
        (false, false) => bad(
            format!("{place} names a provider and a service"),
            "Keep one of them; the other can be a rung of its own.",
        ),
        _ => Ok(settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_is_a_table_a_provider_with_a_model_or_a_local_model() {
        let cloud = RungSettings { provider: "groq".into(), model: "m".into(), ..RungSettings::default() };
        let rungs =
            BTreeMap::from([("cloud".to_owned(), cloud), ("bad".to_owned(), RungSettings::default())]);
        let resolved = |name: &str| {
            let rung = resolve(name, &rungs, &["openai", "ollama"]);
            rung.map(|rung| (rung.provider, rung.model)).map_err(|error| error.message)
        };
        let is = |provider: &str, model: &str| Ok((provider.to_owned(), model.to_owned()));
        assert_eq!(resolved("cloud"), is("groq", "m"));
        assert_eq!(resolved("local"), is("local", ""));
        assert_eq!(resolved("local:tiny"), is("local", "tiny"));
        assert_eq!(resolved("ollama:qwen3:4b"), is("ollama", "qwen3:4b"));
        assert_eq!(resolved("C:\\models\\a.gguf"), is("local", "C:\\models\\a.gguf"));
        assert_eq!(resolved("smollm2"), is("local", "smollm2"));
        assert_eq!(
            resolved("opnai:m").unwrap_err(),
            "there is no provider \"opnai\"; did you mean \"openai\"?"
        );
        assert_eq!(resolved("bad").unwrap_err(), "[rungs.bad] names neither a provider nor a service");
    }
}
