//! `/chatWithCharacter`: one talk at a time on a connection.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::world::PLAYER_ID;
use meddah_protocol::{ErrorCode, Player, Scene, WireError};
use serde_json::{Value, json};
use tracing::warn;

use super::super::conversation::{self, Conversation, Partner, Said, sound_at};
use super::super::http::aside;
use super::super::json;
use super::super::sheet;
use super::super::socket::{self, Next, Socket};
use super::{Bannerlord, CAMPAIGNS, VILLAGER, called, villager};

/// What the mod plays, and nothing else.
const SOUND_RATE_HZ: u32 = 22_050;
/// A player's name, in characters.
const NAME_CHARS_MAX: usize = 60;
/// A date, in characters.
const DATE_CHARS_MAX: usize = 40;

pub(super) async fn open(
    State(face): State<Arc<Bannerlord>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    socket::accept(face.app.clone(), upgrade, move |socket| talk(face, socket))
}

async fn talk(face: Arc<Bannerlord>, mut socket: Socket) {
    let mut with: Option<Conversation> = None;
    loop {
        let told = match socket.next(with.as_mut()).await {
            Next::Over => break,
            Next::Sound(_) => Ok(()), // the mod has no microphone
            Next::Said(said) => {
                for message in said.into_iter().filter_map(message) {
                    socket.send(&message).await;
                }
                Ok(())
            }
            Next::Text(text) => hear(&face, &mut with, &text).await,
            Next::TooLarge => Err(WireError::new(ErrorCode::TooLarge, "that was too long")),
        };
        if let Err(error) = told {
            warn!("a message of the Bannerlord mod came to nothing: {} {}", error.message, error.help);
            socket.send(&text(conversation::aside(&error))).await;
        }
    }
    if let Some(with) = with {
        with.close().await;
    }
}

async fn hear(face: &Arc<Bannerlord>, with: &mut Option<Conversation>, text: &str) -> Result<(), WireError> {
    let message = json::read_object(text.as_bytes()).map_err(|error| {
        warn!("a message cannot be read: {}", error.message);
        WireError::new(ErrorCode::InvalidRequest, "that could not be understood")
            .with_help("Say it without backslashes and quotes")
    })?;
    match message["type"].as_str().unwrap_or_default().to_lowercase().as_str() {
        "connect" => {
            if let Some(former) = with.take() {
                former.close().await;
            }
            let partner = {
                let face = face.clone();
                aside(move || face.partner(&message)).await?
            };
            *with = Some(Conversation::open(&face.app, &face.talks, partner).await.map_err(unknown)?);
            Ok(())
        }
        "chat" => {
            let said = sheet::text(&message["message"]).unwrap_or_default();
            match with {
                Some(with) => with.say(&said).await.map_err(unknown),
                None => Err(unknown(WireError::new(ErrorCode::UnknownCharacter, ""))),
            }
        }
        "endchat" => {
            if let Some(with) = with.take() {
                with.close().await;
            }
            Ok(())
        }
        _ => Ok(()), // of a later version of the mod
    }
}

/// The mod asks for characters that it never sent when a campaign was changed while it was in a hall.
fn unknown(error: WireError) -> WireError {
    if error.code != ErrorCode::UnknownCharacter {
        return error;
    }
    WireError::new(ErrorCode::UnknownCharacter, "this character is not known yet")
        .with_help("Leave this place and enter it again")
}

fn message(said: Said) -> Option<Value> {
    match said {
        Said::Feeling(label) => Some(json!({"type": "emotion", "emotion": {"behavior": behaviour(label)}})),
        Said::Piece(piece) => Some(text(piece)),
        Said::Sound(sound) => Some(json!({"type": "audio", "data": sound})),
        Said::Heard(_) | Said::Action(_) | Said::Over(_) => None, // the mod shows neither
    }
}

fn text(message: String) -> Value {
    json!({"type": "text", "message": message})
}

/// The mod's own list has no underscores.
fn behaviour(label: EmotionLabel) -> String {
    label.spaff().replace('_', "")
}

impl Bannerlord {
    /// With whom a `connect` wants to talk, and as whom.
    fn partner(&self, message: &Value) -> Result<Partner, WireError> {
        let of = |name: &str| sheet::text(&message[name]).unwrap_or_default();
        let character = of("characterId");
        let name: String = match of("playerName") {
            name if name.is_empty() => "Player".to_owned(),
            name => name.chars().take(NAME_CHARS_MAX).collect(),
        };
        let mut played = self.played();
        let mut player = Player { id: PLAYER_ID.to_owned(), name: name.clone() };
        let world = played.campaigns.current().world.clone();
        let known = self.cast.sheet(&world, &character);
        if character == VILLAGER {
            let sheet = known.clone().unwrap_or_else(|| villager(None, &Value::Null));
            if known.is_none() {
                self.cast.keep(&world, &sheet, "the stranger")?;
            }
            // Memories are kept per player and character; who stands here now has none of the others'.
            player.id = format!("{PLAYER_ID}-{}", sheet.person);
        } else if let Some(sheet) = known {
            if played.campaigns.current().player != name {
                played.campaigns.current_mut().player = name;
                self.cast.notes.write(&CAMPAIGNS, &played.campaigns)?;
            }
            self.cast.keep(&world, &sheet, called(&played.campaigns.current().player))?;
        }
        let present = vec![character.clone(), player.id.clone()];
        let scene = Scene { time: date(&of("gameDate")), present, ..Scene::default() };
        Ok(Partner {
            game: "Bannerlord",
            world,
            character,
            player,
            scene: Some(scene),
            capabilities: sound_at(SOUND_RATE_HZ),
        })
    }
}

/// `4-4-1084` in words. The mod writes the day of the season twice.
fn date(text: &str) -> Option<String> {
    let numbers: Vec<u32> = text.split('-').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [day, again, year] if day == again => Some(format!("day {day} of the season, year {year}")),
        [day, season, year] => Some(format!("day {day}, month {season}, year {year}")),
        _ if text.is_empty() => None,
        _ => Some(text.chars().take(DATE_CHARS_MAX).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feeling_is_in_the_mods_list() {
        const KNOWN: [&str; 19] = [
            "NEUTRAL",
            "DISGUST",
            "CONTEMPT",
            "BELLIGERENCE",
            "DOMINEERING",
            "CRITICISM",
            "ANGER",
            "TENSION",
            "TENSEHUMOR",
            "DEFENSIVENESS",
            "WHINING",
            "SADNESS",
            "STONEWALLING",
            "INTEREST",
            "VALIDATION",
            "AFFECTION",
            "HUMOR",
            "SURPRISE",
            "JOY",
        ];
        let all: std::collections::BTreeSet<String> = EmotionLabel::ALL.into_iter().map(behaviour).collect();
        assert!(all.iter().all(|name| KNOWN.contains(&name.as_str())), "{all:?}");
        assert_eq!(all.len(), EmotionLabel::ALL.len(), "each looks different");
    }

    #[test]
    fn a_date_is_told_in_words() {
        assert_eq!(date("4-4-1084").as_deref(), Some("day 4 of the season, year 1084"));
        assert_eq!(date("4-2-1084").as_deref(), Some("day 4, month 2, year 1084"));
        assert_eq!(date("spring").as_deref(), Some("spring"));
        assert_eq!(date(""), None);
    }
}
