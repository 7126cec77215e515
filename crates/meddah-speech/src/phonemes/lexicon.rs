//! How the names of a world are said, by its author.
//!
//! A pronunciation is the IPA between slashes (`/dˈoʊvəkiːn/`), or a respelling in syllables with the stressed one in
//! capitals (`DOH-vah-keen`). It holds for the word in any case and for its possessive.

use std::collections::HashMap;

use super::respelling;
use super::symbols::{is_known, is_vowel};
use super::words::{Part, parts};

/// Entries of a world; a game with more names than this has another purpose for them.
pub const ENTRIES_MAX: usize = 20_000;
/// Characters of a pronunciation.
const PRONUNCIATION_CHARS_MAX: usize = 100;

/// Words and how they are said. Empty by default.
#[derive(Clone, Debug, Default)]
pub struct Lexicon(HashMap<String, String>);

/// An entry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pronunciation {pronunciation:?} of {word:?} {why}")]
pub struct LexiconError {
    /// Whose.
    pub word: String,
    /// As it was given.
    pub pronunciation: String,
    /// What is wrong.
    pub why: String,
    /// What to write instead.
    pub help: String,
}

impl Lexicon {
    /// Takes pairs of a word (or several, `Castle Brann`) and its pronunciation (as many words).
    pub fn new<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Lexicon, LexiconError> {
        let mut lexicon = Lexicon::default();
        for (word, pronunciation) in entries {
            lexicon.add(word, pronunciation)?;
        }
        Ok(lexicon)
    }

    fn add(&mut self, word: &str, pronunciation: &str) -> Result<(), LexiconError> {
        let fail = |why: &str, help: &str| {
            let (word, pronunciation) = (word.to_owned(), pronunciation.to_owned());
            Err(LexiconError { word, pronunciation, why: why.into(), help: help.into() })
        };
        if self.0.len() >= ENTRIES_MAX {
            return fail("is one too many", "Keep only names that are said wrongly without an entry.");
        }
        if pronunciation.chars().count() > PRONUNCIATION_CHARS_MAX {
            return fail("is too long", "Give each word an entry of its own.");
        }
        let words: Vec<String> = parts(word).into_iter().filter_map(word_of).collect();
        let said = match pronunciation.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(ipa) => match ipa.chars().find(|sign| !is_known(*sign)) {
                Some(sign) => {
                    return fail(
                        &format!("has the sign {sign:?}"),
                        "Use signs of the IPA, or respell it: `DOH-vah-keen`.",
                    );
                }
                None => ipa.split_whitespace().map(|ipa| ipa.replace('.', "")).collect::<Vec<_>>(),
            },
            None => pronunciation.split_whitespace().map(respelling::pronounce).collect(),
        };
        if said.len() != words.len() || words.is_empty() {
            return fail(
                "has another number of words",
                "Give as many words as the name has, with spaces between them.",
            );
        }
        if said.iter().any(|ipa| !ipa.contains(is_vowel)) {
            return fail("has no vowel", "Every word needs one: write `Nrk` as `NERK`.");
        }
        self.0.extend(words.into_iter().zip(said));
        Ok(())
    }

    /// How this word is said, if the author said so. A possessive is that of its word.
    pub(crate) fn find(&self, letters: &str) -> Option<String> {
        let key = letters.to_ascii_lowercase();
        if let Some(ipa) = self.0.get(&key) {
            return Some(ipa.clone());
        }
        let owner = self.0.get(key.strip_suffix("'s")?)?;
        Some(format!("{owner}{}", possessive(owner)))
    }

    /// What is said of the words of this text, in its order.
    pub(crate) fn of(&self, text: &str) -> Vec<(String, String)> {
        let words = parts(text).into_iter().filter_map(word_of);
        words.filter_map(|word| Some((word.clone(), self.find(&word)?))).collect()
    }
}

fn word_of(part: Part) -> Option<String> {
    match part {
        Part::Word(word) => Some(word.letters.to_ascii_lowercase()),
        Part::Pause(_) => None,
    }
}

/// `Mara's`, `Ulfric's`, `Aerith's` sound differently at their end.
pub(super) fn possessive(owner: &str) -> &'static str {
    let last = owner.chars().next_back().unwrap_or(' ');
    if "szʃʒ".contains(last) {
        "ɪz"
    } else if "ptkfθ".contains(last) {
        "s"
    } else {
        "z"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case_and_with_its_possessive() {
        let lexicon =
            Lexicon::new([("Dovahkiin", "/dˈoʊvəkiːn/"), ("Castle Brann", "KASS-ul BRAHN")]).unwrap();
        assert_eq!(lexicon.find("DOVAHKIIN").unwrap(), "dˈoʊvəkiːn");
        assert_eq!(lexicon.find("Dovahkiin's").unwrap(), "dˈoʊvəkiːnz");
        assert!(lexicon.find("brann").is_some());
        assert_eq!(lexicon.find("Mira"), None);
    }

    #[test]
    fn an_entry_that_would_be_silent_is_refused_with_a_way_out() {
        for (word, pronunciation, why) in [
            ("Nrk", "/nrk/", "has no vowel"),
            ("Nrk", "/n&k/", "has the sign '&'"),
            ("Castle Brann", "brahn", "has another number of words"),
            ("", "brahn", "has another number of words"),
            ("Nrk", &"a".repeat(200), "is too long"),
        ] {
            let error = Lexicon::new([(word, pronunciation)]).unwrap_err();
            assert_eq!(error.why, why);
            assert!(!error.help.is_empty());
        }
    }
}
