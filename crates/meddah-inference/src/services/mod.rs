//! Character services, one file each: programs elsewhere that play a character by themselves.
//!
//! An adapter speaks one service's protocol and turns its reply into [`Chunk`](crate::Chunk)s. What all of
//! them share stands beside them: `reply` carries the chunks, `sessions` keeps the service's session of each
//! conversation, `actions` and `emotions` put the service's words into the caller's, `line` and `fault` ask
//! and read refusals.

mod actions;
mod charisma;
mod convai;
mod emotions;
mod fault;
mod inworld;
mod line;
pub mod player2;
mod reply;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::Http;
use crate::service::Heard;
use crate::{CharacterService, ErrorKind, Key, ModelError};

/// Which service plays which characters, as a player's settings say it.
#[derive(Clone, Debug, Default)]
pub struct ServiceConfig {
    /// What the player calls it; names it in timings and notices.
    pub name: String,
    /// One of [`known`].
    pub service: String,
    /// Another address than the usual one.
    pub base_url: Option<String>,
    /// The account's key.
    pub key: Option<Key>,
    /// Our character's id → the service's; `*` stands for everybody else.
    pub characters: BTreeMap<String, String>,
    /// Further settings of this service; an unknown one is an error.
    pub options: Map<String, Value>,
}

/// What is known of a service without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// The word for [`ServiceConfig::service`].
    pub name: &'static str,
    /// Its usual address; empty if there is none any more.
    pub base_url: &'static str,
    /// Whether it may cost money.
    pub paid: bool,
    /// Name of its key; empty if it needs none.
    pub key_name: &'static str,
}

const KNOWN: [KnownService; 4] = [
    KnownService { name: "charisma", base_url: charisma::URL, paid: true, key_name: "CHARISMA_API_KEY" },
    KnownService { name: "convai", base_url: convai::STREAM_URL, paid: true, key_name: "CONVAI_API_KEY" },
    KnownService { name: "player2", base_url: player2::LOCAL_URL, paid: true, key_name: "PLAYER2_KEY" },
    KnownService { name: "inworld", base_url: "", paid: true, key_name: "" },
];

/// All services, those that were shut down among them.
pub fn known() -> &'static [KnownService] {
    &KNOWN
}

/// Sets a service up; asks nobody yet.
///
/// # Errors
/// `NotFound` for a service that does not exist (any more), `Unauthorized` for a missing key, `BadRequest`
/// for settings that do not fit; each says what to write instead.
pub fn open(config: ServiceConfig, http: Http) -> Result<Arc<dyn CharacterService>, ModelError> {
    match config.service.as_str() {
        "charisma" => Ok(Arc::new(charisma::Charisma::open(config, http)?)),
        "convai" => Ok(Arc::new(convai::Convai::open(config, http)?)),
        "player2" => Ok(Arc::new(player2::Player2::open(config, http)?)),
        "inworld" => Err(inworld::retired()),
        other => {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            Err(ModelError::new(ErrorKind::NotFound, format!("there is no service {other:?}"))
                .with_help(format!("Use one of: {}.", names.join(", "))))
        }
    }
}

/// The options as a service's own type; unknown ones are errors that name what there is.
fn options_of<T: DeserializeOwned>(config: &ServiceConfig) -> Result<T, ModelError> {
    serde_json::from_value(Value::Object(config.options.clone())).map_err(|error| {
        ModelError::new(ErrorKind::BadRequest, format!("service {:?}: {error}", config.name))
            .with_help("See docs/guide/services.md for the settings of each service.")
    })
}

/// Our characters' ids at a service.
struct Characters {
    service: &'static str,
    ids: BTreeMap<String, String>,
}

impl Characters {
    fn new(service: &'static str, ids: BTreeMap<String, String>) -> Characters {
        Characters { service, ids }
    }

    /// The service's id of this character, or of everybody.
    fn find(&self, character: &str) -> Option<&str> {
        let id = self.ids.get(character).or_else(|| self.ids.get("*"));
        id.map(|id| id.trim()).filter(|id| !id.is_empty())
    }

    fn id_of(&self, character: &str) -> Result<&str, ModelError> {
        self.find(character).ok_or_else(|| {
            let service = self.service;
            let message = format!("nobody at {service} plays {character:?}");
            ModelError::new(ErrorKind::UnknownModel, message).with_help(format!(
                "Add {character} = \"ID AT {}\" (or * for all) to the characters of this service.",
                service.to_uppercase()
            ))
        })
    }
}

/// What was heard, as one line of text; what happened stands between asterisks.
fn spoken(heard: &Heard) -> String {
    match heard {
        Heard::Said(text) => text.clone(),
        Heard::Happened(text) => format!("*{text}*"),
    }
}
