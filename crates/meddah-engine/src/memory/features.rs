//! What speaks for a document, as numbers, and how much each of them weighs.

use super::index::{DERIVED, ENDS_ASKING, HAPPENED, NUMBER};
use super::lexical::Lexical;
use super::question::Question;
use super::view::{Row, View};
use super::weights::BY_WORDS;

/// What speaks for a document. The order is that of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Feature {
    /// Words in common with it and its neighbours (BM25F), as a share of the best.
    NearWords,
    /// Words in common with it alone (BM25), as a share of the best.
    OwnWords,
    /// Words in common with its encounter (BM25), as a share of the best.
    EncounterWords,
    /// Nearness in meaning to it and its neighbours, as a share of the candidates' span.
    NearMeaning,
    /// Nearness in meaning to it alone, as a share of the candidates' span.
    OwnMeaning,
    /// The question names one being, who said it.
    Speaker,
    /// The question tells who said it: "did you say", "I told you".
    SaidBy,
    /// A time is asked for: words in it that date something, up to 2.
    Time,
    /// How long it is: ln(1 + words).
    Length,
    /// It ends in a question.
    EndsAsking,
    /// It has a digit.
    Number,
    /// It opens its encounter.
    First,
    /// What was said before it has a question in it.
    AfterQuestion,
    /// How well what was said before it matches, if that has a question in it.
    Answers,
    /// How near the meaning of what was said before it is, if that has a question in it; as a share of the
    /// candidates' span.
    AnswersMeaning,
    /// Words of the question in the place and time of its scene.
    Scene,
    /// Nobody said it: it happened.
    Happened,
    /// It is a memory that was made of others.
    Derived,
    /// How much such a memory matters.
    Importance,
}

/// How many features there are.
pub const FEATURES: usize = 19;

/// Short names of the features, for whoever wants to know why something was recalled.
pub const NAMES: [&str; FEATURES] = [
    "near words",
    "own words",
    "encounter words",
    "near meaning",
    "own meaning",
    "speaker",
    "said by",
    "time",
    "length",
    "asks",
    "number",
    "first",
    "after question",
    "answers",
    "answers meaning",
    "scene",
    "happened",
    "derived",
    "importance",
];

/// The features of one document.
pub type Values = [f32; FEATURES];

/// How much each feature weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights(pub Values);

impl Weights {
    /// Those that are listed; all others are nothing.
    pub const fn new(listed: &[(Feature, f32)]) -> Weights {
        let mut values = [0.0; FEATURES];
        let mut at = 0;
        while at < listed.len() {
            values[listed[at].0 as usize] = listed[at].1;
            at += 1;
        }
        Weights(values)
    }

    /// The score of a document.
    pub fn score(&self, values: &Values) -> f32 {
        self.0.iter().zip(values).map(|(weight, value)| weight * value).sum()
    }
}

/// The features that a document has whatever is asked.
pub(super) fn of_itself(view: &View, rank: usize) -> Values {
    let row = &view.rows[rank];
    let flag = |set: bool| f32::from(u8::from(set));
    let mut values = [0.0; FEATURES];
    let mut set = |feature: Feature, value: f32| values[feature as usize] = value;
    set(Feature::Length, f32::from(row.length).ln_1p());
    set(Feature::EndsAsking, flag(row.flags & ENDS_ASKING != 0));
    set(Feature::Number, flag(row.flags & NUMBER != 0));
    set(Feature::First, flag(view.encounters[row.encounter as usize].first as usize == rank));
    set(Feature::AfterQuestion, flag(row.after_question));
    set(Feature::Happened, flag(row.flags & HAPPENED != 0));
    set(Feature::Derived, flag(row.flags & DERIVED != 0));
    set(Feature::Importance, f32::from(row.importance) / f32::from(u8::MAX));
    values
}

/// All features but those of meaning, for the document at a rank.
pub(super) fn values(view: &View, question: &Question, lexical: &Lexical, rank: usize) -> Values {
    let row = &view.rows[rank];
    let mut values = of_itself(view, rank);
    let mut set = |feature: Feature, value: f32| values[feature as usize] = value;
    set(Feature::NearWords, lexical.near[rank]);
    set(Feature::OwnWords, lexical.own[rank]);
    set(Feature::EncounterWords, lexical.encounters[row.encounter as usize]);
    set(Feature::Scene, lexical.scenes[row.encounter as usize]);
    set(Feature::Speaker, f32::from(u8::from(lexical.speaker == Some(row.speaker))));
    set(Feature::SaidBy, f32::from(u8::from(question.said_by == Some(row.speaker))));
    set(Feature::Time, if question.asks_when { time(row) } else { 0.0 });
    set(Feature::Answers, answers(lexical, row, rank));
    values
}

fn time(row: &Row) -> f32 {
    f32::from(row.time_words.min(2))
}

fn answers(lexical: &Lexical, row: &Row, rank: usize) -> f32 {
    if row.after_question { lexical.own[rank - 1] } else { 0.0 }
}

/// What [`BY_WORDS`] makes of the same features for all that was heard, each with its rank. It is called for every
/// document of a view, a hundred thousand of them, and adds up only what the question changes.
pub(super) fn scores(view: &View, question: &Question, lexical: &Lexical) -> Vec<(f32, u32)> {
    let weight = |feature: Feature| BY_WORDS.0[feature as usize];
    let both = lexical.encounters.iter().zip(&lexical.scenes);
    let encounters: Vec<f32> = both
        .map(|(words, scene)| weight(Feature::EncounterWords) * words + weight(Feature::Scene) * scene)
        .collect();
    let [near, own, answering] = [Feature::NearWords, Feature::OwnWords, Feature::Answers].map(weight);
    let [speaker, said_by] = [Feature::Speaker, Feature::SaidBy].map(weight);
    let time_weight = if question.asks_when { weight(Feature::Time) } else { 0.0 };
    let ranks = (0u32..).zip(&view.rows).filter(|(_, row)| row.is_heard());
    let scored = ranks.map(|(number, row)| {
        let rank = number as usize;
        let mut score = row.prior + encounters[row.encounter as usize];
        score += near * lexical.near[rank] + own * lexical.own[rank];
        score += answering * answers(lexical, row, rank) + time_weight * time(row);
        score += if lexical.speaker == Some(row.speaker) { speaker } else { 0.0 };
        score += if question.said_by == Some(row.speaker) { said_by } else { 0.0 };
        (score, number)
    });
    scored.collect()
}
