//! Charisma.ai: stories that are played by characters. REST for the playthrough, Colyseus 0.14 for the talk.
//!
//! A conversation of ours is one playthrough. The story never says that its turn is over, so a reply ends
//! when nobody has typed or spoken for a moment; the words themselves are told at once.

mod colyseus;
mod message;
mod performance;
mod room;
mod story;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use self::message::Part;
use self::performance::{Performance, Play};
use self::story::{Fact, Story, StorySource};
use super::line::Line;
use super::reply::{self, Reply, Stop};
use super::sessions::Sessions;
use super::{Characters, ServiceConfig, options_of};
use crate::http::Http;
use crate::{CharacterService, ChatStream, ErrorKind, ModelError, ModelState, ServiceRequest};

const SERVICE: &str = "Charisma.ai";
pub(super) const URL: &str = "https://play.charisma.ai";
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
    /// Whether the story is told that it goes on, when its room was left in between.
    #[serde(default)]
    resume: bool,
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
        let Some(session) = self.shared.sessions.forget(conversation) else { return };
        // A reply that still runs has the room, and closes it when it is cut.
        let Ok(mut session) = session.try_lock() else { return };
        if let Some(room) = session.play.take().and_then(|play| play.room) {
            room.leave().await;
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
        let play = session.play.insert(play);
        let mut performance = Performance::new(&self.line, &self.options, part, play, &mut reply);
        if performance.run(room).await? {
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
}
