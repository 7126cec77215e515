//! The prompt of a short scene: several characters talk among themselves, and one call writes it.
//!
//! One mind reads it for all of them, so it holds nothing but what all of them know: who is there and how each of
//! them speaks, what everybody knows, and what all of them heard. What one of them knows, remembers, wants or hides
//! stays out of it.

use super::format::said;
use super::outside::{self, one_line};
use super::{PromptMessage, PromptRole};
use crate::timeline::Recalled;
use crate::world::{Character, World};

/// Exchanges and events that are shown, the newest.
const PAST_MAX: usize = 8;

/// What a short scene is written from.
pub struct ShortScene<'a> {
    /// The world.
    pub world: &'a World,
    /// Those who may speak.
    pub there: &'a [&'a Character],
    /// Where and when, as far as the game said.
    pub place: Option<&'a str>,
    /// See `place`.
    pub time: Option<&'a str>,
    /// What all of them perceived of late, oldest first; the last line that was said among it.
    pub past: &'a [Recalled<'a>],
    /// The language that is spoken.
    pub language: &'a str,
    /// Lines at most.
    pub lines_max: u32,
}

impl ShortScene<'_> {
    /// What the model reads.
    pub fn messages(&self) -> [PromptMessage; 2] {
        [
            PromptMessage { role: PromptRole::System, text: self.system() },
            PromptMessage { role: PromptRole::User, text: self.talk() },
        ]
    }

    fn system(&self) -> String {
        let names: Vec<String> = self.there.iter().map(|character| outside::name(&character.name)).collect();
        let mut text = format!(
            "You write a short talk among characters of a game. It goes on from what was said last. Every line is a \
             name, a colon and what is said: one or two short sentences, in the voice of who says it. Only these \
             speak: {}. The player says nothing. No actions, no narration. Write at most {} lines, and end sooner \
             when nothing more is to be said. Nobody knows anything that does not stand here.",
            names.join(", "),
            self.lines_max,
        );
        if !self.language.is_empty() && !self.language.starts_with("en") {
            text.push_str(&format!(" They speak this language: {}.", one_line(self.language)));
        }
        text.push_str(&format!("\n\nThe world: {}.", one_line(&self.world.name).trim_end_matches('.')));
        for known in &self.world.everybody_knows {
            text.push_str(&format!(" {}", one_line(known)));
        }
        text.push('\n');
        text.extend(self.there.iter().map(|character| format!("\n{}", portrait(character))));
        text
    }

    fn talk(&self) -> String {
        let mut lines = Vec::new();
        let told =
            |label: &str, text: Option<&str>| text.map(|text| format!("[{label}: {}]", one_line(text)));
        lines.extend(told("The place", self.place));
        lines.extend(told("The time", self.time));
        for recalled in &self.past[self.past.len().saturating_sub(PAST_MAX)..] {
            match recalled {
                Recalled::Turn(turn) => {
                    let record = turn.record;
                    let before = match record.speaker.is_empty() {
                        true => format!("[{}]", one_line(&record.text)),
                        false => said(&record.speaker_name, &record.text),
                    };
                    // What is answered was often the answer to something itself.
                    if lines.last() != Some(&before) {
                        lines.push(before);
                    }
                    let answer = turn.answer();
                    if !answer.is_empty() {
                        lines.push(said(self.world.name_of(turn.character), &answer));
                    }
                }
                Recalled::Event { text, .. } => lines.push(format!("[{}]", one_line(text))),
                Recalled::Hearsay { .. } => {} // one of them heard it
            }
        }
        lines.join("\n")
    }
}

/// What others see and hear of somebody.
fn portrait(character: &Character) -> String {
    let full_stop = |text: &str| format!(" {}.", one_line(text).trim_end_matches('.'));
    let mut text = format!("{}:", outside::name(&character.name));
    for part in [&character.role, &character.personality.join(", "), &character.speech.style] {
        if !part.trim().is_empty() {
            text.push_str(&full_stop(part));
        }
    }
    text
}
