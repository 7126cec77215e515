//! Speech through services: theirs speak and listen behind the same ports as those of this PC.
//!
//! A service's adapter says what is asked and what an answer means, one file each. What they have in common is written
//! once: `server` asks and reads refusals, `reader` and `sound` take answers apart, `words` and `times` make marks of
//! whatever is told about time, `line` makes pieces of it all, and `voice` is the port. `listening` is for ears.
//!
//! Lexicons do not reach services; they only help a mouth to move as a name should sound.

mod cartesia;
mod elevenlabs;
mod fault;
mod inworld;
mod line;
mod listening;
mod loudness;
mod openai;
mod player2;
mod reader;
mod server;
mod sound;
mod times;
mod voice;
mod words;
mod xtts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use meddah_inference::Key;
use meddah_inference::http::Http;
use serde_json::{Map, Value};

pub(crate) use fault::for_breaker;
pub use voice::OnlineVoice;

use self::server::Server;
use self::voice::Dialect;
use crate::{SpeechError, SpeechErrorKind, SpeechToText};

/// A service that speaks or listens, as a player's settings say it.
#[derive(Clone, Default)]
pub struct OnlineSpeechConfig {
    /// One of [`known_services`], or another name with a `base_url`, which is then taken to speak as OpenAI does.
    pub service: String,
    /// Another address than the usual one.
    pub base_url: Option<String>,
    /// The account's key.
    pub key: Option<Key>,
    /// The model, as the service calls it; empty for the usual one.
    pub model: String,
    /// The voice that speaks where no other is asked for.
    pub voice: Option<String>,
    /// Names of the player's own, and what the service calls those voices.
    pub voices: BTreeMap<String, String>,
    /// What is spoken, as in `en`; the service's own choice if there is none, and English for mouths.
    pub language: Option<String>,
    /// Merged into the body of each request.
    pub options: Map<String, Value>,
}

impl fmt::Debug for OnlineSpeechConfig {
    /// Without what options hold: people put keys there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnlineSpeechConfig")
            .field("service", &self.service)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .field("model", &self.model)
            .field("voice", &self.voice)
            .field("voices", &self.voices)
            .field("language", &self.language)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What is known of a service without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// The word for [`OnlineSpeechConfig::service`].
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Its usual address; empty if it has none.
    pub base_url: &'static str,
    version: &'static str,
    /// The model that is asked where none is named.
    pub model: &'static str,
    /// Name of its key; empty if it needs none.
    pub key_name: &'static str,
    /// Whether it needs one.
    pub needs_key: bool,
    key_header: (&'static str, &'static str),
    headers: &'static [(&'static str, &'static str)],
    /// An option that goes into a header of every request.
    option_header: Option<(&'static str, &'static str)>,
    /// Whether it costs money.
    pub paid: bool,
    /// Whether it can speak.
    pub speaks: bool,
    /// Whether it can listen.
    pub listens: bool,
}

const BEARER: (&str, &str) = ("authorization", "Bearer ");

/// One of the player's own; the others differ from it.
const OWN: KnownService = KnownService {
    name: "openai-compatible",
    title: "",
    base_url: "",
    version: "v1",
    model: "",
    key_name: "",
    needs_key: false,
    key_header: BEARER,
    headers: &[],
    option_header: None,
    paid: false,
    speaks: true,
    listens: true,
};

const PAID: KnownService = KnownService { needs_key: true, paid: true, ..OWN };

const KNOWN: [KnownService; 11] = [
    KnownService {
        name: "openai",
        title: "OpenAI",
        base_url: "https://api.openai.com/v1",
        model: "gpt-4o-mini-tts",
        key_name: "OPENAI_API_KEY",
        ..PAID
    },
    OWN,
    KnownService {
        name: "kokoro",
        title: "Kokoro-FastAPI",
        base_url: "http://127.0.0.1:8880",
        version: "",
        model: "kokoro",
        listens: false,
        ..OWN
    },
    KnownService {
        name: "elevenlabs",
        title: "ElevenLabs",
        base_url: "https://api.elevenlabs.io/v1",
        model: "eleven_flash_v2_5",
        key_name: "ELEVENLABS_API_KEY",
        key_header: ("xi-api-key", ""),
        ..PAID
    },
    KnownService {
        name: "elevenlabs-socket",
        title: "ElevenLabs",
        base_url: "https://api.elevenlabs.io/v1",
        model: "eleven_flash_v2_5",
        key_name: "ELEVENLABS_API_KEY",
        key_header: ("xi-api-key", ""),
        listens: false,
        ..PAID
    },
    KnownService {
        name: "inworld",
        title: "Inworld",
        base_url: "https://api.inworld.ai",
        version: "",
        model: "inworld-tts-1.5-mini",
        key_name: "INWORLD_API_KEY",
        key_header: ("authorization", "Basic "),
        ..PAID
    },
    KnownService {
        name: "cartesia",
        title: "Cartesia",
        base_url: "https://api.cartesia.ai",
        version: "",
        model: "sonic-3",
        key_name: "CARTESIA_API_KEY",
        key_header: ("x-api-key", ""),
        headers: &[("cartesia-version", "2025-04-16")],
        listens: false,
        ..PAID
    },
    KnownService {
        name: "player2",
        title: "Player2",
        base_url: "http://127.0.0.1:4315/v1",
        key_name: "PLAYER2_KEY",
        option_header: Some(("game_id", "player2-game-key")),
        needs_key: false,
        listens: false,
        ..PAID
    },
    KnownService {
        name: "xtts",
        title: "XTTS",
        base_url: "http://127.0.0.1:8020",
        version: "",
        listens: false,
        ..OWN
    },
    KnownService {
        name: "groq",
        title: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        version: "openai/v1",
        model: "whisper-large-v3-turbo",
        key_name: "GROQ_API_KEY",
        speaks: false,
        ..PAID
    },
    KnownService {
        name: "deepgram",
        title: "Deepgram",
        base_url: "https://api.deepgram.com/v1",
        model: "nova-3",
        key_name: "DEEPGRAM_API_KEY",
        key_header: ("authorization", "Token "),
        speaks: false,
        ..PAID
    },
];

/// All services.
pub fn known_services() -> &'static [KnownService] {
    &KNOWN
}

impl KnownService {
    fn title_or<'a>(&self, other: &'a str) -> &'a str {
        if self.title.is_empty() { other } else { self.title }
    }
}

/// The service of this name, or how one of the player's own is spoken to.
fn known(config: &OnlineSpeechConfig) -> Result<KnownService, SpeechError> {
    let found = KNOWN.iter().find(|known| known.name == config.service);
    found.copied().or_else(|| config.base_url.is_some().then_some(OWN)).ok_or_else(|| {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        SpeechError::new(
            SpeechErrorKind::NotFound,
            format!("no service of speech is called {:?}", config.service),
            format!("Give its base_url, or use one of: {}.", names.join(", ")),
        )
    })
}

/// Opens a voice. Sends nothing.
///
/// # Errors
/// `NotFound` for a service that is not known and has no address or does not speak, `Unauthorized` for a missing key,
/// `BadRequest` for an address that is none or a key that would go in the open.
pub fn open_voice(config: OnlineSpeechConfig, http: Http) -> Result<OnlineVoice, SpeechError> {
    let known = known(&config)?;
    let own_server = config.base_url.is_some() || known == OWN;
    let dialect: Box<dyn Dialect> = match known.name {
        "kokoro" => Box::new(openai::Captioned),
        "elevenlabs" => Box::new(elevenlabs::ElevenLabs { socket: false }),
        "elevenlabs-socket" => Box::new(elevenlabs::ElevenLabs { socket: true }),
        "inworld" => Box::new(inworld::Inworld),
        "cartesia" => Box::new(cartesia::Cartesia),
        "player2" => Box::new(player2::Player2),
        "xtts" => Box::<xtts::Xtts>::default(),
        _ if known.speaks => Box::new(openai::Speech { own_server }),
        _ => return Err(cannot(&known, "speak", |known| known.speaks)),
    };
    let server = Server::new(&config, &known, http)?;
    Ok(OnlineVoice::new(config, server, dialect))
}

/// Opens a listener. Sends nothing.
///
/// # Errors
/// As [`open_voice`].
pub fn open_listener(config: OnlineSpeechConfig, http: Http) -> Result<Arc<dyn SpeechToText>, SpeechError> {
    let known = known(&config)?;
    if !known.listens {
        return Err(cannot(&known, "listen", |known| known.listens));
    }
    let known = KnownService { model: listening::model(&known), ..known };
    listening::open(known.name, Server::new(&config, &known, http)?)
}

fn cannot(known: &KnownService, what: &str, can: fn(&KnownService) -> bool) -> SpeechError {
    let names: Vec<&str> = KNOWN.iter().filter(|known| can(known)).map(|known| known.name).collect();
    SpeechError::new(
        SpeechErrorKind::NotFound,
        format!("{} does not {what}", known.title_or(known.name)),
        format!("Use one of: {}.", names.join(", ")),
    )
}

#[cfg(test)]
mod tests;
