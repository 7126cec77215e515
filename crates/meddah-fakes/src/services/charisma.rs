//! Charisma.ai: its REST API, and a game server of Colyseus 0.14 as the npm package behaves.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::colyseus;
use super::{Open, Served, json, lock, serve};

/// The key of the story's author.
const KEY: &str = "charisma-key-0123456789";
const STORY: u64 = 4;
const CHARACTER: u64 = 20;
/// A token as JSON web tokens are, unsigned: the official SDK reads the playthrough out of it.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJwbGF5dGhyb3VnaF91dWlkIjoicGxheS0xIn0.c2lnbmF0dXJl";
const PLAYTHROUGH: &str = "play-1";
/// The real server pings every three seconds and hangs up after two without an answer.
const PING_PAUSE: Duration = Duration::from_millis(400);
const PINGS_MISSED_MAX: u32 = 2;

/// What the story does, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum StoryStep {
    /// A message of the room; `conversationUuid` and an event id are added where they are missing.
    Tell(&'static str, Value),
    /// A message that is in the history, but never arrives.
    Miss(Value),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing for so long.
    Pause(Duration),
    /// Until the player taps.
    AwaitTap,
    /// The connection breaks; the seat is kept.
    Cut,
    /// The server closes with this code.
    Close(u16),
    /// The room is gone for good, and with it the connection.
    EndRoom,
}

/// A made-up Charisma.
pub struct FakeCharisma {
    served: Served,
    state: Arc<Charisma>,
}

#[derive(Default)]
struct Charisma {
    world: Mutex<World>,
    scripts: Mutex<VecDeque<Vec<StoryStep>>>,
    open: Open,
}

#[derive(Default)]
struct World {
    tokens: u32,
    conversations: HashMap<String, Option<u64>>,
    rooms: HashSet<String>,
    rooms_made: u32,
    seats: HashMap<String, Seat>,
    seats_made: u32,
    events: u64,
    history: Vec<Value>,
    memories: Vec<Value>,
    told: Vec<(String, Value)>,
    asked: Vec<String>,
    refuse_joins: VecDeque<Value>,
    refuse_auth: bool,
}

#[derive(Clone)]
struct Seat {
    room: String,
    options: Value,
    /// Not taken yet, or kept for whoever lost the connection.
    is_free: bool,
    was_in: bool,
}

impl FakeCharisma {
    /// The author's key.
    pub const KEY: &str = KEY;
    /// The story.
    pub const STORY: u64 = STORY;
    /// Its character, Ted Baker.
    pub const CHARACTER: u64 = CHARACTER;

    /// Starts it.
    pub async fn start() -> FakeCharisma {
        let state = Arc::<Charisma>::default();
        let router = Router::new()
            .route("/play/token", post(token))
            .route("/play/conversation", post(conversation))
            .route("/play/conversation/character", post(character_conversation))
            .route("/play/set-memory", post(set_memory))
            .route("/play/event-history", get(history))
            .route("/matchmake/{method}/{room}", post(matchmake))
            .route("/{process}/{room}", get(join))
            .with_state(state.clone());
        FakeCharisma { served: serve(router).await, state }
    }

    /// Its address.
    pub fn base_url(&self) -> &str {
        &self.served.base_url
    }

    /// What the story does at the next start, reply or action, instead of the usual.
    pub fn next_script(&self, steps: Vec<StoryStep>) {
        lock(&self.state.scripts).push_back(steps);
    }

    /// The next request for a seat is answered with this.
    pub fn refuse_join(&self, answer: Value) {
        lock(&self.state.world).refuse_joins.push_back(answer);
    }

    /// From now on nobody is let into a room.
    pub fn refuse_auth(&self) {
        lock(&self.state.world).refuse_auth = true;
    }

    /// Names and payloads of what players sent to rooms.
    pub fn told(&self) -> Vec<(String, Value)> {
        lock(&self.state.world).told.clone()
    }

    /// What was asked for over HTTP, such as `token` and `joinOrCreate`.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.state.world).asked.clone()
    }

    /// Memories as they were written.
    pub fn memories(&self) -> Vec<Value> {
        lock(&self.state.world).memories.clone()
    }

    /// Waits until so many sockets are open.
    ///
    /// # Errors
    /// How many there are after ten seconds.
    pub async fn wait_for_open(&self, count: usize) -> Result<(), usize> {
        self.state.open.wait_for(count).await
    }
}

/// A message of the usual character.
fn says(text: &str) -> Value {
    json!({
        "type": "character",
        "message": {
            "text": text, "character": {"id": CHARACTER, "name": "Ted Baker", "avatar": null}, "speech": null,
            "metadata": {}, "media": {"imageLayers": [], "audioTracks": []}, "impact": null,
        },
        "endStory": false, "tapToContinue": false, "path": [], "emotions": [], "memories": [],
    })
}

// REST.

fn error(status: u16, message: &str) -> Response {
    json(status, &json!({"error": message}))
}

fn bearer(headers: &HeaderMap) -> Result<(), Response> {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    if sent == Some(&format!("Bearer {TOKEN}")) { Ok(()) } else { Err(error(401, "Invalid token.")) }
}

fn body(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

impl Charisma {
    fn asked(&self, what: &str) {
        lock(&self.world).asked.push(what.to_owned());
    }
}

async fn token(State(charisma): State<Arc<Charisma>>, headers: HeaderMap, bytes: Bytes) -> Response {
    charisma.asked("token");
    let body = body(&bytes);
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| key != format!("API-Key {KEY}")) {
        return error(401, "The API key is not valid.");
    }
    if body["storyId"] != STORY {
        return error(404, "Story not found");
    }
    if body["version"] == -1 && key.is_none() {
        return error(403, "You do not have permission to play this version.");
    }
    lock(&charisma.world).tokens += 1;
    json(200, &json!({"token": TOKEN, "playthroughUuid": PLAYTHROUGH}))
}

impl World {
    fn converse(&mut self, character: Option<u64>) -> Response {
        let id = format!("conversation-{}", self.conversations.len() + 1);
        self.conversations.insert(id.clone(), character);
        json(200, &json!({"conversationUuid": id}))
    }

    fn event_id(&mut self) -> String {
        self.events += 1;
        // As large as real ones: beyond what JavaScript can count.
        (9_007_199_254_740_993 + self.events).to_string()
    }
}

async fn conversation(State(charisma): State<Arc<Charisma>>, headers: HeaderMap) -> Response {
    charisma.asked("conversation");
    match bearer(&headers) {
        Ok(()) => lock(&charisma.world).converse(None),
        Err(refusal) => refusal,
    }
}

async fn character_conversation(
    State(charisma): State<Arc<Charisma>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    charisma.asked("conversation/character");
    if let Err(refusal) = bearer(&headers) {
        return refusal;
    }
    match body(&bytes)["characterId"].as_u64() {
        Some(CHARACTER) => lock(&charisma.world).converse(Some(CHARACTER)),
        _ => error(404, "Character not found"),
    }
}

async fn set_memory(State(charisma): State<Arc<Charisma>>, headers: HeaderMap, bytes: Bytes) -> Response {
    charisma.asked("set-memory");
    if let Err(refusal) = bearer(&headers) {
        return refusal;
    }
    let body = body(&bytes);
    let Some(memories) = body["memories"].as_array() else { return error(400, "memories is required") };
    if memories.iter().any(|memory| !memory["recallValue"].is_string()) {
        return error(400, "recallValue is required");
    }
    lock(&charisma.world).memories.extend(memories.iter().cloned());
    json(200, &json!({}))
}

async fn history(
    State(charisma): State<Arc<Charisma>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    charisma.asked("event-history");
    if let Err(refusal) = bearer(&headers) {
        return refusal;
    }
    let query = query.unwrap_or_default();
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    if value("eventTypes") != Some("message_character") {
        return error(400, "eventTypes is not valid");
    }
    let min = value("minEventId").and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
    let id_of =
        |event: &Value| event["id"].as_str().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
    let world = lock(&charisma.world);
    // The last known event is among them, as with the real one.
    let events: Vec<&Value> = world.history.iter().filter(|event| id_of(event) >= min).collect();
    json(200, &json!({"events": events}))
}

// Colyseus.

async fn matchmake(
    State(charisma): State<Arc<Charisma>>,
    Path((method, room)): Path<(String, String)>,
    bytes: Bytes,
) -> Response {
    charisma.asked(&method);
    let options = body(&bytes);
    let mut world = lock(&charisma.world);
    // All answers are 200, refusals too.
    if let Some(refusal) = world.refuse_joins.pop_front() {
        return json(200, &refusal);
    }
    match method.as_str() {
        "joinOrCreate" if room == "chat" => {
            world.rooms_made += 1;
            let id = format!("room-{}", world.rooms_made);
            world.rooms.insert(id.clone());
            world.seats_made += 1;
            let session = format!("seat-{}", world.seats_made);
            let seat = Seat { room: id.clone(), options, is_free: true, was_in: false };
            world.seats.insert(session.clone(), seat);
            reserved(&id, &session)
        }
        "joinOrCreate" => {
            json(200, &json!({"code": 4210, "error": format!("provided room name \"{room}\" not defined")}))
        }
        "joinById" if !world.rooms.contains(&room) => {
            json(200, &json!({"code": 4212, "error": format!("room \"{room}\" not found")}))
        }
        "joinById" => {
            let session = options["sessionId"].as_str().unwrap_or_default();
            match world.seats.get(session) {
                Some(seat) if seat.is_free && seat.room == room => reserved(&room, session),
                _ => json(200, &json!({"code": 4214, "error": format!("session expired: {session}")})),
            }
        }
        _ => json(200, &json!({"code": 4210, "error": format!("invalid method \"{method}\"")})),
    }
}

fn reserved(room: &str, session: &str) -> Response {
    let room = json!({
        "clients": 0, "maxClients": null, "private": false, "unlisted": false, "createdAt": "2026-11-25T00:00:00Z",
        "name": "chat", "processId": "process-1", "roomId": room,
    });
    json(200, &json!({"room": room, "sessionId": session}))
}

async fn join(
    State(charisma): State<Arc<Charisma>>,
    Path((_process, room)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let query = query.unwrap_or_default();
    let session = query.strip_prefix("sessionId=").unwrap_or_default().to_owned();
    upgrade.on_upgrade(move |socket| async move {
        let _open = charisma.open.enter();
        let mut player = Player { charisma, socket, room, session, conversation: String::new() };
        player.play().await;
    })
}

/// One socket.
struct Player {
    charisma: Arc<Charisma>,
    socket: WebSocket,
    room: String,
    session: String,
    conversation: String,
}

/// The socket is over.
struct Over;

impl Player {
    async fn play(&mut self) {
        let seat = {
            let mut world = lock(&self.charisma.world);
            let room = self.room.clone();
            let is_mine = |seat: &&mut Seat| seat.is_free && seat.room == room;
            world.seats.get_mut(&self.session).filter(is_mine).map(|seat| {
                let before = seat.clone();
                (seat.is_free, seat.was_in) = (false, true);
                before
            })
        };
        let Some(seat) = seat else {
            return self.refuse(0, "seat reservation expired.").await;
        };
        let options = &seat.options;
        let sound = options["playthroughId"] == PLAYTHROUGH
            && options["token"] == TOKEN
            && options["sdkInfo"]["protocolVersion"] == 2;
        if !sound || lock(&self.charisma.world).refuse_auth {
            return self.refuse(4215, "onAuth failed").await;
        }
        // No state, so the serializer is called `none`.
        if self.send(colyseus::joined()).await.is_err() {
            return;
        }
        self.serve(seat.was_in).await.ok();
    }

    /// An error frame, then code 4002.
    async fn refuse(&mut self, code: u16, message: &str) {
        let frame = colyseus::error(code, message);
        self.send(frame).await.ok();
        self.close(4002).await;
    }

    async fn close(&mut self, code: u16) {
        let close = CloseFrame { code, reason: "".into() };
        self.socket.send(Message::Close(Some(close))).await.ok();
        // The other side closes too; whoever does not is left.
        let closing = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        tokio::time::timeout(Duration::from_millis(500), closing).await.ok();
    }

    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Over> {
        self.socket.send(Message::Binary(frame.into())).await.map_err(|_| Over)
    }

    async fn tell(&mut self, name_of: &str, payload: &Value) -> Result<(), Over> {
        self.send(colyseus::data(name_of, payload)).await
    }

    async fn serve(&mut self, is_back: bool) -> Result<(), Over> {
        let mut joined = false;
        loop {
            let frame = self.receive().await?;
            match frame.split_first() {
                Some((10, [])) if !joined => {
                    joined = true;
                    if is_back {
                        // The official SDK waits for nothing more after it came back.
                        continue;
                    }
                    // Sent before the client was in, so it comes now.
                    self.tell("status", &Value::Null).await?;
                    self.tell("player-session-id", &json!("player-session-1")).await?;
                }
                Some((12, [])) => {
                    lock(&self.charisma.world).seats.remove(&self.session);
                    self.close(1000).await;
                    return Err(Over);
                }
                Some((13, data)) => {
                    let (event, payload) = colyseus::parse(data).ok_or(Over)?;
                    self.take(&event, payload).await?;
                }
                _ => return Err(Over),
            }
        }
    }

    /// The next binary frame; pings whoever is silent, and leaves whoever does not answer.
    async fn receive(&mut self) -> Result<Vec<u8>, Over> {
        let mut missed = 0;
        loop {
            match tokio::time::timeout(PING_PAUSE, self.socket.recv()).await {
                Ok(Some(Ok(Message::Binary(frame)))) => return Ok(frame.to_vec()),
                Ok(Some(Ok(Message::Pong(_)))) => missed = 0,
                Ok(Some(Ok(Message::Close(_)))) | Ok(Some(Err(_))) | Ok(None) => return Err(Over),
                Ok(Some(Ok(_))) => {}
                Err(_) if missed > PINGS_MISSED_MAX => return Err(Over),
                Err(_) => {
                    missed += 1;
                    self.socket.send(Message::Ping(Bytes::new())).await.map_err(|_| Over)?;
                }
            }
        }
    }

    async fn take(&mut self, event: &str, payload: Value) -> Result<(), Over> {
        lock(&self.charisma.world).told.push((event.to_owned(), payload.clone()));
        let conversation = payload["conversationUuid"].as_str().unwrap_or_default().to_owned();
        if !lock(&self.charisma.world).conversations.contains_key(&conversation) {
            return self
                .tell("problem", &json!({"code": "invalid-conversation", "error": "No such conversation."}))
                .await;
        }
        self.conversation = conversation;
        if !matches!(event, "start" | "reply" | "action") {
            return Ok(());
        }
        let script = lock(&self.charisma.scripts).pop_front();
        let steps = script.unwrap_or_else(|| usual(event, &payload));
        for step in steps {
            self.perform(step).await?;
        }
        Ok(())
    }

    async fn perform(&mut self, step: StoryStep) -> Result<(), Over> {
        match step {
            StoryStep::Tell(event, payload) => {
                let payload = self.complete(event, payload);
                self.tell(event, &payload).await
            }
            StoryStep::Miss(payload) => {
                self.complete("message", payload);
                Ok(())
            }
            StoryStep::Raw(bytes) => self.send(bytes).await,
            StoryStep::Pause(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            StoryStep::AwaitTap => {
                let frame = self.receive().await?;
                let (event, payload) =
                    frame.split_first().and_then(|(_, data)| colyseus::parse(data)).ok_or(Over)?;
                lock(&self.charisma.world).told.push((event.clone(), payload));
                if event == "tap" { Ok(()) } else { Err(Over) }
            }
            StoryStep::Cut => {
                self.keep_seat();
                Err(Over)
            }
            StoryStep::Close(code) => {
                self.keep_seat();
                self.close(code).await;
                Err(Over)
            }
            StoryStep::EndRoom => {
                lock(&self.charisma.world).rooms.remove(&self.room);
                Err(Over)
            }
        }
    }

    fn keep_seat(&self) {
        if let Some(seat) = lock(&self.charisma.world).seats.get_mut(&self.session) {
            seat.is_free = true;
        }
    }

    /// Adds what every event has, and remembers what was said.
    fn complete(&self, event: &str, mut payload: Value) -> Value {
        let Some(fields) = payload.as_object_mut() else { return payload };
        fields.entry("conversationUuid").or_insert_with(|| self.conversation.clone().into());
        if event == "message" {
            let mut world = lock(&self.charisma.world);
            let id = world.event_id();
            fields.entry("eventId").or_insert_with(|| id.into());
            fields.entry("timestamp").or_insert_with(|| 1.into());
            let entry = json!({
                "id": fields["eventId"], "type": "message_character", "timestamp": 1,
                "conversationUuid": self.conversation, "payload": fields,
            });
            world.history.push(entry);
        }
        payload
    }
}

/// A greeting at the start; then it repeats what was said, and feels hope. An action that is named goes along.
fn usual(event: &str, payload: &Value) -> Vec<StoryStep> {
    let mut message = match event {
        "start" => says("Greetings and good day."),
        "reply" => says(&format!("You said “{}”.", payload["text"].as_str().unwrap_or_default())),
        _ => says(&format!("Oh: {}.", payload["action"].as_str().unwrap_or_default())),
    };
    if event == "reply" {
        let effects = json!([{"feeling": "hope", "intensity": 3, "duration": 2, "durationRemaining": 2}]);
        let mood = json!({
            "id": CHARACTER, "name": "Ted Baker", "avatar": null, "moodPositivity": 20, "moodEnergy": 5,
            "playerRelationship": 10, "activeEffects": effects,
        });
        message["emotions"] = json!([mood]);
    }
    if payload["text"].as_str().is_some_and(|text| text.contains("map")) {
        message["message"]["metadata"] = json!({"action": "Give the map"});
    }
    vec![
        StoryStep::Tell("start-typing", json!({})),
        StoryStep::Pause(Duration::from_millis(20)),
        StoryStep::Tell("message", message),
    ]
}
