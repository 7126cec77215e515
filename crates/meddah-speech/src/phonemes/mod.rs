//! A text as sounds: the lexicon of the world first, then the English word list, then rules for what neither knows.
//!
//! No word vanishes: whatever has a letter or a figure becomes a word with a vowel.

mod english;
mod letter_to_sound;
mod lexicon;
mod numbers;
mod respelling;
pub(crate) mod symbols;
mod words;

use std::ops::Range;
use std::sync::OnceLock;

use english::English;
use lexicon::possessive;
pub use lexicon::{ENTRIES_MAX, Lexicon, LexiconError};
pub(crate) use words::ends_sentence;
use words::{Part, parts};

/// What is spoken or paused at, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A word.
    Word {
        /// Where it is in the text.
        bytes: Range<usize>,
        /// How it sounds, in the IPA as espeak-ng writes American English; always with a vowel.
        ipa: String,
    },
    /// One of `. ! ? , ; :`.
    Pause(char),
}

/// Reads English texts. Holds about 100 MB; one is enough for a program.
pub struct Phonemes(English);

impl Phonemes {
    /// Reads the word list; takes about half a second.
    pub fn new() -> Phonemes {
        Phonemes(English::new())
    }

    /// The one that all voices of a program share; read in on the first call.
    pub fn shared() -> &'static Phonemes {
        static SHARED: OnceLock<Phonemes> = OnceLock::new();
        SHARED.get_or_init(Phonemes::new)
    }

    /// The sounds of a text.
    pub fn read(&self, text: &str, lexicon: &Lexicon) -> Vec<Item> {
        let parts = parts(text);
        let mut listed = self.0.pronounce(&parts).into_iter();
        let items = parts.into_iter().map(|part| match part {
            Part::Pause(pause) => Item::Pause(pause),
            Part::Word(word) => {
                let listed = listed.next().flatten();
                let ipa = lexicon.find(&word.letters).or(listed);
                let ipa = ipa.unwrap_or_else(|| by_rules(&word.letters));
                Item::Word { bytes: word.bytes, ipa }
            }
        });
        items.collect()
    }
}

impl Default for Phonemes {
    fn default() -> Self {
        Phonemes::new()
    }
}

/// The sounds of a text as its letters suggest, whatever its language: good enough for a mouth, not for a voice.
pub(crate) fn read_by_rules(text: &str, lexicon: &Lexicon) -> Vec<Item> {
    let items = parts(text).into_iter().map(|part| match part {
        Part::Pause(pause) => Item::Pause(pause),
        Part::Word(word) => {
            let ipa = lexicon.find(&word.letters).unwrap_or_else(|| by_rules(&word.letters));
            Item::Word { bytes: word.bytes, ipa }
        }
    });
    items.collect()
}

/// Whether there is anything to speak.
pub(crate) fn has_word(text: &str) -> bool {
    parts(text).iter().any(|part| matches!(part, Part::Word(_)))
}

fn by_rules(letters: &str) -> String {
    match letters.strip_suffix("'s").or_else(|| letters.strip_suffix("'S")) {
        Some(owner) if !owner.is_empty() => {
            let owner = letter_to_sound::pronounce(owner);
            let ending = possessive(&owner);
            owner + ending
        }
        _ => letter_to_sound::pronounce(letters),
    }
}

/// Words and pauses that are spoken in one go. Longer sentences, about 25 seconds, are cut.
pub const SENTENCE_ITEMS_MAX: usize = 80;

/// A longer first sentence is cut at a pause within it, for nothing is heard before all of what is spoken in one go
/// was looked at once.
const FIRST_ITEMS_MAX: usize = 14;
/// Fewer words on either side sound torn off.
const CLAUSE_ITEMS_MIN: usize = 5;

/// Cuts items into sentences, each with the pause at its end.
pub fn sentences(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    let end = items.iter().position(|item| matches!(item, Item::Pause(pause) if ends_sentence(*pause)));
    let first = &items[..end.map_or(items.len(), |end| end + 1)];
    let (clause, rest) = items.split_at(first_clause(first).unwrap_or(0));
    let whole = rest.split_inclusive(|item| matches!(item, Item::Pause(pause) if ends_sentence(*pause)));
    let clause = Some(clause).filter(|clause| !clause.is_empty());
    clause.into_iter().chain(whole).flat_map(|sentence| sentence.chunks(SENTENCE_ITEMS_MAX))
}

/// How many items of a long sentence can be spoken before the rest is looked at.
fn first_clause(sentence: &[Item]) -> Option<usize> {
    let ends = sentence.iter().enumerate().filter(|(_, item)| matches!(item, Item::Pause(_)));
    let mut ends = ends.map(|(place, _)| place + 1);
    let fits = |end: &usize| *end > CLAUSE_ITEMS_MIN && sentence.len() - end > CLAUSE_ITEMS_MIN;
    if sentence.len() > FIRST_ITEMS_MAX { ends.find(fits) } else { None }
}

#[cfg(test)]
mod tests;
