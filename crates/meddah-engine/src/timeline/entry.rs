//! One entry of a timeline: what happened, who perceived it, and when.
//!
//! Entries are written once and read by every later version, so each kind keeps what was *sent*
//! (the decisions and arguments as they stood in the reply), and a kind that this version does not
//! know is carried along untouched.

use meddah_protocol::{ActionResult, Finish, Scene, check_id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MEMORY_BYTES_MAX, MEMORY_LIST_MAX, MemoryKind, MemoryRecord};
use crate::goal::GoalStates;
use crate::world::LoreTimers;

/// The most beings that one entry names as witnesses.
pub const WITNESSES_MAX: usize = 1280;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Unique and sorting by time, given by the caller.
    pub id: String,
    /// What happened.
    pub kind: EntryKind,
    /// The character it is about; of a turn, the one who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<String>,
    /// Ids of those who perceived it. Who speaks and who answers in a turn need not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<String>,
    /// The game's own clock, in its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_time: Option<i64>,
    /// The real clock, milliseconds since 1970, for people who look at a timeline; orders nothing.
    pub wall_time_ms: i64,
}

/// What happened. In JSON `type` names the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EntryKind {
    /// Somebody spoke to a character and it answered.
    Turn(TurnRecord),
    /// Something happened in the world.
    Event {
        /// What, as a sentence.
        text: String,
    },
    /// How an action of a turn went.
    ActionResult {
        /// The turn that called it; empty if the game did not say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        turn: String,
        /// What the game reported.
        #[serde(flatten)]
        result: ActionResult,
    },
    /// How much of a line was played.
    Heard {
        /// The turn.
        turn: String,
        /// The line's number within the turn, from 0.
        line: u32,
        /// The share, 0 to 1.
        fraction: f32,
    },
    /// The scene from here on.
    Scene(Scene),
    /// How the entry's character feels from here on: the feeling of the moment, and the mood beneath it.
    Emotion {
        /// One of the engine's labels.
        label: String,
        /// 0 to 1.
        intensity: f32,
        /// Of the mood, -1 to 1.
        pleasure: f32,
        /// Of the mood, -1 to 1.
        arousal: f32,
        /// Of the mood, -1 to 1.
        dominance: f32,
        /// What brought the feeling about, in the character's view: "Ann insulted you".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// How the entry's character stands to somebody from here on.
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
        /// How much kindness was poured out of late, 0 to 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        sated: f32,
        /// Why it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// What the entry's character keeps of the past in words of its own; it alone perceives it.
    Memory(MemoryRecord),
    /// How far the entry's character is with its goals from here on.
    Goals(GoalStates),
    /// How far the entry's character's talk has come, for lore that stays, rests or waits.
    Lore(LoreTimers),
    /// Written by another version; kept as it is and shown to no character.
    #[serde(untagged)]
    Opaque(Map<String, Value>),
}

/// The part that an entry plays when the past is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryRole {
    /// It stands for itself: a turn, an event, hearsay.
    Told,
    /// It amends a turn: what was heard of it, how its actions went.
    Note,
    /// It replaces the former value: scene, emotion, relationship.
    State,
    /// It is somebody's memory of others: a summary, a fact.
    Memory,
    /// This version cannot say.
    Opaque,
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// The turn's id.
    pub turn: String,
    /// The game's id of the request; empty if it gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub req_id: String,
    /// Who spoke; empty if the character remarked on something by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub speaker: String,
    /// What the character calls them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub speaker_name: String,
    /// The words spoken to the character.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the model was told, word for word, with what was noticed since the turn before. Showing the
    /// same text again keeps what a model has already read valid; empty in turns that never reached one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub told: String,
    /// What the character answered; a line's number is its place here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<SpokenLine>,
    /// What the character felt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emotion: Option<FeltEmotion>,
    /// What was decided before the words, in order, as it stood in the reply. The same text can be
    /// built from it again, so that a local model need not read it anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionRecord>,
    /// The actions that reached the game.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<CalledAction>,
    /// How the turn ended.
    pub finish: Finish,
}

/// One sentence of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpokenLine {
    /// The sentence, whole.
    pub text: String,
    /// It is told, not spoken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narration: bool,
    /// The share that was heard, 0 to 1, as far as it was known when the turn was written.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub heard: f32,
}

impl SpokenLine {
    /// A sentence that was heard in full.
    pub fn spoken(text: impl Into<String>) -> Self {
        SpokenLine { text: text.into(), narration: false, heard: whole() }
    }
}

fn whole() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_whole(heard: &f32) -> bool {
    *heard >= 1.0
}

/// A feeling by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeltEmotion {
    /// One of the engine's labels.
    pub label: String,
    /// 0 to 1.
    pub intensity: f32,
}

/// One decision that the model took before it spoke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// What was decided, for example `action`.
    pub decision: String,
    /// The choice taken.
    pub choice: String,
    /// Its arguments as the model wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// An action that reached the game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalledAction {
    /// What the game answers with.
    pub call_id: String,
    /// The declared name.
    pub name: String,
    /// As they were admitted.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// On whom or what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Why an entry cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// An id is empty, too long or has control characters.
    #[error("{0}")]
    Id(String),
    /// More than [`WITNESSES_MAX`].
    #[error("an entry names at most {WITNESSES_MAX} witnesses, this has {0}")]
    Witnesses(usize),
    /// A number that JSON cannot hold.
    #[error("a number of the entry is infinite or not a number")]
    Number,
    /// A memory of nobody, or one that is too long.
    #[error(
        "a memory needs the character whose it is, at most {MEMORY_BYTES_MAX} bytes of text, and names at most \
         {MEMORY_LIST_MAX} others"
    )]
    Memory,
}

impl EntryKind {
    /// The part that it plays.
    pub fn role(&self) -> EntryRole {
        match self {
            EntryKind::Turn(_) | EntryKind::Event { .. } => EntryRole::Told,
            EntryKind::ActionResult { .. } | EntryKind::Heard { .. } => EntryRole::Note,
            EntryKind::Scene(_)
            | EntryKind::Emotion { .. }
            | EntryKind::Relationship { .. }
            | EntryKind::Goals(_)
            | EntryKind::Lore(_) => EntryRole::State,
            // Being told something is a thing that happens; a summary is not.
            EntryKind::Memory(record) if record.kind == MemoryKind::Hearsay => EntryRole::Told,
            EntryKind::Memory(_) => EntryRole::Memory,
            EntryKind::Opaque(_) => EntryRole::Opaque,
        }
    }

    fn numbers(&self) -> Vec<f32> {
        match self {
            EntryKind::Turn(turn) => {
                let felt = turn.emotion.iter().map(|emotion| emotion.intensity);
                turn.lines.iter().map(|line| line.heard).chain(felt).collect()
            }
            EntryKind::Heard { fraction, .. } => vec![*fraction],
            EntryKind::Emotion { intensity, pleasure, arousal, dominance, .. } => {
                vec![*intensity, *pleasure, *arousal, *dominance]
            }
            EntryKind::Relationship { trust, respect, familiarity, affection, sated, .. } => {
                vec![*trust, *respect, *familiarity, *affection, *sated]
            }
            EntryKind::Memory(record) => vec![record.importance, record.confidence],
            _ => Vec::new(),
        }
    }
}

impl Entry {
    /// Everybody who perceived it, each once: the witnesses, and of a turn also who spoke and who
    /// answered; of a memory, only whose it is.
    pub fn perceivers(&self) -> Vec<&str> {
        if let EntryKind::Memory(_) = &self.kind {
            return self.character.as_deref().into_iter().filter(|id| !id.is_empty()).collect();
        }
        let mut all: Vec<&str> = Vec::with_capacity(self.witnesses.len() + 2);
        if let EntryKind::Turn(turn) = &self.kind {
            all.extend(self.character.as_deref());
            all.push(&turn.speaker);
        }
        all.extend(self.witnesses.iter().map(String::as_str));
        all.retain(|id| !id.is_empty());
        let mut seen = std::collections::HashSet::new();
        all.retain(|id| seen.insert(*id));
        all
    }

    /// Whether `being` perceived it.
    pub fn perceived_by(&self, being: &str) -> bool {
        let in_turn = match &self.kind {
            EntryKind::Memory(_) => return !being.is_empty() && self.character.as_deref() == Some(being),
            EntryKind::Turn(turn) => turn.speaker == being || self.character.as_deref() == Some(being),
            _ => false,
        };
        !being.is_empty() && (in_turn || self.witnesses.iter().any(|witness| witness == being))
    }

    /// Gives a note the witnesses of the turn that it amends.
    ///
    /// A line that broke off did so for everybody who listened. Of an action's result the game may
    /// name the witnesses itself; only if it named none does everybody know who saw the action.
    pub fn inherit_witnesses(&mut self, turn: &Entry) {
        let adds = match self.kind {
            EntryKind::Heard { .. } => true,
            EntryKind::ActionResult { .. } => self.witnesses.is_empty(),
            _ => false,
        };
        if adds {
            let missing: Vec<String> = turn
                .perceivers()
                .into_iter()
                .filter(|being| !self.perceived_by(being))
                .map(str::to_owned)
                .collect();
            self.witnesses.extend(missing);
        }
    }

    /// Whether it can be written: ids in bounds, numbers that JSON can hold.
    pub fn check(&self) -> Result<(), EntryError> {
        let id = |field: &str, id: &str| check_id(field, id).map_err(|error| EntryError::Id(error.message));
        id("id", &self.id)?;
        self.character.iter().try_for_each(|character| id("character", character))?;
        if self.witnesses.len() > WITNESSES_MAX {
            return Err(EntryError::Witnesses(self.witnesses.len()));
        }
        self.witnesses.iter().try_for_each(|witness| id("witnesses", witness))?;
        match &self.kind {
            EntryKind::Turn(turn) => {
                id("turn", &turn.turn)?;
                turn.actions.iter().try_for_each(|action| id("call_id", &action.call_id))?;
                let optional = [("req_id", &turn.req_id), ("speaker", &turn.speaker)];
                for (field, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
                    id(field, value)?;
                }
            }
            EntryKind::ActionResult { result, .. } => id("call_id", &result.call_id)?,
            EntryKind::Heard { turn, .. } => id("turn", turn)?,
            EntryKind::Relationship { toward, .. } => id("toward", toward)?,
            EntryKind::Memory(record) if self.character.is_none() || !record.in_bounds() => {
                return Err(EntryError::Memory);
            }
            _ => {}
        }
        let finite = self.kind.numbers().iter().all(|number| number.is_finite());
        if finite { Ok(()) } else { Err(EntryError::Number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn entry(kind: EntryKind) -> Entry {
        Entry {
            id: "e1".into(),
            kind,
            character: Some("mira".into()),
            witnesses: vec!["bert".into()],
            game_time: Some(12),
            wall_time_ms: 1_700_000_000_000,
        }
    }

    fn turn() -> TurnRecord {
        TurnRecord {
            turn: "t1".into(),
            req_id: String::new(),
            speaker: "ann".into(),
            speaker_name: "Ann".into(),
            text: "A key, please.".into(),
            told: String::new(),
            lines: vec![
                SpokenLine::spoken("Here."),
                SpokenLine { heard: 0.25, ..SpokenLine::spoken("Mind it.") },
            ],
            emotion: Some(FeltEmotion { label: "joy".into(), intensity: 0.5 }),
            decisions: vec![DecisionRecord {
                decision: "action".into(),
                choice: "give".into(),
                arguments: Some(json!({"item": "key"})),
            }],
            actions: Vec::new(),
            finish: Finish::Complete,
        }
    }

    #[test]
    fn the_stored_form_of_a_turn() {
        let text = serde_json::to_string_pretty(&entry(EntryKind::Turn(turn()))).expect("serialises");
        expect![[r#"
            {
              "id": "e1",
              "kind": {
                "type": "turn",
                "turn": "t1",
                "speaker": "ann",
                "speaker_name": "Ann",
                "text": "A key, please.",
                "lines": [
                  {
                    "text": "Here."
                  },
                  {
                    "text": "Mind it.",
                    "heard": 0.25
                  }
                ],
                "emotion": {
                  "label": "joy",
                  "intensity": 0.5
                },
                "decisions": [
                  {
                    "decision": "action",
                    "choice": "give",
                    "arguments": {
                      "item": "key"
                    }
                  }
                ],
                "finish": "complete"
              },
              "character": "mira",
              "witnesses": [
                "bert"
              ],
              "game_time": 12,
              "wall_time_ms": 1700000000000
            }"#]]
        .assert_eq(&text);
    }

    #[test]
    fn every_kind_survives_its_json_form() {
        let result =
            ActionResult { call_id: "c1".into(), ok: false, text: Some("No room.".into()), data: None };
        let kinds = [
            EntryKind::Turn(turn()),
            EntryKind::Event { text: "Rain.".into() },
            EntryKind::ActionResult { turn: "t1".into(), result },
            EntryKind::Heard { turn: "t1".into(), line: 2, fraction: 0.3 },
            EntryKind::Scene(Scene { place: Some("inn".into()), ..Scene::default() }),
            EntryKind::Emotion {
                label: "joy".into(),
                intensity: 0.1,
                pleasure: 0.2,
                arousal: -0.3,
                dominance: 0.4,
                why: Some("Ann sang".into()),
            },
            EntryKind::Relationship {
                toward: "ann".into(),
                trust: 0.1,
                respect: 0.2,
                familiarity: 0.3,
                affection: -0.7,
                sated: 0.5,
                why: None,
            },
            EntryKind::Memory(MemoryRecord { text: "Ann gave me a key.".into(), ..MemoryRecord::default() }),
            EntryKind::Goals(GoalStates {
                goals: [("find-bell".to_owned(), crate::goal::GoalProgress::Active)].into(),
                facts: vec!["bell_found".into()],
            }),
            EntryKind::Lore(LoreTimers { utterances: 3, came_up: [("mill".to_owned(), 1)].into() }),
        ];
        for kind in kinds {
            let whole = entry(kind);
            let text = serde_json::to_string(&whole).expect("serialises");
            assert_eq!(serde_json::from_str::<Entry>(&text).expect(&text), whole);
        }
    }

    #[test]
    fn feelings_of_an_older_version_are_read() {
        let old = [
            r#"{"type":"emotion","label":"joy","intensity":0.5,"pleasure":0.1,"arousal":0.2,"dominance":0.3}"#,
            r#"{"type":"relationship","toward":"ann","trust":0.1,"respect":0.2,"familiarity":0.3,"affection":0.4}"#,
        ];
        for kind in old {
            let stored = format!(r#"{{"id":"e1","kind":{kind},"wall_time_ms":0}}"#);
            let read: Entry = serde_json::from_str(&stored).expect("readable");
            assert_eq!(read.kind.role(), EntryRole::State, "{kind}");
            assert_eq!(serde_json::to_string(&read).expect("serialises"), stored);
        }
    }

    #[test]
    fn a_kind_of_a_newer_version_is_carried_along() {
        let stored = r#"{"id":"e1","kind":{"type":"prophecy","by":["x"],"odds":0.5},"wall_time_ms":0}"#;
        let read: Entry = serde_json::from_str(stored).expect("readable");
        assert_eq!(read.kind.role(), EntryRole::Opaque);
        assert_eq!(serde_json::to_string(&read).expect("serialises"), stored);
    }

    #[test]
    fn who_takes_part_in_a_turn_perceives_it() {
        let whole = entry(EntryKind::Turn(turn()));
        assert_eq!(whole.perceivers(), ["mira", "ann", "bert"]);
        assert!(whole.perceived_by("ann") && whole.perceived_by("bert") && !whole.perceived_by("cleo"));
        let event = entry(EntryKind::Event { text: "Rain.".into() });
        assert!(!event.perceived_by("mira"), "an event is perceived by its witnesses alone");
        assert!(!event.perceived_by(""));
    }

    #[test]
    fn a_note_reaches_those_who_perceived_its_turn() {
        let turn = entry(EntryKind::Turn(turn()));
        let mut heard = entry(EntryKind::Heard { turn: "t1".into(), line: 0, fraction: 0.5 });
        heard.inherit_witnesses(&turn);
        assert_eq!(heard.witnesses, ["bert", "mira", "ann"]);

        let result = ActionResult { call_id: "c1".into(), ok: true, text: None, data: None };
        let mut told_to_one = entry(EntryKind::ActionResult { turn: "t1".into(), result });
        let mut told_to_none = told_to_one.clone();
        told_to_none.witnesses.clear();
        told_to_one.inherit_witnesses(&turn);
        told_to_none.inherit_witnesses(&turn);
        assert_eq!(told_to_one.witnesses, ["bert"]);
        assert_eq!(told_to_none.witnesses, ["mira", "ann", "bert"]);
    }

    #[test]
    fn entries_out_of_bounds_are_refused() {
        let good = entry(EntryKind::Turn(turn()));
        assert_eq!(good.check(), Ok(()));
        let refused = |change: fn(&mut Entry)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.check().expect_err("refused")
        };
        assert!(matches!(refused(|e| e.id.clear()), EntryError::Id(_)));
        assert!(matches!(refused(|e| e.witnesses = vec!["a\n".into()]), EntryError::Id(_)));
        assert_eq!(
            refused(|e| e.witnesses = vec!["a".into(); WITNESSES_MAX + 1]),
            EntryError::Witnesses(WITNESSES_MAX + 1)
        );
        let nan = |e: &mut Entry| e.kind = EntryKind::Heard { turn: "t".into(), line: 0, fraction: f32::NAN };
        assert_eq!(refused(nan), EntryError::Number);
    }
}
