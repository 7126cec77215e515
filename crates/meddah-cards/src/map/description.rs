//! Description, personality and scenario of a card, as much of them as a small model follows.

use meddah_engine::world::DESCRIPTION_WORDS_ADVISED;

use crate::card::Card;
use crate::limits::*;
use crate::text::{Clipped, Names, bounded, clip, harmless, plain, resolve};

/// The fields that become the description, in this order.
const FIELDS: [&str; 3] = ["description", "personality", "scenario"];

/// Fields of a card in two parts: what stands in the form, and what does not.
pub(crate) struct Described {
    /// Field, and its parts.
    pub parts: Vec<(&'static str, Clipped)>,
}

impl Described {
    /// The description of the form.
    pub fn text(&self) -> String {
        let fits = self.parts.iter().map(|(_, clipped)| clipped.fit.as_str()).filter(|fit| !fit.is_empty());
        fits.collect::<Vec<_>>().join(" ")
    }

    /// What does not fit.
    pub fn rest(&self) -> impl Iterator<Item = String> {
        self.parts.iter().map(|(_, clipped)| clipped.rest.clone()).filter(|rest| !rest.is_empty())
    }
}

/// Whole sentences of each field in turn, up to the limit of words and bytes. The first field that does not fit
/// as a whole ends it: a later one without what stands before could not be understood.
pub(crate) fn describe(card: &Card, names: &Names<'_>) -> Described {
    let (mut bytes, mut words) = (DESCRIPTION_BYTES_MAX, DESCRIPTION_WORDS_ADVISED);
    let mut parts = Vec::new();
    for field in FIELDS {
        if field == "personality" && traits(card, names).is_some() {
            continue;
        }
        let text = ended(plain(&card.text(field), names));
        let clipped = clip(&text, bytes, words);
        bytes = bytes.saturating_sub(clipped.fit.len() + 1);
        words = words.saturating_sub(clipped.fit.split_whitespace().count());
        if !clipped.rest.is_empty() {
            bytes = 0;
        }
        parts.push((field, clipped));
    }
    Described { parts }
}

/// With a full stop, because something else follows.
fn ended(mut text: String) -> String {
    if text.chars().last().is_some_and(char::is_alphanumeric) {
        text.push('.');
    }
    text
}

/// The personality where it is a list of traits and no prose.
pub(crate) fn traits(card: &Card, names: &Names<'_>) -> Option<Vec<String>> {
    let text = card.text("personality");
    let resolved = resolve(bounded(&text), names);
    let split = resolved
        .split([',', ';', '\n', '/'])
        .map(|item| harmless(item.trim().trim_end_matches('.').trim_start_matches(['-', '*', '•'])));
    let mut traits: Vec<String> = split.filter(|item| !item.is_empty()).collect();
    let is_prose = |item: &String| item.len() > TRAIT_BYTES_MAX || item.contains(['.', '!', '?', '<', ':']);
    if traits.is_empty() || traits.iter().any(is_prose) {
        return None;
    }
    traits.truncate(TRAITS_MAX);
    while traits.iter().map(String::len).sum::<usize>() > TRAITS_BYTES_MAX {
        traits.pop();
    }
    Some(traits)
}
