//! The face of a program that many mods look for on port 4315: chats, and characters that a mod spawns.
//!
//! Compatible with the published interface of Player2, and not affiliated with it. A spawned character is one
//! of ours: it has a world per game, is kept, and remembers. Both forms of paths are served: the local one
//! with the game's id in it, and the one of the cloud without.

mod aloud;
pub(super) mod error;
mod npcs;
mod responses;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use super::aloud::SOUND_BYTES_MAX;
use super::sent::{Sent, bearer, header, unsupported};
use super::{character, openai};
use crate::transport::App;
use error::Refused;
use npcs::Npc;
use openai::embeddings::{self, Embeddings};
use responses::Responses;

/// What keys that this face gives out begin with; the game's id follows. It opens nothing: everybody on this
/// computer may ask for one.
const KEY_PREFIX: &str = "meddah-p2-";
/// The game of a mod that names none.
const GAME_UNNAMED: &str = "game";
/// The longest id of a game, in bytes; it becomes part of a world's id.
const GAME_BYTES_MAX: usize = 96;
/// Games with a stream of responses at once.
const GAMES_MAX: usize = 64;
/// What this face always answers when it is asked for the credit: thinking here costs none, and mods stop at 0.
const JOULES: u32 = 1_000_000;
/// Characters that are offered to mods that let the player choose one.
const SELECTED_MAX: usize = 32;

/// What the face knows beside the sidecar.
pub(super) struct Player2 {
    app: Arc<App>,
    npcs: Mutex<HashMap<String, Option<Npc>>>,
    responses: Mutex<HashMap<String, Arc<Responses>>>,
    /// How loud the mod wants its voices, as the bits of a number.
    volume: AtomicU32,
}

/// All routes.
pub(super) fn face(app: &Arc<App>) -> Router {
    let state = Arc::new(Player2 {
        app: app.clone(),
        npcs: Mutex::default(),
        responses: Mutex::default(),
        volume: AtomicU32::new(1.0_f32.to_bits()),
    });
    let local = "/v1/npc/games/{game}/npcs";
    let hearing = post(aloud::understand).layer(DefaultBodyLimit::max(SOUND_BYTES_MAX));
    let own = Router::new()
        .route("/v1/health", get(health))
        .route("/v1/login/web/{client}", post(login).get(login))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/selected_characters", get(selected_characters))
        .route("/v1/joules", get(joules))
        .route(&format!("{local}/spawn"), post(npcs::spawn_local))
        .route(&format!("{local}/responses"), get(responses::stream_local))
        .route(&format!("{local}/{{npc}}/chat"), post(npcs::chat_local))
        .route(&format!("{local}/{{npc}}/kill"), post(npcs::kill_local))
        .route(&format!("{local}/{{npc}}/history"), get(npcs::history_local))
        .route("/v1/npcs/spawn", post(npcs::spawn))
        .route("/v1/npcs/responses", get(responses::stream))
        .route("/v1/npcs/{npc}/chat", post(npcs::chat))
        .route("/v1/npcs/{npc}/kill", post(npcs::kill))
        .route("/v1/npcs/{npc}/history", get(npcs::history))
        .route("/v1/tts/voices", get(aloud::voices))
        .route("/v1/tts/speak", post(aloud::speak))
        .route("/v1/tts/stream", post(aloud::stream))
        .route("/v1/tts/volume", get(aloud::get_volume).post(aloud::set_volume))
        .route("/v1/tts/stop", post(nothing_to_stop))
        .route("/v1/stt/audio", hearing)
        .route("/v1/stt/stop", post(nothing_heard))
        .route("/v1/stt/{*rest}", get(no_ear).post(no_ear))
        .route("/v1/embeddings", post(embed))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state);
    own.merge(openai::models_only().with_state(app.clone()))
}

impl Player2 {
    fn volume(&self) -> f32 {
        f32::from_bits(self.volume.load(Ordering::Relaxed))
    }

    fn set_volume(&self, volume: f32) {
        self.volume.store(volume.to_bits(), Ordering::Relaxed);
    }

    fn npcs(&self) -> MutexGuard<'_, HashMap<String, Option<Npc>>> {
        self.npcs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the responses of a game's characters go.
    fn responses_of(&self, game: &str) -> Result<Arc<Responses>, WireError> {
        let mut all = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= GAMES_MAX && !all.contains_key(game) {
            return Err(WireError::new(ErrorCode::Busy, format!("{GAMES_MAX} games are known already"))
                .with_help("Restart Meddah, or let the mod send the same `player2-game-key` every time."));
        }
        Ok(all.entry(game.to_owned()).or_default().clone())
    }
}

/// Which game asks: by its key, else by the key that it was given here.
fn game(headers: &HeaderMap, token: Option<&str>) -> String {
    let named = header(headers, "player2-game-key").or_else(|| header(headers, "x-game-client-id"));
    let by_key = || bearer(headers).or(token)?.strip_prefix(KEY_PREFIX);
    plain_game(named.or_else(by_key).unwrap_or(GAME_UNNAMED))
}

fn plain_game(game: &str) -> String {
    let plain: String = game.trim().chars().filter(|c| !c.is_control()).collect();
    let plain = character::bounded(&plain, GAME_BYTES_MAX);
    if plain.is_empty() { GAME_UNNAMED.to_owned() } else { plain }
}

async fn health() -> Json<Value> {
    Json(json!({"client_version": env!("CARGO_PKG_VERSION"), "name": "meddah"}))
}

async fn login(Path(client): Path<String>) -> Json<Value> {
    Json(json!({"p2Key": format!("{KEY_PREFIX}{}", plain_game(&client))}))
}

async fn chat(State(face): State<Arc<Player2>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    Ok(openai::chat_answer(&face.app, &headers, sent).await?)
}

/// The characters of the worlds that the player loaded; those that other mods spawned are theirs.
async fn selected_characters(State(face): State<Arc<Player2>>) -> Json<Value> {
    let worlds = face.app.sidecar.worlds.list();
    let worlds = worlds.iter().filter(|world| !world.id.starts_with(npcs::WORLD_PREFIX));
    let characters = worlds.flat_map(|world| world.characters.values()).take(SELECTED_MAX);
    let characters: Vec<Value> = characters
        .map(|one| {
            json!({"id": one.id, "name": one.name, "short_name": one.name, "description": one.description,
                "greeting": "", "voice_ids": []})
        })
        .collect();
    Json(json!({"characters": characters}))
}

async fn joules() -> Json<Value> {
    Json(json!({"joules": JOULES, "patron_tier": null}))
}

async fn nothing_to_stop() -> Json<Value> {
    Json(json!({}))
}

/// Some mods take the text of an error for what the player said, so nothing heard is no error.
async fn nothing_heard() -> Json<Value> {
    Json(json!({"text": ""}))
}

/// The microphone is the game's: what it records goes to `/v1/stt/audio`.
async fn no_ear() -> Refused {
    let help = "Record in the mod and send the sound to `/v1/stt/audio`, or type.";
    Refused(unsupported("this face does not record a microphone", help))
}

async fn embed(State(face): State<Arc<Player2>>, sent: Sent) -> Result<Json<Embeddings>, Refused> {
    Ok(Json(embeddings::answer(&face.app, sent).await?))
}

async fn no_route(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("there is no route {path}"));
    Refused(error.with_help("Of Player2, Meddah serves chats and characters."))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let message = format!("{path} does not take {method}.");
    (axum::http::StatusCode::METHOD_NOT_ALLOWED, Json(json!({"message": message}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_is_known_by_its_header_or_by_the_key_it_was_given() {
        let headers = |name: &'static str, value: &str| {
            HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
        };
        assert_eq!(game(&headers("player2-game-key", "chatclef"), None), "chatclef");
        assert_eq!(game(&headers("authorization", "Bearer meddah-p2-my game"), None), "my game");
        assert_eq!(game(&HeaderMap::new(), Some("meddah-p2-web")), "web");
        assert_eq!(game(&headers("authorization", "Bearer elsewhere"), None), GAME_UNNAMED);
    }
}
