//! What a new fact means for older ones: a repetition is dropped, a contradiction replaces.
//!
//! Rules only, and few of them: of one subject there is one name, one home and one trade at a time, and who
//! likes a thing does not dislike it. Everything else stands side by side. What is replaced stays in the
//! timeline and is seen from where it held.

use super::Fact;
use super::words::words;
use crate::timeline::{MemoryKind, MemoryRecord};

/// Relations of which a subject has one value at a time.
const ONE_AT_A_TIME: &[&str] = &["name", "home", "job"];

/// A fact to be written, and the entries that it replaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The fact.
    pub fact: Fact,
    /// Ids of entries whose facts hold no more.
    pub replaces: Vec<String>,
}

/// Sorts new facts by what is known: `known` are the ids and memories that hold now.
pub fn settle(new: Vec<Fact>, known: &[(&str, &MemoryRecord)]) -> Vec<Settled> {
    let known: Vec<_> = known.iter().filter(|(_, record)| record.kind == MemoryKind::Fact).collect();
    let mut settled: Vec<Settled> = Vec::new();
    for fact in new {
        let same = |text: &str| words(text) == words(&fact.text);
        if known.iter().any(|(_, record)| same(&record.text)) || settled.iter().any(|s| same(&s.fact.text)) {
            continue;
        }
        let replaced = known.iter().filter(|(_, record)| contradicts(&fact, record));
        let replaces = replaced.map(|(id, _)| (*id).to_owned()).collect();
        settled.push(Settled { fact, replaces });
    }
    settled
}

fn contradicts(new: &Fact, old: &MemoryRecord) -> bool {
    let same_subject = !new.about.is_empty() && new.about.first() == old.about.first();
    let (now, before) = (new.relation.as_str(), old.relation.as_str());
    let other_value = ONE_AT_A_TIME.contains(&now) && now == before;
    let opposite = matches!((now, before), ("likes", "dislikes") | ("dislikes", "likes"));
    same_subject && (other_value || (opposite && new.about.len() > 1 && new.about == old.about))
}
