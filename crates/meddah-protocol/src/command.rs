//! What a game says to Meddah.

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ActionDeclaration, ActionResult, ErrorCode, Scene, WireError};

/// Every command type, as an `error` event lists them to a game that sent another.
pub const COMMAND_TYPES: &[&str] = &[
    "hello",
    "say",
    "listen",
    "event",
    "scene",
    "actions",
    "action_result",
    "heard",
    "interrupt",
    "cancel",
    "save",
    "load",
    "pressure",
    "end",
    "ping",
];

/// One command. `{"type": "say", "req_id": "r1", …}` on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Opens the session: which game, world and player.
    Hello(Hello),
    /// The player (or a character) says something to a character.
    Say(Say),
    /// The player speaks; audio follows.
    Listen(Listen),
    /// Something happened in the world.
    Event(WorldEvent),
    /// Where, when and who is present.
    Scene(Scene),
    /// The actions that characters may call from now on; replaces the former list.
    Actions {
        /// All of them.
        list: Vec<ActionDeclaration>,
    },
    /// How an action went.
    ActionResult(ActionResult),
    /// What the player heard of a line: the game reports playback.
    Heard {
        /// The turn the line belongs to.
        turn: String,
        /// The line's number within the turn, from 0.
        line: u32,
        /// Which part was heard, 0 to 1.
        fraction: f32,
    },
    /// Cuts the running turn (all of the session's turns when none is named).
    Interrupt {
        /// The turn to cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<String>,
    },
    /// Withdraws a request, running or waiting.
    Cancel {
        /// The `req_id` it was made with.
        req_id: String,
    },
    /// Marks this moment; the answer is a `saved` event with a cursor for the game's save file.
    Save {
        /// A name to load it by, when the game cannot keep a cursor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Goes back to a saved moment.
    Load(Load),
    /// How hard the game is pressed for frames and memory.
    Pressure(Pressure),
    /// Ends the conversation with a character, or with all.
    End {
        /// The character; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        character: Option<String>,
    },
    /// Are you there? Answered by a `ping` event.
    Ping,
}

impl Command {
    /// Reads one command from JSON. Unknown fields are ignored; an unknown type or a missing field is
    /// answered with an error that names it.
    pub fn from_value(value: Value) -> Result<Command, WireError> {
        let Some(kind) = value.get("type").and_then(Value::as_str).map(str::to_owned) else {
            return Err(WireError::new(
                ErrorCode::InvalidRequest,
                "a command needs a \"type\" field with a string in it",
            )
            .with_help(format!("Known types: {}.", COMMAND_TYPES.join(", "))));
        };
        if !COMMAND_TYPES.contains(&kind.as_str()) {
            let shown: String = kind.chars().take(40).collect();
            return Err(WireError::new(ErrorCode::UnknownCommand, format!("unknown command type {shown:?}"))
                .with_help(format!("Known types: {}.", COMMAND_TYPES.join(", "))));
        }
        serde_json::from_value(value).map_err(|error| {
            WireError::new(ErrorCode::InvalidRequest, format!("command `{kind}`: {error}"))
                .with_help(format!("Correct the fields of `{kind}` and send it again."))
        })
    }
}

/// Who is playing. On the wire an object, or only a string that is id and name at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Player {
    /// Stable across sessions; memory is kept per player.
    pub id: String,
    /// What characters call the player.
    pub name: String,
}

impl<'de> Deserialize<'de> for Player {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Name(String),
            Full {
                id: String,
                #[serde(default)]
                name: Option<String>,
            },
        }
        match Wire::deserialize(deserializer) {
            Ok(Wire::Name(id)) => Ok(Player { name: id.clone(), id }),
            Ok(Wire::Full { id, name }) => Ok(Player { name: name.unwrap_or_else(|| id.clone()), id }),
            Err(_) => Err(de::Error::custom("`player` must be a name, or an object {id, name}")),
        }
    }
}

impl Default for Player {
    fn default() -> Self {
        Player { id: "player".into(), name: "Player".into() }
    }
}

/// The opening of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The game's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub game: String,
    /// The mod's name.
    #[serde(default, rename = "mod", skip_serializing_if = "String::is_empty")]
    pub mod_name: String,
    /// The world pack to play in.
    #[serde(default)]
    pub world: String,
    /// Who is playing.
    #[serde(default)]
    pub player: Player,
    /// The language to answer in, as an IETF tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// A cursor to load at once, from the game's save file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save: Option<String>,
    /// What the game can make use of.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// A session to take up again (WebSocket).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The last event seen of that session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}

/// What the game can make use of. Everything is off unless said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Send `delta` events, text as it is thought up.
    #[serde(default)]
    pub deltas: bool,
    /// Audio formats that the game plays, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audio: Vec<String>,
    /// How the sound reaches the game: `url` (the default), `path` (a file on this PC), `data` (in the event, Base64)
    /// or `frames` (binary frames of the WebSocket).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audio_as: String,
    /// Send the sound of a line in parts, as soon as each is made; for `wav` and `pcm`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audio_parts: bool,
    /// Samples a second: 16000, 22050, 24000, 44100 or 48000; absent: as the voice has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate_hz: Option<u32>,
    /// Send mouth shapes.
    #[serde(default)]
    pub visemes: bool,
    /// Which: `oculus` (the default), `arkit`, `azure`, `rhubarb`, or `ipa` (the sounds themselves).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub viseme_set: String,
    /// The sidecar plays the audio itself.
    #[serde(default)]
    pub self_playback: bool,
}

/// The player says something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Say {
    /// The game's own id of this request; repeating it returns the first result.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub req_id: String,
    /// The character spoken to; empty: the scene decides who answers.
    #[serde(default)]
    pub to: String,
    /// Who speaks; absent: the player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The words.
    pub text: String,
    /// The scene from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<Scene>,
    /// The actions from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<ActionDeclaration>>,
    /// After the answer those who are there may go on among themselves, in up to so many turns.
    #[serde(default, skip_serializing_if = "is_none")]
    pub among: u32,
}

fn is_none(turns: &u32) -> bool {
    *turns == 0
}

/// The player speaks aloud. What is understood comes back as `transcript` events and is then said.
///
/// The sound is in `data`, whole or, with `more`, in several commands with one `req_id`; without `data` it follows as
/// binary frames of the WebSocket, until `end`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listen {
    /// As in [`Say`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub req_id: String,
    /// As in [`Say`].
    #[serde(default)]
    pub to: String,
    /// The sound, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What it is: `wav` (the default), `pcm` (16 bits, little endian, one channel), `ogg`, `opus`, `mp3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Samples a second of `pcm`; absent: 16000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate_hz: Option<u32>,
    /// More of the sound comes with the next `listen` of this `req_id`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The sound is at its end: the key was let go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// The microphone stays open: utterances are told apart here, and each is said. Until `end`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// This PC records, because the game cannot. Until `end`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub microphone: bool,
    /// Send what is understood so far, too, while the player still speaks. For `pcm`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What is probably spoken, as in `en`; absent: as in `hello`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// As in [`Say`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<Scene>,
    /// As in [`Say`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<ActionDeclaration>>,
}

/// Something happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorldEvent {
    /// What, as a sentence.
    pub text: String,
    /// A short name for it, which the goals of characters may wait for: `bell_stolen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who saw it; absent: all who are present in the scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<Vec<String>>,
    /// Somebody who tells it to the witnesses: they know it as hearsay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// A character to remark on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Ask for a remark.
    #[serde(default)]
    pub react: bool,
    /// As in [`Say`], for the remark.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub req_id: String,
    /// As in [`Say`], after the remark.
    #[serde(default, skip_serializing_if = "is_none")]
    pub among: u32,
}

/// Back to a saved moment: by cursor, by name, or by the game's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// From a `saved` event. The exact way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The name given to `save`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The newest moment at or before this game time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_time: Option<i64>,
}

/// How hard the game is pressed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// How much Meddah should hold back.
    pub level: PressureLevel,
    /// The game's 95th percentile frame time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_ms_p95: Option<f32>,
    /// What a frame may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_budget_ms: Option<f32>,
    /// Free graphics memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_vram_mb: Option<u32>,
}

/// Levels of [`Pressure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PressureLevel {
    /// Think freely.
    #[default]
    None,
    /// A little.
    Low,
    /// A lot.
    High,
    /// Do not think at all until told otherwise.
    Pause,
}
