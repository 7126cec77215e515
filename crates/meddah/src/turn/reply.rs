//! What has been said so far in a turn, and how each piece reaches the game.

use meddah_engine::action::AdmittedAction;
use meddah_engine::emotion::{self, EmotionLabel};
use meddah_engine::prompt;
use meddah_engine::reply::{Fault, Guard, GuardRules, Judgement, ReplyEvent, last_line};
use meddah_engine::timeline::{DecisionRecord, SpokenLine};
use meddah_engine::world::LoreTimers;
use meddah_inference::TokenUsage;
use meddah_protocol::{EventKind, Timing};
use tracing::{debug, trace};

use super::heart::{Felt, Moved};
use super::mind::Feelings;
use super::{CANNED, Turn, TurnEvents};
use crate::session::events::Retracted;
use crate::voice::Speaker;
use crate::wire::ms_since;

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
    /// Speaks the lines, if the game wants to hear them.
    pub speaker: Option<Speaker>,
    /// Judges the lines.
    guard: Option<Guard>,
    /// Why the reply ended before its end.
    fault: Option<Fault>,
    over: bool,
    pub usage: TokenUsage,
    pub timing: Timing,
    /// How far the talk had come before the answer, if lore asks for it.
    pub lore_timers: Option<LoreTimers>,
}

impl Reply {
    /// The model chose a feeling; a word that means none, or none at all, leaves the choice to what is answered.
    pub fn feel(&mut self, turn: &Turn, events: &TurnEvents, word: &str) {
        let by_words = || self.feelings.as_ref().map(|feelings| feelings.words.label());
        let label = emotion::nearest_label(word).or_else(by_words).unwrap_or_default();
        if self.felt_as(turn, events, label) {
            self.decide(prompt::EMOTION_DECISION, label.name(), None);
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

    /// The words of whoever was asked begin.
    pub fn begin_words(&mut self, rules: GuardRules) {
        (self.guard, self.fault, self.over) = (Some(Guard::new(&rules)), None, false);
    }

    /// The text came to a part of somebody else; if nothing came before it, there is nothing to use.
    pub fn was_cut_short(&mut self) {
        if self.lines.is_empty() {
            self.fault.get_or_insert(Fault::SpokeForOthers);
        }
    }

    /// The words are at their end. If there were none, there should have been: only an action speaks for itself.
    pub fn end_words(&mut self) {
        if self.lines.is_empty() && self.actions.is_empty() {
            self.fault.get_or_insert(Fault::Nothing);
        }
    }

    /// The reply is over before the model is.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Its first line was none that anybody should hear.
    pub fn is_unusable(&self) -> bool {
        self.has_no_usable_line() && !self.shown_deltas
    }

    /// Nothing was said, because what there was could not be.
    pub fn has_no_usable_line(&self) -> bool {
        self.fault.is_some() && self.lines.is_empty()
    }

    /// What was wrong with a line of it.
    pub fn fault_name(&self) -> &'static str {
        self.fault.map_or("", Fault::name)
    }

    /// Whether a line may be said.
    fn judge(&mut self, turn: &Turn, line: &str, narration: bool) -> bool {
        let judgement = self.guard.as_mut().map_or(Judgement::Say, |guard| guard.judge(line, narration));
        match judgement {
            Judgement::Say => return true,
            Judgement::Enough => self.over = true,
            Judgement::LeaveOut(fault) => self.found(turn, line, fault),
            Judgement::Unusable(fault) => {
                self.found(turn, line, fault);
                self.over = true;
            }
        }
        false
    }

    /// A line may not be said.
    fn found(&mut self, turn: &Turn, line: &str, fault: Fault) {
        debug!(turn = turn.id, fault = fault.name(), "a line is not said");
        trace!(turn = turn.id, line, "what it was");
        self.fault = Some(fault);
    }

    /// Emits what the parser made of the model's text.
    pub fn say(&mut self, turn: &Turn, events: &TurnEvents, said: Vec<ReplyEvent>) {
        for event in said {
            if self.over {
                return;
            }
            match event {
                ReplyEvent::Line { text } if self.judge(turn, &text, false) => {
                    self.line(turn, events, text, false)
                }
                ReplyEvent::Narration { .. } if !turn.world.narration => {}
                ReplyEvent::Narration { text } if self.judge(turn, &text, true) => {
                    self.line(turn, events, text, true)
                }
                ReplyEvent::Line { .. } | ReplyEvent::Narration { .. } => {}
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
            if let (Some(speaker), false) = (&self.speaker, narration) {
                speaker.say(number, &text, turn.character.fallback_lines.contains(&text));
            }
            self.lines.push((number, SpokenLine { narration, ..SpokenLine::spoken(text) }));
        }
    }

    /// The last rung: a line of the character's file, for when no model answered or the one that did had
    /// nothing to say. `false` if the file has none, or something was heard already.
    pub fn fall_back(&mut self, turn: &Turn, events: &TurnEvents) -> bool {
        let Some(line) = turn.pick(&turn.character.fallback_lines) else { return false };
        debug!(turn = turn.id, "a line of the character's file is spoken");
        self.line(turn, events, line.clone(), false);
        true
    }

    /// Nothing that was thought of may be said: a line of the file, or else one that fits any question.
    pub fn say_something(&mut self, turn: &Turn, events: &TurnEvents) {
        if !self.fall_back(turn, events) {
            let Some(line) = last_line(turn.spoken_language()) else { return };
            self.line(turn, events, line.to_owned(), false);
        }
        self.timing.model = CANNED.to_owned();
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
