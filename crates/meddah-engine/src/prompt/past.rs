//! What a character remembers of late, as it stands in the prompt.
//!
//! A turn is shown with the very text that the character was told then: what happened in between stands in
//! it already. So the past only ever grows at its end, and a model need not read it anew. What happened
//! since the character last spoke becomes notes for the turn at hand.

use std::borrow::Cow;

use crate::timeline::{Recalled, RecentTurn, TurnRecord};
use crate::world::closest;

use super::draft::bracketed;
use super::form::Form;
use super::format::{answer, said};
use super::memory::is_question;
use super::outside::{one_line, without_tokens};
use super::{ACTION_DECISION, EMOTION_DECISION, PromptMessage, PromptRole};

/// Turns that are dropped together when the prompt gets too long.
pub const TURNS_PER_BLOCK: u64 = 6;
/// Notes of one turn; the oldest are left out.
const NOTES_MAX: usize = 6;
/// What was told in so many last turns is not told again.
const TOLD_TURNS: usize = 4;
/// Characters of one note.
const NOTE_CHARS_MAX: usize = 300;

/// Half of a turn that a prompt shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Turns of one block are dropped together.
    pub block: usize,
    /// The turn's id; its second half, which is dropped with the first, has none.
    pub turn: String,
    pub message: PromptMessage,
}

/// The past of one character.
#[derive(Clone, Debug, Default)]
pub struct Past<'e> {
    /// The character's own turns, oldest first.
    pub turns: Vec<RecentTurn<'e>>,
    /// What it noticed since the last of them.
    pub notes: Vec<String>,
}

impl<'e> Past<'e> {
    /// Sorts what a character recalls (oldest first) into its own turns and notes. `names` gives the name
    /// of another character by its id.
    pub fn new(recalled: Vec<Recalled<'e>>, character: &str, names: impl Fn(&str) -> String) -> Past<'e> {
        let mut past = Past::default();
        for recalled in recalled {
            match recalled {
                Recalled::Turn(turn) if turn.character == character => {
                    past.notes = result_notes(&turn);
                    past.turns.push(turn);
                }
                Recalled::Turn(turn) => past.notes.push(overheard(&turn, &names(turn.character))),
                Recalled::Event { text, .. } => past.notes.push(text.to_owned()),
                Recalled::Hearsay { text, told_by: "", .. } => {
                    past.notes.push(format!("You heard: {text}"));
                }
                Recalled::Hearsay { text, told_by, .. } => {
                    past.notes.push(format!("{} told you: {text}", names(told_by)));
                }
            }
        }
        let surplus = past.notes.len().saturating_sub(NOTES_MAX);
        past.notes.drain(..surplus);
        for note in &mut past.notes {
            if let Some((end, _)) = note.char_indices().nth(NOTE_CHARS_MAX) {
                note.truncate(end);
                note.push('…');
            }
        }
        past
    }

    /// Takes sentences out of what was told: a secret that is closed again stands in no prompt, even where it was
    /// told once.
    pub fn untell<'t>(&mut self, sentences: impl Iterator<Item = &'t str>) {
        let closed: Vec<String> = sentences.map(bracketed).collect();
        for turn in &mut self.turns {
            if closed.iter().any(|text| turn.told.contains(text)) {
                let kept = turn.told.lines().filter(|line| !closed.iter().any(|text| line.contains(text)));
                turn.told = kept.collect::<Vec<_>>().join("\n").into();
            }
        }
    }

    /// It was told in one of the last turns.
    pub(super) fn told_lately(&self, text: &str) -> bool {
        self.told_within(TOLD_TURNS, &one_line(text))
    }

    /// These very words were told in one of so many last turns.
    pub fn told_within(&self, turns: usize, words: &str) -> bool {
        self.turns.iter().rev().take(turns).any(|turn| turn.told.contains(words))
    }

    /// What was said to the character earlier about what is said now.
    pub(super) fn said_of(&self, text: &str) -> Option<String> {
        let tells = |turn: &&TurnRecord| !turn.speaker.is_empty() && !is_question(&turn.text);
        let earlier: Vec<&TurnRecord> = self.turns.iter().map(|turn| turn.record).filter(tells).collect();
        let lines: Vec<&str> = earlier.iter().map(|turn| turn.text.as_str()).collect();
        let place = closest(&lines, text)?;
        let turn = earlier[place];
        let said = said(&turn.speaker_name, &turn.text);
        let mut said: String = said.chars().take(NOTE_CHARS_MAX).collect();
        said.insert_str(0, "Earlier, ");
        Some(said)
    }

    /// The turns as messages. Blocks follow the numbers in the turns' ids, so a block has the same members in every
    /// prompt.
    pub(super) fn messages(&self, form: &Form) -> Vec<Shown> {
        let mut messages = Vec::new();
        let (mut block, mut last_key) = (0, None);
        for turn in &self.turns {
            let key = block_key(&turn.record.turn);
            if last_key.is_some_and(|last| last != key) {
                block += 1;
            }
            last_key = Some(key);
            let Some([told, answer]) = pair(form, turn) else { continue };
            messages.push(Shown { block, turn: turn.record.turn.clone(), message: told });
            messages.push(Shown { block, turn: String::new(), message: answer });
        }
        messages
    }
}

/// `s1/t17` is in the same block as all turns of `s1` from 12 to 17.
fn block_key(turn: &str) -> (&str, u64) {
    let digits = turn.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (session, number) = turn.split_at(turn.len() - digits);
    (session, number.parse::<u64>().unwrap_or(0) / TURNS_PER_BLOCK)
}

/// A turn as question and answer. A turn in which nothing was said or done leaves no trace.
fn pair(form: &Form, turn: &RecentTurn<'_>) -> Option<[PromptMessage; 2]> {
    let answered = turn.answer();
    let words = without_tokens(&answered);
    if words.is_empty() && turn.actions.is_empty() {
        return None;
    }
    let record = turn.record;
    let told = match turn.told.is_empty() {
        true => said(&record.speaker_name, &record.text),
        false => turn.told.clone().into_owned(),
    };
    let decided = |name: &str| record.decisions.iter().find(|decision| decision.decision == name);
    let mood = decided(EMOTION_DECISION).map(|decision| decision.choice.as_str());
    let mood = mood.map(|label| crate::emotion::adjective(label).unwrap_or(label));
    let action = decided(ACTION_DECISION).map(|decision| match &decision.arguments {
        Some(arguments) => Cow::Owned(format!("{} {arguments}", decision.choice)),
        None => Cow::Borrowed(decision.choice.as_str()),
    });
    Some([
        PromptMessage { role: PromptRole::User, text: told },
        answer(form, mood, action.as_deref(), &words.replace('\n', " ")),
    ])
}

/// How the actions of a turn went.
fn result_notes(turn: &RecentTurn<'_>) -> Vec<String> {
    let results = turn.actions.iter().filter_map(|action| Some((action.called, action.result?)));
    results
        .map(|(action, result)| {
            let outcome = if result.ok { "It worked." } else { "It did not work." };
            format!("You did {}. {}", action.name, result.text.as_deref().unwrap_or(outcome))
        })
        .collect()
}

/// A talk between others.
fn overheard(turn: &RecentTurn<'_>, name: &str) -> String {
    let (record, answer) = (turn.record, turn.answer());
    if record.speaker.is_empty() {
        return format!("{name} said: {answer}");
    }
    format!("{} said to {name}: {} {name} answered: {answer}", record.speaker_name, record.text)
}
