//! A prompt whose length is not yet known.

use super::form::Form;
use super::format;
use super::outside::one_line;
use super::past::Shown;
use super::system::{self, Piece};
use super::{Memory, Occasion, PartKind, PromptInput, PromptMessage};

/// Everything that the model could read, in pieces. [`Draft::fit`] makes a prompt of it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) form: Form,
    /// Rules, world, character.
    pub(super) system: Vec<Piece>,
    /// Sample exchanges from the character file, in pairs.
    pub(super) samples: Vec<PromptMessage>,
    /// Recent turns in pairs.
    pub(super) history: Vec<Shown>,
    /// What is told and said now.
    pub(super) now: Vec<NowPiece>,
}

/// A line of what is told and said now.
#[derive(Clone, Debug)]
pub(super) struct NowPiece {
    pub kind: PartKind,
    pub text: String,
    /// Id of the turn that a memory is of, and the words that it is about; else empty.
    pub turn: String,
    pub words: String,
}

impl NowPiece {
    fn new(kind: PartKind, text: String) -> NowPiece {
        NowPiece { kind, text, turn: String::new(), words: String::new() }
    }
}

impl Draft {
    /// Composes the prompt.
    pub fn new(input: &PromptInput<'_>) -> Draft {
        let shows_past = input.form.shows_past();
        Draft {
            form: input.form,
            system: system::pieces(input),
            samples: if shows_past { format::samples(input) } else { Vec::new() },
            history: if shows_past { input.past.messages(&input.form) } else { Vec::new() },
            now: now(input),
        }
    }

    /// The texts whose tokens [`Draft::fit`] needs counted, in its order.
    pub fn texts(&self) -> Vec<&str> {
        let system = self.system.iter().map(|piece| &piece.text);
        let now = self.now.iter().map(|piece| &piece.text);
        let samples = self.samples.iter().map(|message| &message.text);
        let history = self.history.iter().map(|shown| &shown.message.text);
        system.chain(now).chain(samples).chain(history).map(String::as_str).collect()
    }
}

/// All that the character is told of this moment, if there is room for it.
pub fn told(input: &PromptInput<'_>) -> String {
    render(now(input).iter())
}

/// What the character is told now, and last what is answered.
fn now(input: &PromptInput<'_>) -> Vec<NowPiece> {
    let told = |kind| move |text: &String| NowPiece::new(kind, bracketed(text));
    let mind = input.on_mind;
    let mut pieces: Vec<NowPiece> = input.past.notes.iter().map(told(PartKind::Note)).collect();
    pieces.extend(match input.form.tells_briefly() {
        true => come_back_to(input).into_iter().collect(),
        false => mind.memories.iter().map(|memory| recalled(memory, &memory.text)).collect::<Vec<_>>(),
    });
    // What stands in the turns above need not be told once more.
    let new = |text: &&String| !(input.form.shows_past() && input.past.told_lately(text));
    pieces.extend(mind.knowledge.iter().filter(new).map(told(PartKind::Knowledge)));
    pieces.extend(mind.feelings.iter().map(told(PartKind::Feeling)));
    let goals = mind.goals.iter().take(input.form.goals_max());
    pieces.extend(goals.filter(|text| !input.past.told_lately(text)).map(told(PartKind::Goal)));
    let text = match input.occasion {
        Occasion::Said { speaker, text } => format::said(speaker, text),
        Occasion::Happened(event) => bracketed(event),
    };
    pieces.push(NowPiece::new(PartKind::Said, text));
    pieces
}

/// The one thing that a model is told which is shown no past: what the talk comes back to, or else what comes to mind
/// from longer ago. Where knowledge answers, nothing: of two things the smallest models take the wrong one.
fn come_back_to(input: &PromptInput<'_>) -> Option<NowPiece> {
    let mind = input.on_mind;
    let Occasion::Said { text, .. } = input.occasion else { return None };
    if !mind.knowledge.is_empty() {
        return None;
    }
    if let Some(earlier) = input.past.said_of(text) {
        return Some(NowPiece::new(PartKind::Note, bracketed(&earlier)));
    }
    let memory = mind.memories.iter().rev().find(|memory| !memory.brief.is_empty())?;
    Some(recalled(memory, &memory.brief))
}

fn recalled(memory: &Memory, text: &str) -> NowPiece {
    let words = one_line(&memory.words);
    NowPiece { turn: memory.turn.clone(), words, ..NowPiece::new(PartKind::Memory, bracketed(text)) }
}

/// As what is noticed and not said stands in a prompt.
pub(super) fn bracketed(text: &str) -> String {
    format!("[{}]", one_line(text))
}

/// One below the other.
pub(super) fn render<'p>(pieces: impl Iterator<Item = &'p NowPiece>) -> String {
    pieces.map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("\n")
}
