//! Whether a key of a lore entry is being talked about.
//!
//! Whole words, not letters in a row: "inn" must not be found in "dinner". Small and capital letters
//! are one, a plural finds its singular and the other way round, and a key of several words is found
//! where they stand together. Scripts without spaces between words are searched as they are.

use std::collections::HashMap;

/// How much of the talk is searched, in bytes from its end.
pub const LORE_SCAN_BYTES_MAX: usize = 16 * 1024;
/// A word shorter than this has no plural taken off: "as" is not several "a".
const PLURAL_BYTES_MIN: usize = 4;

/// Talk made ready to be searched for many keys.
pub(super) struct FoldedText {
    folded: String,
    /// Where each word, and each word without its plural ending, stands (counted in words).
    places: HashMap<String, Vec<usize>>,
    words: Vec<String>,
}

impl FoldedText {
    pub fn new(text: &str) -> Self {
        let mut start = text.len().saturating_sub(LORE_SCAN_BYTES_MAX);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let folded = fold(&text[start..]);
        let words: Vec<String> = words(&folded).map(str::to_owned).collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, word) in words.iter().enumerate() {
            for form in singulars(word).chain([word.clone()]) {
                places.entry(form).or_default().push(place);
            }
        }
        FoldedText { folded, places, words }
    }

    fn places_of(&self, word: &str) -> impl Iterator<Item = usize> {
        let forms = singulars(word).chain([word.to_owned()]);
        forms.filter_map(|form| self.places.get(&form)).flatten().copied()
    }

    fn has_word(&self, place: usize, word: &str) -> bool {
        self.places_of(word).any(|found| found == place)
    }
}

/// Where the key stands last, in words from the beginning of the text; `None` if it does not.
pub(super) fn key_match(text: &FoldedText, key: &str) -> Option<usize> {
    let key = fold(key);
    if key.chars().any(without_spaces) {
        let found = text.folded.rfind(key.trim())?;
        return Some(words(&text.folded[..found]).count());
    }
    if let Some(beginning) = key.trim_end().strip_suffix('*') {
        let beginning = words(beginning).last().filter(|beginning| !beginning.is_empty())?;
        return text.words.iter().rposition(|word| word.starts_with(beginning));
    }
    let key_words: Vec<&str> = words(&key).collect();
    let (first, rest) = key_words.split_first()?;
    text.places_of(first)
        .filter(|&place| rest.iter().enumerate().all(|(n, word)| text.has_word(place + n + 1, word)))
        .max()
}

fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Small letters; the four Turkish and Latin i are one, as lower-casing alone keeps them apart.
fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.filter(|&c| c != '\u{307}').map(|c| if c == 'ı' { 'i' } else { c }).collect()
}

/// What the word may be the English plural of. Too many forms do no harm: they are only compared with
/// words that authors chose as keys.
fn singulars(word: &str) -> impl Iterator<Item = String> {
    const ENDINGS: [(&str, &str); 5] = [("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe")];
    let long = word.len() >= PLURAL_BYTES_MIN && !word.ends_with("ss");
    ENDINGS.into_iter().filter(move |_| long).filter_map(move |(plural, singular)| {
        word.strip_suffix(plural).map(|stem| format!("{stem}{singular}"))
    })
}

/// Han, kana, Thai, Lao, Khmer, Myanmar: written without spaces between words.
fn without_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, key: &str) -> bool {
        key_match(&FoldedText::new(text), key).is_some()
    }

    #[test]
    fn a_key_is_a_whole_word() {
        assert!(found("Is the inn open?", "Inn"));
        assert!(!found("Is dinner ready?", "inn"));
        assert!(!found("The innkeeper left.", "inn"));
        assert!(found("The innkeeper left.", "inn*"));
        assert!(!found("Is dinner ready?", "inn*"));
        assert!(!found("anything", "*"));
        assert!(!found("anything", "?!"));
        assert!(!found("", "inn"));
    }

    #[test]
    fn plurals_find_each_other() {
        for (text, key) in [
            ("the wolves howl", "wolf"),
            ("a wolf howls", "wolves"),
            ("two daggers", "dagger"),
            ("berries and cherries", "berry"),
            ("boxes", "box"),
            ("knives out", "knife"),
            ("the glass", "glass"),
            ("Mira's cellar", "mira"),
        ] {
            assert!(found(text, key), "{key} in {text}");
        }
        assert!(!found("as if", "a"));
        assert!(!found("a pass", "pas"));
    }

    #[test]
    fn several_words_stand_together() {
        assert!(found("meet me at the Old Mills tonight", "old mill"));
        assert!(!found("an old man at the mill", "old mill"));
        assert!(found("the old mill? no, the OLD\nMILL!", "old mill"));
    }

    #[test]
    fn other_scripts_are_found() {
        assert!(found("İSTANBUL'a gidelim", "istanbul"));
        assert!(found("ISPARTA", "ısparta"));
        assert!(found("Где МЕЛЬНИЦА?", "мельница"));
        assert!(found("古い水車小屋はどこ", "水車小屋"));
        assert!(found("Straße der Mühle", "mühle"));
        assert!(found("değirmende ne var", "değirmen*"));
    }

    #[test]
    fn only_the_end_of_a_long_talk_is_searched() {
        let long = format!("mill {}", "é ".repeat(LORE_SCAN_BYTES_MAX));
        assert!(!found(&long, "mill"));
        assert!(found(&format!("{long} mill"), "mill"));
    }
}
