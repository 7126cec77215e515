//! One reply of a story: what is sent to the room, and what the room says until it falls silent.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Options;
use super::message::{Message, Part, Speaker};
use super::room::{Room, RoomEvent, Seat, Ticket};
use super::story::{Story, event_id};
use crate::service::Heard;
use crate::services::actions;
use crate::services::line::Line;
use crate::services::reply::{Reply, Stop};
use crate::{ErrorKind, ModelError};

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
/// Before each of those, growing: a server that has not noticed the loss yet has no seat to give back.
const REJOIN_PAUSE: Duration = Duration::from_millis(150);

/// A story that is being played.
pub(super) struct Play {
    pub(super) story: Story,
    pub(super) started: bool,
    pub(super) room: Option<Room>,
    /// The seat of a room that was lost.
    pub(super) seat: Option<Seat>,
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

/// How far the room is.
struct Stage {
    awaited: Awaited,
    typing: bool,
    spoke: bool,
    over: bool,
}

impl Stage {
    fn new(awaited: Awaited) -> Stage {
        Stage { awaited, typing: false, spoke: false, over: false }
    }

    /// How long to wait for more.
    fn patience(&self, quiet: Duration) -> Duration {
        match self {
            Stage { typing: true, .. } => TYPING_WAIT,
            Stage { spoke: true, .. } => quiet,
            Stage { awaited: Awaited::Opening, .. } => quiet * OPENING_QUIETS,
            Stage { awaited: Awaited::Remark, .. } => REMARK_WAIT,
            Stage { awaited: Awaited::Answer, .. } => FIRST_WORDS_WAIT,
        }
    }
}

/// One reply.
pub(super) struct Performance<'a> {
    line: &'a Line,
    options: &'a Options,
    part: Part,
    play: &'a mut Play,
    reply: &'a mut Reply,
    stage: Stage,
    taps: u32,
    rejoins: u32,
}

impl<'a> Performance<'a> {
    pub(super) fn new(
        line: &'a Line,
        options: &'a Options,
        part: Part,
        play: &'a mut Play,
        reply: &'a mut Reply,
    ) -> Self {
        let stage = Stage::new(Awaited::Remark);
        Performance { line, options, part, play, reply, stage, taps: 0, rejoins: 0 }
    }

    /// Plays it; says whether the story ended with it. A room that still stands goes back into the play.
    pub(super) async fn run(&mut self, room: Option<Room>) -> Result<bool, Stop> {
        let request = self.reply.request().clone();
        self.play.story.remember(self.line, &self.options.memories, &request).await?;
        let mut room = self.enter(room).await?;
        let is_new = std::mem::take(&mut room.is_new);
        if !std::mem::replace(&mut self.play.started, true) {
            self.stage = Stage::new(Awaited::Opening);
            room.send("start", self.start()).await;
            self.listen(&mut room).await?;
        } else if is_new && self.options.resume && self.play.story.last_event.is_some() {
            self.stage = Stage::new(Awaited::Opening);
            room.send("resume", json!({"conversationUuid": self.play.story.conversation})).await;
            self.listen(&mut room).await?;
        }
        if !self.stage.over {
            let conversation = &self.play.story.conversation;
            let (event, awaited, payload) = match &request.heard {
                Heard::Said(text) => {
                    let payload =
                        json!({"text": text, "inputType": "keyboard", "conversationUuid": conversation});
                    ("reply", Awaited::Answer, payload)
                }
                Heard::Happened(text) => {
                    ("action", Awaited::Remark, json!({"action": text, "conversationUuid": conversation}))
                }
            };
            self.stage = Stage::new(awaited);
            room.send(event, payload).await;
            self.listen(&mut room).await?;
        }
        self.play.room = Some(room);
        Ok(self.stage.over)
    }

    /// The room, joined anew if it is gone. What was said in it since the last reply comes first.
    async fn enter(&mut self, room: Option<Room>) -> Result<Room, Stop> {
        let Some(mut room) = room else { return Ok(self.join().await?) };
        while let Some(event) = room.missed() {
            match event {
                RoomEvent::Message(name, payload) if name == "message" => {
                    self.tell(&Message::read(&payload)).await?;
                }
                RoomEvent::Message(..) => {}
                RoomEvent::Lost { seat_kept } => {
                    self.play.seat = seat_kept.then(|| room.seat.clone());
                    return Ok(self.join().await?);
                }
            }
        }
        if room.is_alive() { Ok(room) } else { Ok(self.join().await?) }
    }

    async fn join(&mut self) -> Result<Room, ModelError> {
        let Play { story, seat, .. } = &mut *self.play;
        let ticket = Ticket { playthrough: &story.playthrough, token: &story.token };
        Room::join(self.line, &ticket, seat.take().as_ref()).await
    }

    fn start(&self) -> Value {
        let mut payload = Map::new();
        let Options { start, scene, .. } = self.options;
        payload
            .extend(start.as_ref().map(|start| ("startGraphReferenceId".to_owned(), start.clone().into())));
        payload.extend(scene.map(|scene| ("sceneIndex".to_owned(), scene.into())));
        payload.insert("conversationUuid".to_owned(), self.play.story.conversation.clone().into());
        payload.into()
    }

    /// Tells what the room says until it falls silent.
    async fn listen(&mut self, room: &mut Room) -> Result<(), Stop> {
        let quiet = Duration::from_millis(self.options.quiet_ms);
        while !self.stage.over {
            let event = match tokio::time::timeout(self.stage.patience(quiet), room.next()).await {
                Ok(event) => event,
                Err(_) if self.stage.spoke || self.stage.awaited != Awaited::Answer => return Ok(()),
                Err(_) => return Err(self.line.silent().into()),
            };
            match event {
                RoomEvent::Message(name, payload) => self.take(room, &name, &payload).await?,
                RoomEvent::Lost { .. } if self.rejoins == REJOINS_MAX => {
                    return Err(self.line.broke().into());
                }
                RoomEvent::Lost { seat_kept } => {
                    self.rejoins += 1;
                    self.play.seat = seat_kept.then(|| room.seat.clone());
                    *room = self.rejoin().await?;
                    for payload in self.play.story.missed(self.line).await? {
                        self.take(room, "message", &payload).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn rejoin(&mut self) -> Result<Room, ModelError> {
        loop {
            tokio::time::sleep(REJOIN_PAUSE * self.rejoins).await;
            match self.join().await {
                // The network may be away for a moment.
                Err(error) if error.kind == ErrorKind::Network && self.rejoins < REJOINS_MAX => {
                    self.rejoins += 1;
                }
                joined => return joined,
            }
        }
    }

    /// Takes one event of our conversation; a playthrough may have several.
    async fn take(&mut self, room: &mut Room, name: &str, payload: &Value) -> Result<(), Stop> {
        let conversation = payload["conversationUuid"].as_str();
        if conversation.is_some_and(|conversation| conversation != self.play.story.conversation) {
            return Ok(());
        }
        match name {
            "start-typing" => self.stage.typing = true,
            "stop-typing" => self.stage.typing = false,
            "message" => {
                let message = Message::read(payload);
                self.tell(&message).await?;
                if message.wants_tap() && self.options.tap && !self.stage.over && self.taps < TAPS_MAX {
                    self.taps += 1;
                    self.stage.typing = true;
                    room.send("tap", json!({"conversationUuid": self.play.story.conversation})).await;
                }
            }
            "problem" => return Err(self.problem(payload).into()),
            // Echoes of other players, and what concerns only the story's own pages.
            _ => {}
        }
        Ok(())
    }

    fn problem(&self, payload: &Value) -> ModelError {
        let code = payload["code"].as_str().unwrap_or("problem");
        let said = payload["error"].as_str().unwrap_or_default();
        let mut error = self.line.refusal(0, format!("{said} ({code})").trim(), None);
        if error.kind == ErrorKind::Protocol {
            // The story has no way on from what was said.
            error.kind = ErrorKind::BadRequest;
            error.help = "The story has no answer to this; its author can add one.".to_owned();
        }
        error
    }

    /// Tells one message, unless it was told before.
    async fn tell(&mut self, message: &Message) -> Result<(), Stop> {
        let story = &mut self.play.story;
        if !story.is_news(&message.event_id) {
            return Ok(());
        }
        story.last_event = event_id(&message.event_id).or(story.last_event.take());
        self.stage.typing = false;
        self.stage.spoke = true;
        self.stage.over = message.ends_story();
        let speaker = message.speaker(&self.part, &self.options.narrator);
        if speaker == Speaker::This
            && let Some(feeling) = message.feeling()
        {
            self.reply.feels(feeling).await?;
        }
        self.reply.new_line();
        match (speaker, message.text()) {
            (_, "") => {}
            (Speaker::This, text) => self.reply.text(text).await?,
            (Speaker::Narrator, text) => self.reply.text(&format!("*{}*", without_asterisks(text))).await?,
            (Speaker::Other(name), text) => {
                self.reply.text(&format!("*{name}: “{}”*", without_asterisks(text))).await?;
            }
        }
        if let Some(action) = message.attached(&self.options.action) {
            let call = actions::said(action, self.reply.request());
            self.reply.acts(call).await?;
        }
        Ok(())
    }
}

/// Narration is marked by asterisks; those within would end it.
fn without_asterisks(text: &str) -> String {
    text.replace('*', "")
}
