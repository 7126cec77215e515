//! The relay of the Skyrim mod: one WebSocket for all actors, one message for a whole reply.
//!
//! The mod sends an actor's name as the game shows it, and reads a message only if all three fields are there.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use axum::routing::get;
use meddah_engine::world::PLAYER_ID;
use meddah_protocol::{Capabilities, ErrorCode, Player, Scene, WireError};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::cast::Cast;
use super::conversation::{self, Conversation, Over, Partner, Said, Talks};
use super::http::{aside, no_route};
use super::json;
use super::notes::Notes;
use super::sheet;
use super::socket::{self, Next, Socket};
use crate::transport::App;

/// The world of this game.
pub(super) const WORLD: &str = "skyrim";
/// What the world is called in prompts.
pub(super) const WORLD_NAME: &str = "Skyrim";
/// The mod does not tell the player's name.
const PLAYER: &str = "Dragonborn";
const NOT_KNOWN: &str = "They have nothing to say to you. (Meddah knows no character of this name.)";
const CANNOT_HEAR: &str = "(Meddah cannot hear you: its log says why. Type what you want to say.)";

struct Skyrim {
    app: Arc<App>,
    cast: Cast,
    talks: Arc<Talks>,
}

pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let face = Arc::new(Skyrim::open(app.clone()));
    Router::new()
        .route("/ping", get(async || Json(json!({"status": "OK"}))))
        .route("/chat", get(open))
        .fallback(no_route)
        .with_state(face)
}

async fn open(
    State(face): State<Arc<Skyrim>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let app = face.app.clone();
    socket::accept(app, upgrade, move |socket| async move {
        let mut talk =
            Talk { face, socket, with: None, actor: String::new(), told_deaf: false, records: false };
        talk.run().await;
        talk.leave().await;
    })
}

/// One connection.
struct Talk {
    face: Arc<Skyrim>,
    socket: Socket,
    with: Option<Conversation>,
    /// Whom the player looks at, as the game names them.
    actor: String,
    /// The player was told that nobody hears.
    told_deaf: bool,
    /// The player holds the key to speak.
    records: bool,
}

impl Talk {
    async fn run(&mut self) {
        loop {
            let done = match self.socket.next(self.with.as_mut()).await {
                Next::Over => return,
                Next::Sound(_) => Ok(()), // this mod's microphone is the relay's affair
                Next::TooLarge => Err(WireError::new(ErrorCode::TooLarge, "that was too long")),
                Next::Said(said) => {
                    // A reply is shown as a whole, so its pieces wait for its end.
                    for said in said {
                        match said {
                            Said::Over(reply) => self.send_reply(&reply).await,
                            Said::Heard(words) => self.send("user_voice", &words).await,
                            Said::Feeling(_) | Said::Piece(_) | Said::Sound(_) | Said::Action(_) => {}
                        }
                    }
                    Ok(())
                }
                Next::Text(text) => self.hear(&text).await,
            };
            if let Err(error) = done {
                warn!("a message of the Skyrim mod came to nothing: {} {}", error.message, error.help);
                self.send("chat", &conversation::aside(&error)).await;
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), WireError> {
        let message = match json::read_object(text.as_bytes()) {
            Ok(message) => message,
            Err(error) => {
                warn!("a message of the Skyrim mod cannot be read: {}", error.message);
                return Ok(());
            }
        };
        let actor = sheet::text(&message["id"]).unwrap_or_default();
        match message["type"].as_str().unwrap_or_default() {
            "connect" => {
                if self.connect(&actor).await? {
                    self.send("established", "connection established").await;
                }
                Ok(())
            }
            "message" => {
                // After a break the mod goes on with whom it talked to, without another `connect`.
                let other = !actor.is_empty() && actor != self.actor;
                if (self.with.is_none() || other) && !self.connect(&actor).await? {
                    return Ok(());
                }
                let said = sheet::text(&message["message"]).unwrap_or_default();
                match &mut self.with {
                    Some(with) => with.say(&said).await,
                    None => Ok(()),
                }
            }
            "start_listen" => {
                let recording = match &mut self.with {
                    Some(with) => with.record().await,
                    None => Ok(()),
                };
                self.records = self.with.is_some() && recording.is_ok();
                if let Err(error) = recording
                    && !std::mem::replace(&mut self.told_deaf, true)
                {
                    warn!("the microphone cannot be used: {} {}", error.message, error.help);
                    self.send("doesntexist", CANNOT_HEAR).await; // the mod shows the text of this type
                }
                Ok(())
            }
            // What was understood comes as `user_voice`.
            "stop_listen" if std::mem::take(&mut self.records) => match &mut self.with {
                Some(with) => with.stop_recording().await,
                None => Ok(()),
            },
            "stop_listen" => {
                self.send("user_voice", "").await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether there is such a character; the player is told if not.
    async fn connect(&mut self, actor: &str) -> Result<bool, WireError> {
        if self.with.is_some() && actor == self.actor {
            return Ok(true);
        }
        self.leave().await;
        actor.clone_into(&mut self.actor);
        let (face, wanted) = (self.face.clone(), actor.to_owned());
        let Some(character) = aside(move || Ok(face.find(&wanted))).await? else {
            info!(actor, "no character of world `{WORLD}` has this name");
            self.send("doesntexist", NOT_KNOWN).await;
            return Ok(false);
        };
        let present = vec![character.clone(), PLAYER_ID.to_owned()];
        let partner = Partner {
            game: "Skyrim",
            world: WORLD.to_owned(),
            character,
            player: Player { id: PLAYER_ID.to_owned(), name: PLAYER.to_owned() },
            scene: Some(Scene { present, ..Scene::default() }),
            // The mod cannot play sound.
            capabilities: Capabilities {
                self_playback: true,
                viseme_set: "ipa".to_owned(),
                ..Capabilities::default()
            },
        };
        self.with = Some(Conversation::open(&self.face.app, &self.face.talks, partner).await?);
        Ok(true)
    }

    async fn leave(&mut self) {
        if let Some(with) = self.with.take() {
            with.close().await;
        }
    }

    async fn send(&mut self, kind: &str, message: &str) {
        let message: Value = json!({"message": message, "phoneme": "", "type": kind});
        self.socket.send(&message).await;
    }

    /// The mod moves the mouth by the sounds, and leaves the face alone without them.
    async fn send_reply(&mut self, reply: &Over) {
        let message: Value = json!({"message": reply.words, "phoneme": reply.sounds, "type": "chat"});
        self.socket.send(&message).await;
    }
}

impl Skyrim {
    fn open(app: Arc<App>) -> Skyrim {
        let cast = Cast::new(app.sidecar.worlds.clone(), Notes::new(&app.sidecar.settings.data), WORLD_NAME);
        if let Err(error) = cast.wake(WORLD) {
            warn!("what characters know beyond the most important is missing: {}", error.message);
        }
        Skyrim { app, cast, talks: Arc::default() }
    }

    /// By name, by a nickname, or by a part of the name that is somebody's name.
    fn find(&self, actor: &str) -> Option<String> {
        let world = self.cast.worlds.find(WORLD).ok()?;
        let wanted = super::folded(actor);
        let exact = |name: &str| !wanted.is_empty() && super::folded(name) == wanted;
        let named = || super::by_name(&world, actor).map(|one| one.id.clone());
        let by_exact_name = world.characters.values().find(|one| exact(&one.name)).map(|one| one.id.clone());
        let nicknamed = || {
            let sheets = self.cast.sheets(WORLD).into_iter();
            let mut known = sheets.filter(|sheet| sheet.nicknames.iter().any(|name| exact(name)));
            known.find(|sheet| world.characters.contains_key(&sheet.id)).map(|sheet| sheet.id)
        };
        by_exact_name.or_else(nicknamed).or_else(named)
    }
}
