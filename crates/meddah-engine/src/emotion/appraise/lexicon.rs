//! The table of words of one language.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;

use crate::action::{Phrase, Word, find_phrase, plain_words};
use crate::emotion::EmotionLabel;
use crate::relationship::Change;

/// Clauses of one text that are looked at.
const CLAUSES_MAX: usize = 32;
/// A denial reaches so many words far.
const NEGATION_REACH: usize = 4;
/// A call of at most so many words means the listener: "Filthy liar!"
const CALL_WORDS_MAX: usize = 3;

/// The tables there are.
static TABLES: LazyLock<Vec<Lexicon>> = LazyLock::new(|| {
    let file: LexiconFile = toml::from_str(include_str!("english.toml"))
        .expect("english.toml is part of the program and read by its tests");
    vec![Lexicon::from(file)]
});

/// A table.
pub(super) struct Lexicon {
    language: String,
    stemmer: Stemmer,
    acts: Vec<Act>,
    you: HashSet<String>,
    not_you: HashSet<String>,
    negation: HashSet<String>,
    question: HashSet<String>,
}

/// Something that can be done by saying it.
pub(super) struct Act {
    pub(super) name: String,
    pub(super) why: String,
    pub(super) feel: Vec<(EmotionLabel, f32)>,
    pub(super) strength: f32,
    pub(super) bond: Change,
    pub(super) negated: Option<String>,
    pub(super) asked: f32,
    at_you: bool,
    phrases: Vec<Phrase>,
    event: Vec<Phrase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconFile {
    language: String,
    stemmer: StemmerName,
    you: HashSet<String>,
    not_you: HashSet<String>,
    negation: HashSet<String>,
    question: HashSet<String>,
    act: Vec<ActFile>,
}

/// The stemmers of the languages that a table may be written for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StemmerName {
    English,
    French,
    German,
    Italian,
    Portuguese,
    Russian,
    Spanish,
    Turkish,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActFile {
    name: String,
    why: String,
    aim: Aim,
    feel: BTreeMap<EmotionLabel, f32>,
    strength: f32,
    bond: Change,
    negated: Option<String>,
    asked: Option<f32>,
    phrases: Vec<String>,
    #[serde(default)]
    event: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    You,
    Any,
}

impl Act {
    /// How much it matters beside others.
    pub(super) fn weight(&self) -> f32 {
        self.strength
    }
}

impl From<LexiconFile> for Lexicon {
    fn from(file: LexiconFile) -> Lexicon {
        let stemmer = Stemmer::create(match file.stemmer {
            StemmerName::English => Algorithm::English,
            StemmerName::French => Algorithm::French,
            StemmerName::German => Algorithm::German,
            StemmerName::Italian => Algorithm::Italian,
            StemmerName::Portuguese => Algorithm::Portuguese,
            StemmerName::Russian => Algorithm::Russian,
            StemmerName::Spanish => Algorithm::Spanish,
            StemmerName::Turkish => Algorithm::Turkish,
        });
        let phrases = |texts: &[String]| texts.iter().map(|text| phrase(&stemmer, text)).collect();
        let acts = file.act.into_iter().map(|act| Act {
            phrases: phrases(&act.phrases),
            event: phrases(&act.event),
            name: act.name,
            why: act.why,
            feel: act.feel.into_iter().collect(),
            strength: act.strength,
            bond: act.bond,
            negated: act.negated,
            asked: act.asked.unwrap_or(1.0),
            at_you: matches!(act.aim, Aim::You),
        });
        Lexicon {
            acts: acts.collect(),
            language: file.language,
            you: file.you,
            not_you: file.not_you,
            negation: file.negation,
            question: file.question,
            stemmer,
        }
    }
}

fn stemmed(stemmer: &Stemmer, text: &str) -> String {
    stemmer.stem(text.trim_end_matches("'s")).into_owned()
}

fn phrase(stemmer: &Stemmer, text: &str) -> Phrase {
    text.split_whitespace().map(|word| (word != "_").then(|| stemmed(stemmer, word))).collect()
}

impl Lexicon {
    /// The table for a language tag (`en`, `en-GB`); an empty tag is English.
    pub(super) fn of(language: &str) -> Option<&'static Lexicon> {
        let primary = language.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let wanted = if primary.is_empty() { "en" } else { primary.as_str() };
        TABLES.iter().find(|table| table.language == wanted)
    }

    /// Its primary language tag.
    pub(super) fn language(&self) -> &str {
        &self.language
    }

    /// All acts.
    #[cfg(test)]
    pub(super) fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter()
    }

    pub(super) fn act(&self, name: &str) -> Option<&Act> {
        self.acts.iter().find(|act| act.name == name)
    }

    fn words(&self, text: &str) -> Vec<Word> {
        let word = |text: String| Word { stem: stemmed(&self.stemmer, &text), text };
        plain_words(text).into_iter().map(word).collect()
    }

    /// The clauses of a text.
    pub(super) fn clauses(&self, text: &str) -> Vec<Vec<Word>> {
        let parts = text.split(['.', '!', '?', ';', ',', ':', '—', '–', '…', '\n', '"']);
        let clauses = parts.map(|part| self.words(part)).filter(|words| !words.is_empty());
        clauses.take(CLAUSES_MAX).collect()
    }

    pub(super) fn asks(&self, clause: &[Word]) -> bool {
        clause.iter().take(2).any(|word| self.question.contains(&word.text))
    }

    /// The acts of a clause, each with whether it is denied.
    pub(super) fn acts_in(&self, clause: &[Word]) -> Vec<(&Act, bool)> {
        let has = |words: &HashSet<String>| clause.iter().any(|word| words.contains(&word.text));
        let called = clause.len() <= CALL_WORDS_MAX && !has(&self.not_you);
        let meant = has(&self.you) || called;
        let acts = self.acts.iter().filter(|act| meant || !act.at_you);
        acts.filter_map(|act| Some((act, self.denied(clause, &act.phrases)?))).collect()
    }

    /// The acts that a sentence about what happened tells of, each with whether it is denied.
    pub(super) fn acts_in_event(&self, text: &str) -> Vec<(&Act, bool)> {
        let words = self.words(text);
        self.acts.iter().filter_map(|act| Some((act, self.denied(&words, &act.event)?))).collect()
    }

    /// Whether the longest of the phrases that stand in the words is denied; none if none does.
    fn denied(&self, words: &[Word], phrases: &[Phrase]) -> Option<bool> {
        let places = phrases.iter().filter_map(|phrase| find_phrase(words, phrase));
        let (place, _) = places.max_by_key(|(_, len)| *len)?;
        Some(self.is_negated(words, place))
    }

    fn is_negated(&self, words: &[Word], place: usize) -> bool {
        let from = place.saturating_sub(NEGATION_REACH);
        words[from..place].iter().any(|word| self.negation.contains(&word.text))
    }

    /// Whether a sentence begins with this name.
    pub(super) fn begins_with(&self, text: &str, name: &str) -> bool {
        let (words, name) = (plain_words(text), plain_words(name));
        !name.is_empty() && words.starts_with(&name)
    }

    /// Whether this name, or its first word, stands in the text.
    pub(super) fn mentions(&self, text: &str, name: &str) -> bool {
        let first = plain_words(name).into_iter().next();
        first.is_some_and(|first| plain_words(text).iter().any(|word| word.trim_end_matches("'s") == first))
    }
}
