//! English words by a word list, with the part of speech deciding between `read` and `read`.
//!
//! The list gives the sounds in signs of its own; voices know those of espeak-ng, so they are written over. A word
//! that the list does not know gets nothing here, and whoever asked goes on with rules.

use misaki_rs::{G2P, Language};

use super::symbols::{PRIMARY_STRESS, SECONDARY_STRESS, is_vowel};
use super::words::{Part, Word};

/// The word list. Reading it takes about half a second and 100 MB of memory.
pub struct English(G2P);

impl English {
    /// Reads the list.
    pub fn new() -> English {
        English(G2P::with_fallback(Language::EnglishUS, None))
    }

    /// The sounds of every word, as far as they are known.
    pub fn pronounce(&self, parts: &[Part]) -> Vec<Option<String>> {
        let (sentence, words) = sentence(parts);
        let mut said = vec![String::new(); words.len()];
        if let Ok((_, tokens)) = self.0.g2p(&sentence) {
            let mut place = 0;
            for token in tokens {
                // The list may write a token in another way; then its words are asked for one by one.
                let Some(found) = sentence[place..].find(&token.text) else { break };
                let word =
                    words.iter().rposition(|word| *word <= place + found).filter(|_| !token.text.is_empty());
                if let Some(word) = word {
                    said[word].push_str(token.phonemes.as_deref().unwrap_or(UNKNOWN));
                }
                place += found + token.text.len();
            }
        }
        let spoken = parts.iter().filter_map(|part| match part {
            Part::Word(word) => Some(word),
            Part::Pause(_) => None,
        });
        said.iter().zip(spoken).map(|(said, word)| known(said).or_else(|| self.alone(word))).collect()
    }

    fn alone(&self, word: &Word) -> Option<String> {
        self.listed(&word.letters).or_else(|| self.compound(&word.letters))
    }

    fn listed(&self, word: &str) -> Option<String> {
        let (said, _) = self.0.g2p(word).ok()?;
        known(&said)
    }

    /// Many invented names are two words in one: `Stormcloak`, `Whiterun`. The most even cut wins.
    fn compound(&self, letters: &str) -> Option<String> {
        let word = letters.to_ascii_lowercase();
        if word.len() < COMPOUND_LETTERS_MIN {
            return None;
        }
        let common = |half: &str| self.0.lexicon.golds.contains_key(half);
        let cuts = (HALF_LETTERS_MIN..=word.len() - HALF_LETTERS_MIN).map(|cut| word.split_at(cut));
        let fitting = cuts.filter(|(first, second)| common(first) && common(second));
        let (first, second) = fitting.max_by_key(|(first, second)| first.len().min(second.len()))?;
        let second = self.listed(second)?.replace(PRIMARY_STRESS, &SECONDARY_STRESS.to_string());
        Some(self.listed(first)? + &second)
    }
}

/// Shorter halves are found in any name.
const HALF_LETTERS_MIN: usize = 3;
const COMPOUND_LETTERS_MIN: usize = 7;

/// What the list writes where it knows nothing.
const UNKNOWN: &str = "❓";

/// The words with their pauses, and where each word begins.
fn sentence(parts: &[Part]) -> (String, Vec<usize>) {
    let mut sentence = String::new();
    let mut words = Vec::new();
    for part in parts {
        match part {
            Part::Word(word) => {
                if !sentence.is_empty() {
                    sentence.push(' ');
                }
                words.push(sentence.len());
                sentence.push_str(&word.letters);
            }
            Part::Pause(pause) => sentence.push(*pause),
        }
    }
    (sentence, words)
}

/// The sounds in the signs of voices, if all are known and there is a vowel.
fn known(said: &str) -> Option<String> {
    if said.contains(UNKNOWN) {
        return None;
    }
    let ipa = respell(said);
    ipa.contains(is_vowel).then_some(ipa)
}

fn respell(said: &str) -> String {
    let signs: Vec<char> =
        said.chars().filter(|sign| !sign.is_ascii_punctuation() && !"—…“”".contains(*sign)).collect();
    let mut ipa = String::with_capacity(said.len() + 8);
    let mut place = 0;
    while let Some(sign) = signs.get(place) {
        let next = signs.get(place + 1).copied();
        let then = signs.get(place + 2).copied();
        let vowel_follows = then.is_some_and(|sign| is_vowel(sign) || "AIWYOQˈˌ".contains(sign));
        let sounds = match (*sign, next) {
            ('ɜ', Some('ɹ')) => {
                place += 1;
                "ɜː"
            }
            ('ə', Some('ɹ')) if !vowel_follows => {
                place += 1;
                "ɚ"
            }
            ('A', _) => "eɪ",
            ('I', _) => "aɪ",
            ('W', _) => "aʊ",
            ('Y', _) => "ɔɪ",
            ('O', _) => "oʊ",
            ('Q', _) => "əʊ",
            ('ʤ', _) => "dʒ",
            ('ʧ', _) => "tʃ",
            ('ᵊ', _) => "ə",
            ('T', _) => "ɾ",
            // At the end of a longer word it is short: "happy", in contrast to "me".
            ('i', None) if ipa.contains(is_vowel) => "i",
            ('i', _) => "iː",
            ('u', _) => "uː",
            ('ɑ', _) => "ɑː",
            ('ɔ', _) => "ɔː",
            (other, _) => {
                ipa.push(other);
                ""
            }
        };
        ipa.push_str(sounds);
        place += 1;
    }
    ipa.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_of_the_list_become_those_of_voices() {
        for (said, ipa) in [
            ("ɹˈɪvəɹ", "ɹˈɪvɚ"),
            ("ɹˈɪvəɹz", "ɹˈɪvɚz"),
            ("wˈɜɹd", "wˈɜːd"),
            ("hˈæpi", "hˈæpi"),
            ("θɹˈi", "θɹˈiː"),
            ("ʧˈAnʤ", "tʃˈeɪndʒ"),
            ("bˈʌTᵊn", "bˈʌɾən"),
            ("ðə ɪntˈɹɛst", "ðə ɪntˈɹɛst"),
            ("məɹˈin", "məɹˈiːn"),
        ] {
            assert_eq!(respell(said), ipa);
        }
        assert_eq!(known("ˈʌl❓"), None);
        assert_eq!(known("hm"), None);
    }
}
