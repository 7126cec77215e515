//! What the model reads, composed from the world pack, the scene and what happened.
//!
//! Parts that stay the same come first, so that a model which keeps what it has read (a KV cache) only
//! reads what is new: rules and world (the same for all characters), then the character, then sample
//! exchanges, then the recent turns, append-only, and last what the player says now. Turns that no longer
//! fit are dropped a block at a time; dropping one per turn would change the prefix every turn.

mod fit;
mod format;
mod outside;
mod past;
mod system;

pub use fit::PromptTooLong;
pub use format::{
    ACTION_DECISION, ACTION_LEAD, EMOTION_DECISION, EMOTION_LEAD, NOTHING, SPEECH_LEAD, neutral_text,
};
pub use outside::one_line;
pub use past::{Past, TURNS_PER_BLOCK};

use crate::action::ActionSet;
use crate::world::{Character, World};

/// Who a message of the prompt is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptRole {
    /// Rules, world and character.
    System,
    /// What is said to the character.
    User,
    /// What the character answered.
    Assistant,
}

/// One message of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptMessage {
    /// Who it is from.
    pub role: PromptRole,
    /// Its text.
    pub text: String,
}

/// What a turn answers.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// Somebody said this to the character.
    Said {
        /// The speaker's name.
        speaker: &'a str,
        /// The words, as they came.
        text: &'a str,
    },
    /// Something happened, and a remark is wanted.
    Happened(&'a str),
}

/// Everything that a prompt is made of.
pub struct PromptInput<'a> {
    /// The world.
    pub world: &'a World,
    /// Who answers.
    pub character: &'a Character,
    /// What the player is called.
    pub player_name: &'a str,
    /// The language to answer in, if not the world's.
    pub language: Option<&'a str>,
    /// What the character can do.
    pub actions: &'a ActionSet,
    /// What the character remembers of late.
    pub past: &'a Past,
    /// What this moment calls to mind.
    pub on_mind: &'a OnMind,
    /// What is answered.
    pub occasion: Occasion<'a>,
}

/// What a moment calls to a character's mind, told right before what is answered. All of it in whole sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnMind {
    /// What it remembers from longer ago than the recent turns, oldest first.
    pub memories: Vec<String>,
    /// Knowledge that the talk calls up, and secrets that are open.
    pub knowledge: Vec<String>,
    /// How it feels and how it stands to whom it talks with; may be empty.
    pub feelings: Vec<String>,
    /// What it wants from this talk.
    pub goals: Vec<String>,
}

impl OnMind {
    /// All sentences, in the order in which they are told.
    pub fn sentences(&self) -> impl Iterator<Item = &String> {
        self.memories.iter().chain(&self.knowledge).chain(&self.feelings).chain(&self.goals)
    }
}

/// A prompt whose length is not yet known.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Rules, world, character.
    system: String,
    /// Sample exchanges from the character file, in pairs.
    samples: Vec<PromptMessage>,
    /// Recent turns in pairs, each with the number of the block that it is dropped with.
    history: Vec<(usize, PromptMessage)>,
    /// What is answered now.
    now: String,
}

impl Draft {
    /// Composes the prompt.
    pub fn new(input: &PromptInput<'_>) -> Draft {
        let samples = format::samples(input);
        Draft {
            system: system::text(input),
            samples,
            history: input.past.messages(),
            now: format::user_text(&input.past.notes, input.on_mind, &input.occasion),
        }
    }

    /// The texts whose tokens [`Draft::fit`] needs counted, in its order.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = vec![self.system.clone(), self.now.clone()];
        texts.extend(self.samples.iter().map(|message| message.text.clone()));
        texts.extend(self.history.iter().map(|(_, message)| message.text.clone()));
        texts
    }

    /// What the character is told of this moment; kept with the turn so that it reads the same later.
    pub fn now(&self) -> &str {
        &self.now
    }
}

#[cfg(test)]
mod tests;
