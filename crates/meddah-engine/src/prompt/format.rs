//! How a turn stands in the prompt: what the character is told, and the form of its answer.
//!
//! An answer has a short head (the mood, what the character does) and then the words. The head is picked
//! from a few choices before the words, which even a very small model can do, and past turns show it in
//! the same form, so that they are examples of it too.

use super::form::{Form, Head};
use super::outside::{self, one_line};
use super::{PromptInput, PromptMessage, PromptRole};

/// Name of the decision on the emotion.
pub const EMOTION_DECISION: &str = "emotion";
/// Name of the decision on the action.
pub const ACTION_DECISION: &str = "action";
/// What leads up to the emotion.
pub const EMOTION_LEAD: &str = "Mood:";
/// What leads up to the action.
pub const ACTION_LEAD: &str = "\nDoes:";
/// What leads up to the words.
pub const SPEECH_LEAD: &str = "\nSays:";
/// The action that is none.
pub const NOTHING: &str = "nothing";
/// About what the heads of an answer take.
const HEADS_BYTES: usize = 48;
/// Sample exchanges shown to the model at most.
const SAMPLES_MAX: usize = 4;

/// A line of the player that calls for no action and no feeling in particular.
pub fn neutral_text(player_name: &str) -> String {
    format!("{}: Hello.", outside::name(player_name))
}

/// An answer as a model gives it: with its head or without.
pub(super) fn answer(form: &Form, mood: Option<&str>, action: Option<&str>, words: &str) -> PromptMessage {
    let mut text = String::with_capacity(words.len() + HEADS_BYTES);
    if form.head == Head::InAnswer {
        if let Some(mood) = mood {
            text.extend([EMOTION_LEAD, " ", mood]);
        }
        if let Some(action) = action {
            text.extend([ACTION_LEAD, " ", action]);
        }
    }
    match form.speech_lead() {
        "" => text.push_str(words),
        lead => text.extend([lead, " ", words]),
    }
    if text.starts_with(char::is_whitespace) {
        text = text.trim_start().to_owned();
    }
    PromptMessage { role: PromptRole::Assistant, text }
}

/// The sample exchanges of the character file.
pub(super) fn samples(input: &PromptInput<'_>) -> Vec<PromptMessage> {
    let shows_actions = !input.actions.is_empty();
    let samples = input.character.speech.samples.iter().take(SAMPLES_MAX);
    samples
        .flat_map(|sample| {
            let mood = sample.emotion.as_deref().unwrap_or("neutral");
            let mood = crate::emotion::adjective(mood).unwrap_or(mood);
            let action = shows_actions.then(|| sample_action(input, sample.action.as_deref()));
            let text = said(input.player_name, &sample.player);
            [
                PromptMessage { role: PromptRole::User, text },
                answer(&input.form, Some(mood), action.as_deref(), &one_line(&sample.reply)),
            ]
        })
        .collect()
}

/// What somebody says, with the name before it.
pub(super) fn said(speaker: &str, text: &str) -> String {
    format!("{}: {}", outside::name(speaker), one_line(text))
}

/// A sample's action, if the game declares it at the moment.
fn sample_action(input: &PromptInput<'_>, name: Option<&str>) -> String {
    match name {
        Some(name) if input.actions.get(name).is_some() => name.to_owned(),
        _ => NOTHING.to_owned(),
    }
}
