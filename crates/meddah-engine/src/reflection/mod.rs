//! What a character makes of a talk when it is over: a summary in its own words, and single facts.
//!
//! Pure: what it perceived goes in ([`Material`]), memories come out. A model may write them
//! ([`question`], [`read`]); what it wrote counts only as far as it speaks of what was said
//! ([`grounded`]). Without a model, or with one that cannot, the most telling sentences are kept as they
//! were said ([`extract`]), in quotation marks, so that nobody's "I" becomes somebody else's.
//! [`settle`] says which older facts a new one replaces.

mod extract;
mod facts;
mod grounded;
mod material;
mod question;
mod read;
mod words;

pub use extract::extract;
pub use facts::{Settled, settle};
pub use grounded::grounded;
pub use material::{Being, Material, Moment, Said};
pub use question::{Question, question};
pub use read::read;

/// The most facts of one talk.
pub const FACTS_MAX: usize = 8;
/// The most sentences of a summary.
pub const SUMMARY_SENTENCES_MAX: usize = 4;
/// The longest summary and the longest fact, in characters.
pub const SUMMARY_CHARS_MAX: usize = 900;
/// See [`SUMMARY_CHARS_MAX`].
pub const FACT_CHARS_MAX: usize = 300;

/// What is kept of a talk, before it becomes entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// In the first person, a few plain sentences.
    pub summary: String,
    /// Single facts.
    pub facts: Vec<Fact>,
}

/// One fact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// A whole sentence.
    pub text: String,
    /// What it says of its subject: one of [`RELATIONS`], or empty.
    pub relation: String,
    /// Its subject first: ids where there are ids.
    pub about: Vec<String>,
    /// 0 to 1.
    pub importance: f32,
}

/// What facts can say of their subject, and how much that matters to who remembers it.
pub const RELATIONS: &[(&str, f32)] = &[
    ("name", 0.7),
    ("home", 0.6),
    ("job", 0.6),
    ("likes", 0.5),
    ("dislikes", 0.5),
    ("promised", 0.8),
    ("owes", 0.8),
    ("has", 0.5),
    ("threat", 0.9),
];
/// How much a fact of no known relation matters.
const OTHER_IMPORTANCE: f32 = 0.5;

/// How much a fact of this relation matters, 0 to 1.
fn importance(relation: &str) -> f32 {
    RELATIONS
        .iter()
        .find(|(name, _)| *name == relation)
        .map_or(OTHER_IMPORTANCE, |(_, importance)| *importance)
}

#[cfg(test)]
mod tests;
