//! Whether what a model wrote speaks of what was said.
//!
//! Small models invent. A memory that is wrong stays for ever, so a sentence counts only if most of its
//! telling words were said, and a summary must be in the first person and of a sensible length.

use std::collections::HashSet;

use super::material::Material;
use super::words::{one_line, sentences, telling, words};
use super::{FACT_CHARS_MAX, FACTS_MAX, Kept, SUMMARY_CHARS_MAX, SUMMARY_SENTENCES_MAX};

/// The share of telling words that must have been said.
const GROUNDED_SHARE: f32 = 0.6;
const SUMMARY_CHARS_MIN: usize = 20;
/// A model that speaks of itself or of the task.
const OUT_OF_PART: &[&str] =
    &["as an ai", "language model", "the transcript", "the conversation", "sure, here"];
const FIRST_PERSON: &[&str] = &["i", "me", "my", "we", "us", "our", "i'm", "i've", "i'll", "mine"];

/// What of it can be kept; `None` if the summary cannot.
pub fn grounded(kept: Kept, material: &Material, english: bool) -> Option<Kept> {
    let said = material.transcript(usize::MAX);
    let names =
        material.others().into_iter().map(|other| other.name.as_str()).chain([material.who.name.as_str()]);
    let around: Vec<&str> = names.chain(material.place.as_deref()).chain([said.as_str()]).collect();
    let known: HashSet<String> = around.into_iter().flat_map(telling).collect();
    let speaks_of_it = |text: &str| {
        let telling = telling(text);
        let said = telling.iter().filter(|word| known.contains(*word)).count();
        said as f32 >= telling.len() as f32 * GROUNDED_SHARE
    };
    let sentences: Vec<&str> = sentences(&kept.summary)
        .filter(|sentence| speaks_of_it(sentence))
        .take(SUMMARY_SENTENCES_MAX)
        .collect();
    let summary = one_line(&sentences.join(" "), SUMMARY_CHARS_MAX);
    let lower = summary.to_lowercase();
    let in_part = !OUT_OF_PART.iter().any(|phrase| lower.contains(phrase));
    let first_person = !english || words(&summary).iter().any(|word| FIRST_PERSON.contains(&word.as_str()));
    if summary.chars().count() < SUMMARY_CHARS_MIN
        || !in_part
        || !first_person
        || telling(&summary).is_empty()
    {
        return None;
    }
    let mut facts = kept.facts;
    facts.retain(|fact| {
        let chars = fact.text.chars().count();
        (1..=FACT_CHARS_MAX).contains(&chars) && !telling(&fact.text).is_empty() && speaks_of_it(&fact.text)
    });
    facts.truncate(FACTS_MAX);
    Some(Kept { summary, facts })
}
