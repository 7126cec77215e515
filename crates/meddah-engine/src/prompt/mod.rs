//! What the model reads, composed from the world pack, the scene and what happened.
//!
//! Parts that stay the same come first, so that a model which keeps what it has read (a KV cache) only
//! reads what is new: rules and world (the same for all characters), then the character, then sample
//! exchanges, then the recent turns, append-only, and last what the player says now. Turns that no longer
//! fit are dropped a block at a time; dropping one per turn would change the prefix every turn.

mod budget;
mod draft;
mod fit;
mod form;
mod format;
mod memory;
mod outside;
mod past;
mod short_scene;
mod size;
mod system;

pub use budget::Budget;
pub use draft::{Draft, told};
pub use fit::PromptTooLong;
pub use form::{Form, Head};
pub use format::{
    ACTION_DECISION, ACTION_LEAD, EMOTION_DECISION, EMOTION_LEAD, NOTHING, SPEECH_LEAD, neutral_text,
};
pub use memory::{Memory, is_question};
pub use outside::one_line;
pub use past::{Past, TURNS_PER_BLOCK};
pub use short_scene::ShortScene;
pub use size::{ModelFacts, PromptSize};

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
    /// How it is written.
    pub form: Form,
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
    pub past: &'a Past<'a>,
    /// What this moment calls to mind.
    pub on_mind: &'a OnMind,
    /// What is answered.
    pub occasion: Occasion<'a>,
}

/// What a moment calls to a character's mind, told right before what is answered. All of it in whole sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnMind {
    /// What it remembers from longer ago than the recent turns; what matters most comes last and is left out last.
    pub memories: Vec<Memory>,
    /// Knowledge that the talk calls up, and secrets that are open.
    pub knowledge: Vec<String>,
    /// How it feels and how it stands to whom it talks with; may be empty.
    pub feelings: Vec<String>,
    /// What it wants from this talk; what matters most comes first and is left out last.
    pub goals: Vec<String>,
    /// Why sentences of it were chosen, for whoever asks how a prompt came about. Nobody else reads them.
    pub reasons: Vec<Reason>,
}

/// Why a sentence came to mind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reason {
    /// The sentence, as it stands in [`OnMind`].
    pub text: String,
    /// Why, in a few words: "shares `bed` with the talk", "similar by 0.62".
    pub why: String,
}

impl OnMind {
    /// All sentences in full, in the order in which they are told.
    pub fn sentences(&self) -> impl Iterator<Item = &String> {
        let memories = self.memories.iter().map(|memory| &memory.text);
        memories.chain(&self.knowledge).chain(&self.feelings).chain(&self.goals)
    }

    /// Why a sentence was chosen, if that is known.
    pub fn why(&self, sentence: &str) -> Option<&str> {
        self.reasons.iter().find(|reason| reason.text == sentence).map(|reason| reason.why.as_str())
    }
}

/// What a part of a prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// How to answer.
    Rules,
    /// The world and what everybody knows.
    World,
    /// Who the character is.
    Character,
    /// What it can do.
    Actions,
    /// Whom it talks with.
    Partner,
    /// A sample exchange of its file.
    Sample,
    /// A recent turn.
    Turn,
    /// Something noticed since the last turn.
    Note,
    /// See [`OnMind`].
    Memory,
    /// See [`OnMind`].
    Knowledge,
    /// See [`OnMind`].
    Feeling,
    /// See [`OnMind`].
    Goal,
    /// What is answered.
    Said,
}

impl PartKind {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            PartKind::Rules => "rules",
            PartKind::World => "world",
            PartKind::Character => "character",
            PartKind::Actions => "actions",
            PartKind::Partner => "partner",
            PartKind::Sample => "sample",
            PartKind::Turn => "turn",
            PartKind::Note => "note",
            PartKind::Memory => "memory",
            PartKind::Knowledge => "knowledge",
            PartKind::Feeling => "feeling",
            PartKind::Goal => "goal",
            PartKind::Said => "said",
        }
    }
}

/// A piece of a prompt with its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptPart {
    /// What it is.
    pub kind: PartKind,
    /// Its text.
    pub text: String,
    /// Its tokens, with what the chat template adds to a message.
    pub tokens: u32,
}

/// A prompt that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What the model reads.
    pub messages: Vec<PromptMessage>,
    /// What the character is told of this moment; kept with the turn so that it reads the same later.
    pub told: String,
    /// What it is made of, in order.
    pub parts: Vec<PromptPart>,
}

#[cfg(test)]
mod tests;
