//! From a service's word for a feeling to one that the caller knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// Longer words are no feelings, bytes.
const WORD_BYTES_MAX: usize = 40;

/// Service's word → our label.
static LABELS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let table: BTreeMap<String, Vec<String>> = toml::from_str(include_str!("emotions.toml"))
        .expect("emotions.toml is part of the program and read by its tests");
    let rows = table.into_iter().flat_map(|(label, words)| {
        words.into_iter().map(move |word| (word, label.clone())).collect::<Vec<_>>()
    });
    rows.collect()
});

/// Which of `known` (the first is the neutral one) a service's word means. A word that nobody knows is the
/// neutral one; none if the caller knows no feelings at all, or the word is empty.
pub(super) fn emotion<'known>(word: &str, known: &'known [String]) -> Option<&'known str> {
    let neutral = known.first()?;
    let word = normal(word)?;
    let named = |label: &str| known.iter().find(|known| normal(known).as_deref() == Some(label));
    let found = named(&word).or_else(|| LABELS.get(&word).and_then(|label| named(label)));
    Some(found.unwrap_or(neutral))
}

/// Small letters, one space between words.
fn normal(word: &str) -> Option<String> {
    let word = word.trim();
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let split = word.split(|c: char| c.is_whitespace() || c == '_' || c == '-');
    Some(split.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        let labels = [
            "neutral",
            "joy",
            "affection",
            "curiosity",
            "surprise",
            "sadness",
            "fear",
            "anger",
            "disgust",
            "contempt",
        ];
        labels.map(String::from).into()
    }

    #[test]
    fn words_of_each_service_find_their_label() {
        let cases = [
            // Convai, Plutchik.
            ("Serenity", "joy"),
            ("Rage", "anger"),
            ("Apprehension", "fear"),
            // Charisma.
            ("hope", "joy"),
            ("distress", "sadness"),
            ("hate", "anger"),
            ("interest", "curiosity"),
            // SPAFF.
            ("TENSE_HUMOR", "joy"),
            ("BELLIGERENCE", "anger"),
            // Ours, and nobody's.
            ("contempt", "contempt"),
            ("floccinaucinihil", "neutral"),
        ];
        for (word, label) in cases {
            assert_eq!(emotion(word, &known()), Some(label), "{word}");
        }
    }

    #[test]
    fn what_the_caller_does_not_know_is_neutral_and_nothing_is_nothing() {
        let two = vec!["calm".to_owned(), "anger".to_owned()];
        assert_eq!(emotion("joy", &two), Some("calm"));
        assert_eq!(emotion("furious", &two), Some("anger"));
        assert_eq!(emotion("  ", &two), None);
        assert_eq!(emotion("joy", &[]), None);
        assert_eq!(emotion(&"x".repeat(500), &two), None);
    }

    #[test]
    fn every_word_stands_in_one_table_and_in_small_letters() {
        let table: BTreeMap<String, Vec<String>> = toml::from_str(include_str!("emotions.toml")).unwrap();
        let words: Vec<&String> = table.values().flatten().collect();
        assert_eq!(words.len(), LABELS.len(), "a word stands twice");
        assert!(words.iter().all(|word| normal(word).as_ref() == Some(*word)));
        assert_eq!(table.len(), known().len());
    }
}
