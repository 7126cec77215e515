//! Player2: an app beside the game, or its web API with a player's key. Both play characters (NPCs) that are
//! described when they are spawned.
//!
//! A conversation of ours is one NPC. It is spawned anew when it is gone, when the game declares an action
//! that it does not know, and when its last answer was cut: it would remember what nobody heard. What was
//! said goes along in its prompt.

mod login;
mod responses;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub use login::{DeviceLogin, LoginState, app_login, device_login};

use self::responses::{Answer, Responses, Waiter};
use super::actions::{self, TARGET};
use super::fault;
use super::line::{ANSWER_WAIT_MAX, Line};
use super::reply::{self, Reply, Stop};
use super::sessions::Sessions;
use super::{ServiceConfig, options_of, spoken};
use crate::http::{Call, Http};
use crate::service::{Heard, ServiceAction};
use crate::{CharacterService, ChatStream, ErrorKind, ModelError, ModelState, ServiceRequest};

pub(super) const SERVICE: &str = "Player2";
/// The app beside the game.
pub(super) const LOCAL_URL: &str = "http://127.0.0.1:4315/v1";
pub(super) const CLOUD_URL: &str = "https://api.player2.game/v1";
/// Lines that go along when an NPC is spawned anew, and their length in characters.
const RECENT_LINES_MAX: usize = 24;
const RECENT_LINE_CHARS_MAX: usize = 400;
/// What the game tells of the moment, characters.
const GAME_STATE_CHARS_MAX: usize = 4000;
/// Actions that one NPC knows.
const COMMANDS_MAX: usize = 64;
/// The longest id of an NPC that is believed, bytes.
const ID_BYTES_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Api {
    Local,
    Cloud,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// With a key the cloud, else the app.
    api: Option<Api>,
    /// The game's id from Player2's dashboard; the app counts by it who plays what.
    game_id: String,
}

/// What is kept of one conversation.
#[derive(Default)]
struct Session {
    npc: Option<Npc>,
    recent: VecDeque<String>,
}

struct Npc {
    id: String,
    /// What it was spawned with.
    commands: BTreeMap<String, Value>,
    /// It was spoken to, and its answer was not heard to the end.
    cut: bool,
}

struct Shared {
    line: Arc<Line>,
    api: Api,
    game_id: String,
    /// The app does not know paths with the game's id in them.
    plain_paths: AtomicBool,
    responses: Responses,
    sessions: Sessions<Session>,
}

/// The Player2 app or a Player2 account.
pub(super) struct Player2 {
    name: String,
    shared: Arc<Shared>,
}

impl Player2 {
    pub(super) fn open(config: ServiceConfig, http: Http) -> Result<Player2, ModelError> {
        let options: Options = options_of(&config)?;
        let wrong = |kind, message: &str, help: &str| {
            Err(ModelError::new(kind, format!("service {:?}: {message}", config.name)).with_help(help))
        };
        let api = options.api.unwrap_or(if config.key.is_some() { Api::Cloud } else { Api::Local });
        if !config.characters.is_empty() {
            return wrong(
                ErrorKind::BadRequest,
                "Player2 knows no characters by id",
                "Leave characters out: Player2 plays each character by its description in the world.",
            );
        }
        if api == Api::Cloud && config.key.is_none() {
            return wrong(
                ErrorKind::Unauthorized,
                "Player2's web API needs a key",
                "Log in to Player2, or start its app and leave the key out.",
            );
        }
        if api == Api::Local && options.game_id.trim().is_empty() {
            return wrong(
                ErrorKind::BadRequest,
                "the Player2 app needs game_id",
                "game_id is the id of the game or mod in Player2's developer dashboard.",
            );
        }
        let usual = if api == Api::Cloud { CLOUD_URL } else { LOCAL_URL };
        let base = config.base_url.unwrap_or_else(|| usual.to_owned());
        let line = Arc::new(Line::new(SERVICE, http, base, config.key)?);
        let shared = Shared {
            line,
            api,
            game_id: options.game_id.trim().to_owned(),
            plain_paths: AtomicBool::new(api == Api::Cloud),
            responses: Responses::new(),
            sessions: Sessions::new(),
        };
        Ok(Player2 { name: config.name, shared: Arc::new(shared) })
    }
}

#[async_trait]
impl CharacterService for Player2 {
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
        let shared = self.shared.clone();
        let work = move |reply: Reply| async move { shared.answer(reply).await };
        reply::begin(request, cancel, work).await
    }

    async fn forget(&self, conversation: &str) {
        let Some(session) = self.shared.sessions.forget(conversation) else { return };
        // An NPC whose reply still runs goes away by itself.
        let Ok(mut session) = session.try_lock() else { return };
        if let Some(npc) = session.npc.take() {
            self.shared.kill(&npc);
        }
    }
}

impl Shared {
    async fn answer(&self, mut reply: Reply) -> Result<(), Stop> {
        let request = reply.request().clone();
        let mut session = self.sessions.enter(&request.conversation).await;
        let mut answers = self.say(&mut session, &request).await?;
        let waiting = tokio::time::timeout(ANSWER_WAIT_MAX, worth_telling(&mut answers));
        let answer = waiting.await.map_err(|_| self.line.silent())??;
        if let Some(npc) = &mut session.npc {
            npc.cut = false;
        }
        if let Some(error) = &answer.error {
            return Err(self.trouble(error).into());
        }
        let message = answer.message.unwrap_or_default();
        let words = without_name(&message);
        reply.text(words).await?;
        for command in answer.command.iter().flatten() {
            reply.acts(actions::called(&command.name, &command.arguments, &request)).await?;
        }
        session.note(&request.player_name, &spoken(&request.heard));
        session.note(&request.character_name, words);
        Ok(())
    }

    /// Speaks to the conversation's NPC, spawned if need be.
    async fn say(&self, session: &mut Session, request: &ServiceRequest) -> Result<Waiter, ModelError> {
        let mut known = session.npc.as_ref().map(|npc| npc.commands.clone()).unwrap_or_default();
        let wanted = commands(request);
        let is_new = |(name, command): (&String, &Value)| known.get(name) != Some(command);
        let unknown = wanted.iter().any(is_new);
        if session.npc.as_ref().is_some_and(|npc| npc.cut || unknown) {
            session.npc.take().inspect(|npc| self.kill(npc));
        }
        known.extend(wanted);
        while known.len() > COMMANDS_MAX {
            known.pop_first();
        }
        if session.npc.is_some() {
            match self.chat(session, request).await {
                // The app was restarted, or the NPC was quiet for too long.
                Err(error) if error.kind == ErrorKind::UnknownModel => session.npc = None,
                said => return said,
            }
        }
        let id = self.spawn(session, &known, request).await?;
        session.npc = Some(Npc { id, commands: known, cut: false });
        self.chat(session, request).await
    }

    async fn chat(&self, session: &mut Session, request: &ServiceRequest) -> Result<Waiter, ModelError> {
        let npc = session.npc.as_mut().ok_or_else(|| self.line.broke())?;
        let waiter = self.responses.listen(&npc.id, &self.line, self.listening()?).await;
        let sender = match &request.heard {
            Heard::Said(_) => request.player_name.as_str(),
            Heard::Happened(_) => "Narrator",
        };
        let body = json!({
            "sender_name": sender,
            "sender_message": spoken(&request.heard),
            "game_state_info": game_state(request),
            "tts": null,
        });
        npc.cut = true;
        let call = self.call(&format!("{}/chat", npc.id), Some(&body))?;
        self.line.ask_text(call).await.inspect_err(|error| {
            // A refusal was not heard; what broke on the way may have been.
            npc.cut = matches!(error.kind, ErrorKind::Network | ErrorKind::Timeout);
        })?;
        Ok(waiter)
    }

    async fn spawn(
        &self,
        session: &Session,
        commands: &BTreeMap<String, Value>,
        request: &ServiceRequest,
    ) -> Result<String, ModelError> {
        let body = json!({
            "name": request.character_name,
            "short_name": request.character_name,
            "character_description": request.description,
            "system_prompt": system_prompt(request, &session.recent),
            "commands": commands.values().collect::<Vec<_>>(),
            "keep_game_state": false,
            "tts": {"speed": 1.0, "audio_format": "mp3", "voice_ids": []},
        });
        let spawned = self.line.ask_text(self.call("spawn", Some(&body))?).await;
        let answer = match spawned {
            // Newer apps may have the short paths only.
            Err(error)
                if error.kind == ErrorKind::UnknownModel && !self.plain_paths.load(Ordering::Relaxed) =>
            {
                self.plain_paths.store(true, Ordering::Relaxed);
                self.line.ask_text(self.call("spawn", Some(&body))?).await?
            }
            answer => answer?,
        };
        // A bare id, or the same as a JSON string.
        let id = answer.trim().trim_matches('"').trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if (1..=ID_BYTES_MAX).contains(&id.len()) && id.chars().all(plain) {
            Ok(id.to_owned())
        } else {
            Err(self.line.nonsense("no id of a character"))
        }
    }

    /// Nobody waits for it: an NPC that is not killed goes away by itself.
    fn kill(&self, npc: &Npc) {
        if let Ok(call) = self.call(&format!("{}/kill", npc.id), Some(&json!({}))) {
            self.line.http.send_and_forget(call);
        }
    }

    fn listening(&self) -> Result<Call, ModelError> {
        let accept = match self.api {
            Api::Local => "application/x-json-stream",
            Api::Cloud => "application/json",
        };
        self.call("responses", None)?.with_header("accept", accept)
    }

    /// A call about NPCs; a POST if there is a body.
    fn call(&self, tail: &str, body: Option<&Value>) -> Result<Call, ModelError> {
        let url = if self.plain_paths.load(Ordering::Relaxed) {
            self.line.url("v1", &format!("npcs/{tail}"))?
        } else {
            let mut url = self.line.url("v1", "npc/games")?;
            if let Ok(mut path) = url.path_segments_mut() {
                path.push(&self.game_id).push("npcs").extend(tail.split('/'));
            }
            url
        };
        let mut call = match body {
            Some(body) => Call::post_json(url, body),
            // The app wants to hear of JSON even where there is no body.
            None => Call::get(url).with_header("content-type", "application/json")?,
        };
        if !self.game_id.is_empty() {
            call = call.with_header("player2-game-key", &self.game_id)?;
        }
        match &self.line.key {
            Some(key) => call.with_key("authorization", "Bearer ", key),
            None => Ok(call),
        }
    }

    /// Trouble that came in place of an answer.
    fn trouble(&self, error: &Value) -> ModelError {
        let code = error["error_code"].as_str().unwrap_or_default();
        let said = error["error_message"].as_str().unwrap_or_default();
        let retry_after = error["retry_after"].as_f64().and_then(fault::wait_of);
        self.line.refusal(0, &format!("{said} ({code})"), retry_after)
    }
}

impl Session {
    /// Keeps a line for an NPC that is spawned later.
    fn note(&mut self, name: &str, words: &str) {
        if words.is_empty() {
            return;
        }
        if self.recent.len() == RECENT_LINES_MAX {
            self.recent.pop_front();
        }
        let words: String = words.chars().take(RECENT_LINE_CHARS_MAX).collect();
        self.recent.push_back(format!("{name}: {words}"));
    }
}

/// The next answer that says, does or laments something.
async fn worth_telling(answers: &mut Waiter) -> Result<Answer, ModelError> {
    loop {
        let Some(answer) = answers.next().await else {
            return Err(ModelError::new(ErrorKind::Broken, "another reply took this one's place")
                .with_help("Say it once more."));
        };
        let answer = answer?;
        let says = answer.message.as_deref().is_some_and(|message| !message.trim().is_empty());
        let does = answer.command.as_deref().is_some_and(|commands| !commands.is_empty());
        if says || does || answer.error.is_some() {
            return Ok(answer);
        }
    }
}

/// What each action is to an NPC, by name. Targets change from moment to moment, so they stand in the state
/// of the game and not here.
fn commands(request: &ServiceRequest) -> BTreeMap<String, Value> {
    let named =
        request.actions.iter().take(COMMANDS_MAX).map(|action| (action.name.clone(), command(action)));
    named.collect()
}

fn command(action: &ServiceAction) -> Value {
    let schema = action.arguments.as_ref();
    let part = |name: &str| schema.and_then(|schema| schema.get(name)).cloned();
    let mut properties = match part("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let mut required = match part("required") {
        Some(Value::Array(required)) => required,
        _ => Vec::new(),
    };
    if !action.targets.is_empty() {
        let target = json!({"type": "string", "description": "One that the game state lists for this."});
        properties.insert(TARGET.to_owned(), target);
        if !required.contains(&TARGET.into()) {
            required.push(TARGET.into());
        }
    }
    json!({
        "name": action.name,
        "description": action.description,
        "parameters": {"type": "object", "properties": properties, "required": required},
        "never_respond_with_message": false,
    })
}

fn system_prompt(request: &ServiceRequest, recent: &VecDeque<String>) -> String {
    let name = &request.character_name;
    let mut prompt = format!(
        "You are {name}, a character in a game, and you always stay {name}. Answer with what {name} says, in one \
         to three sentences. Gestures stand between asterisks. Use a command only when {name} does it now."
    );
    if !request.language.is_empty() {
        prompt.push_str(&format!(" Answer in this language: {}.", request.language));
    }
    if !recent.is_empty() {
        prompt.push_str("\nWhat was said before:");
        recent.iter().for_each(|line| prompt.push_str(&format!("\n{line}")));
    }
    prompt
}

/// The moment, in a few lines.
fn game_state(request: &ServiceRequest) -> String {
    let scene = &request.scene;
    let mut lines = Vec::new();
    let mut add = |title: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("{title}: {text}"));
        }
    };
    add("Place", scene.place.clone());
    add("Time", scene.time.clone());
    add("Present", scene.present.join(", "));
    add("Now", scene.facts.join(" "));
    for action in request.actions.iter().filter(|action| !action.targets.is_empty()) {
        add(&format!("Targets of {}", action.name), action.targets.join(", "));
    }
    add("You know", request.knowledge.join(" "));
    add("You remember", request.memories.join(" "));
    lines.join("\n").chars().take(GAME_STATE_CHARS_MAX).collect()
}

/// Some models begin with whom they play: `<Mirela> Welcome.`
fn without_name(message: &str) -> &str {
    let message = message.trim();
    let named = message.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    named.filter(|(name, _)| name.len() <= ID_BYTES_MAX).map_or(message, |(_, rest)| rest.trim_start())
}
