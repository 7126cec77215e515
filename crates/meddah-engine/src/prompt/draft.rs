//! A prompt whose length is not yet known.

use super::form::Form;
use super::format;
use super::outside::one_line;
use super::system::{self, Piece};
use super::{Occasion, PartKind, PromptInput, PromptMessage};

/// Everything that the model could read, in pieces. [`Draft::fit`] makes a prompt of it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) form: Form,
    /// Rules, world, character.
    pub(super) system: Vec<Piece>,
    /// Sample exchanges from the character file, in pairs.
    pub(super) samples: Vec<PromptMessage>,
    /// Recent turns in pairs, each with the number of the block that it is dropped with.
    pub(super) history: Vec<(usize, PromptMessage)>,
    /// What is told and said now.
    pub(super) now: Vec<NowPiece>,
}

/// A line of what is told and said now.
#[derive(Clone, Debug)]
pub(super) struct NowPiece {
    pub kind: PartKind,
    pub text: String,
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
    pub fn texts(&self) -> Vec<String> {
        let system = self.system.iter().map(|piece| &piece.text);
        let now = self.now.iter().map(|piece| &piece.text);
        let samples = self.samples.iter().map(|message| &message.text);
        let history = self.history.iter().map(|(_, message)| &message.text);
        system.chain(now).chain(samples).chain(history).cloned().collect()
    }
}

/// All that the character is told of this moment, if there is room for it.
pub fn told(input: &PromptInput<'_>) -> String {
    render(now(input).iter())
}

/// What the character is told now, and last what is answered.
fn now(input: &PromptInput<'_>) -> Vec<NowPiece> {
    let told = |kind| move |text: &String| NowPiece { kind, text: format!("[{}]", one_line(text)) };
    let mind = input.on_mind;
    let mut pieces: Vec<NowPiece> = input.past.notes.iter().map(told(PartKind::Note)).collect();
    if let (false, Occasion::Said { text, .. }) = (input.form.shows_past(), &input.occasion) {
        // What the talk comes back to, since the talk itself is not shown.
        let earlier = input.past.said_of(text, &mind.knowledge);
        pieces.extend(earlier.as_ref().map(told(PartKind::Note)));
    }
    pieces.extend(mind.memories.iter().map(told(PartKind::Memory)));
    // What stands in the turns above need not be told once more.
    let new = |text: &&String| !(input.form.shows_past() && input.past.told_lately(text));
    pieces.extend(mind.knowledge.iter().filter(new).map(told(PartKind::Knowledge)));
    pieces.extend(mind.feelings.iter().map(told(PartKind::Feeling)));
    let goals = mind.goals.iter().take(input.form.goals_max());
    pieces.extend(goals.filter(|text| !input.past.told_lately(text)).map(told(PartKind::Goal)));
    let text = match input.occasion {
        Occasion::Said { speaker, text } => format::said(speaker, text),
        Occasion::Happened(event) => format!("[{}]", one_line(event)),
    };
    pieces.push(NowPiece { kind: PartKind::Said, text });
    pieces
}

/// One below the other.
pub(super) fn render<'p>(pieces: impl Iterator<Item = &'p NowPiece>) -> String {
    pieces.map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("\n")
}
