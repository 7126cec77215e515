//! Questions that were answered of late, as long as nothing was written since: a turn finds what was read back behind
//! the last one, and looks up its place alone.

use std::sync::Arc;

use meddah_engine::timeline::EntryHash;
use moka::sync::Cache;

use super::place::Place;
use crate::{EntryFilter, StoredEntry};

/// Entries that answers refer to, all together. The entries themselves are those of the other caches, mostly.
const ANSWERED_ENTRIES_MAX: u64 = 16_384;

/// The timeline, and what was asked of it together.
pub(super) type Question = (i64, Vec<(EntryFilter, usize)>);
/// In the order of the questions.
pub(super) type Answers = Vec<Vec<StoredEntry>>;
/// From where was looked, and its hash: it is still the same place.
pub(super) type From = (Place, EntryHash);

pub(super) struct AnswerCache(Cache<Question, Arc<(From, Answers)>>);

impl Default for AnswerCache {
    fn default() -> Self {
        let weigh = |_: &Question, kept: &Arc<(From, Answers)>| {
            let entries: usize = kept.1.iter().map(|answer| answer.len() + 1).sum();
            u32::try_from(entries).unwrap_or(u32::MAX)
        };
        AnswerCache(Cache::builder().max_capacity(ANSWERED_ENTRIES_MAX).weigher(weigh).build())
    }
}

impl AnswerCache {
    /// What was answered from the same place.
    pub fn get(&self, question: &Question, from: From) -> Option<Answers> {
        let kept = self.0.get(question)?;
        (kept.0 == from).then(|| kept.1.clone())
    }

    pub fn keep(&self, question: Question, from: From, answers: &Answers) {
        self.0.insert(question, Arc::new((from, answers.clone())));
    }
}
