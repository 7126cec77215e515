//! What has been said so far in a turn, and how each piece reaches the game.

use meddah_engine::action::AdmittedAction;
use meddah_engine::emotion::{self, EmotionLabel};
use meddah_engine::prompt;
use meddah_engine::reply::ReplyEvent;
use meddah_engine::timeline::{DecisionRecord, SpokenLine};
use meddah_inference::TokenUsage;
use meddah_protocol::{EventKind, Timing};
use tracing::{debug, trace};

use super::heart::{Felt, Moved};
use super::mind::Feelings;
use super::{Turn, TurnEvents, ms_since};
use crate::session::events::Retracted;

/// What has been said so far.
#[derive(Default)]
pub(super) struct Reply {
    pub told: String,
    /// How the character felt before; absent while nothing was recalled.
    pub feelings: Option<Feelings>,
    pub felt: Option<Felt>,
    pub moved: Option<Moved>,
    pub decisions: Vec<DecisionRecord>,
    pub lines: Vec<(u32, SpokenLine)>,
    pub actions: Vec<(String, AdmittedAction)>,
    pub shown_deltas: bool,
    pub usage: TokenUsage,
    pub timing: Timing,
}

impl Reply {
    /// The model chose a feeling.
    pub fn feel(&mut self, turn: &Turn, events: &TurnEvents, label: &str) {
        if self.felt_as(turn, events, emotion::nearest_label(label)) {
            self.decide(prompt::EMOTION_DECISION, label, None);
        }
    }

    /// Nobody chose a feeling: what is answered is felt by its words alone.
    fn feel_alone(&mut self, turn: &Turn, events: &TurnEvents) {
        let label = self.feelings.as_ref().map(|feelings| feelings.words.label());
        if let Some(label) = label.filter(|_| self.felt.is_none()) {
            self.felt_as(turn, events, label);
        }
    }

    /// What is felt, and what it does to the bond. `false`: a cut silenced it, so it was not felt.
    fn felt_as(&mut self, turn: &Turn, events: &TurnEvents, label: EmotionLabel) -> bool {
        let Some(feelings) = &self.feelings else { return false };
        let felt = Felt::after(feelings, label);
        if events.push(felt.event()).is_none() {
            return false;
        }
        self.felt = Some(felt);
        if self.moved.is_some() {
            return true; // a second rung, or a service that speaks first and feels later
        }
        let moved = Moved::after(feelings, &turn.cause, label);
        if moved.event().is_none_or(|event| events.push(event).is_some()) {
            self.moved = Some(moved);
        }
        true
    }

    /// The model chose an action; it reaches the game only if the gate admits it.
    pub fn act(
        &mut self,
        turn: &Turn,
        events: &TurnEvents,
        name: &str,
        arguments: Option<serde_json::Value>,
    ) {
        if name == prompt::NOTHING {
            return self.decide(prompt::ACTION_DECISION, prompt::NOTHING, None);
        }
        let action = match turn.actions.admit(name, arguments.clone()) {
            Ok(action) => action,
            Err(refusal) => {
                debug!(turn = turn.id, action = name, "action not admitted");
                trace!(turn = turn.id, %refusal, "why it was not"); // may quote what the player said
                return self.decide(prompt::ACTION_DECISION, prompt::NOTHING, None);
            }
        };
        self.decide(prompt::ACTION_DECISION, name, arguments);
        let call_id = format!("{}.c{}", turn.id, self.actions.len() + 1);
        events.push(EventKind::Action {
            call_id: call_id.clone(),
            name: action.name.clone(),
            arguments: action.arguments.clone(),
            target: action.target.clone(),
            needs_result: action.needs_result,
        });
        self.actions.push((call_id, action));
    }

    fn decide(&mut self, decision: &str, choice: &str, arguments: Option<serde_json::Value>) {
        let (decision, choice) = (decision.to_owned(), choice.to_owned());
        self.decisions.push(DecisionRecord { decision, choice, arguments });
    }

    /// Emits what the parser made of the model's text.
    pub fn say(&mut self, turn: &Turn, events: &TurnEvents, said: Vec<ReplyEvent>) {
        for event in said {
            match event {
                ReplyEvent::Line { text } => self.line(turn, events, text, false),
                ReplyEvent::Narration { text } => self.line(turn, events, text, true),
                ReplyEvent::Delta { text } if turn.deltas => {
                    self.shown_deltas = true;
                    events.push(EventKind::Delta { text });
                }
                ReplyEvent::Delta { .. } | ReplyEvent::Over => {}
            }
        }
    }

    fn line(&mut self, turn: &Turn, events: &TurnEvents, text: String, narration: bool) {
        self.feel_alone(turn, events);
        let number = self.lines.len() as u32;
        let emotion = self.felt.as_ref().map(|felt| felt.shown.label.name().to_owned());
        let event = EventKind::Line { line: number, text: text.clone(), emotion, narration };
        if events.push(event).is_some() {
            self.timing.first_line_ms.get_or_insert_with(|| ms_since(turn.accepted));
            self.lines.push((number, SpokenLine { narration, ..SpokenLine::spoken(text) }));
        }
    }

    /// The last rung: a line of the character's file, for when no model answered or the one that did had
    /// nothing to say. `false` if the file has none, or something was heard already.
    pub fn fall_back(&mut self, turn: &Turn, events: &TurnEvents) -> bool {
        let lines = &turn.character.fallback_lines;
        if lines.is_empty() {
            return false;
        }
        let place = turn.record_id.bytes().map(usize::from).sum::<usize>() % lines.len();
        debug!(turn = turn.id, "a line of the character's file is spoken");
        self.line(turn, events, lines[place].clone(), false);
        true
    }

    /// Somebody may have heard or seen something of it.
    pub fn was_heard(&self) -> bool {
        !self.lines.is_empty() || !self.actions.is_empty() || self.shown_deltas
    }

    /// What a rung began stands for nothing: another one answers.
    pub fn begin_again(&mut self) {
        self.decisions.clear();
        self.felt = None;
    }

    /// Drops what a cut took back: nobody heard it.
    pub fn forget(&mut self, retracted: &Retracted) {
        if retracted.emotion || retracted.relationship {
            self.moved = None;
        }
        if retracted.emotion {
            self.felt = None;
            self.decisions.retain(|record| record.decision != prompt::EMOTION_DECISION);
        }
        if !retracted.calls.is_empty() {
            self.decisions.retain(|record| record.decision != prompt::ACTION_DECISION);
        }
        self.lines.retain(|(number, _)| !retracted.lines.contains(number));
        self.actions.retain(|(call_id, _)| !retracted.calls.contains(call_id));
    }

    pub fn text(&self) -> String {
        self.lines.iter().map(|(_, line)| line.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}
