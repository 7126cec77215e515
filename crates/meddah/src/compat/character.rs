//! A whole character behind a model's name: `character:<id>` or `character:<world>/<id>`.
//!
//! It has its own memory, feelings and knowledge, so of the mod's messages only the last one counts, as what
//! was said. Tools are the actions that the character may take.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use futures::StreamExt as _;
use meddah_inference::{Message, Role, TokenUsage, ToolCall};
use meddah_protocol::{
    ActionDeclaration, ActionResult, Command, ErrorCode, Event, EventKind, Finish, ID_BYTES_MAX, Player,
    TEXT_BYTES_MAX, TalkEmotion, TalkRequest, Usage, WireError, WorldEvent,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::asked::{Asked, Tool, ToolChoice};
use super::reply::{Piece, Pieces, Trouble, Why};
use super::sent::{bearer, header, invalid};
use crate::session::{Accepted, Session};
use crate::transport::App;

/// What the names of characters begin with where models are named.
pub(crate) const PREFIX: &str = "character:";
/// Characters that are listed as models; all others can be named all the same.
const NAMES_MAX: usize = 1000;
/// How long one look into a session's log waits.
const LOOK_WAIT: Duration = Duration::from_secs(10);

/// World and id of the character that a model's name stands for.
pub(crate) fn named(model: &str) -> Option<(&str, &str)> {
    let name = model.trim().strip_prefix(PREFIX)?;
    Some(name.split_once('/').unwrap_or(("", name)))
}

/// The names of characters, as models.
pub(crate) fn names(app: &App) -> Vec<String> {
    let worlds = app.sidecar.worlds.list();
    let of_world = |world: &Arc<meddah_engine::world::World>| -> Vec<String> {
        world.characters.keys().map(|id| format!("{PREFIX}{}/{id}", world.id)).collect()
    };
    worlds.iter().flat_map(of_world).take(NAMES_MAX).collect()
}

/// Says the last message to the character and gives its answer.
pub(crate) async fn reply(app: &App, world: &str, id: &str, asked: &Asked) -> Result<Pieces, WireError> {
    app.check_running()?;
    let player = player(asked);
    let actions = match asked.tool_choice {
        ToolChoice::Never => Vec::new(),
        _ => asked.tools.iter().map(declaration).collect(),
    };
    let results: Vec<&Message> =
        asked.messages.iter().rev().take_while(|one| one.role == Role::Tool).collect();
    let (session, accepted) = if results.is_empty() {
        let said = asked.last_said().ok_or_else(|| {
            invalid("no message says anything to the character", "Send a message with the role `user`.")
        })?;
        let request = TalkRequest {
            world: world.to_owned(),
            character: id.to_owned(),
            player,
            text: said.text.clone(),
            // An empty list stays one: what the mod cannot carry out is not done.
            actions: Some(actions),
            ..TalkRequest::default()
        };
        app.sidecar.talk(request).await?
    } else {
        let session = app.sidecar.one_shot_session(world, &player).await?;
        let accepted = remark(&session, id, &results).await?;
        (session, accepted)
    };
    turn(session, accepted)
}

/// What came of the character's actions, and its remark on that.
async fn remark(session: &Arc<Session>, id: &str, results: &[&Message]) -> Result<Accepted, WireError> {
    let mut texts = Vec::new();
    for result in results.iter().rev() {
        let report = ActionResult { call_id: result.call_id.clone(), ok: true, text: None, data: None };
        // A mod may make up the ids of calls; what came of them is told all the same.
        session.command(Command::ActionResult(report)).await.ok();
        texts.push(result.text.trim());
    }
    let text = texts.join(" ");
    let text =
        if text.trim().is_empty() { "It is done.".to_owned() } else { cut(&text, TEXT_BYTES_MAX).to_owned() };
    let event = WorldEvent { text, to: Some(id.to_owned()), react: true, ..WorldEvent::default() };
    session.command(Command::Event(event)).await
}

/// The pieces of a turn that was begun.
pub(crate) fn turn(session: Arc<Session>, accepted: Accepted) -> Result<Pieces, WireError> {
    let turn = accepted.turn.ok_or_else(|| {
        WireError::new(ErrorCode::Internal, "what was said began no turn").with_help("Say it again.")
    })?;
    session.check_kept(&turn)?;
    let newest = session.events.cursor();
    let known = session.events.of_turn(&turn);
    let cursor = known.last().map_or(newest, |last| last.seq);
    let mut following =
        Following { session, turn, cursor, ready: VecDeque::new(), lines: 0, acted: false, over: false };
    following.take(known);
    Ok(futures::stream::unfold(following, |mut following| async move {
        let piece = following.next().await?;
        Some((piece, following))
    })
    .boxed())
}

/// A turn as it goes on. Dropped before its end, it withdraws the turn.
struct Following {
    session: Arc<Session>,
    turn: String,
    cursor: u64,
    ready: VecDeque<Result<Piece, WireError>>,
    lines: usize,
    acted: bool,
    over: bool,
}

impl Drop for Following {
    fn drop(&mut self) {
        if !self.over {
            self.session.withdraw(&self.turn);
        }
    }
}

impl Following {
    async fn next(&mut self) -> Option<Result<Piece, WireError>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.over {
                return None;
            }
            let closed = self.session.events.is_closed();
            match self.session.events.wait_after(self.cursor, LOOK_WAIT).await {
                Ok(events) if events.is_empty() && closed => self.end(Err(super::reply::no_end())),
                Ok(events) => {
                    self.cursor = events.last().map_or(self.cursor, |last| last.seq);
                    self.take(events);
                }
                Err(error) => self.end(Err(error)),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            if event.turn.as_deref() == Some(self.turn.as_str()) && !self.over {
                self.take_one(event.kind);
            }
        }
    }

    fn take_one(&mut self, kind: EventKind) {
        match kind {
            EventKind::Emotion { label, intensity, pleasure, arousal, dominance } => {
                let feeling = TalkEmotion { label, intensity, pleasure, arousal, dominance };
                self.ready.push_back(Ok(Piece::Feeling(feeling)));
            }
            EventKind::Line { text, narration, .. } => {
                let space = if self.lines == 0 { "" } else { " " };
                self.lines += 1;
                let text = if narration { format!("{space}*{text}*") } else { format!("{space}{text}") };
                self.ready.push_back(Ok(Piece::Text(text)));
            }
            EventKind::Action { call_id, name, mut arguments, target, .. } => {
                if let Some(target) = target {
                    arguments.entry("target").or_insert(Value::String(target));
                }
                self.acted = true;
                let call = ToolCall { id: call_id, name, arguments: Value::Object(arguments) };
                self.ready.push_back(Ok(Piece::Call(call)));
            }
            EventKind::TurnEnded { finish, error, usage, .. } => {
                let silent = self.lines == 0 && !self.acted;
                match error {
                    Some(error) if finish == Finish::Failed && silent => self.end(Err(error)),
                    error => {
                        let trouble = error.map(|error| Piece::Trouble(Trouble { finish, error }));
                        self.ready.extend(trouble.map(Ok));
                        self.end(Ok(usage));
                    }
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, usage: Result<Usage, WireError>) {
        self.over = true;
        let why = if self.acted { Why::Calls } else { Why::Stop };
        self.ready.push_back(usage.map(|usage| Piece::End { why, usage: tokens(&usage) }));
    }
}

fn tokens(usage: &Usage) -> TokenUsage {
    TokenUsage {
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        completion_tokens: usage.completion_tokens,
        ..TokenUsage::default()
    }
}

fn declaration(tool: &Tool) -> ActionDeclaration {
    ActionDeclaration {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
        targets: None,
        needs_result: false,
    }
}

/// Who plays, by what the mod says of it.
fn player(asked: &Asked) -> Player {
    let usual = Player::default();
    let id = asked.player.as_deref().map_or(usual.id, |id| bounded(id, ID_BYTES_MAX));
    let name = asked.player_name.as_deref().map_or(usual.name, |name| cut(name, ID_BYTES_MAX).to_owned());
    Player { id, name }
}

/// Who asks: the `user` of the request, else the game that its key names, else whoever has that key. A key is
/// never kept, only what cannot be turned back into it.
pub(crate) fn asker(app: &App, user: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let plain = |id: &str| id.chars().filter(|c| !c.is_control()).collect::<String>();
    let user = user.map(plain).filter(|user| !user.trim().is_empty());
    let game = || header(headers, "player2-game-key").map(plain);
    let key = || {
        let key = bearer(headers).filter(|key| !app.is_token(key))?;
        Some(format!("key-{}", hash(key, 6)))
    };
    user.or_else(game).or_else(key).map(|id| bounded(&id, ID_BYTES_MAX))
}

/// An id of at most so many bytes: a longer one ends in what tells it from others that begin alike.
pub(crate) fn bounded(id: &str, bytes_max: usize) -> String {
    if id.len() <= bytes_max {
        return id.to_owned();
    }
    let end = format!("-{}", hash(id, 16));
    format!("{}{end}", cut(id, bytes_max.saturating_sub(end.len())))
}

fn hash(text: &str, bytes: usize) -> String {
    Sha256::digest(text.as_bytes()).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of a text, up to so many bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_named_with_or_without_its_world() {
        assert_eq!(named("character:mira"), Some(("", "mira")));
        assert_eq!(named(" character:tavern/mira"), Some(("tavern", "mira")));
        assert_eq!(named("gpt-4o"), None);
    }

    #[test]
    fn long_ids_that_begin_alike_stay_two() {
        let of = |end: &str| bounded(&format!("{}{end}", "ö".repeat(100)), ID_BYTES_MAX);
        assert!(of("a") != of("b") && of("a") == of("a"));
        assert!(of("a").starts_with("öööö") && of("a").len() <= ID_BYTES_MAX);
        assert_eq!(bounded("ayla", ID_BYTES_MAX), "ayla");
    }
}
