//! A talk between the player of a mod and one character: a session of ours, followed in the words that relay
//! protocols have.
//!
//! Those protocols cannot say that something failed. So whatever happens, a reply has words: what the
//! character said, else what it says when no model answers, else what is wrong and what to do about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use meddah_engine::emotion::EmotionLabel;
use meddah_protocol::{
    Capabilities, Command, ErrorCode, Event, EventKind, Finish, Hello, Listen, Player, Say, Scene,
    TEXT_BYTES_MAX, WireError, WorldEvent,
};
use tracing::warn;

use super::wording;
use crate::session::Session;
use crate::transport::App;

/// Rest before a failed look at the events is repeated.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A word between the lines, in characters: games have little room.
const ASIDE_CHARS_MAX: usize = 300;

/// With whom, where and as whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Partner {
    pub game: &'static str,
    pub world: String,
    pub character: String,
    pub player: Player,
    /// The moment, for the first words.
    pub scene: Option<Scene>,
    /// In what form the mod takes sound, if it does.
    pub capabilities: Capabilities,
}

/// What a mod is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// Comes before the first piece of the reply.
    Feeling(EmotionLabel),
    /// The next piece. Pieces are put behind each other as they are: all but the first begin with a blank.
    Piece(String),
    /// The next piece of sound, in Base64.
    Sound(String),
    /// What the player was understood to say aloud.
    Heard(String),
    /// The character does something.
    Action(String),
    /// The reply is over. A reply that was cut off does not end so.
    Over(Over),
}

/// All of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Over {
    pub words: String,
    /// The sounds of it, in signs of the IPA, if the mod asked for them.
    pub sounds: String,
}

/// The talks of a face that are open. Who talks with the same character again has come back after a break: what
/// was broken off is written down first, or it would be missing in what the character remembers.
#[derive(Default)]
pub(super) struct Talks {
    open: Mutex<HashMap<TalkKey, Arc<Session>>>,
}

/// World, player, character.
type TalkKey = (String, String, String);

impl Talks {
    async fn open(&self, app: &App, partner: &Partner) -> Result<Arc<Session>, WireError> {
        let former = self.lock().get(&partner.key()).cloned();
        if let Some(former) = former {
            former.close(Duration::ZERO).await;
            app.sidecar.close_session(&former.id).await.ok(); // its own connection may be first
        }
        let hello = Hello {
            game: partner.game.to_owned(),
            world: partner.world.clone(),
            player: partner.player.clone(),
            capabilities: partner.capabilities.clone(),
            ..Hello::default()
        };
        let session = app.sidecar.open_session(hello).await?;
        self.lock().insert(partner.key(), session.clone());
        Ok(session)
    }

    async fn close(&self, app: &App, partner: &Partner, session: &Session) {
        app.sidecar.close_session(&session.id).await.ok(); // it may have ended for lack of use
        let mut open = self.lock();
        if open.get(&partner.key()).is_some_and(|other| other.id == session.id) {
            open.remove(&partner.key());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TalkKey, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sound as these mods take it: numbers of 16 bits without a head, in pieces.
pub(super) fn sound_at(rate_hz: u32) -> Capabilities {
    Capabilities {
        audio: vec!["pcm".to_owned()],
        audio_as: "data".to_owned(),
        audio_parts: true,
        sample_rate_hz: Some(rate_hz),
        ..Capabilities::default()
    }
}

impl Partner {
    fn key(&self) -> TalkKey {
        (self.world.clone(), self.player.id.clone(), self.character.clone())
    }
}

/// One talk.
pub(super) struct Conversation {
    app: Arc<App>,
    talks: Arc<Talks>,
    pub partner: Partner,
    session: Arc<Session>,
    cursor: u64,
    replies: BTreeMap<String, Reply>,
}

/// What has come of a reply.
#[derive(Default)]
struct Reply {
    felt: bool,
    words: String,
    sounds: String,
    /// Told, not spoken. Shown only where nothing is spoken.
    told: Vec<String>,
    acted: bool,
}

impl Conversation {
    /// Begins a talk; the character remembers earlier ones.
    pub async fn open(
        app: &Arc<App>,
        talks: &Arc<Talks>,
        partner: Partner,
    ) -> Result<Conversation, WireError> {
        let world = app.sidecar.worlds.find(&partner.world).ok();
        if world.is_none_or(|world| !world.characters.contains_key(&partner.character)) {
            return Err(WireError::new(ErrorCode::UnknownCharacter, "there is no such character"));
        }
        let session = talks.open(app, &partner).await?;
        Ok(Conversation {
            app: app.clone(),
            talks: talks.clone(),
            partner,
            session,
            cursor: 0,
            replies: BTreeMap::new(),
        })
    }

    /// The player says something. Whoever still speaks is cut off.
    pub async fn say(&mut self, text: &str) -> Result<(), WireError> {
        let text = within(text.trim(), TEXT_BYTES_MAX);
        if text.is_empty() {
            return Ok(());
        }
        self.ready().await?;
        self.session.command(Command::Interrupt { turn: None }).await?;
        let say = Say {
            to: self.partner.character.clone(),
            text: text.to_owned(),
            scene: self.partner.scene.take(),
            ..Say::default()
        };
        self.session.command(Command::Say(say)).await.map(|_| ())
    }

    /// The player speaks: a piece of what the microphone hears, 16 bits at this rate. The first opens the ears.
    pub async fn hear(&mut self, sound: Bytes, rate_hz: u32) -> Result<(), WireError> {
        if !self.session.can_hear() {
            return Ok(());
        }
        self.ready().await?;
        if !self.session.is_listening() {
            let listen = Listen {
                to: self.partner.character.clone(),
                format: Some("pcm".to_owned()),
                sample_rate_hz: Some(rate_hz),
                open: true,
                ..Listen::default()
            };
            self.session.command(Command::Listen(listen)).await?;
        }
        self.session.hear(sound)
    }

    /// The player holds the key to speak: this PC records until [`Conversation::stop_recording`].
    pub async fn record(&mut self) -> Result<(), WireError> {
        self.ready().await?;
        let to = self.partner.character.clone();
        self.session.command(Command::Listen(Listen { to, microphone: true, ..Listen::default() })).await?;
        Ok(())
    }

    /// The key was let go.
    pub async fn stop_recording(&mut self) -> Result<(), WireError> {
        self.session.command(Command::Listen(Listen { end: true, ..Listen::default() })).await.map(|_| ())
    }

    /// Something happened, and the character says what it thinks of it.
    pub async fn remark(&mut self, text: &str) -> Result<(), WireError> {
        self.ready().await?;
        let event = WorldEvent {
            text: within(text, TEXT_BYTES_MAX).to_owned(),
            witnesses: Some(vec![self.partner.character.clone()]),
            to: Some(self.partner.character.clone()),
            react: true,
            ..WorldEvent::default()
        };
        self.session.command(Command::Event(event)).await.map(|_| ())
    }

    /// What comes next; nothing if nothing comes for `wait`. Dropping the future loses nothing.
    pub async fn next(&mut self, wait: Duration) -> Vec<Said> {
        let events = match self.session.events.wait_after(self.cursor, wait).await {
            Ok(events) => events,
            Err(_) => {
                // So far behind that events are lost; what comes now is what matters.
                self.cursor = self.session.events.cursor();
                tokio::time::sleep(LOOK_AGAIN).await;
                return Vec::new();
            }
        };
        if events.is_empty() && self.session.events.is_closed() {
            tokio::time::sleep(wait).await; // opened again when the player says something
        }
        self.cursor = events.last().map_or(self.cursor, |event| event.seq);
        events.into_iter().flat_map(|event| self.told(event)).collect()
    }

    /// Ends the talk; who still speaks falls silent.
    pub async fn close(self) {
        self.talks.close(&self.app, &self.partner, &self.session).await;
    }

    /// Whether the session is over because the program ends.
    pub fn is_over(&self) -> bool {
        self.session.events.is_closed() && self.app.stop.is_cancelled()
    }

    /// A session that was closed for lack of use, or for another connection, is opened again: the mod knows of none.
    async fn ready(&mut self) -> Result<(), WireError> {
        self.app.check_running()?;
        if self.session.events.is_closed() {
            self.session = self.talks.open(&self.app, &self.partner).await?;
            self.cursor = 0;
            self.replies.clear();
        }
        Ok(())
    }

    fn told(&mut self, event: Event) -> Vec<Said> {
        if let EventKind::Transcript { text, is_final: true } = event.kind {
            return vec![Said::Heard(text)];
        }
        let Some(turn) = event.turn else { return Vec::new() };
        let reply = self.replies.entry(turn.clone()).or_default();
        match event.kind {
            EventKind::Emotion { label, .. } => {
                reply.felt = true;
                vec![Said::Feeling(label.parse().unwrap_or_default())]
            }
            EventKind::Line { text, narration: false, .. } => reply.piece(text),
            EventKind::Line { text, narration: true, .. } => {
                reply.told.push(text);
                Vec::new()
            }
            EventKind::Audio(audio) => {
                reply.sounds.extend(audio.visemes.iter().map(|sound| sound.viseme.as_str()));
                audio.data.into_iter().filter(|data| !data.is_empty()).map(Said::Sound).collect()
            }
            EventKind::Action { name, .. } => {
                reply.acted = true;
                vec![Said::Action(name)]
            }
            EventKind::TurnEnded { finish, error, .. } => {
                let reply = self.replies.remove(&turn).unwrap_or_default();
                self.end(reply, finish, error)
            }
            _ => Vec::new(),
        }
    }

    fn end(&self, mut reply: Reply, finish: Finish, error: Option<WireError>) -> Vec<Said> {
        if finish == Finish::Interrupted {
            return Vec::new();
        }
        let mut said = Vec::new();
        if let Some(error) = &error {
            warn!(code = ?error.code, "a reply failed: {} {}", error.message, error.help);
        }
        if reply.words.is_empty() && !reply.told.is_empty() {
            let told = reply.told.join(" ");
            said.extend(reply.piece(told));
        }
        if reply.words.is_empty() && !(reply.acted && finish == Finish::Complete) {
            said.extend(reply.piece(self.instead(error.as_ref())));
        }
        said.push(Said::Over(Over { words: reply.words, sounds: reply.sounds }));
        said
    }

    /// The words for a reply that has none.
    fn instead(&self, error: Option<&WireError>) -> String {
        if let Some(error) = error.filter(|error| is_for_the_player(error)) {
            return aside(error);
        }
        let world = self.app.sidecar.worlds.find(&self.partner.world).ok();
        let lines = world.as_ref().and_then(|world| world.characters.get(&self.partner.character));
        let lines = lines.map(|character| character.fallback_lines.as_slice()).unwrap_or_default();
        let place = usize::try_from(self.cursor).unwrap_or(0) % lines.len().max(1);
        match (lines.get(place), error) {
            (Some(line), _) => line.clone(),
            (None, Some(error)) => aside(error),
            (None, None) => "…".to_owned(),
        }
    }
}

impl Reply {
    fn piece(&mut self, text: String) -> Vec<Said> {
        let mut said = Vec::new();
        if !self.felt {
            self.felt = true;
            said.push(Said::Feeling(EmotionLabel::Neutral));
        }
        let piece = if self.words.is_empty() { text } else { format!(" {text}") };
        self.words.push_str(&piece);
        said.push(Said::Piece(piece));
        said
    }
}

/// What no waiting helps against: the player has to do something.
fn is_for_the_player(error: &WireError) -> bool {
    matches!(
        error.code,
        ErrorCode::NoModel
            | ErrorCode::Auth
            | ErrorCode::Quota
            | ErrorCode::OverBudget
            | ErrorCode::UnknownModel
            | ErrorCode::OutOfMemory
            | ErrorCode::ContextFull
            | ErrorCode::ShuttingDown
    )
}

/// An error as a player reads it between the lines.
pub(super) fn aside(error: &WireError) -> String {
    let mut text = format!("(Meddah: {}", error.message.trim_end_matches('.'));
    if !error.help.is_empty() {
        text.push_str(&format!(". {}", error.help.trim_end_matches('.')));
    }
    wording::cut(&text, ASIDE_CHARS_MAX) + ".)"
}

fn within(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
