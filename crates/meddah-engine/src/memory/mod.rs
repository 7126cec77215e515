//! What a character recalls when something is said: a few of the many things that it perceived.
//!
//! An [`Index`] of each timeline holds the words of what was said and what happened; a [`View`] is the part
//! of it that one character perceived from one place. A [`Question`] is put to a view by a [`Recall`]: words
//! and features over all of it, then nearness in meaning over the best. Pure: vectors are made and kept
//! elsewhere. Where the design and its first weights come from is told in decision 0014.

mod cues;
mod document;
mod features;
mod index;
mod lexical;
mod max_sim;
mod names;
mod question;
mod recall;
mod scene;
mod view;
mod weights;
mod words;

pub(crate) use cues::ends_asking;
pub use document::{Part, Told, documents, text_to_embed};
pub use features::{FEATURES, Feature, NAMES, Values, Weights};
pub use index::{Added, DocumentId, Index, Place};
pub use max_sim::{QuestionVectors, WORDS_KEPT_MAX, encode};
pub use question::{QUESTION_STEMS_MAX, Question};
pub use recall::{Candidate, Found, Recall};
pub use view::{SILENCE_MAX_S, View};
pub use weights::{BY_MEANING, BY_WORDS};
pub use words::{TEXT_BYTES_MAX, Word, Words};

#[cfg(test)]
mod tests;
