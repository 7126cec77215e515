//! The form of a prompt: how long it may be, and where mood and action stand.

use super::SPEECH_LEAD;
use super::budget::Budget;
use super::size::{ModelFacts, PromptSize};

/// Where the mood and the action of an answer are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// In the answer, before its words; past answers show it too.
    #[default]
    InAnswer,
    /// Beside the answer, which is words alone: the smallest models lose the thread over a form.
    Aside,
}

/// The smallest models lose what they read if words are drawn more freely.
const TINY_TEMPERATURE_MAX: f32 = 0.2;
/// They go on and on.
const TINY_LINES_MAX: u32 = 2;

/// How a prompt is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How much the model can make of it.
    pub size: PromptSize,
    /// Where mood and action stand.
    pub head: Head,
    /// What each part may take.
    pub budget: Budget,
}

impl Default for Form {
    fn default() -> Form {
        Form { size: PromptSize::default(), head: Head::default(), budget: Budget::for_window(4096) }
    }
}

impl Form {
    /// The form that suits a model.
    pub fn of(facts: &ModelFacts<'_>) -> Form {
        Form::sized(PromptSize::of(facts), facts)
    }

    /// As [`Form::of`], with a size of one's own.
    pub fn sized(size: PromptSize, facts: &ModelFacts<'_>) -> Form {
        let aside = size <= PromptSize::Small && facts.scores_choices;
        let head = if aside { Head::Aside } else { Head::InAnswer };
        Form { size, head, budget: Budget::for_window(facts.context_tokens) }
    }

    /// Recent turns and samples are shown. The smallest models only copy them (decision 0018).
    pub fn shows_past(&self) -> bool {
        self.size > PromptSize::Tiny
    }

    /// Lines of a reply at most: of the smallest models the first are the best.
    pub fn lines_max(&self) -> u32 {
        match self.size {
            PromptSize::Tiny => TINY_LINES_MAX,
            _ => u32::MAX,
        }
    }

    /// One memory is told, in its short form.
    pub(super) fn tells_briefly(&self) -> bool {
        self.size == PromptSize::Tiny
    }

    /// Goals that are told at once: more of them make a small model restless.
    pub(super) fn goals_max(&self) -> usize {
        match self.size {
            PromptSize::Tiny | PromptSize::Small => 1,
            PromptSize::Medium => 2,
            PromptSize::Large => 3,
        }
    }

    /// How freely words may be drawn at most.
    pub fn temperature_max(&self) -> f32 {
        match self.size {
            PromptSize::Tiny => TINY_TEMPERATURE_MAX,
            _ => f32::INFINITY,
        }
    }

    /// What leads from the decisions to the words.
    pub fn speech_lead(&self) -> &'static str {
        match self.head {
            Head::InAnswer => SPEECH_LEAD,
            Head::Aside => "",
        }
    }
}
