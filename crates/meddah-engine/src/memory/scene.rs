//! When and where: words of a question in the place and time of a scene, in whatever calendar the game has.

use std::collections::HashMap;

use super::index::{Index, Moment};
use super::lexical::idf;
use super::question::Question;
use super::view::View;

/// A day this near to the one that is asked for is told of as well ("yesterday, I …").
const DAYS_NEAR: u32 = 1;
/// Within this many days it may still be the one that was meant.
const DAYS_ABOUT: u32 = 7;
/// A number up to this may be a day.
const DAY_MAX: u32 = 100;
/// The most that a scene speaks for a document.
const SCORE_MAX: f32 = 2.0;

/// For each encounter of a view, how well its place and time match: the sum over the words in common of how
/// rare they are among the encounters, 1 for one that only a single encounter has.
pub(super) fn scores(index: &Index, view: &View, question: &Question) -> Vec<f32> {
    let words: Vec<&str> = question.stems.iter().map(|(stem, _)| stem.as_str()).collect();
    let all = view.encounters.len();
    let mut with: HashMap<&str, usize> = HashMap::new();
    for encounter in &view.encounters {
        let moment = &index.moments[encounter.moment as usize];
        for word in words.iter().filter(|word| has(moment, word)) {
            *with.entry(word).or_default() += 1;
        }
    }
    if with.is_empty() {
        return vec![0.0; all];
    }
    let rarest = idf(1, all).max(f32::MIN_POSITIVE);
    let rare = |word: &str| with.get(word).map_or(0.0, |with| idf(*with, all) / rarest);
    let mut known: HashMap<u32, f32> = HashMap::new();
    let score = |number: u32| score(&index.moments[number as usize], &words, &rare);
    view.encounters.iter().map(|e| *known.entry(e.moment).or_insert_with(|| score(e.moment))).collect()
}

fn score(moment: &Moment, words: &[&str], rare: &dyn Fn(&str) -> f32) -> f32 {
    let years = |stem: &str| number(stem).is_some_and(|year| year >= 1000);
    let other_year = words.iter().any(|word| years(word) && !has(moment, word))
        && moment.stems.iter().any(|stem| years(stem) && !words.contains(&&**stem));
    if other_year {
        return 0.0;
    }
    let is_word = |word: &&&str| number(word).is_none() && has(moment, word);
    let sum: f32 = words.iter().filter(is_word).map(|word| rare(word)).sum();
    if sum <= 0.0 {
        return 0.0; // a bare number may count anything
    }
    let days = |stem: &str| number(stem).filter(|day| *day < DAY_MAX);
    let asked = words.iter().filter_map(|word| days(word));
    let told: Vec<u32> = moment.stems.iter().filter_map(|stem| days(stem)).collect();
    let nearest = asked.flat_map(|asked| told.iter().map(move |told| told.abs_diff(asked))).min();
    let day = match nearest {
        Some(days) if days <= DAYS_NEAR => 1.0,
        Some(days) if days <= DAYS_ABOUT => 0.5,
        _ => 0.0,
    };
    (sum + day).min(SCORE_MAX)
}

fn has(moment: &Moment, word: &str) -> bool {
    moment.stems.binary_search_by(|stem| (**stem).cmp(word)).is_ok()
}

/// 3, 3rd, 4th: a day as it is written.
fn number(stem: &str) -> Option<u32> {
    let digits = stem.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let suffix = &stem[digits.len()..];
    matches!(suffix, "" | "st" | "nd" | "rd" | "th").then(|| digits.parse().ok()).flatten()
}
