//! What can be recalled: one utterance, one event. An entry of the timeline tells up to two of them.

use std::borrow::Cow;

use crate::timeline::{Entry, EntryKind, SpokenLine, heard_text};

/// Which part of its entry a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// What was said to the character, or what happened.
    Told,
    /// What the character answered.
    Answered,
}

/// A document as an entry tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<'a> {
    /// Which part.
    pub part: Part,
    /// Id of who said it; empty if nobody did.
    pub speaker: &'a str,
    /// The words.
    pub text: Cow<'a, str>,
    /// How much it matters, 0 to 1, if it is a memory that was made of others.
    pub importance: Option<f32>,
}

/// The documents of an entry. Nothing of an answer that nobody heard is among them.
pub fn documents(entry: &Entry) -> Vec<Told<'_>> {
    let told = |speaker, text| Told { part: Part::Told, speaker, text, importance: None };
    let mut found = match &entry.kind {
        EntryKind::Turn(turn) => {
            let speaker = entry.character.as_deref().unwrap_or_default();
            let text = Cow::Owned(answer(&turn.lines));
            let answer = Told { part: Part::Answered, speaker, text, importance: None };
            vec![told(&turn.speaker, Cow::Borrowed(turn.text.as_str())), answer]
        }
        EntryKind::Event { text } => vec![told("", Cow::Borrowed(text.as_str()))],
        EntryKind::Memory(memory) => {
            let speaker = memory.told_by.as_deref().unwrap_or_default();
            let text = Cow::Borrowed(memory.text.as_str());
            vec![Told { importance: Some(memory.importance), ..told(speaker, text) }]
        }
        _ => Vec::new(),
    };
    found.retain(|told| !told.text.trim().is_empty());
    found
}

/// What was heard of an answer.
pub(super) fn answer(lines: &[SpokenLine]) -> String {
    let heard = lines.iter().map(|line| heard_text(&line.text, line.heard)).filter(|text| !text.is_empty());
    heard.collect::<Vec<_>>().join(" ")
}

/// What is given to the embedder. Who says it is part of the meaning.
pub fn text_to_embed(speaker_name: &str, text: &str) -> String {
    match speaker_name.is_empty() {
        true => text.to_owned(),
        false => format!("{speaker_name}: {text}"),
    }
}
