//! The relay of the Baldur's Gate 3 mod: one WebSocket, one companion at a time.
//!
//! The mod's own service had the companions and the mod sends nothing but their ids. So whoever is asked for and
//! is not in the world `baldursgate` is made from the id, as a plain character that a player can write better.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use axum::routing::get;
use meddah_engine::world::PLAYER_ID;
use meddah_protocol::{ErrorCode, Player, Scene, WireError, check_id};
use serde_json::{Value, json};
use tracing::warn;

use super::cast::Cast;
use super::conversation::{self, Conversation, Partner, Said, Talks, sound_at};
use super::http::{aside, no_route};
use super::json;
use super::notes::Notes;
use super::sheet::{self, Sheet};
use super::socket::{self, Next, Socket};
use crate::transport::App;

/// The world of this game.
const WORLD: &str = "baldursgate";
/// The mod does not tell the player's name.
const PLAYER: &str = "friend";
/// What the mod's microphone sends.
const MICROPHONE_RATE_HZ: u32 = 16_000;
/// What the service sent that the mod was written for.
const SOUND_RATE_HZ: u32 = 22_050;
/// Parameters of an event that are told.
const PARAMETERS_MAX: usize = 8;
/// An id that a name can be made from, in characters.
const ID_CHARS_MAX: usize = 60;

/// The companions whom the mod knows: id, name, what they are, pronoun.
const COMPANIONS: [(&str, &str, &str, &str); 6] = [
    ("shadowheart", "Shadowheart", "half-elf cleric", "PRONOUN_FEMALE"),
    ("astarion", "Astarion", "high elf rogue", "PRONOUN_MALE"),
    ("gale", "Gale", "human wizard", "PRONOUN_MALE"),
    ("karlach", "Karlach", "tiefling barbarian", "PRONOUN_FEMALE"),
    ("laezel", "Lae'zel", "githyanki fighter", "PRONOUN_FEMALE"),
    ("wyll", "Wyll", "human warlock", "PRONOUN_MALE"),
];

struct BaldursGate {
    app: Arc<App>,
    cast: Cast,
    talks: Arc<Talks>,
}

pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let cast = Cast::new(app.sidecar.worlds.clone(), Notes::new(&app.sidecar.settings.data), "Baldur's Gate");
    if let Err(error) = cast.wake(WORLD) {
        warn!("the companions' world is not as it was: {}", error.message);
    }
    let face = Arc::new(BaldursGate { app: app.clone(), cast, talks: Arc::default() });
    Router::new()
        .route("/", get(async || "Meddah answers here."))
        .route("/connect", get(open))
        .fallback(no_route)
        .with_state(face)
}

async fn open(
    State(face): State<Arc<BaldursGate>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let app = face.app.clone();
    socket::accept(app, upgrade, move |socket| async move {
        let mut talk = Talk { face, socket, with: None };
        talk.run().await;
        talk.leave().await;
    })
}

/// One connection.
struct Talk {
    face: Arc<BaldursGate>,
    socket: Socket,
    with: Option<Conversation>,
}

impl Talk {
    async fn run(&mut self) {
        loop {
            let done = match self.socket.next(self.with.as_mut()).await {
                Next::Over => return,
                Next::TooLarge => Ok(()),
                Next::Sound(sound) => match &mut self.with {
                    Some(with) => with.hear(sound, MICROPHONE_RATE_HZ).await,
                    None => Ok(()), // the microphone is always on
                },
                Next::Said(said) => {
                    for message in said.into_iter().filter_map(message) {
                        self.socket.send(&message).await;
                    }
                    Ok(())
                }
                Next::Text(text) => match json::read_object(text.as_bytes()) {
                    Ok(message) => self.hear(&message).await,
                    Err(_) => Ok(()), // what is no message is sound
                },
            };
            if let Err(error) = done {
                warn!("a message of the Baldur's Gate mod came to nothing: {} {}", error.message, error.help);
                self.socket.send(&text(conversation::aside(&error))).await;
            }
        }
    }

    async fn hear(&mut self, message: &Value) -> Result<(), WireError> {
        let said = sheet::text(&message["message"]).unwrap_or_default();
        match message["type"].as_str().unwrap_or_default().to_lowercase().as_str() {
            "connect" => {
                self.leave().await;
                let name = self.connect(&said).await?;
                // The mod shows this, and the first words of the reply behind it.
                let greeting = format!("{name} is listening. ");
                self.socket.send(&json!({"type": "connected", "data": greeting})).await;
                Ok(())
            }
            "reconnect" => {
                let same = self.with.as_ref().is_some_and(|with| with.partner.character == key(&said));
                if !same {
                    self.leave().await;
                    self.connect(&said).await?;
                }
                self.socket.send(&json!({"type": "reconnected", "data": "Reconnected"})).await;
                Ok(())
            }
            "message" => match &mut self.with {
                Some(with) => with.say(&said).await,
                None => Err(WireError::new(ErrorCode::InvalidRequest, "nobody is listening")
                    .with_help("Choose a companion and connect first")),
            },
            "event" => match &mut self.with {
                Some(with) => with.remark(&happened(&said, &message["parameters"])).await,
                None => Ok(()),
            },
            "disconnect" => {
                self.leave().await;
                self.socket.send(&json!({"type": "disconnected", "data": ""})).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Begins a talk; returns the character's name.
    async fn connect(&mut self, id: &str) -> Result<String, WireError> {
        let face = self.face.clone();
        let id = id.to_owned();
        let (character, name) = aside(move || face.companion(&id)).await?;
        let present = vec![character.clone(), PLAYER_ID.to_owned()];
        let partner = Partner {
            game: "Baldur's Gate 3",
            world: WORLD.to_owned(),
            character,
            player: Player { id: PLAYER_ID.to_owned(), name: PLAYER.to_owned() },
            scene: Some(Scene { present, ..Scene::default() }),
            capabilities: sound_at(SOUND_RATE_HZ),
        };
        self.with = Some(Conversation::open(&self.face.app, &self.face.talks, partner).await?);
        Ok(name)
    }

    async fn leave(&mut self) {
        if let Some(with) = self.with.take() {
            with.close().await;
        }
    }
}

fn message(said: Said) -> Option<Value> {
    match said {
        Said::Piece(piece) => Some(text(piece)),
        Said::Sound(sound) => Some(json!({"type": "AUDIO", "data": sound})),
        Said::Action(name) => Some(json!({"type": "event", "event_id": name})),
        Said::Feeling(_) | Said::Heard(_) | Said::Over(_) => None, // the mod shows neither
    }
}

fn text(data: String) -> Value {
    json!({"type": "TEXT", "data": data})
}

/// A trigger in words.
fn happened(trigger: &str, parameters: &Value) -> String {
    let parameters: Vec<(String, String)> = parameters
        .as_array()
        .into_iter()
        .flatten()
        .take(PARAMETERS_MAX)
        .filter_map(|pair| Some((sheet::text(&pair["Key"])?, sheet::text(&pair["Value"])?)))
        .collect();
    let place = parameters.iter().find(|(key, _)| key == "place");
    if let Some((_, place)) = place.filter(|_| trigger == "location_chatter") {
        return format!("You walk along together and see this: {place}.");
    }
    let told = parameters.iter().map(|(key, value)| format!("{key}: {value}"));
    format!("{}. {}", trigger.replace('_', " "), told.collect::<Vec<_>>().join(", ")).trim_end().to_owned()
}

/// An id as the world has it.
fn key(id: &str) -> String {
    id.trim().to_lowercase()
}

impl BaldursGate {
    /// The character whom an id means, made if there is none: id and name.
    fn companion(&self, id: &str) -> Result<(String, String), WireError> {
        let world = self.cast.worlds.find(WORLD).ok();
        if let Some(known) = world.as_ref().and_then(|world| super::by_name(world, id)) {
            return Ok((known.id.clone(), known.name.clone()));
        }
        let id: String = key(id).chars().take(ID_CHARS_MAX).collect();
        check_id("message", &id)?;
        let sheet = plain_companion(&id);
        warn!(
            "there is no character {id:?} in world `{WORLD}`; a plain one was made. To write it yourself, change \
             it with `PUT /v1/worlds/{WORLD}/characters/{id}`, or start with a world pack of that name."
        );
        self.cast.keep(WORLD, &sheet, PLAYER)?;
        Ok((id, sheet.name))
    }
}

fn plain_companion(id: &str) -> Sheet {
    let known = COMPANIONS.into_iter().find(|(known, ..)| *known == id);
    let (name, kind, pronoun) = match known {
        Some((_, name, kind, pronoun)) => (name.to_owned(), kind, pronoun),
        None => (titled(id), "adventurer", ""),
    };
    let article = if kind.starts_with('a') { "an" } else { "a" };
    Sheet {
        id: id.to_owned(),
        description: format!(
            "{name} is {article} {kind} who travels with {PLAYER}. Both carry a mind flayer's tadpole in the head and \
             look for a cure; through it they can speak in thoughts."
        ),
        role: format!("{kind} and travelling companion"),
        pronoun: pronoun.to_owned(),
        name,
        ..Sheet::default()
    }
}

/// `minsc_and_boo` as a name.
fn titled(id: &str) -> String {
    let words = id.split(['_', '-', ' ']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_told_in_words() {
        let place = json!([{"Key": "place", "Value": "a broken steel watcher"}]);
        assert_eq!(
            happened("location_chatter", &place),
            "You walk along together and see this: a broken steel watcher."
        );
        assert_eq!(happened("long_rest", &json!([{"Key": "camp", "Value": 2}])), "long rest. camp: 2");
        assert_eq!(happened("long_rest", &Value::Null), "long rest.");
    }

    #[test]
    fn a_name_is_made_from_an_id() {
        assert_eq!(titled("minsc_and_boo"), "Minsc And Boo");
        assert_eq!(plain_companion("laezel").name, "Lae'zel");
        assert_eq!(titled("__"), "");
    }
}
