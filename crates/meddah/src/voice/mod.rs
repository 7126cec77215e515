//! What characters sound like: voices of this PC or of a service, cast for each character, and what was spoken.
//!
//! [`speaker`](Voices::speaker) gives each turn its own voice; see [`speaker.rs`](self::speaker).

mod casting;
mod files;
mod form;
#[cfg(any(windows, target_os = "macos", feature = "devices"))]
mod loudspeaker;
#[cfg(any(windows, target_os = "macos", feature = "devices"))]
pub(crate) mod microphone;
mod mouth;
mod open;
mod player;
mod sounding;
mod speaker;
mod spoken;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use meddah_engine::world::World;
use meddah_protocol::{Audio, Event, EventKind, WireError};
use meddah_speech::{AudioFormat, Lexicon, SpeechError, SpeechRequest, TextToSpeech, Voice, VoiceSettings};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::{Settings, SpeechSettings};
use crate::paths::Paths;
use crate::sidecar::unguessable;
use crate::turn::{Turn, TurnEvents};

pub use casting::{cast, gender_of};
pub(crate) use files::{AudioFiles, AudioId};
pub use form::{AudioForm, Delivery, VisemeSet};
pub use open::{SpeechServiceSettings, listener, voice};
use player::Player;
pub use player::{HeardReport, LinePlayer, LineToPlay};
pub(crate) use sounding::Sounding;
pub(crate) use speaker::Speaker;
pub use spoken::{Sound, SpokenLines};

/// How long the list of voices is taken for true.
const LIST_AGE_MAX: Duration = Duration::from_secs(60);
/// How long anybody waits for that list.
const LIST_WAIT: Duration = Duration::from_secs(1);
/// What is kept of spoken lines where nobody said how much.
const SPOKEN_BYTES: usize = 64 * 1024 * 1024;

/// How names are said, by the id of the world, and as that world was then.
type Lexicons = BTreeMap<String, (Weak<World>, Arc<Lexicon>)>;

/// Everything that speaks, and what it said.
pub struct Voices {
    engine: Option<Arc<dyn TextToSpeech>>,
    /// What games may still fetch.
    pub spoken: SpokenLines,
    files: Option<AudioFiles>,
    list: Mutex<Option<(Instant, Arc<Vec<Voice>>)>>,
    lexicons: Mutex<Lexicons>,
    /// Plays lines here; opened by the first that is to be played.
    player: OnceLock<Result<Player, WireError>>,
    loudspeaker: String,
    tasks: TaskTracker,
}

impl Default for Voices {
    /// Nobody speaks.
    fn default() -> Self {
        Voices {
            engine: None,
            spoken: SpokenLines::new(SPOKEN_BYTES),
            files: None,
            list: Mutex::default(),
            lexicons: Mutex::default(),
            player: OnceLock::new(),
            loudspeaker: String::new(),
            tasks: TaskTracker::new(),
        }
    }
}

impl Voices {
    /// Speaks with this.
    pub fn new(engine: Arc<dyn TextToSpeech>, spoken_bytes_max: usize) -> Voices {
        let spoken = SpokenLines::new(spoken_bytes_max);
        Voices { engine: Some(engine), spoken, ..Voices::default() }
    }

    /// As the settings say.
    ///
    /// # Errors
    /// An entry of `speech.voices` that nobody is.
    pub fn open(settings: &Settings, paths: &Paths) -> Result<Voices, SpeechError> {
        let Some(engine) = open::voices(settings, paths)? else { return Ok(Voices::default()) };
        let SpeechSettings { memory_mb, loudspeaker, .. } = settings.speech.clone();
        let voices = Voices::new(engine, memory_mb.saturating_mul(1 << 20));
        Ok(Voices { loudspeaker, ..voices.with_files(paths.audio()) })
    }

    /// Puts files for games that open them into this folder.
    pub fn with_files(self, folder: PathBuf) -> Voices {
        Voices { files: Some(AudioFiles::new(folder)), ..self }
    }

    /// Plays lines with this where games cannot.
    pub fn with_player(self, device: Arc<dyn LinePlayer>) -> Voices {
        self.player.set(Ok(Player::new(device))).ok(); // these voices are new and have none
        self
    }

    /// Plays a line on this PC.
    ///
    /// # Errors
    /// There is no loudspeaker, or this build has no devices.
    pub(crate) fn play(&self, line: LineToPlay) -> Result<(), WireError> {
        self.player()?.add(line);
        Ok(())
    }

    /// Makes ready to play lines on this PC.
    ///
    /// # Errors
    /// There is no loudspeaker, or this build has no devices.
    pub fn open_loudspeaker(&self) -> Result<(), WireError> {
        self.player().map(|_| ())
    }

    fn player(&self) -> Result<&Player, WireError> {
        let opened = self.player.get_or_init(|| open_loudspeaker(&self.loudspeaker).map(Player::new));
        opened.as_ref().map_err(Clone::clone)
    }

    /// Waits until nothing more of this session is to be played here.
    pub async fn played(&self, session: &str) {
        if let Some(Ok(player)) = self.player.get() {
            player.played(session).await;
        }
    }

    /// Nothing more of this session is heard from the loudspeaker.
    pub(crate) fn stop_playing(&self, session: &str) {
        if let Some(Ok(player)) = self.player.get() {
            player.stop(session);
        }
    }

    /// Whoever speaks.
    pub fn engine(&self) -> Option<Arc<dyn TextToSpeech>> {
        self.engine.clone()
    }

    /// The voices, as they were listed last.
    pub fn list(&self) -> Arc<Vec<Voice>> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.as_ref().map(|(_, list)| list.clone()).unwrap_or_default()
    }

    /// Whether there is a voice of this name.
    pub fn is_voice(&self, name: &str) -> bool {
        self.list().iter().any(|voice| voice.name == name)
    }

    /// Makes ready while nobody waits, so that the first line comes sooner: the voice that most have is read.
    pub fn prepare_soon(self: &Arc<Self>) {
        let Some(engine) = self.engine.clone() else { return };
        self.tasks.spawn(async move {
            match engine.speak(SpeechRequest::default()).await {
                Ok(stream) => stream.for_each(|_| futures::future::ready(())).await,
                Err(error) => debug!(%error, "no voice is ready"),
            }
        });
    }

    /// Waits for what is being made ready.
    pub async fn shutdown(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Looks which voices there are, if that was not done lately.
    pub async fn list_voices(&self) {
        let Some(engine) = &self.engine else { return };
        let fresh = |list: &Option<(Instant, Arc<Vec<Voice>>)>| {
            list.as_ref().is_some_and(|(at, _)| at.elapsed() < LIST_AGE_MAX)
        };
        if fresh(&self.list.lock().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let Ok(list) = tokio::time::timeout(LIST_WAIT, engine.voices()).await else { return };
        let list = Arc::new(list);
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), list));
    }

    /// The voice of a turn, if the game wants to hear it and somebody can speak.
    pub(crate) fn speaker(self: &Arc<Self>, turn: &Turn, events: &TurnEvents) -> Option<Speaker> {
        let (form, engine) = (turn.audio?, self.engine.clone()?);
        let language = turn.language.as_deref().unwrap_or(&turn.world.language);
        Some(Speaker::begin(speaker::Part {
            voices: self.clone(),
            engine,
            form,
            settings: self.cast(&turn.character, language),
            lexicon: self.lexicon(&turn.world),
            id: unguessable().ok()?,
            events: events.clone(),
            accepted: turn.accepted,
            playback: turn.playback.clone().filter(|_| form.played_here),
            sounding: turn.sounding.clone(),
            thinking: turn.pick(&turn.character.voice.thinking).cloned(),
        }))
    }

    /// The voice of a character.
    pub fn cast(&self, character: &meddah_engine::world::Character, language: &str) -> VoiceSettings {
        cast(character, &self.list(), language)
    }

    /// How the names of a world are said.
    pub fn lexicon(&self, world: &Arc<World>) -> Arc<Lexicon> {
        let mut lexicons = self.lexicons.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, lexicon)) = lexicons.get(&world.id)
            && Weak::ptr_eq(of, &Arc::downgrade(world))
        {
            return lexicon.clone();
        }
        let entries = world.pronunciation.iter().map(|(name, sound)| (name.as_str(), sound.as_str()));
        // Mistakes are told when the pack is loaded.
        let lexicon = Arc::new(Lexicon::new(entries).unwrap_or_else(|error| {
            warn!(world = world.id, %error, "names are said by rules alone");
            Lexicon::default()
        }));
        lexicons.insert(world.id.clone(), (Arc::downgrade(world), lexicon.clone()));
        lexicon
    }

    /// Makes the file of a sound and says in the event where it is.
    async fn make(
        self: &Arc<Self>,
        id: &str,
        sound: &Arc<Sound>,
        form: &AudioForm,
        audio: &mut Audio,
    ) -> Result<(), SpeechError> {
        let AudioForm { format, sample_rate_hz, delivery, .. } = *form;
        let of = sound.clone();
        // Some formats take tens of milliseconds of a core.
        let made = tokio::task::spawn_blocking(move || of.file(format, sample_rate_hz));
        let file = made.await.map_err(SpeechError::broken)?.map_err(SpeechError::broken)?;
        let url = AudioId { id: id.to_owned(), format }.url();
        match (delivery, &self.files) {
            (Delivery::Path, Some(files)) => match files.write(id, format, file).await {
                Ok(path) => audio.path = Some(path),
                Err(error) => {
                    warn!(%error, "a sound file cannot be written, the game can fetch it");
                    audio.url = Some(url);
                }
            },
            (Delivery::Data, _) => (audio.url, audio.data) = (Some(url), Some(String::new())),
            (Delivery::Frames, _) => (audio.url, audio.frame) = (Some(url), true),
            (Delivery::Url | Delivery::Path, _) => audio.url = Some(url),
        }
        Ok(())
    }

    /// The file of a sound, by the last part of its address: `ID.wav`. Takes a while for some formats.
    pub fn file(&self, name: &str, rate_hz: Option<u32>) -> Option<(AudioFormat, Arc<[u8]>)> {
        let AudioId { id, format } = AudioId::of_file(name)?;
        let file = self.spoken.find(&id)?.file(format, rate_hz).ok()?;
        Some((format, file))
    }

    /// The file at an address that an `audio` event named, as it was asked for.
    pub fn file_at(&self, url: &str) -> Option<(AudioFormat, Arc<[u8]>)> {
        self.file(AudioId::name_in(url), None)
    }

    /// What a binary frame behind this event holds, if it asks for one.
    pub fn frame(&self, event: &Event) -> Option<Arc<[u8]>> {
        let EventKind::Audio(Audio { frame: true, url: Some(url), sample_rate_hz, .. }) = &event.kind else {
            return None;
        };
        self.file(AudioId::name_in(url), Some(*sample_rate_hz)).map(|(_, file)| file)
    }

    /// Puts the sound itself into events that are to have it. In the log there is only where it is, so that thousands
    /// of events stay small.
    pub fn fill(&self, events: &mut [Event]) {
        for event in events {
            let EventKind::Audio(audio) = &mut event.kind else { continue };
            if audio.data.as_deref() != Some("") {
                continue;
            }
            let name = AudioId::name_in(audio.url.as_deref().unwrap_or_default());
            match self.file(name, Some(audio.sample_rate_hz)) {
                Some((_, file)) => (audio.data, audio.url) = (Some(BASE64.encode(&file)), None),
                None => audio.data = None, // it is gone; who fetches it is told so
            }
        }
    }
}

#[cfg(any(windows, target_os = "macos", feature = "devices"))]
fn open_loudspeaker(name: &str) -> Result<Arc<dyn LinePlayer>, WireError> {
    loudspeaker::open(Some(name).filter(|name| !name.is_empty()))
}

#[cfg(not(any(windows, target_os = "macos", feature = "devices")))]
fn open_loudspeaker(_: &str) -> Result<Arc<dyn LinePlayer>, WireError> {
    Err(no_devices())
}

/// This build leaves loudspeakers and microphones to games.
#[cfg(not(any(windows, target_os = "macos", feature = "devices")))]
pub(crate) fn no_devices() -> WireError {
    WireError::new(meddah_protocol::ErrorCode::Unsupported, "this build has no loudspeaker and no microphone")
        .with_help("Build it with `--features devices`, or let the game play and record.")
}

/// Whether this build has loudspeakers and microphones.
#[cfg(any(windows, target_os = "macos", feature = "devices"))]
pub(crate) fn check_devices() -> Result<(), WireError> {
    Ok(())
}

#[cfg(not(any(windows, target_os = "macos", feature = "devices")))]
pub(crate) fn check_devices() -> Result<(), WireError> {
    Err(no_devices())
}
