//! Finds what a question calls to mind, in two stages: words and features over the whole view, then meaning
//! over the best of them.

use std::cmp::Ordering;

use super::document::Part;
use super::features::{self, Feature, NAMES, Values, Weights};
use super::index::{DocumentId, Index, Place};
use super::lexical::Lexical;
use super::max_sim::{Nearness, QuestionVectors};
use super::question::Question;
use super::view::View;

/// How much the meaning of a neighbour counts, once it is squared: two places before, one before, one after.
const NEAR_MEANING: [(i64, f32); 3] = [(-1, 0.75), (1, 0.6), (-2, 0.6)];

/// A document that may be meant.
#[derive(Clone, Debug)]
pub struct Candidate {
    rank: usize,
    /// What speaks for it.
    pub values: Values,
}

/// A document that was recalled.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its number; of what was heard of an answer, that of the newest report.
    pub document: DocumentId,
    /// The number that it had first.
    pub origin: DocumentId,
    /// Its entry.
    pub place: Place,
    /// Which part of it.
    pub part: Part,
    /// The higher, the better it answers; comparable within one recall.
    pub score: f32,
    /// What speaks for it.
    pub values: Values,
}

impl Found {
    /// What each feature adds to the score, by name.
    pub fn parts(&self, weights: &Weights) -> Vec<(&'static str, f32)> {
        let added = NAMES.iter().zip(weights.0).zip(self.values);
        added
            .map(|((name, weight), value)| (*name, weight * value))
            .filter(|(_, added)| *added != 0.0)
            .collect()
    }
}

/// One question to one view.
pub struct Recall<'a> {
    index: &'a Index,
    view: &'a View,
    question: &'a Question,
    idf: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl<'a> Recall<'a> {
    /// The first stage: the best `limit` documents of the view by words and features.
    pub fn new(index: &'a Index, view: &'a View, question: &'a Question, limit: usize) -> Self {
        let lexical = Lexical::new(index, view, question);
        let mut scored = features::scores(view, question, &lexical);
        if scored.len() > limit && limit > 0 {
            scored.select_nth_unstable_by(limit - 1, best_first);
        }
        scored.truncate(limit);
        scored.sort_unstable_by(best_first);
        let candidate = |(_, rank): &(f32, u32)| {
            let rank = *rank as usize;
            Candidate { rank, values: features::values(view, question, &lexical, rank) }
        };
        let candidates = scored.iter().map(candidate).collect();
        Recall { index, view, question, idf: lexical.idf, candidates }
    }

    /// The candidates, the best by words first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The documents whose vectors the second stage looks at: candidates and their neighbours, each once.
    pub fn documents(&self) -> Vec<DocumentId> {
        let by = NEAR_MEANING.iter().map(|(by, _)| *by).chain([0]);
        let ranks = by.flat_map(|by| self.candidates.iter().filter_map(move |c| self.view.near(c.rank, by)));
        let mut all: Vec<DocumentId> = ranks.map(|rank| self.view.rows[rank].document).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// How much the word at these bytes of the question matters: how rare it is in the view.
    pub fn word_weight(&self, bytes: &std::ops::Range<usize>) -> f32 {
        let words = &self.question.words;
        let Some(word) =
            words.iter().find(|word| word.bytes.start < bytes.end && bytes.start < word.bytes.end)
        else {
            return 0.0;
        };
        let number = self.question.stems.iter().position(|(stem, _)| !word.stop && *stem == word.stem);
        number.and_then(|number| self.idf.get(number)).copied().unwrap_or(0.0)
    }

    /// The second stage: adds nearness in meaning. `vectors` gives what [`encode`](super::encode) wrote for a
    /// document, if it is known; a document without is taken for an average one. False if none is known, and
    /// the candidates are as before.
    pub fn compare<'v>(
        &mut self,
        question: &QuestionVectors,
        vectors: impl Fn(DocumentId) -> Option<&'v [u8]>,
    ) -> bool {
        if question.is_empty() {
            return false;
        }
        let (index, view) = (self.documents(), self.view);
        let near: Vec<Option<Nearness>> =
            index.iter().map(|document| question.nearness(vectors(*document)?)).collect();
        let nearness = |rank: usize| {
            let at = index.binary_search(&view.rows[rank].document).ok()?;
            near[at].as_ref()
        };
        let scores: Vec<Option<Meaning>> = self
            .candidates
            .iter()
            .map(|candidate| {
                let own = nearness(candidate.rank)?;
                let mut best: Nearness = own.iter().map(|near| squared(*near)).collect();
                for (by, factor) in NEAR_MEANING {
                    let Some(other) = view.near(candidate.rank, by).and_then(nearness) else { continue };
                    for (best, near) in best.iter_mut().zip(other) {
                        *best = best.max(factor * squared(*near));
                    }
                }
                let asked = candidate.values[Feature::AfterQuestion as usize] > 0.0;
                let before = view.near(candidate.rank, -1).filter(|_| asked).and_then(nearness);
                Some(Meaning {
                    own: question.mean(own.iter().copied()),
                    near: question.mean(best.into_iter()),
                    before: before.map(|before| question.mean(before.iter().copied())),
                })
            })
            .collect();
        if scores.iter().all(Option::is_none) {
            return false;
        }
        let own = Span::of(scores.iter().flatten().map(|meaning| meaning.own));
        let near = Span::of(scores.iter().flatten().map(|meaning| meaning.near));
        let means = (own.mean, near.mean);
        for (candidate, meaning) in self.candidates.iter_mut().zip(scores) {
            let mut set = |feature: Feature, value: f32| candidate.values[feature as usize] = value;
            // What has no vectors yet is taken for an average one.
            set(Feature::OwnMeaning, meaning.map_or(means.0, |meaning| own.share(meaning.own)));
            set(Feature::NearMeaning, meaning.map_or(means.1, |meaning| near.share(meaning.near)));
            let before = meaning.and_then(|meaning| meaning.before);
            set(Feature::AnswersMeaning, before.map_or(0.0, |before| own.share(before)));
        }
        true
    }

    /// The best `limit` candidates, best first.
    pub fn best(&self, weights: &Weights, limit: usize) -> Vec<Found> {
        let mut scored: Vec<(f32, usize)> =
            self.candidates.iter().enumerate().map(|(at, c)| (weights.score(&c.values), at)).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| self.rank(a.1).cmp(&self.rank(b.1))));
        scored.iter().take(limit).map(|(score, at)| self.found(*at, *score)).collect()
    }

    /// A candidate as what was found.
    pub fn found(&self, candidate: usize, score: f32) -> Found {
        let Candidate { rank, values } = self.candidates[candidate].clone();
        let number = self.view.rows[rank].document;
        let document = &self.index.documents[number as usize];
        let origin = &self.index.documents[document.origin as usize];
        Found {
            document: number,
            origin: document.origin,
            place: origin.place,
            part: document.part,
            score,
            values,
        }
    }

    fn rank(&self, candidate: usize) -> usize {
        self.candidates[candidate].rank
    }
}

fn best_first(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

fn squared(near: f32) -> f32 {
    near.max(0.0).powi(2)
}

/// How near a candidate, its surroundings, and the question before it come.
#[derive(Clone, Copy)]
struct Meaning {
    own: f32,
    near: f32,
    before: Option<f32>,
}

/// From the least to the most of some values.
struct Span {
    least: f32,
    width: f32,
    /// The mean share.
    mean: f32,
}

impl Span {
    fn of(values: impl Iterator<Item = f32> + Clone) -> Span {
        let least = values.clone().fold(f32::INFINITY, f32::min);
        let width = values.clone().fold(f32::NEG_INFINITY, f32::max) - least;
        let mut span = Span { least, width, mean: 0.0 };
        let number = values.clone().count().max(1) as f32;
        span.mean = values.map(|value| span.share(value)).sum::<f32>() / number;
        span
    }

    fn share(&self, value: f32) -> f32 {
        if self.width > 0.0 { ((value - self.least) / self.width).clamp(0.0, 1.0) } else { 0.0 }
    }
}
