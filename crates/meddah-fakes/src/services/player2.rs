//! Player2: the app beside the game and the web API, which differ in paths and headers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Open, OpenGuard, Queue, Served, answer, json, lock, play, serve};
use crate::Transcript;

/// The key of the web API.
const KEY: &str = "p2-key-0123456789";
/// The game's id.
const GAME: &str = "game-1";
/// Answers that a slow reader may be behind.
const ANSWERS_BEHIND_MAX: usize = 64;

/// A made-up Player2.
pub struct FakePlayer2 {
    served: Served,
    state: Arc<Player2>,
}

struct Player2 {
    is_app: bool,
    /// The app of the future, with short paths only.
    short_paths_only: bool,
    npcs: Mutex<Npcs>,
    /// Lines of the responses stream; none breaks it.
    lines: broadcast::Sender<Option<String>>,
    next_lines: Queue,
    next_chats: Queue,
    next_spawns: Queue,
    next_streams: Queue,
    approved: AtomicBool,
    open: Open,
}

#[derive(Default)]
struct Npcs {
    spawned: Vec<Value>,
    alive: HashMap<String, Npc>,
    killed: Vec<String>,
    chats: Vec<Value>,
}

#[derive(Default)]
struct Npc {
    commands: Vec<String>,
    turns: u32,
}

impl FakePlayer2 {
    /// The key of the web API.
    pub const KEY: &str = KEY;
    /// The game's id.
    pub const GAME: &str = GAME;

    /// The app beside the game.
    pub async fn start_app() -> FakePlayer2 {
        FakePlayer2::start(true, false).await
    }

    /// An app that knows the short paths only.
    pub async fn start_new_app() -> FakePlayer2 {
        FakePlayer2::start(true, true).await
    }

    /// The web API.
    pub async fn start_cloud() -> FakePlayer2 {
        FakePlayer2::start(false, true).await
    }

    async fn start(is_app: bool, short_paths_only: bool) -> FakePlayer2 {
        let state = Arc::new(Player2 {
            is_app,
            short_paths_only,
            npcs: Mutex::default(),
            lines: broadcast::Sender::new(ANSWERS_BEHIND_MAX),
            next_lines: Queue::default(),
            next_chats: Queue::default(),
            next_spawns: Queue::default(),
            next_streams: Queue::default(),
            approved: AtomicBool::new(false),
            open: Open::default(),
        });
        let npcs = Router::new()
            .route("/spawn", post(spawn))
            .route("/responses", get(responses))
            .route("/{npc}/chat", post(chat))
            .route("/{npc}/kill", post(kill));
        let paths = if short_paths_only { "/v1/npcs" } else { "/v1/npc/games/game-1/npcs" };
        let router = Router::new()
            .nest(paths, npcs)
            .route("/v1/login/device/new", post(device_new))
            .route("/v1/login/device/token", post(device_token))
            .route("/v1/login/web/{client}", post(login_web))
            .with_state(state.clone());
        FakePlayer2 { served: serve(router).await, state }
    }

    /// Its address, with the version.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.served.base_url)
    }

    /// These lines come on the stream in place of the next answer; `NPC` stands for who was spoken to. A cut
    /// breaks the stream, a hang says nothing.
    pub fn next_lines(&self, lines: &str) {
        self.state.next_lines.push(Transcript::answer("200 OK", &[], lines));
    }

    /// The answer to the next chat.
    pub fn next_chat(&self, transcript: Transcript) {
        self.state.next_chats.push(transcript);
    }

    /// The answer to the next spawn.
    pub fn next_spawn(&self, transcript: Transcript) {
        self.state.next_spawns.push(transcript);
    }

    /// The answer to the next reader of the stream.
    pub fn next_stream(&self, transcript: Transcript) {
        self.state.next_streams.push(transcript);
    }

    /// Breaks the stream of answers for everybody.
    pub fn break_stream(&self) {
        self.state.lines.send(None).ok();
    }

    /// Forgets all NPCs, as the app does when it is restarted.
    pub fn drop_npcs(&self) {
        lock(&self.state.npcs).alive.clear();
    }

    /// The player types the code.
    pub fn approve(&self) {
        self.state.approved.store(true, Ordering::SeqCst);
    }

    /// Bodies of the NPCs that were spawned.
    pub fn spawned(&self) -> Vec<Value> {
        lock(&self.state.npcs).spawned.clone()
    }

    /// Bodies of what was said to NPCs.
    pub fn chats(&self) -> Vec<Value> {
        lock(&self.state.npcs).chats.clone()
    }

    /// Ids of the NPCs that were killed.
    pub fn killed(&self) -> Vec<String> {
        lock(&self.state.npcs).killed.clone()
    }

    /// Waits until so many readers of the stream are there.
    ///
    /// # Errors
    /// How many there are after ten seconds.
    pub async fn wait_for_open(&self, count: usize) -> Result<(), usize> {
        self.state.open.wait_for(count).await
    }
}

impl Player2 {
    /// The app wants its headers, the cloud a key.
    fn check(&self, headers: &HeaderMap) -> Result<(), Response> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if self.is_app {
            if !header("content-type").starts_with("application/json") {
                return Err(answer(
                    415,
                    "text/plain",
                    "Expected request with `Content-Type: application/json`".into(),
                ));
            }
            if header("player2-game-key") != GAME {
                return Err(json(401, &json!({"message": "missing game key"})));
            }
        } else if header("authorization") != format!("Bearer {KEY}") {
            return Err(answer(401, "text/plain", String::new()));
        }
        Ok(())
    }
}

fn parsed(body: &Bytes) -> Result<Value, Response> {
    serde_json::from_slice(body).map_err(|error| json(400, &json!({"message": error.to_string()})))
}

/// Fields that must be text.
fn texts(body: &Value, names: &[&str]) -> Result<(), Response> {
    match names.iter().find(|name| !body[**name].is_string()) {
        Some(name) => Err(json(400, &json!({"message": format!("missing field `{name}`")}))),
        None => Ok(()),
    }
}

async fn spawn(State(player2): State<Arc<Player2>>, headers: HeaderMap, body: Bytes) -> Response {
    let spawned = || {
        player2.check(&headers)?;
        let body = parsed(&body)?;
        texts(&body, &["name", "short_name", "character_description", "system_prompt"])?;
        if !(body["tts"]["speed"].is_number() && body["tts"]["audio_format"].is_string()) {
            return Err(json(400, &json!({"message": "missing field `tts`"})));
        }
        let mut commands = Vec::new();
        for command in body["commands"].as_array().into_iter().flatten() {
            texts(command, &["name", "description"])?;
            if command["parameters"]["type"] != "object" || !command["parameters"]["properties"].is_object() {
                return Err(json(400, &json!({"message": "parameters must be an object"})));
            }
            commands.push(command["name"].as_str().unwrap_or_default().to_owned());
        }
        Ok((body, commands))
    };
    let (body, commands) = match spawned() {
        Ok(spawned) => spawned,
        Err(refusal) => return refusal,
    };
    if let Some(transcript) = player2.next_spawns.next() {
        return play(transcript, player2.open.enter());
    }
    let mut npcs = lock(&player2.npcs);
    npcs.spawned.push(body);
    let id = format!("00000000-0000-4000-8000-{:012}", npcs.spawned.len());
    npcs.alive.insert(id.clone(), Npc { commands, turns: 0 });
    // The app answers with the bare id, the cloud with JSON.
    if player2.is_app { answer(200, "text/plain", id) } else { json(200, &id.into()) }
}

async fn chat(
    State(player2): State<Arc<Player2>>,
    Path(npc): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = player2.check(&headers).and_then(|()| parsed(&body));
    let said = said.and_then(|body| texts(&body, &["sender_name", "sender_message"]).map(|()| body));
    let said = match said {
        Ok(said) => said,
        Err(refusal) => return refusal,
    };
    if let Some(transcript) = player2.next_chats.next() {
        return play(transcript, player2.open.enter());
    }
    let mut npcs = lock(&player2.npcs);
    npcs.chats.push(said.clone());
    let Some(known) = npcs.alive.get_mut(&npc) else {
        return json(404, &json!({"message": "NPC not found"}));
    };
    known.turns += 1;
    match player2.next_lines.next() {
        Some(lines) => {
            let lines = String::from_utf8_lossy(&lines.body()).replace("NPC", &npc);
            for line in lines.lines() {
                player2.lines.send(Some(line.to_owned())).ok();
            }
        }
        None => {
            player2.lines.send(Some(usual_answer(&npc, known, &said).to_string())).ok();
        }
    }
    answer(200, "text/plain", String::new())
}

/// Repeats what was said, and calls each command that it names with the first target that it names.
fn usual_answer(npc: &str, known: &Npc, said: &Value) -> Value {
    let words = said["sender_message"].as_str().unwrap_or_default();
    let state = said["game_state_info"].as_str().unwrap_or_default();
    let message = format!("Turn {}: you said “{words}”.", known.turns);
    let lower = words.to_lowercase();
    let target = |command: &str| {
        let targets = state.lines().find_map(|line| line.strip_prefix(&format!("Targets of {command}: ")))?;
        targets.split(", ").find(|target| lower.contains(&target.to_lowercase())).map(str::to_owned)
    };
    let calls: Vec<Value> = known
        .commands
        .iter()
        .filter(|command| lower.contains(&command.replace('_', " ")))
        .map(|command| {
            let arguments = target(command).map_or(json!({}), |target| json!({"target": target}));
            json!({"name": command, "arguments": arguments.to_string()})
        })
        .collect();
    let command = if calls.is_empty() { Value::Null } else { calls.into() };
    json!({"npc_id": npc, "message": message, "audio": null, "command": command, "error": null})
}

async fn kill(State(player2): State<Arc<Player2>>, Path(npc): Path<String>, headers: HeaderMap) -> Response {
    if let Err(refusal) = player2.check(&headers) {
        return refusal;
    }
    let mut npcs = lock(&player2.npcs);
    npcs.killed.push(npc.clone());
    let status = if npcs.alive.remove(&npc).is_some() { 200 } else { 404 };
    answer(status, "text/plain", String::new())
}

async fn responses(State(player2): State<Arc<Player2>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = player2.check(&headers) {
        return refusal;
    }
    let guard = player2.open.enter();
    if let Some(transcript) = player2.next_streams.next() {
        return play(transcript, guard);
    }
    let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let events = accept.contains("text/event-stream");
    let lines = listen(player2.lines.subscribe(), guard, events);
    let media_type = if events { "text/event-stream" } else { "application/json" };
    let response = Response::builder().status(StatusCode::OK).header("content-type", media_type);
    response.body(Body::from_stream(lines)).expect("an answer")
}

/// The stream of one reader.
fn listen(
    lines: broadcast::Receiver<Option<String>>,
    guard: OpenGuard,
    events: bool,
) -> impl futures::Stream<Item = Result<String, std::io::Error>> {
    let first = events.then(|| Ok("event: ping\ndata: {\"type\":\"ping\"}\n\n".to_owned()));
    let rest = futures::stream::unfold((lines, guard), move |(mut lines, guard)| async move {
        let line = match lines.recv().await {
            Ok(Some(line)) if events => Ok(format!("event: npc_response\ndata: {line}\n\n")),
            Ok(Some(line)) => Ok(format!("{line}\n")),
            Ok(None) | Err(_) => Err(std::io::Error::other("cut")),
        };
        Some((line, (lines, guard)))
    });
    futures::stream::iter(first).chain(rest)
}

async fn device_new(State(player2): State<Arc<Player2>>, body: Bytes) -> Response {
    let body = match parsed(&body).and_then(|body| texts(&body, &["client_id"]).map(|()| body)) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body["client_id"] != GAME {
        return json(400, &json!({"message": "unknown client"}));
    }
    if let Some(transcript) = player2.next_spawns.next() {
        return play(transcript, player2.open.enter());
    }
    json(
        200,
        &json!({
            "deviceCode": "device-code-0123456789", "userCode": "ABCD-EFGH",
            "verificationUri": "https://player2.example/device",
            "verificationUriComplete": "https://player2.example/device?code=ABCD-EFGH",
            "expiresIn": 600, "interval": 1,
        }),
    )
}

async fn device_token(State(player2): State<Arc<Player2>>, body: Bytes) -> Response {
    let body = match parsed(&body) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let sound = body["client_id"] == GAME
        && body["device_code"] == "device-code-0123456789"
        && body["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code";
    if !sound {
        return json(500, &json!({"message": "bad request"}));
    }
    if let Some(transcript) = player2.next_chats.next() {
        return play(transcript, player2.open.enter());
    }
    match player2.approved.load(Ordering::SeqCst) {
        true => json(200, &json!({"p2Key": KEY})),
        false => json(400, &json!({"message": "authorization_pending"})),
    }
}

async fn login_web(State(player2): State<Arc<Player2>>, Path(client): Path<String>) -> Response {
    if !player2.is_app || client != GAME {
        return answer(404, "text/plain", String::new());
    }
    match player2.short_paths_only {
        false => json(200, &json!({"p2Key": KEY})),
        true => answer(401, "text/plain", "not logged in".into()),
    }
}
