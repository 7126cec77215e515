//! A memory as it is told to models of every size.

use super::Reason;
use crate::memory::ends_asking;

/// Something that came to mind, in two lengths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// In whole sentences: when and where it was, who said what, and what was answered.
    pub text: String,
    /// What was said or what happened, and nothing else: the smallest models read more than that aloud, and go on
    /// with their own earlier answers whatever is asked (decision 0018). Empty if it says nothing by itself.
    pub brief: String,
    /// The words that it is about, as they stand wherever they were told before.
    pub words: String,
    /// Id of the turn that it is of; empty if of none. A prompt that shows the turn does not tell of it as well.
    pub turn: String,
    /// Why it came to mind, in a few words.
    pub why: String,
}

impl Memory {
    /// Why it was told, in whichever length.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        [&self.text, &self.brief].map(|text| Reason { text: text.clone(), why: self.why.clone() }).into_iter()
    }
}

/// Whether a text asks: told again later, it says nothing by itself.
pub fn is_question(text: &str) -> bool {
    let closing = |c: char| c.is_whitespace() || matches!(c, '"' | '”' | '’' | '\'' | ')' | '!');
    ends_asking(text.trim_end_matches(closing))
}
