//! The one-shot form: one request, one whole turn. For games that can make a single HTTP call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ActionDeclaration, Capabilities, Event, Finish, Player, Scene, Timing, Usage, WireError, WorldEvent,
};

/// Body of `POST /v1/talk`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TalkRequest {
    /// The world; may be left out when only one is loaded.
    #[serde(default)]
    pub world: String,
    /// The character spoken to.
    #[serde(default)]
    pub character: String,
    /// Who speaks.
    #[serde(default)]
    pub player: Player,
    /// The words.
    pub text: String,
    /// The scene from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<Scene>,
    /// The actions from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<ActionDeclaration>>,
    /// What happened since the last request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<WorldEvent>,
    /// Repeating it returns the first result.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub req_id: String,
    /// Fail the turn after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What the game can make use of in this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// Answer of `POST /v1/talk`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TalkReply {
    /// The session that is kept for this world and player: for action results and what was heard.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The turn's id.
    pub turn: String,
    /// Who answered.
    pub character: String,
    /// All lines, joined by a space.
    pub text: String,
    /// The lines one by one.
    pub lines: Vec<TalkLine>,
    /// How the character feels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emotion: Option<TalkEmotion>,
    /// What the character does.
    pub actions: Vec<TalkAction>,
    /// How the turn ended.
    pub finish: Finish,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
    /// Where the time went.
    pub timing: Timing,
    /// What it cost.
    pub usage: Usage,
    /// The same turn as events.
    pub events: Vec<Event>,
}

/// A line of a [`TalkReply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TalkLine {
    /// Its number.
    pub line: u32,
    /// The sentence.
    pub text: String,
    /// It is told, not spoken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narration: bool,
}

/// The emotion of a [`TalkReply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TalkEmotion {
    /// One of the engine's labels.
    pub label: String,
    /// 0 to 1.
    pub intensity: f32,
    /// -1 to 1.
    pub pleasure: f32,
    /// -1 to 1.
    pub arousal: f32,
    /// -1 to 1.
    pub dominance: f32,
}

/// An action of a [`TalkReply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TalkAction {
    /// To answer with `action_result`.
    pub call_id: String,
    /// A declared name.
    pub name: String,
    /// Valid against the declared schema.
    pub arguments: Map<String, Value>,
    /// One of the listed ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The game should answer.
    pub needs_result: bool,
}

impl TalkReply {
    /// Folds the events of one turn into the reply. `None` until the turn has ended.
    pub fn from_events(events: Vec<Event>) -> Option<TalkReply> {
        use crate::EventKind;
        let (mut lines, mut actions, mut emotion) = (Vec::new(), Vec::new(), None);
        for event in &events {
            match event.kind.clone() {
                EventKind::Line { line, text, narration, .. } => {
                    lines.push(TalkLine { line, text, narration });
                }
                EventKind::Emotion { label, intensity, pleasure, arousal, dominance } => {
                    emotion = Some(TalkEmotion { label, intensity, pleasure, arousal, dominance });
                }
                EventKind::Action { call_id, name, arguments, target, needs_result } => {
                    actions.push(TalkAction { call_id, name, arguments, target, needs_result });
                }
                _ => {}
            }
        }
        let last = events.iter().rev().find(|e| matches!(e.kind, EventKind::TurnEnded { .. }))?;
        let EventKind::TurnEnded { finish, error, text, usage, timing } = last.kind.clone() else {
            return None;
        };
        Some(TalkReply {
            session: String::new(),
            turn: last.turn.clone().unwrap_or_default(),
            character: last.character.clone().unwrap_or_default(),
            text,
            lines,
            emotion,
            actions,
            finish,
            error,
            timing,
            usage,
            events,
        })
    }
}
