//! Charisma.ai: stories that are played by characters. REST for the playthrough, Colyseus 0.14 for the talk.
//!
//! A conversation of ours is one playthrough. The story never says that its turn is over, so a reply ends
//! when nobody has typed or spoken for a moment; the words themselves are told at once.

mod colyseus;
mod message;
mod room;
mod story;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::message::{Message, Part, Speaker};
use self::room::{Room, RoomEvent, Seat, Ticket};
use self::story::{Fact, Story, StorySource, event_id};
use super::line::Line;
use super::reply::{self, Reply, Stop};
use super::sessions::Sessions;
use super::{Characters, ServiceConfig, actions, options_of};
use crate::http::Http;
use crate::service::Heard;
use crate::{CharacterService, ChatStream, ErrorKind, ModelError, ModelState, ServiceRequest};

const SERVICE: &str = "Charisma.ai";
pub(super) const URL: &str = "https://play.charisma.ai";
/// Until the first words after the player spoke.
const FIRST_WORDS_WAIT: Duration = Duration::from_secs(30);
/// A story need not answer what happened.
const REMARK_WAIT: Duration = Duration::from_secs(5);
/// A story need not begin with words: of its silence so many times the usual is waited for.
const OPENING_QUIETS: u32 = 2;
/// A character that types may take so long.
const TYPING_WAIT: Duration = Duration::from_secs(20);
/// Taps in one reply; a story that goes on by itself for longer waits for the player.
const TAPS_MAX: u32 = 12;
/// How often a lost connection is made again in one reply.
const REJOINS_MAX: u32 = 3;
/// Between those, growing.
const REJOIN_PAUSE: Duration = Duration::from_millis(300);
/// Sensible values of the option `quiet_ms`.
const QUIET_MS: std::ops::RangeInclusive<u64> = 50..=10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    story_id: u64,
    #[serde(default)]
    version: Option<i64>,
    /// Where the story starts: the reference id of a subplot.
    #[serde(default)]
    start: Option<String>,
    /// Where a web comic starts.
    #[serde(default)]
    scene: Option<u32>,
    #[serde(default = "yes")]
    tap: bool,
    #[serde(default = "narrator")]
    narrator: String,
    #[serde(default = "action_name")]
    action: String,
    #[serde(default = "quiet_ms")]
    quiet_ms: u64,
    #[serde(default)]
    memories: BTreeMap<Fact, String>,
}

fn yes() -> bool {
    true
}

fn narrator() -> String {
    "Narrator".to_owned()
}

fn action_name() -> String {
    "action".to_owned()
}

fn quiet_ms() -> u64 {
    1200
}

/// What is kept of one conversation.
#[derive(Default)]
struct Session {
    play: Option<Play>,
}

struct Play {
    story: Story,
    started: bool,
    room: Option<Room>,
    /// The seat of a room that was lost between turns.
    seat: Option<Seat>,
}

struct Shared {
    line: Line,
    options: Options,
    sessions: Sessions<Session>,
}

/// A story at Charisma.ai.
pub(super) struct Charisma {
    name: String,
    characters: Characters,
    shared: Arc<Shared>,
}

impl Charisma {
    pub(super) fn open(config: ServiceConfig, http: Http) -> Result<Charisma, ModelError> {
        let options: Options = options_of(&config)?;
        let wrong = |message: &str, help: &str| {
            Err(ModelError::new(ErrorKind::BadRequest, format!("service {:?}: {message}", config.name))
                .with_help(help))
        };
        if !QUIET_MS.contains(&options.quiet_ms) {
            return wrong("quiet_ms is out of range", "quiet_ms is between 50 and 10000.");
        }
        if options.version == Some(-1) && config.key.is_none() {
            return wrong(
                "the draft of a story needs a key",
                "Copy the API key from the story's overview page, or publish the story and leave version out.",
            );
        }
        let base = config.base_url.unwrap_or_else(|| URL.to_owned());
        let line = Line::new(SERVICE, http, base, config.key)?;
        let characters = Characters::new(SERVICE, config.characters);
        let shared = Arc::new(Shared { line, options, sessions: Sessions::new() });
        Ok(Charisma { name: config.name, characters, shared })
    }

    /// Whose words are our character's.
    fn part(&self, character: &str) -> Part {
        match self.characters.find(character) {
            None => Part::Everybody,
            Some(id) => id.parse().map_or_else(|_| Part::Name(id.to_owned()), Part::Number),
        }
    }
}

#[async_trait]
impl CharacterService for Charisma {
    fn label(&self) -> (String, String) {
        (self.name.clone(), "service".to_owned())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn stream(
        &self,
        request: ServiceRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let part = self.part(&request.character);
        let shared = self.shared.clone();
        let work = move |reply: Reply| async move { shared.answer(part, reply).await };
        reply::begin(request, cancel, work).await
    }

    async fn forget(&self, conversation: &str) {
        self.shared.sessions.forget(conversation);
    }
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The story may begin with words.
    Opening,
    /// The story may say something to what happened.
    Remark,
    /// Somebody answers.
    Answer,
}

/// Where a reply is.
struct Scene {
    part: Part,
    awaited: Awaited,
    typing: bool,
    spoke: bool,
    taps: u32,
    over: bool,
}

impl Scene {
    fn new(part: &Part, awaited: Awaited) -> Scene {
        Scene { part: part.clone(), awaited, typing: false, spoke: false, taps: 0, over: false }
    }

    /// How long to wait for more.
    fn patience(&self, quiet: Duration) -> Duration {
        match self {
            Scene { typing: true, .. } => TYPING_WAIT,
            Scene { spoke: true, .. } => quiet,
            Scene { awaited: Awaited::Opening, .. } => quiet * OPENING_QUIETS,
            Scene { awaited: Awaited::Remark, .. } => REMARK_WAIT,
            Scene { awaited: Awaited::Answer, .. } => FIRST_WORDS_WAIT,
        }
    }
}

impl Shared {
    async fn answer(&self, part: Part, mut reply: Reply) -> Result<(), Stop> {
        let request = reply.request().clone();
        let mut session = self.sessions.enter(&request.conversation).await;
        let mut play = match session.play.take() {
            Some(play) => play,
            None => self.begin(&part, &request).await?,
        };
        // From here on the room is this reply's own: if it is cut, the socket closes with it. The story
        // itself goes back at once, so that a cut does not forget it.
        let room = play.room.take();
        let story = session.play.insert(play);
        let ended = self.perform(story, room, &part, &mut reply).await?;
        if ended {
            // The story is over; the next word begins it anew.
            session.play = None;
        }
        Ok(())
    }

    async fn begin(&self, part: &Part, request: &ServiceRequest) -> Result<Play, ModelError> {
        let Options { story_id, version, .. } = self.options;
        let number = match part {
            Part::Number(number) => Some(*number),
            _ => None,
        };
        let source = StorySource { story_id, version };
        let story = Story::begin(&self.line, &source, number, &request.language).await?;
        // A character that is talked to outside its story does not start one.
        Ok(Play { story, started: number.is_some(), room: None, seat: None })
    }

    /// Plays one reply; says whether the story ended with it.
    async fn perform(
        &self,
        play: &mut Play,
        room: Option<Room>,
        part: &Part,
        reply: &mut Reply,
    ) -> Result<bool, Stop> {
        let request = reply.request().clone();
        play.story.remember(&self.line, &self.options.memories, &request).await?;
        let mut room = self.room(play, room, part, reply).await?;
        if !play.started {
            play.started = true;
            room.send("start", self.start(&play.story)).await;
            let mut opening = Scene::new(part, Awaited::Opening);
            self.listen(play, &mut room, &mut opening, reply).await?;
            if opening.over {
                return Ok(true);
            }
            reply.new_line();
        }
        let conversation = &play.story.conversation;
        let awaited = match &request.heard {
            Heard::Said(text) => {
                let payload =
                    json!({"text": text, "inputType": "keyboard", "conversationUuid": conversation});
                room.send("reply", payload).await;
                Awaited::Answer
            }
            Heard::Happened(text) => {
                room.send("action", json!({"action": text, "conversationUuid": conversation})).await;
                Awaited::Remark
            }
        };
        let mut scene = Scene::new(part, awaited);
        self.listen(play, &mut room, &mut scene, reply).await?;
        play.room = Some(room);
        Ok(scene.over)
    }

    /// The room, joined anew if it is gone. What was said in it since the last reply comes first.
    async fn room(
        &self,
        play: &mut Play,
        room: Option<Room>,
        part: &Part,
        reply: &mut Reply,
    ) -> Result<Room, Stop> {
        if let Some(mut room) = room {
            let mut scene = Scene::new(part, Awaited::Remark);
            loop {
                match room.missed() {
                    Some(RoomEvent::Lost { seat_kept }) => {
                        play.seat = seat_kept.then(|| room.seat.clone());
                        break;
                    }
                    Some(RoomEvent::Message(name, payload)) if name == "message" => {
                        self.told(play, &Message::read(&payload), &mut scene, reply).await?;
                    }
                    Some(RoomEvent::Message(..)) => {}
                    None if room.is_alive() => return Ok(room),
                    None => break,
                }
            }
        }
        self.join(play).await.map_err(Stop::from)
    }

    async fn join(&self, play: &mut Play) -> Result<Room, ModelError> {
        let ticket = Ticket { playthrough: &play.story.playthrough, token: play.story.token.expose() };
        let seat = play.seat.take();
        Room::join(&self.line, &ticket, seat.as_ref()).await
    }

    fn start(&self, story: &Story) -> Value {
        let mut payload = Map::new();
        let Options { start, scene, .. } = &self.options;
        payload
            .extend(start.as_ref().map(|start| ("startGraphReferenceId".to_owned(), start.clone().into())));
        payload.extend(scene.map(|scene| ("sceneIndex".to_owned(), scene.into())));
        payload.insert("conversationUuid".to_owned(), story.conversation.clone().into());
        payload.into()
    }

    /// Tells what the room says until it falls silent.
    async fn listen(
        &self,
        play: &mut Play,
        room: &mut Room,
        scene: &mut Scene,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        let quiet = Duration::from_millis(self.options.quiet_ms);
        let mut rejoins = 0;
        while !scene.over {
            let event = match tokio::time::timeout(scene.patience(quiet), room.next()).await {
                Ok(event) => event,
                Err(_) if scene.spoke || scene.awaited != Awaited::Answer => return Ok(()),
                Err(_) => return Err(self.line.silent().into()),
            };
            match event {
                RoomEvent::Message(name, payload) => {
                    if !self.concerns(play, &payload) {
                        continue;
                    }
                    self.take(play, room, &name, &payload, scene, reply).await?;
                }
                RoomEvent::Lost { .. } if rejoins == REJOINS_MAX => return Err(self.line.broke().into()),
                RoomEvent::Lost { seat_kept } => {
                    rejoins += 1;
                    play.seat = seat_kept.then(|| room.seat.clone());
                    *room = self.rejoin(play, rejoins).await?;
                    for payload in play.story.missed(&self.line).await? {
                        self.take(play, room, "message", &payload, scene, reply).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn rejoin(&self, play: &mut Play, attempt: u32) -> Result<Room, ModelError> {
        let first = self.join(play).await;
        match first {
            // The network may be away for a moment.
            Err(error) if error.kind == ErrorKind::Network => {
                tokio::time::sleep(REJOIN_PAUSE * attempt).await;
                self.join(play).await
            }
            joined => joined,
        }
    }

    /// Whether an event belongs to our conversation: a playthrough may have several.
    fn concerns(&self, play: &Play, payload: &Value) -> bool {
        let named = payload["conversationUuid"].as_str();
        named.is_none_or(|conversation| conversation == play.story.conversation)
    }

    async fn take(
        &self,
        play: &mut Play,
        room: &mut Room,
        name: &str,
        payload: &Value,
        scene: &mut Scene,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        match name {
            "start-typing" => scene.typing = true,
            "stop-typing" => scene.typing = false,
            "message" => {
                let message = Message::read(payload);
                self.told(play, &message, scene, reply).await?;
                if message.wants_tap() && self.options.tap && !scene.over && scene.taps < TAPS_MAX {
                    scene.taps += 1;
                    scene.typing = true;
                    room.send("tap", json!({"conversationUuid": play.story.conversation})).await;
                }
            }
            "problem" => {
                let code = payload["code"].as_str().unwrap_or("problem");
                let said = payload["error"].as_str().unwrap_or_default();
                let mut error = self.line.refusal(0, &format!("{said} ({code})"), None);
                if error.kind == ErrorKind::Protocol {
                    // The story has no way on from what was said.
                    error.kind = ErrorKind::BadRequest;
                    error.help = "The story has no answer to this; its author can add one.".to_owned();
                }
                return Err(error.into());
            }
            // Echoes of other players, and what concerns only the story's own pages.
            _ => {}
        }
        Ok(())
    }

    /// Tells one message, unless it was told before.
    async fn told(
        &self,
        play: &mut Play,
        message: &Message,
        scene: &mut Scene,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        if !play.story.is_news(&message.event_id) {
            return Ok(());
        }
        play.story.last_event = event_id(&message.event_id).or(play.story.last_event.take());
        scene.typing = false;
        scene.spoke = true;
        scene.over = message.ends_story();
        let speaker = message.speaker(&scene.part, &self.options.narrator);
        if speaker == Speaker::This
            && let Some(feeling) = message.feeling()
        {
            reply.feels(feeling).await?;
        }
        reply.new_line();
        match (speaker, message.text()) {
            (_, "") => {}
            (Speaker::This, text) => reply.text(text).await?,
            (Speaker::Narrator, text) => reply.text(&format!("*{}*", without_asterisks(text))).await?,
            (Speaker::Other(name), text) => {
                reply.text(&format!("*{name}: “{}”*", without_asterisks(text))).await?;
            }
        }
        if let Some(action) = message.attached(&self.options.action) {
            let call = actions::said(action, reply.request());
            reply.acts(call).await?;
        }
        Ok(())
    }
}

/// Narration is marked by asterisks; those within would end it.
fn without_asterisks(text: &str) -> String {
    text.replace('*', "")
}
