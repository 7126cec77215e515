//! Words and sentences, for comparing what was said with what is kept of it.

use unicode_segmentation::UnicodeSegmentation;

use crate::prompt;

/// A word that is shorter tells nothing by itself.
const TELLING_CHARS_MIN: usize = 4;
/// Words count as the same when they begin with the same letters: "lives" and "live".
const SAME_CHARS: usize = 4;

/// English words that are in every talk.
const COMMON: &[&str] = &[
    "about",
    "after",
    "again",
    "also",
    "always",
    "another",
    "anything",
    "because",
    "been",
    "before",
    "being",
    "can't",
    "come",
    "could",
    "does",
    "doing",
    "don't",
    "down",
    "even",
    "every",
    "from",
    "give",
    "going",
    "good",
    "have",
    "hear",
    "hello",
    "here",
    "into",
    "i'll",
    "it's",
    "just",
    "know",
    "like",
    "look",
    "made",
    "make",
    "many",
    "more",
    "much",
    "must",
    "need",
    "never",
    "only",
    "other",
    "over",
    "please",
    "really",
    "remember",
    "said",
    "same",
    "some",
    "something",
    "still",
    "such",
    "sure",
    "take",
    "talked",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "that's",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "thing",
    "things",
    "think",
    "this",
    "those",
    "time",
    "told",
    "today",
    "very",
    "want",
    "well",
    "were",
    "what",
    "what's",
    "when",
    "where",
    "which",
    "while",
    "will",
    "with",
    "would",
    "your",
    "you're",
    "asked",
    "spoke",
    "answered",
];

/// The sentences of a text, trimmed.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_sentences().map(str::trim).filter(|sentence| !sentence.is_empty())
}

/// The words of a text in small letters.
pub fn words(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// Words that tell one talk from another, shortened so that forms of one word are the same; each once.
pub fn telling(text: &str) -> Vec<String> {
    let mut telling: Vec<String> = words(text)
        .into_iter()
        .filter(|word| word.chars().any(|c| c.is_numeric()) || word.chars().count() >= TELLING_CHARS_MIN)
        .filter(|word| !COMMON.contains(&word.as_str()))
        .map(|word| word.chars().take(SAME_CHARS).collect())
        .collect();
    telling.sort_unstable();
    telling.dedup();
    telling
}

/// Everything on one line, at most so many characters, with nothing in it that a model takes for the border of a
/// message: players' words stand in the question.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let line = prompt::one_line(text);
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
