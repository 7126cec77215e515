//! A text as words with their sounds, and where in it a service's words are.

use std::ops::Range;

use crate::phonemes::symbols::{LONG, Phone, phones};
use crate::phonemes::{Item, Phonemes, read_by_rules};
use crate::{Lexicon, SpeechRequest};

/// A word of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextWord {
    /// Where it is in the text.
    pub bytes: Range<usize>,
    /// Its sounds in order; at least one.
    pub sounds: Vec<String>,
}

impl TextWord {
    /// How long it is beside other words.
    pub fn weight(&self) -> f64 {
        self.sounds.iter().map(|ipa| weight(ipa)).sum()
    }
}

/// The words of a text. English is read with the word list, which takes half a second the first time and so happens in a
/// thread; other languages are read by their letters.
pub(super) async fn read(request: &SpeechRequest, language: Option<&str>) -> Vec<TextWord> {
    let (text, lexicon) = (request.text.clone(), request.lexicon.clone());
    let english = language.is_none_or(|language| language.to_ascii_lowercase().starts_with("en"));
    if !english {
        return words(read_by_rules(&text, &lexicon));
    }
    let read = tokio::task::spawn_blocking(move || words(Phonemes::shared().read(&text, &lexicon)));
    // A list that cannot be read leaves the rules.
    read.await.unwrap_or_else(|_| words(read_by_rules(&request.text, &Lexicon::default())))
}

fn words(items: Vec<Item>) -> Vec<TextWord> {
    let mut words: Vec<TextWord> = Vec::new();
    for item in items {
        let Item::Word { bytes, ipa } = item else { continue };
        let sounds = phones(&ipa).into_iter().map(|phone: Phone<'_>| phone.ipa.to_owned());
        match words.last_mut() {
            // `10:30` is two words from one place.
            Some(earlier) if earlier.bytes == bytes => earlier.sounds.extend(sounds),
            _ => words.push(TextWord { bytes, sounds: sounds.collect() }),
        }
    }
    words.retain(|word| !word.sounds.is_empty());
    words
}

/// How long a sound is beside others: vowels last longer, long ones twice as long as a consonant.
pub(super) fn weight(ipa: &str) -> f64 {
    match phones(ipa).first() {
        Some(phone) if phone.is_vowel() && (phone.ipa.contains(LONG) || phone.ipa.chars().count() > 1) => 2.0,
        Some(phone) if phone.is_vowel() => 1.5,
        _ => 1.0,
    }
}

/// So far ahead a word of a service is looked for, in signs: services leave out what they do not speak.
const WORD_AHEAD_MAX: usize = 120;
/// Likewise a single sign.
const SIGN_AHEAD_MAX: usize = 24;

/// Follows a service's words through the text.
#[derive(Debug)]
pub(super) struct Follower {
    text: String,
    /// Bytes that were found.
    at: usize,
}

impl Follower {
    pub fn new(text: &str) -> Follower {
        Follower { text: text.to_owned(), at: 0 }
    }

    /// Where this is in the text, behind what was found before. A service may write it in another case, with signs
    /// around it, or as it is spoken (`twelve` for `12`): then there is no place for it, and it is `Err` where it is
    /// about.
    pub fn find(&mut self, said: &str) -> Option<Result<Range<usize>, usize>> {
        let wanted: Vec<char> =
            said.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if wanted.is_empty() {
            return None;
        }
        let ahead =
            if wanted.len() == 1 && said.chars().count() == 1 { SIGN_AHEAD_MAX } else { WORD_AHEAD_MAX };
        let places = self.text[self.at..].char_indices().take(ahead);
        let mut places = places.filter(|(_, sign)| sign.is_alphanumeric()).map(|(place, _)| self.at + place);
        let found = places.find_map(|place| Some(place..self.ends(place, &wanted)?));
        match found {
            Some(bytes) => {
                self.at = bytes.end;
                Some(Ok(bytes))
            }
            None => Some(Err(self.at)),
        }
    }

    /// Where what is wanted ends if it begins here.
    fn ends(&self, begin: usize, wanted: &[char]) -> Option<usize> {
        let mut wanted = wanted.iter().copied().peekable();
        for (place, sign) in self.text[begin..].char_indices() {
            if sign.is_alphanumeric() {
                for sign in sign.to_lowercase() {
                    if wanted.next()? != sign {
                        return None;
                    }
                }
            } else if sign.is_whitespace() {
                return None;
            }
            if wanted.peek().is_none() {
                return Some(begin + place + sign.len_utf8());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, said: &[&str]) -> Vec<String> {
        let mut follower = Follower::new(text);
        let found = said.iter().filter_map(|said| follower.find(said));
        let shown = found.map(|found| match found {
            Ok(bytes) => text[bytes].to_owned(),
            Err(at) => format!("@{at}"),
        });
        shown.collect()
    }

    #[test]
    fn words_are_found_in_any_form_and_what_is_not_there_has_a_place() {
        let text = "Nrk's 12 COINS, well-known *here*.";
        assert_eq!(
            found(text, &["nrk's", "twelve", "coins,", " ", "well", "known", "here."]),
            ["Nrk's", "@5", "COINS", "well", "known", "here"]
        );
        assert_eq!(found("Ölgür is ß.", &["ölgür", "is", "ß"]), ["Ölgür", "is", "ß"]);
    }

    #[test]
    fn signs_are_followed_one_by_one() {
        let text = "A *b* aa";
        let signs: Vec<String> = text.chars().map(String::from).collect();
        let signs: Vec<&str> = signs.iter().map(String::as_str).collect();
        assert_eq!(found(text, &signs), ["A", "b", "a", "a"]);
    }

    #[tokio::test]
    async fn a_text_has_sounds_in_any_language() {
        let request = SpeechRequest::new("Gut, 10:30 Uhr.");
        let read = read(&request, Some("de")).await;
        let places: Vec<&str> = read.iter().map(|word| &request.text[word.bytes.clone()]).collect();
        assert_eq!(places, ["Gut", "10:30", "Uhr"]);
        assert!(read.iter().all(|word| !word.sounds.is_empty()));
        assert!(weight("iː") > weight("ɪ") && weight("ɪ") > weight("t") && weight("aɪ") == 2.0);
    }
}
