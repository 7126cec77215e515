//! Keys for what has none: the names and rare words in a text.

use unicode_segmentation::UnicodeSegmentation as _;

use meddah_engine::world::NAME_CHARS_MAX;

/// Keys of one text.
const KEYS_MAX: usize = 8;
/// Letters of a word that is a key without being a name.
const LONG_WORD_CHARS: usize = 7;
/// Letters of a name.
const NAME_CHARS_MIN: usize = 3;

/// The names in a text, else its longest words, else nothing.
pub(crate) fn names_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for sentence in text.unicode_sentences() {
        // The first word of a sentence is written large, name or not.
        let words = sentence.unicode_words().skip(1);
        names.extend(words.filter(|word| is_name(word)).map(str::to_owned));
    }
    if names.is_empty() {
        let mut words: Vec<&str> = text.unicode_words().filter(|word| is_long(word)).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        names = words.into_iter().take(KEYS_MAX).map(str::to_lowercase).collect();
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.to_lowercase()));
    names.truncate(KEYS_MAX);
    names
}

fn is_name(word: &str) -> bool {
    let chars = word.chars().count();
    let large = word.chars().next().is_some_and(char::is_uppercase) && word.chars().any(char::is_lowercase);
    large && (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&chars)
}

fn is_long(word: &str) -> bool {
    let chars = word.chars().count();
    (LONG_WORD_CHARS..=NAME_CHARS_MAX).contains(&chars) && word.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn names_come_before_long_words() {
        assert_eq!(names_in("Long ago she left Whiterun. Then Aela came to Whiterun."), ["Whiterun", "Aela"]);
        assert_eq!(names_in("Then came Aela, whom Bram liked."), ["Aela", "Bram"]);
        assert_eq!(names_in("she was a blacksmith once"), ["blacksmith"]);
        assert_eq!(names_in("a b c 12345678"), [""; 0]);
    }
}
