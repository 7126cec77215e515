//! What Meddah says to a game.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::WireError;

/// One event: its place in the session's stream, what it belongs to, and what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises by one within a session; also the cursor.
    pub seq: u64,
    /// What happened. On the wire the fields stand beside `seq`, with `type` naming the kind.
    #[serde(flatten)]
    pub kind: EventKind,
    /// The turn it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// The request it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub req_id: Option<String>,
    /// The character it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<String>,
}

/// The sound of a line, or of a part of it where the game asked for parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audio {
    /// The line's number.
    pub line: u32,
    /// It is the short sound of thinking before that line, not the line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thinking: bool,
    /// Which part of the line, from 0, where the game asked for `audio_parts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// No part of the line follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
    /// Where it begins within the line, ms; only for parts after the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub at_ms: u32,
    /// Where to fetch it, below the address of the sidecar: `/v1/audio/….wav`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The file it is in, if the game asked for `audio_as: "path"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file itself in Base64, if the game asked for `audio_as: "data"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The file is the binary frame after this one, if the game asked for `audio_as: "frames"` and reads by WebSocket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frame: bool,
    /// `wav`, `pcm`, `ogg`, `opus` or `mp3`.
    pub format: String,
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// Length.
    pub duration_ms: u32,
    /// Mouth shapes, if the game asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visemes: Vec<Viseme>,
    /// Weights of ARKit's blend shapes over time, if the game asked for `viseme_set: "arkit"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blend_shapes: Vec<BlendShapes>,
    /// How far the mouth is open, 0 to 1, every `envelope_step_ms`; for a face without mouth shapes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub envelope: Vec<f32>,
    /// From one value of `envelope` to the next.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub envelope_step_ms: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A shape of the mouth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Viseme {
    /// When it begins, from the beginning of the line.
    pub at_ms: u32,
    /// How long it is held; the next begins there.
    #[serde(default)]
    pub duration_ms: u32,
    /// One of Oculus' fifteen (`sil`, `PP`, …), or of the set that the game asked for.
    pub viseme: String,
    /// How far the mouth gets, 0 to 1.
    pub weight: f32,
}

/// A face at one moment. Shapes that are not named are at rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlendShapes {
    /// From the beginning of the line.
    pub at_ms: u32,
    /// `jawOpen`, `mouthPucker`, … and how much, 0 to 1.
    pub weights: Map<String, Value>,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The session is open.
    Ready {
        /// Its id.
        session: String,
        /// The contract's version.
        protocol: u32,
    },
    /// A character begins to answer.
    TurnStarted,
    /// Text as it is thought up; only for games that asked for it.
    Delta {
        /// The piece.
        text: String,
    },
    /// One sentence, in order.
    Line {
        /// Its number within the turn, from 0.
        line: u32,
        /// The sentence.
        text: String,
        /// The emotion it is said with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emotion: Option<String>,
        /// It is told, not spoken: "*wipes a glass*".
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        narration: bool,
    },
    /// The sound of a line, or of a part of it. In order.
    Audio(Audio),
    /// How the character feels; comes before the first line it colours.
    Emotion {
        /// One of the engine's labels.
        label: String,
        /// 0 to 1.
        intensity: f32,
        /// -1 to 1.
        pleasure: f32,
        /// -1 to 1.
        arousal: f32,
        /// -1 to 1.
        dominance: f32,
    },
    /// How the character stands to somebody.
    Relationship {
        /// Whom.
        toward: String,
        /// -1 to 1.
        trust: f32,
        /// -1 to 1.
        respect: f32,
        /// 0 to 1.
        familiarity: f32,
        /// -1 to 1.
        affection: f32,
        /// What changed, by how much.
        changed: Map<String, Value>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The character does something; the game carries it out.
    Action {
        /// To answer with `action_result`.
        call_id: String,
        /// A declared name.
        name: String,
        /// Valid against the declared schema.
        arguments: Map<String, Value>,
        /// One of the listed ids.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        /// The game should answer.
        needs_result: bool,
    },
    /// A goal of the character begins, is reached or is given up. Belongs to no turn.
    Goal {
        /// Its id in the character's file.
        goal: String,
        /// How far it is now.
        progress: GoalProgress,
        /// What everybody notices who is there, when it is reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// What the player was understood to say.
    Transcript {
        /// The words.
        text: String,
        /// No further change.
        #[serde(rename = "final")]
        is_final: bool,
    },
    /// Something a player may want to know: the model is loading, a step down the ladder, …
    Notice {
        /// Stable word.
        code: String,
        /// What.
        message: String,
        /// What to do about it.
        #[serde(default)]
        help: String,
        /// How far, 0 to 100, where it applies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// The turn is over. Exactly one per accepted request.
    TurnEnded {
        /// How it ended.
        finish: Finish,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<WireError>,
        /// All lines, joined by a space.
        text: String,
        /// What it cost.
        usage: Usage,
        /// Where the time went.
        timing: Timing,
    },
    /// The moment is kept.
    Saved {
        /// For the game's save file; at most 64 ASCII characters.
        cursor: String,
    },
    /// The moment is back.
    Loaded {
        /// Where we are now.
        cursor: String,
        /// Which line of time.
        branch: String,
        /// The moment was found by name or game time and may not be the exact one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        uncertain: bool,
    },
    /// A command was not carried out.
    Error(WireError),
    /// Answer to `ping`, and the heartbeat of streams.
    Ping,
}

/// How far a goal is. One that is not yet pursued has no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalProgress {
    /// It is pursued.
    Active,
    /// It came true.
    Reached,
    /// It was given up.
    Failed,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The character said all it had to say.
    Complete,
    /// Cut by the game or the player.
    Interrupted,
    /// No answer, or only part of one.
    Failed,
}

/// What a turn cost, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, the cached ones among them.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that did not have to be read again.
    pub cached_tokens: u32,
    /// Tokens thought up.
    pub completion_tokens: u32,
}

/// Where the time of a turn went, from the moment the command was decoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Looking up what was said before.
    pub recall_ms: f64,
    /// As in [`Usage`].
    pub prompt_tokens: u32,
    /// As in [`Usage`].
    pub cached_tokens: u32,
    /// Until the model's first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<f64>,
    /// Until the first line was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line_ms: Option<f64>,
    /// Until the first sound was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_audio_ms: Option<f64>,
    /// Until now.
    pub total_ms: f64,
    /// Which model answered.
    pub model: String,
}

/// One rung of the ladder as `/v1/health` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderState {
    /// The model's name.
    pub name: String,
    /// `local`, `online`, `hosted`, `service`, `scripted`.
    pub kind: String,
    /// `unloaded`, `loading`, `ready`, `resting`, `failed`, `budget_off`, `budget_spent`.
    pub state: String,
    /// The world whose pack brought it along; empty for the player's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub world: String,
}
