//! Who speaks and who listens, as the settings say: this PC, services elsewhere, or a ladder of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use meddah_inference::ErrorKind;
use meddah_inference::budget::Ledger;
use meddah_inference::http::Http;
use meddah_speech::cache::{CACHE_BYTES_DEFAULT, CachedSpeech, SpeechCache};
use meddah_speech::ladder::{
    LISTENING_PATIENCE_DEFAULT, ListeningLadder, ListeningRung, PATIENCE_DEFAULT, SpeechLadder, SpeechRung,
};
use meddah_speech::online::{OnlineSpeechConfig, known_services, open_listener, open_voice};
use meddah_speech::prices::{PaidListening, PaidSpeech, SpeechPrices, SpeechRates};
use meddah_speech::{LocalSpeech, SpeechError, SpeechErrorKind, SpeechToText, TextToSpeech};
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::warn;

use crate::budget;
use crate::config::Settings;
use crate::keys::{KeyStore, SetBy};
use crate::listening::local_listener;
use crate::paths::Paths;
use crate::suggestion::nearest;

/// This PC, in `speech.voices` and `speech.listeners`.
const LOCAL: &str = "local";

/// A service of speech with settings of its own: `[speech_services.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechServiceSettings {
    /// `openai`, `elevenlabs` and so on; another name with a `base_url` is taken to speak as OpenAI does.
    pub service: String,
    /// The model, in the service's words.
    pub model: String,
    /// Where it is, if not at the usual address.
    pub base_url: String,
    /// The name of its key, if not the service's.
    pub key: String,
    /// The voice of whoever has none of its own.
    pub voice: String,
    /// Our names of voices, and the service's.
    pub voices: BTreeMap<String, String>,
    /// What is spoken, as in `en`.
    pub language: String,
    /// How long the first sound may take before the next voice speaks; 0: the usual time.
    pub first_sound_ms: u64,
    /// Further fields of the request's body.
    pub options: Map<String, Value>,
}

/// What is needed to open them.
struct Opener<'s> {
    settings: &'s Settings,
    paths: &'s Paths,
    keys: Option<KeyStore>,
    ledger: Option<Arc<dyn Ledger>>,
    /// One for all: they share a folder and its limit.
    cache: Arc<SpeechCache>,
}

/// Everybody who speaks, in order; nobody if nobody is named.
///
/// # Errors
/// A name that nobody has. A service that cannot be used now (its key is missing) is left out with a warning.
pub fn voices(settings: &Settings, paths: &Paths) -> Result<Option<Arc<dyn TextToSpeech>>, SpeechError> {
    let mut opener = Opener::new(settings, paths);
    let mut rungs = Vec::new();
    for name in &settings.speech.voices {
        if name == LOCAL {
            let local = LocalSpeech::new(paths.models(), settings.speech.threads)?;
            rungs.push((name.clone(), Arc::new(local) as Arc<dyn TextToSpeech>, PATIENCE_DEFAULT));
            continue;
        }
        let service = opener.service("voices", name)?;
        match opener.voice(name, &service) {
            Ok(voice) => {
                let patience = match service.first_sound_ms {
                    0 => PATIENCE_DEFAULT,
                    ms => Duration::from_millis(ms),
                };
                rungs.push((name.clone(), voice, patience));
            }
            Err(error) => warn!("{name} does not speak: {} {}", error.message, error.help),
        }
    }
    if rungs.len() <= 1 {
        return Ok(rungs.pop().map(|(_, voice, _)| voice));
    }
    let rungs = rungs.into_iter().map(|(name, voice, patience)| SpeechRung::new(name, voice, patience));
    Ok(Some(Arc::new(SpeechLadder::new(rungs.collect()))))
}

/// Everybody who listens, in order; nobody if none can.
///
/// # Errors
/// A name that nobody has. A service that cannot be used now (its key is missing) is left out with a warning.
pub fn listener(settings: &Settings, paths: &Paths) -> Result<Option<Arc<dyn SpeechToText>>, SpeechError> {
    let mut opener = Opener::new(settings, paths);
    let mut rungs: Vec<(String, Arc<dyn SpeechToText>)> = Vec::new();
    for name in &settings.speech.listeners {
        if name == LOCAL {
            // Without a model games are told when they want to be heard.
            if let Ok(local) = local_listener(None, paths) {
                rungs.push((name.clone(), Arc::new(local)));
            }
            continue;
        }
        let service = opener.service("listeners", name)?;
        match opener.listener(name, &service) {
            Ok(listener) => rungs.push((name.clone(), listener)),
            Err(error) => warn!("{name} does not listen: {} {}", error.message, error.help),
        }
    }
    if rungs.len() <= 1 {
        return Ok(rungs.pop().map(|(_, listener)| listener));
    }
    let rung = |(name, listener)| ListeningRung::new(name, listener, LISTENING_PATIENCE_DEFAULT);
    Ok(Some(Arc::new(ListeningLadder::new(rungs.into_iter().map(rung).collect()))))
}

/// One voice by its name in `speech.voices`: a service, or a table of one.
///
/// # Errors
/// Nobody has this name, or it cannot be used now.
pub fn voice(name: &str, settings: &Settings, paths: &Paths) -> Result<Arc<dyn TextToSpeech>, SpeechError> {
    let mut opener = Opener::new(settings, paths);
    let service = opener.service("voices", name)?;
    opener.voice(name, &service)
}

impl<'s> Opener<'s> {
    fn new(settings: &'s Settings, paths: &'s Paths) -> Opener<'s> {
        let cache = Arc::new(SpeechCache::new(paths.spoken(), CACHE_BYTES_DEFAULT));
        Opener { settings, paths, keys: None, ledger: None, cache }
    }

    /// A service by its table, or in short: `elevenlabs`, `openai:gpt-4o-mini-tts`.
    fn service(&self, list: &str, name: &str) -> Result<SpeechServiceSettings, SpeechError> {
        if let Some(service) = self.settings.speech_services.get(name) {
            return Ok(service.clone());
        }
        let (service, model) = name.split_once(':').unwrap_or((name, ""));
        if known_services().iter().any(|known| known.name == service) {
            let (service, model) = (service.to_owned(), model.to_owned());
            return Ok(SpeechServiceSettings { service, model, ..SpeechServiceSettings::default() });
        }
        let own = self.settings.speech_services.keys().map(String::as_str);
        let known = own.chain([LOCAL]).chain(known_services().iter().map(|known| known.name));
        let meant = nearest(name, known.clone()).map(|best| format!("Did you mean {best:?}? "));
        let known: Vec<&str> = known.collect();
        Err(SpeechError::new(
            SpeechErrorKind::NotFound,
            format!("`speech.{list}` names {name:?}"),
            format!("{}Known are: {}.", meant.unwrap_or_default(), known.join(", ")),
        ))
    }

    fn voice(
        &mut self,
        name: &str,
        service: &SpeechServiceSettings,
    ) -> Result<Arc<dyn TextToSpeech>, SpeechError> {
        let voice = open_voice(self.config(service)?, http()?)?;
        let speaker = format!("{}/{}", service.service, voice.model());
        let rates = rates(name, &service.service, voice.model());
        let paid = PaidSpeech::new(Arc::new(voice), self.ledger(), rates);
        Ok(Arc::new(CachedSpeech::new(Arc::new(paid), self.cache.clone(), speaker)))
    }

    fn listener(
        &mut self,
        name: &str,
        service: &SpeechServiceSettings,
    ) -> Result<Arc<dyn SpeechToText>, SpeechError> {
        let listener = open_listener(self.config(service)?, http()?)?;
        let rates = rates(name, &service.service, &service.model);
        Ok(Arc::new(PaidListening::new(listener, self.ledger(), rates)))
    }

    fn config(&mut self, service: &SpeechServiceSettings) -> Result<OnlineSpeechConfig, SpeechError> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let known = known_services().iter().find(|known| known.name == service.service);
        let usual_url = known.map(|known| known.base_url).filter(|url| !url.is_empty());
        let usual_key = service.service.trim_end_matches("-socket");
        let key_name = if service.key.is_empty() { usual_key } else { &service.key };
        let url = given(&service.base_url).or_else(|| usual_url.map(str::to_owned));
        let key = match &url {
            Some(url) => {
                let found = self.keys()?.key_for(key_name, url, SetBy::Player, usual_url);
                found.map_err(|error| bad(error.to_string(), "Look at `meddah key list`."))?
            }
            None => None,
        };
        if key.is_none() && known.is_some_and(|known| known.needs_key) {
            return Err(bad(
                format!("{} needs a key", service.service),
                &format!("Set it with `meddah key set {key_name}`."),
            ));
        }
        Ok(OnlineSpeechConfig {
            service: service.service.clone(),
            base_url: given(&service.base_url),
            key,
            model: service.model.clone(),
            voice: given(&service.voice),
            voices: service.voices.clone(),
            language: given(&service.language),
            options: service.options.clone(),
        })
    }

    fn keys(&mut self) -> Result<&KeyStore, SpeechError> {
        if self.keys.is_none() {
            let opened = KeyStore::open(self.paths, self.settings);
            self.keys = Some(opened.map_err(|error| bad(error.to_string(), "Look at `meddah key list`."))?);
        }
        self.keys.as_ref().ok_or_else(|| bad("no keys".to_owned(), ""))
    }

    fn ledger(&mut self) -> Arc<dyn Ledger> {
        let (paths, settings) = (self.paths, self.settings);
        self.ledger.get_or_insert_with(|| budget::open_or_refuse(paths, settings)).clone()
    }
}

fn rates(source: &str, service: &str, model: &str) -> SpeechRates {
    let price = SpeechPrices::embedded().lookup(service, model);
    SpeechRates { source: source.to_owned(), model: model.to_owned(), price }
}

fn http() -> Result<Http, SpeechError> {
    Http::new().map_err(|error| {
        let kind = match error.kind {
            ErrorKind::Network => SpeechErrorKind::Network,
            _ => SpeechErrorKind::Broken,
        };
        SpeechError::new(kind, error.message, error.help)
    })
}

fn bad(message: String, help: &str) -> SpeechError {
    SpeechError::new(SpeechErrorKind::Unauthorized, message, help)
}
