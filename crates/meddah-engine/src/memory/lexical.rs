//! Words in common, by BM25 (Robertson and Zaragoza 2009) over one view.
//!
//! An answer seldom repeats the words of its question, but what was said right before it does. So a document
//! is looked at three times: by itself, with part of the words of its neighbours (BM25F), and as part of its
//! encounter. All counts are over the view.

use std::collections::HashMap;

use super::index::Index;
use super::names::Being;
use super::question::Question;
use super::view::{NEAR, NEAR_UNIT, View};

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// Encounters differ in length because talks do, not because they are wordy.
const B_ENCOUNTER: f32 = 0.5;

/// How well each document and encounter of a view matches a question, as a share of the best.
pub(super) struct Lexical {
    pub(super) near: Vec<f32>,
    pub(super) own: Vec<f32>,
    pub(super) encounters: Vec<f32>,
    pub(super) scenes: Vec<f32>,
    /// How rare each stem of the question is among the documents.
    pub(super) idf: Vec<f32>,
    /// The one who is named in the question and speaks in the view, if it is one.
    pub(super) speaker: Option<Being>,
}

/// How rare something is that `with` of `all` have (Robertson's, never negative).
pub(super) fn idf(with: usize, all: usize) -> f32 {
    (1.0 + (all as f32 - with as f32 + 0.5) / (with as f32 + 0.5)).ln()
}

/// How much a count is worth in a text of this length: more of the same counts less and less.
fn saturated(count: f32, length: f32, mean: f32, b: f32) -> f32 {
    count * (K1 + 1.0) / (count + K1 * (1.0 - b + b * length / mean.max(f32::MIN_POSITIVE)))
}

impl Lexical {
    /// Scores a whole view.
    pub(super) fn new(index: &Index, view: &View, question: &Question) -> Lexical {
        let all = view.rows.len();
        let mut scores = Lexical {
            near: vec![0.0; all],
            own: vec![0.0; all],
            encounters: vec![0.0; view.encounters.len()],
            scenes: super::scene::scores(index, view, question),
            idf: Vec::with_capacity(question.stems.len()),
            speaker: None,
        };
        let (presence, speakers) = presence(index, view, question);
        scores.speaker =
            Some(speakers).filter(|speakers| speakers.len() == 1).and_then(|only| only.first().copied());
        let mut counter = Counter { near: vec![0; all], touched: Vec::new() };
        for ((stem, times), share) in question.stems.iter().zip(presence) {
            scores.add(index, view, stem, times * (1.0 - share), &mut counter);
        }
        for list in [&mut scores.near, &mut scores.own, &mut scores.encounters] {
            as_share_of_best(list);
        }
        scores
    }

    fn add(&mut self, index: &Index, view: &View, stem: &str, weight: f32, counter: &mut Counter) {
        let found: Vec<(usize, f32)> =
            index.postings(stem).filter_map(|(id, count)| Some((view.rank(id)?, count))).collect();
        let all = view.rows.len() as f32;
        let own_idf = idf(found.len(), view.rows.len());
        self.idf.push(own_idf * weight.min(1.0));
        if found.is_empty() || weight <= 0.0 {
            return;
        }
        let own_mean = view.length_sum as f32 / all;
        let mut by_encounter: HashMap<u32, f32> = HashMap::new();
        for (rank, count) in &found {
            let row = &view.rows[*rank];
            self.own[*rank] += weight * own_idf * saturated(*count, f32::from(row.length), own_mean, B);
            *by_encounter.entry(row.encounter).or_default() += count;
            counter.spread(view, *rank, *count as u32);
        }
        let near_idf = weight * idf(counter.touched.len(), view.rows.len());
        let near_mean = view.near_length_sum as f32 / all;
        for rank in counter.touched.drain(..) {
            let count = std::mem::take(&mut counter.near[rank]) as f32 / NEAR_UNIT;
            let length = view.rows[rank].near_length as f32;
            self.near[rank] += near_idf * saturated(count, length, near_mean, B);
        }
        let encounter_idf = weight * idf(by_encounter.len(), view.encounters.len());
        let encounter_mean = view.length_sum as f32 / view.encounters.len() as f32;
        for (number, count) in by_encounter {
            let length = view.encounters[number as usize].length as f32;
            self.encounters[number as usize] +=
                encounter_idf * saturated(count, length, encounter_mean, B_ENCOUNTER);
        }
    }
}

/// Counts of one stem with those of neighbours, for the ranks that have any.
struct Counter {
    near: Vec<u32>,
    touched: Vec<usize>,
}

impl Counter {
    /// A word of one document counts in part for those around it.
    fn spread(&mut self, view: &View, rank: usize, count: u32) {
        for (by, weight) in NEAR {
            // What stands `by` before a document is a neighbour for which that one stands `by` after.
            let Some(other) = view.near(rank, -by) else { continue };
            if self.near[other] == 0 {
                self.touched.push(other);
            }
            self.near[other] += weight * count;
        }
    }
}

/// For each stem that is a name: in which share of the encounters its bearer speaks. Who is always there
/// tells nothing apart by being named. Also those of the named who speak at all.
fn presence(index: &Index, view: &View, question: &Question) -> (Vec<f32>, Vec<Being>) {
    let mut talks: HashMap<Being, (u32, u32)> =
        question.named.iter().map(|being| (*being, (u32::MAX, 0))).collect();
    if !talks.is_empty() {
        for row in &view.rows {
            if let Some((last, number)) =
                talks.get_mut(&row.speaker).filter(|(last, _)| *last != row.encounter)
            {
                *last = row.encounter;
                *number += 1;
            }
        }
    }
    let all = view.encounters.len().max(1) as f32;
    let share = |stem: &str| {
        let bearers = index.names.bearers(stem).iter().filter_map(|being| talks.get(being));
        bearers.map(|(_, number)| *number as f32 / all).fold(0.0, f32::max)
    };
    let shares = question.stems.iter().map(|(stem, _)| share(stem)).collect();
    let speaks = |being: &&Being| talks.get(being).is_some_and(|(_, number)| *number > 0);
    (shares, question.named.iter().filter(speaks).copied().collect())
}

fn as_share_of_best(scores: &mut [f32]) {
    let best = scores.iter().copied().fold(0.0, f32::max);
    if best > 0.0 {
        scores.iter_mut().for_each(|score| *score /= best);
    }
}
