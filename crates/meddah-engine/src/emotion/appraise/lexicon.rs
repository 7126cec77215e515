//! The table of words of one language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;

use super::aim::{Grammar, Place, longest};
use super::roles::{Cast, Doer, Telling};
use crate::action::{Phrase, Word, find_phrase, plain_words};
use crate::emotion::EmotionLabel;
use crate::relationship::Change;

/// Clauses of one text that are looked at.
const CLAUSES_MAX: usize = 32;

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
    grammar: Grammar,
    telling: Telling,
    idioms: Vec<Phrase>,
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
    /// It tells of what the listener did,
    by_you: bool,
    /// and this of what the speaker will do.
    by_speaker: bool,
    /// It is done with hands or weapons.
    pub(super) at_once: bool,
    phrases: Vec<Phrase>,
    names: Vec<Phrase>,
    event: Vec<Phrase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconFile {
    language: String,
    stemmer: StemmerName,
    grammar: Grammar,
    telling: Telling,
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
    #[serde(default)]
    by_you: bool,
    #[serde(default)]
    by_speaker: bool,
    #[serde(default)]
    at_once: bool,
    phrases: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
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

    /// Whether it is a wrong.
    pub(super) fn is_unkind(&self) -> bool {
        let Change { trust, respect, affection, .. } = self.bond;
        trust + respect + affection < 0.0
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
            names: phrases(&act.names),
            by_you: act.by_you,
            by_speaker: act.by_speaker,
            at_once: act.at_once,
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
            idioms: phrases(file.grammar.idioms()),
            grammar: file.grammar,
            telling: file.telling,
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
        self.grammar.asks(clause)
    }

    /// The acts of a clause, each with whether it is denied.
    pub(super) fn acts_in(&self, clause: &[Word]) -> Vec<(&Act, bool)> {
        let idioms = self.idioms_in(clause);
        let acts = self.acts.iter().filter(|act| !act.at_you || self.grammar.addresses(clause));
        acts.filter_map(|act| Some((act, self.done(clause, &idioms, act)?))).collect()
    }

    /// Whether an act that is done in this clause is denied; none if it is not done.
    fn done(&self, clause: &[Word], idioms: &[Place], act: &Act) -> Option<bool> {
        let grammar = &self.grammar;
        let called = |place: Place| grammar.is_called(clause, place);
        let said = longest(clause, &act.phrases, idioms, |_| true);
        let name = longest(clause, &act.names, idioms, called);
        let place = said.into_iter().chain(name).max_by_key(|(_, len)| *len)?;
        let only_talked_of = act.is_unkind() && act.at_you && grammar.supposes(clause)
            || act.is_unkind() && grammar.reports(clause)
            || act.by_you && grammar.requests(clause)
            || act.by_speaker && grammar.is_of_another(clause, place);
        if only_talked_of {
            return None;
        }
        let denied = grammar.is_denied(clause, place.0);
        // Praise that is denied is meant for the listener only if the listener is what is spoken of.
        let aimless = denied && act.negated.is_some() && act.at_you && !called(place);
        (!aimless).then_some(denied)
    }

    fn idioms_in(&self, words: &[Word]) -> Vec<Place> {
        self.idioms.iter().filter_map(|idiom| find_phrase(words, idiom)).collect()
    }

    /// The acts that a sentence about what happened tells of, each with who did it, and whether to the listener.
    pub(super) fn acts_in_event(&self, text: &str, speaker: &str, listener: &str) -> Vec<(&Act, Doer, bool)> {
        let words = self.words(text);
        let cast = Cast::new(&self.telling, speaker, listener);
        let idioms = self.idioms_in(&words);
        let is_you = |word: &Word| self.grammar.is_you(word);
        let acts = self.acts.iter().filter_map(|act| {
            let place = longest(&words, &act.event, &idioms, |_| true)?;
            let doer = self.telling.doer(&cast, &words, place);
            let to_listener = self.telling.is_victim(&cast, &words, place, act, is_you);
            (!self.grammar.is_denied(&words, place.0)).then_some((act, doer, to_listener))
        });
        acts.collect()
    }

    /// Whether this name, or its first word, stands in the text.
    pub(super) fn mentions(&self, text: &str, name: &str) -> bool {
        let first = plain_words(name).into_iter().next();
        first.is_some_and(|first| plain_words(text).iter().any(|word| word.trim_end_matches("'s") == first))
    }
}
