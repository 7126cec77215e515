//! Characters that a mod spawns and talks with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use meddah_engine::action::ActionSet;
use meddah_engine::timeline::{EntryKind, TimelineKey};
use meddah_engine::world::{NAME_CHARS_MAX, PLAYER_ID, TEXT_CHARS_MAX};
use meddah_protocol::{ActionDeclaration, Command, ErrorCode, ID_BYTES_MAX, Player, Say, Scene, WireError};
use meddah_store::EntryFilter;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::aloud::Tts;
use super::error::{self, Refused};
use super::responses::Responses;
use super::{Player2, game, plain_game};
use crate::compat::asked::Tool;
use crate::compat::reply::{Whole, collect};
use crate::compat::sent::{Fields as _, Sent, accepts, invalid};
use crate::compat::{character, openai};
use crate::transport::App;

/// What the worlds of games begin with that speak this protocol.
pub(super) const WORLD_PREFIX: &str = "player2-";
/// Characters spawned at once.
const NPCS_MAX: usize = 4096;
/// Turns of a history.
const HISTORY_MAX: usize = 100;
/// Facts that a game's state is read as, and the characters of each: more of it gets a small model lost.
const FACTS_MAX: usize = 24;
const FACT_CHARS_MAX: usize = 300;

/// A character that a mod spawned.
#[derive(Clone, Debug)]
pub(super) struct Npc {
    world: String,
    id: String,
    actions: Vec<ActionDeclaration>,
    /// Actions that are done without a word.
    silent: BTreeSet<String>,
    /// How it sounds.
    tts: Tts,
}

pub(super) async fn spawn(
    State(face): State<Arc<Player2>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Refused> {
    let game = game(&headers, None);
    spawned(&face, &game, &headers, sent).await
}

pub(super) async fn spawn_local(
    State(face): State<Arc<Player2>>,
    Path(game): Path<String>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Refused> {
    spawned(&face, &plain_game(&game), &headers, sent).await
}

async fn spawned(face: &Player2, game: &str, headers: &HeaderMap, sent: Sent) -> Result<Response, Refused> {
    face.app.check_running()?;
    let body = sent.0?;
    let npc = read_npc(game, &body)?;
    let name: String = npc.id.chars().take(NAME_CHARS_MAX).collect();
    let (uuid, npc) = take_place(&mut face.npcs(), npc)?;
    if let Err(error) = keep_character(&face.app, &npc, name, description(&body)).await {
        face.npcs().remove(&uuid);
        return Err(Refused(error));
    }
    // Some clients read the bare id, others JSON.
    Ok(if accepts(headers, "text/plain") { uuid.into_response() } else { Json(uuid).into_response() })
}

/// Whoever is spawned while another one of its name lives is somebody else, with a memory of its own.
fn take_place(npcs: &mut HashMap<String, Option<Npc>>, npc: Npc) -> Result<(String, Npc), WireError> {
    let ids = (1..=NPCS_MAX).map(|place| numbered(&npc.id, place));
    let mut places = ids.map(|id| (uuid_of(&npc.world, &id), id));
    let free = places.find(|(uuid, _)| !matches!(npcs.get(uuid), Some(Some(_))));
    let Some((uuid, id)) = free.filter(|(uuid, _)| npcs.len() < NPCS_MAX || npcs.contains_key(uuid)) else {
        return Err(WireError::new(ErrorCode::Busy, format!("{NPCS_MAX} characters are spawned already"))
            .with_help("Restart Meddah; all of them are remembered."));
    };
    let npc = Npc { id, ..npc };
    npcs.insert(uuid.clone(), Some(npc.clone()));
    Ok((uuid, npc))
}

/// The id of the first, second and so on with the same name.
fn numbered(id: &str, place: usize) -> String {
    if place == 1 {
        return id.to_owned();
    }
    let number = format!(" #{place}");
    format!("{}{number}", character::cut(id, ID_BYTES_MAX - number.len()))
}

/// A character is who it is by its name: spawned again after it was killed or after a restart, it is the same
/// one and remembers.
fn read_npc(game: &str, body: &Value) -> Result<Npc, WireError> {
    let name = body.text("name").or_else(|| body.text("short_name")).map(str::trim).unwrap_or_default();
    let id: String = name.chars().filter(|c| !c.is_control()).collect();
    let id = character::cut(id.trim(), ID_BYTES_MAX).trim().to_owned();
    if id.is_empty() {
        return Err(invalid("`name` is missing", "Send the character's `name` or `short_name`."));
    }
    let id = if id == PLAYER_ID { format!("{id} (character)") } else { id };
    let (actions, silent) = read_commands(body);
    let tts = body.get("tts").map_or_else(|| Tts::read(body), Tts::read);
    Ok(Npc { world: format!("{WORLD_PREFIX}{game}"), id, actions, silent, tts })
}

/// A command that cannot be an action costs a warning and not the character.
fn read_commands(body: &Value) -> (Vec<ActionDeclaration>, BTreeSet<String>) {
    let (mut actions, mut silent) = (Vec::new(), BTreeSet::new());
    for command in body.list("commands") {
        let Some(Tool { name, description, parameters }) = openai::request::tool(command) else { continue };
        let action = ActionDeclaration {
            name: name.clone(),
            description,
            parameters,
            targets: None,
            needs_result: false,
        };
        let mut with = actions.clone();
        with.push(action);
        match ActionSet::new(with.clone()) {
            Ok(_) => actions = with,
            Err(error) => {
                warn!(command = name, %error, "a command of a mod cannot be used");
                continue;
            }
        }
        if command.flag("never_respond_with_message") == Some(true) {
            silent.insert(name);
        }
    }
    (actions, silent)
}

/// What the mod wrote about the character, as one description.
fn description(body: &Value) -> String {
    let parts = [body.text("character_description"), body.text("system_prompt")];
    let parts: Vec<&str> = parts.into_iter().flatten().map(str::trim).collect();
    parts.join("\n").chars().take(TEXT_CHARS_MAX).collect()
}

/// Creates the character, or changes the one of that id.
async fn keep_character(app: &App, npc: &Npc, name: String, description: String) -> Result<(), WireError> {
    let (world, id) = (npc.world.clone(), npc.id.clone());
    let worlds = app.sidecar.worlds.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let known = worlds.get_character(&world, &id).ok();
        if known.is_some_and(|known| {
            known["name"] == name.as_str() && known["description"] == description.as_str()
        }) {
            return Ok(());
        }
        worlds.put_character(&world, &id, json!({"name": name, "description": description})).map(|_| ())
    });
    kept.await.unwrap_or_else(|error| {
        Err(WireError::new(ErrorCode::Internal, format!("the character was not kept: {error}")))
    })
}

pub(super) async fn chat(
    State(face): State<Arc<Player2>>,
    Path(npc): Path<String>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, Refused> {
    let game = game(&headers, None);
    said(&face, &game, &npc, sent).await
}

pub(super) async fn chat_local(
    State(face): State<Arc<Player2>>,
    Path((game, npc)): Path<(String, String)>,
    sent: Sent,
) -> Result<Json<Value>, Refused> {
    said(&face, &plain_game(&game), &npc, sent).await
}

/// Says it, and answers at once: what the character answers comes on the stream of responses.
async fn said(face: &Arc<Player2>, game: &str, uuid: &str, sent: Sent) -> Result<Json<Value>, Refused> {
    face.app.check_running()?;
    let body = sent.0?;
    let npc = find(face, game, uuid)?;
    let text = body.text("sender_message").or_else(|| body.text("message")).map(str::to_owned);
    let text = text.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        invalid("`sender_message` is missing or empty", "Send what the player says as `sender_message`.")
    })?;
    let sender: String =
        body.text("sender_name").unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let sender = character::cut(sender.trim(), ID_BYTES_MAX).to_owned();
    let usual = Player::default();
    let player = Player { name: if sender.is_empty() { usual.name } else { sender.clone() }, id: usual.id };
    let session = face.app.sidecar.one_shot_session(&npc.world, &player).await?;
    let scene = body.text("game_state_info").map(|state| Scene { facts: facts(state), ..Scene::default() });
    let say = Say {
        req_id: String::new(),
        to: npc.id.clone(),
        from: Some(sender).filter(|sender| !sender.is_empty() && *sender != session.player.name),
        text,
        scene,
        actions: Some(npc.actions.clone()),
        among: 0,
    };
    let accepted = session.command(Command::Say(say)).await?;
    let pieces = character::turn(session, accepted)?;
    let responses = face.responses_of(game)?;
    let uuid = uuid.to_owned();
    let aloud = body.text("tts").is_some();
    let face = face.clone();
    // The turn ends with its session at the latest, and the app waits for this task.
    face.app.sockets.clone().spawn(async move {
        let answer = collect(pieces).await;
        let audio = match &answer {
            Ok(whole) if aloud && !whole.text.trim().is_empty() => {
                super::aloud::spoken(&face, &whole.text, &npc.tts).await
            }
            _ => return respond(&responses, &npc, &uuid, answer, Value::Null),
        };
        // Text does not fail with the voice.
        let audio = audio.map_or(Value::Null, |data| json!({"data": data}));
        respond(&responses, &npc, &uuid, answer, audio);
    });
    Ok(Json(json!({})))
}

fn respond(responses: &Responses, npc: &Npc, uuid: &str, answer: Result<Whole, WireError>, audio: Value) {
    let response = match answer {
        Err(error) => json!({"npc_id": uuid, "message": null, "audio": null, "command": null,
            "error": error::of_response(&error)}),
        Ok(whole) => {
            // The arguments are a text with JSON in it: the clients are written so.
            let calls = whole.calls.iter();
            let commands: Vec<Value> = calls
                .map(|call| json!({"name": call.name, "arguments": call.arguments.to_string()}))
                .collect();
            let silent = whole.calls.iter().any(|call| npc.silent.contains(&call.name));
            let message = if silent { Value::Null } else { json!(whole.text) };
            let commands = if commands.is_empty() { Value::Null } else { json!(commands) };
            let mut extra = json!({"emotion": whole.feeling.map(|feeling| feeling.label)});
            whole.trouble.iter().for_each(|trouble| trouble.tell(&mut extra));
            json!({"npc_id": uuid, "message": message, "audio": audio, "command": commands, "error": null,
                "meddah": extra})
        }
    };
    responses.push(&response);
}

pub(super) async fn kill(
    State(face): State<Arc<Player2>>,
    Path(npc): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    killed(&face, &game(&headers, None), npc)
}

pub(super) async fn kill_local(
    State(face): State<Arc<Player2>>,
    Path((game, npc)): Path<(String, String)>,
) -> Result<Json<Value>, Refused> {
    killed(&face, &plain_game(&game), npc)
}

/// The character is gone for the mod, and still remembers when it is spawned again.
fn killed(face: &Player2, game: &str, uuid: String) -> Result<Json<Value>, Refused> {
    find(face, game, &uuid)?;
    face.npcs().insert(uuid, None);
    Ok(Json(json!({})))
}

pub(super) async fn history(
    State(face): State<Arc<Player2>>,
    Path(npc): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    past(&face, &game(&headers, None), &npc).await
}

pub(super) async fn history_local(
    State(face): State<Arc<Player2>>,
    Path((game, npc)): Path<(String, String)>,
) -> Result<Json<Value>, Refused> {
    past(&face, &plain_game(&game), &npc).await
}

async fn past(face: &Player2, game: &str, uuid: &str) -> Result<Json<Value>, Refused> {
    let npc = find(face, game, uuid)?;
    let session = face.app.sidecar.one_shot_session(&npc.world, &Player::default()).await?;
    let TimelineKey { world, player } = session.timeline();
    let key = TimelineKey { world, player };
    let filter = EntryFilter::PerceivedBy(npc.id.clone());
    let entries = face
        .app
        .sidecar
        .ports
        .store
        .recent(&key, filter, HISTORY_MAX, None)
        .await
        .map_err(WireError::from)?;
    let mut history = Vec::new();
    for stored in &entries {
        let EntryKind::Turn(turn) = &stored.entry.kind else { continue };
        if stored.entry.character.as_deref() != Some(npc.id.as_str()) {
            continue;
        }
        let answer: Vec<&str> = turn.lines.iter().map(|line| line.text.as_str()).collect();
        history.push(json!({"role": "user", "content": turn.text, "name": turn.speaker_name}));
        history.push(json!({"role": "assistant", "content": answer.join(" ")}));
    }
    Ok(Json(json!({"npc_id": uuid, "history": history})))
}

/// A spawned character of this game; after a restart also one that was spawned before, which mods keep in their
/// saves.
fn find(face: &Player2, game: &str, uuid: &str) -> Result<Npc, WireError> {
    let world = format!("{WORLD_PREFIX}{game}");
    match face.npcs().get(uuid) {
        Some(Some(npc)) if npc.world == world => return Ok(npc.clone()),
        Some(_) => return Err(unknown()),
        None => {}
    }
    let world = face.app.sidecar.worlds.find(&world).map_err(|_| unknown())?;
    let id = world.characters.keys().find(|id| uuid_of(&world.id, id) == uuid).ok_or_else(unknown)?;
    Ok(Npc {
        world: world.id.clone(),
        id: id.clone(),
        actions: Vec::new(),
        silent: BTreeSet::new(),
        tts: Tts::default(),
    })
}

fn unknown() -> WireError {
    WireError::new(ErrorCode::UnknownCharacter, "there is no such character").with_help("Spawn it first.")
}

/// The same character has the same id at every start.
fn uuid_of(world: &str, id: &str) -> String {
    let mut bytes = Sha256::digest(format!("{world}\0{id}"));
    bytes[6] = bytes[6] & 0x0f | 0x80; // version 8 of RFC 9562: made by a rule of our own
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The game's state as facts, so that a character notices what changed: fields of JSON, else lines.
fn facts(state: &str) -> Vec<String> {
    let mut facts = Vec::new();
    match serde_json::from_str::<Value>(state) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => flatten("", &value, &mut facts),
        _ => facts.extend(state.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())),
    }
    facts.truncate(FACTS_MAX);
    facts.into_iter().map(|fact| fact.chars().take(FACT_CHARS_MAX).collect()).collect()
}

fn flatten(path: &str, value: &Value, facts: &mut Vec<String>) {
    if facts.len() >= FACTS_MAX {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path} {key}") };
                flatten(&path, value, facts);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().for_each(|item| flatten(path, item, facts));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            facts.push(format!("{path}: {}", items.join(", ")));
        }
        Value::Null => {}
        single => facts.push(format!("{path}: {}", shown(single))),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_state_becomes_facts() {
        let state = json!({"health": 20, "near": ["cow", "pig"], "player": {"name": "Ayla", "tool": null},
            "mobs": [{"kind": "zombie"}]});
        let mut found = facts(&state.to_string());
        found.sort();
        assert_eq!(found, ["health: 20", "mobs kind: zombie", "near: cow, pig", "player name: Ayla"]);
        assert_eq!(facts(" It rains.\n\nA dog barks. "), ["It rains.", "A dog barks."]);
        assert_eq!(facts(&"x\n".repeat(500)).len(), FACTS_MAX);
    }

    #[test]
    fn the_same_name_is_the_same_character() {
        let of = |game: &str, body: Value| read_npc(game, &body).map(|npc| uuid_of(&npc.world, &npc.id));
        let mira = of("g", json!({"name": "Mira", "short_name": "M", "character_description": "a"})).unwrap();
        assert_eq!(mira, of("g", json!({"name": " Mira ", "character_description": "b"})).unwrap());
        assert_ne!(mira, of("h", json!({"name": "Mira"})).unwrap());
        assert_eq!((mira.len(), mira.as_bytes()[14]), (36, b'8'));
        assert!(of("g", json!({"name": " \n"})).is_err());
    }

    #[test]
    fn a_second_one_of_a_living_name_is_somebody_else() {
        let mut npcs = HashMap::new();
        let long = "ö".repeat(200);
        for name in ["Zombie", long.as_str()] {
            let mut spawn = || {
                let (uuid, npc) =
                    take_place(&mut npcs, read_npc("g", &json!({"name": name})).unwrap()).unwrap();
                assert!(npc.id.len() <= ID_BYTES_MAX);
                (uuid, npc.id)
            };
            let [first, second, third] = [spawn(), spawn(), spawn()];
            assert!(first != second && second != third && first != third, "{first:?} {second:?} {third:?}");
            npcs.insert(second.0.clone(), None);
            let again = take_place(&mut npcs, read_npc("g", &json!({"name": name})).unwrap()).unwrap();
            assert_eq!((again.0, again.1.id), second, "the place of the killed one is free again");
        }
        let (_, other) = take_place(&mut npcs, read_npc("h", &json!({"name": "Zombie"})).unwrap()).unwrap();
        assert_eq!(other.id, "Zombie", "another game has names of its own");
    }

    #[test]
    fn a_command_that_cannot_be_an_action_does_not_cost_the_character() {
        let commands = json!([{"name": "wave", "description": "Waves.", "never_respond_with_message": true},
            {"name": "not a name"}, {"name": "give", "parameters": {"type": "object"}}]);
        let npc = read_npc("g", &json!({"name": "Mira", "commands": commands})).unwrap();
        let names: Vec<&str> = npc.actions.iter().map(|action| action.name.as_str()).collect();
        assert_eq!((names, npc.silent.len()), (vec!["wave", "give"], 1));
    }
}
