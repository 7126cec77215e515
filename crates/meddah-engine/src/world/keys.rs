//! Whether a key of a lore entry is being talked about.
//!
//! Whole words, not letters in a row: "inn" must not be found in "dinner". Small and capital letters
//! are one, a plural finds its singular and the other way round, and a key of several words is found
//! where they stand together. Scripts without spaces between words are searched as they are.

use std::collections::{HashMap, HashSet};

/// How much of the talk is searched, in bytes from its end.
pub const LORE_SCAN_BYTES_MAX: usize = 16 * 1024;
/// A word shorter than this has no plural taken off: "as" is not several "a".
const PLURAL_BYTES_MIN: usize = 4;
/// What must stay of a word when its plural ending is taken off. Not below 2: see [`Beginning`].
const STEM_CHARS_MIN: usize = 2;

/// The first two letters of a word. They are the same in the singular and the plural, so a key whose
/// first word begins like no word of the talk is passed over at once: most of a large lore.
type Beginning = (char, char);

/// A key made ready to be looked for in many texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PreparedKey {
    words: Vec<String>,
    /// It ends in `*`: the last word need only begin so.
    open_end: bool,
    beginning: Option<Beginning>,
    /// The key as it is, in a script without spaces.
    unspaced: Option<String>,
}

impl PreparedKey {
    pub fn new(key: &str) -> Self {
        let folded = fold(key);
        PreparedKey {
            words: words(&folded).map(str::to_owned).collect(),
            open_end: folded.trim_end().ends_with('*'),
            beginning: beginning(key),
            unspaced: folded.chars().any(without_spaces).then(|| folded.trim().to_owned()),
        }
    }
}

/// Talk made ready to be searched for many keys.
pub(super) struct FoldedText {
    /// As it was said.
    pub raw: String,
    /// In small letters.
    pub folded: String,
    /// Where each word, and each word without its plural ending, stands (counted in words).
    places: HashMap<String, Vec<usize>>,
    words: Vec<String>,
    beginnings: HashSet<Beginning>,
}

impl FoldedText {
    pub fn new(text: &str) -> Self {
        let mut start = text.len().saturating_sub(LORE_SCAN_BYTES_MAX);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let raw = text[start..].to_owned();
        let folded = fold(&raw);
        let words: Vec<String> = words(&folded).map(str::to_owned).collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, word) in words.iter().enumerate() {
            for form in singulars(word).chain([word.clone()]) {
                places.entry(form).or_default().push(place);
            }
        }
        let beginnings = words.iter().filter_map(|word| beginning(word)).collect();
        FoldedText { raw, folded, places, words, beginnings }
    }

    fn places_of(&self, word: &str) -> impl Iterator<Item = usize> {
        let singulars = singulars(word).filter_map(|form| self.places.get(&form));
        self.places.get(word).into_iter().chain(singulars).flatten().copied()
    }

    /// Whether the words stand from `place` on; with an open end the last need only begin so.
    fn continues(&self, place: usize, words: &[String], open_end: bool) -> bool {
        let Some(spoken) = self.words.get(place..place + words.len()) else { return false };
        spoken.iter().zip(words).enumerate().all(|(n, (spoken, word))| {
            let open = open_end && n + 1 == words.len();
            same_word(spoken, word) || (open && spoken.starts_with(word.as_str()))
        })
    }
}

/// Where the key stands last, in words from the beginning of the text; `None` if it does not.
pub(super) fn key_match(text: &FoldedText, key: &PreparedKey) -> Option<usize> {
    if key.beginning.is_some_and(|beginning| !text.beginnings.contains(&beginning)) {
        return None;
    }
    if let Some(unspaced) = &key.unspaced {
        let found = text.folded.rfind(unspaced)?;
        return Some(words(&text.folded[..found]).count());
    }
    let (first, rest) = key.words.split_first()?;
    if key.open_end && rest.is_empty() {
        return text.words.iter().rposition(|word| word.starts_with(first.as_str()));
    }
    text.places_of(first).filter(|&place| text.continues(place + 1, rest, key.open_end)).max()
}

/// How the first word begins; `None` if that cannot be told, as in a script without spaces.
fn beginning(text: &str) -> Option<Beginning> {
    let mut letters = fold_chars(text).skip_while(|c| !c.is_alphanumeric());
    let (first, second) = (letters.next()?, letters.next()?);
    let tellable = second.is_alphanumeric() && !without_spaces(first) && !text.chars().any(without_spaces);
    tellable.then_some((first, second))
}

pub(super) fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Small letters; the four Turkish and Latin i are one, as lower-casing alone keeps them apart.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { fold_chars(text).collect() }
}

fn fold_chars(text: &str) -> impl Iterator<Item = char> {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.filter(|&c| c != '\u{307}').map(|c| if c == 'ı' { 'i' } else { c })
}

/// Whether two words are one, or one is the plural of the other, or both may be plurals of one.
fn same_word(spoken: &str, word: &str) -> bool {
    // All plural endings end so; most pairs of words are told apart by this line.
    if spoken == word || !(spoken.ends_with('s') || word.ends_with('s')) {
        return spoken == word;
    }
    let mut forms = singulars(spoken);
    forms.any(|form| form == word || singulars(word).any(|other| other == form))
        || singulars(word).any(|form| form == spoken)
}

/// What the word may be the English plural of. Too many forms do no harm: they are only compared with
/// words that authors chose as keys.
fn singulars(word: &str) -> impl Iterator<Item = String> {
    const ENDINGS: [(&str, &str); 5] = [("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe")];
    let long = word.len() >= PLURAL_BYTES_MIN && !word.ends_with("ss");
    ENDINGS.into_iter().filter(move |_| long).filter_map(move |(plural, singular)| {
        let stem = word.strip_suffix(plural)?;
        (stem.chars().nth(STEM_CHARS_MIN - 1).is_some()).then(|| format!("{stem}{singular}"))
    })
}

/// Han, kana, Thai, Lao, Khmer, Myanmar: written without spaces between words.
fn without_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, key: &str) -> bool {
        key_match(&FoldedText::new(text), &PreparedKey::new(key)).is_some()
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
        assert!(found("the old miller's", "old mill*"));
        assert!(!found("a new miller", "old mill*"));
        assert!(!found("old", "old mill"));
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
    fn a_key_may_be_short_or_begin_with_a_sign() {
        for (text, key) in
            [("plan B", "b"), ("a x-ray", "\"x-ray\""), ("an ox", "ox"), ("go on", "o*"), ("d20!", "d20")]
        {
            assert!(found(text, key), "{key} in {text}");
        }
        assert!(!found("eves dropped", "ef"));
    }

    #[test]
    fn only_the_end_of_a_long_talk_is_searched() {
        let long = format!("mill {}", "é ".repeat(LORE_SCAN_BYTES_MAX));
        assert!(!found(&long, "mill"));
        assert!(found(&format!("{long} mill"), "mill"));
    }
}
