//! Makes the table of single words that lean to a feeling
//! (`crates/meddah-engine/src/emotion/appraise/english_words.txt`).
//!
//! `fit-feelings MODEL.onnx [OUT.txt]` fits a multinomial logistic model with L2 on the mean vector of a text's words, each
//! as the embedder sees it alone, the rarer the heavier. The model is linear, so it comes down to nine numbers per
//! word and the embedder is not needed to apply it; a word that no line has gets its numbers from its neighbours. Fitted on are the
//! lines of `emotion.toml` and `emotion_more.toml`, and the phrases of the acts, which count less. It first says what
//! cross-validation finds, on the lines that the acts were not tuned on. Without OUT nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use meddah_embedding::{Encoder, WHOLE_DIMENSIONS};
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::emotion::appraise::{Appraisal, leaning};
use serde::Deserialize;

use crate::emotion::{self, Line, Score};
use crate::rig::show;

/// The commonest words of the vocabulary that get a row.
const WORDS_KEPT: usize = 12_000;
/// Labels.
const LABELS: usize = 10;
/// The numbers of a text: the vector of its words, and a question and an exclamation mark.
const FEATURES: usize = WHOLE_DIMENSIONS + leaning::SIGNS.len();
/// What a mark counts beside the vector.
const SIGN_SCALE: f32 = 0.3;
/// The share of `also` in what is expected.
const ALSO_SHARE: f32 = 0.3;
/// A phrase counts so much beside a line.
const PHRASE_WEIGHT: f32 = 0.2;
/// How much large numbers cost.
const RIDGE: f32 = 3e-4;
/// Steps of the descent.
const STEPS: usize = 400;
/// Parts of the cross-validation.
const FOLDS: usize = 8;

/// One text with what is expected of it.
struct Example {
    features: Vec<f32>,
    expected: [f32; LABELS],
    weight: f32,
}

/// A linear model: per feature and last for the constant, a number for each label.
struct Linear(Vec<[f32; LABELS]>);

/// The words that get a row, the commonest first, with their weighted vectors.
struct Vocabulary {
    words: Vec<String>,
    places: HashMap<String, usize>,
    vectors: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Acts {
    act: Vec<Act>,
}

#[derive(Deserialize)]
struct Act {
    feel: BTreeMap<EmotionLabel, f32>,
    phrases: Vec<String>,
}

/// Runs it.
pub fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let model = PathBuf::from(arguments.next().context("MODEL.onnx is missing")?);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut lines = emotion::lines("emotion.toml")?;
    lines.extend(emotion::lines("emotion_more.toml")?);
    let vocabulary = Vocabulary::read(&crates.join("meddah-embedding/src/vocabulary.txt"), &model)?;
    let acts = std::fs::read_to_string(crates.join("meddah-engine/src/emotion/appraise/english.toml"))?;
    let acts: Acts = toml::from_str(&acts)?;

    let mut phrases = Vec::new();
    for act in &acts.act {
        for phrase in &act.phrases {
            phrases.push(Example {
                features: vocabulary.features(&phrase.replace('_', " ")),
                expected: of_act(&act.feel),
                weight: PHRASE_WEIGHT,
            });
        }
    }
    let mut examples: Vec<Example> = lines
        .iter()
        .map(|line| Example {
            features: vocabulary.features(&line.text),
            expected: of_line(line),
            weight: 1.0,
        })
        .collect();
    let scale = scale(&mut examples, &mut phrases);
    cross_validate(&lines, &examples, &phrases);
    let Some(out) = arguments.next() else { return Ok(()) };
    let all: Vec<&Example> = examples.iter().chain(&phrases).collect();
    let table = vocabulary.table(&Linear::fit(&all), scale);
    std::fs::write(&out, table).with_context(|| format!("cannot write {out}"))
}

fn of_line(line: &Line) -> [f32; LABELS] {
    let mut expected = [0.0; LABELS];
    let also = if line.also.is_empty() { 0.0 } else { ALSO_SHARE };
    expected[line.feels as usize] = 1.0 - also;
    for label in &line.also {
        expected[*label as usize] += also / line.also.len() as f32;
    }
    expected
}

fn of_act(feel: &BTreeMap<EmotionLabel, f32>) -> [f32; LABELS] {
    let mut expected = [0.0; LABELS];
    let all: f32 = feel.values().map(|odds| odds.exp() - 1.0).sum();
    for (label, odds) in feel {
        expected[*label as usize] = (odds.exp() - 1.0) / all;
    }
    expected
}

/// Makes the vectors of the lines 1 long on average, and says by what all were divided.
fn scale(lines: &mut [Example], phrases: &mut [Example]) -> f32 {
    let vector = |example: &Example| {
        example.features[..WHOLE_DIMENSIONS].iter().map(|number| number * number).sum::<f32>()
    };
    let scale = (lines.iter().map(vector).sum::<f32>() / lines.len() as f32).sqrt();
    for example in lines.iter_mut().chain(phrases) {
        example.features[..WHOLE_DIMENSIONS].iter_mut().for_each(|number| *number /= scale);
    }
    scale
}

/// What is found on lines that were not fitted on: by words alone, and with the acts at a few weights.
fn cross_validate(lines: &[Line], examples: &[Example], phrases: &[Example]) {
    let counted: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].split != "fit").collect();
    let mut leans = vec![[0.0; LABELS]; lines.len()];
    for fold in 0..FOLDS {
        let held = |at: usize| lines[at].split != "fit" && shuffled(at) % FOLDS == fold;
        let kept = (0..lines.len()).filter(|at| !held(*at)).map(|at| &examples[at]);
        let model = Linear::fit(&kept.chain(phrases).collect::<Vec<_>>());
        for at in (0..lines.len()).filter(|at| held(*at)) {
            leans[at] = model.apply(&examples[at].features);
        }
    }
    show(&format!("{} lines in {FOLDS} parts; macro-F1 and share of right ones:", counted.len()));
    for (acts, share) in
        [(0.0, 1.0), (1.0, 0.0), (1.0, 0.25), (1.0, 0.5), (1.0, 0.75), (1.0, 1.0), (1.0, 1.5)]
    {
        let mut row = format!("acts x{acts}, words x{share}:");
        for least in [0.0, 0.5, 1.0, 1.5] {
            let mut score = Score::default();
            for at in &counted {
                let by_acts = Appraisal::of_acts(&lines[*at].text, "en");
                let odds = |label: EmotionLabel| {
                    let leans = leans[*at][label as usize] - leans[*at][0];
                    acts * by_acts.score(label) + share * leans
                };
                let best = EmotionLabel::ALL[1..].iter().max_by(|a, b| odds(**a).total_cmp(&odds(**b)));
                score.count(
                    &lines[*at],
                    best.copied().filter(|label| odds(*label) >= least).unwrap_or_default(),
                );
            }
            row.push_str(&format!("  from {least}: {:.3} {:.3}", score.macro_f1(), score.share_right()));
        }
        show(&row);
    }
}

/// The same order on every machine, with neighbours apart.
fn shuffled(at: usize) -> usize {
    (at as u32).wrapping_mul(2_654_435_761).rotate_right(13) as usize
}

impl Vocabulary {
    /// Whole words of small letters, each embedded alone.
    fn read(file: &Path, model: &Path) -> anyhow::Result<Vocabulary> {
        let encoder = Encoder::open(model)?;
        let file = std::fs::read_to_string(file)?;
        let plain = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let words: Vec<String> = file.lines().filter(plain).take(WORDS_KEPT).map(str::to_owned).collect();
        let mut vectors = Vec::new();
        for word in &words {
            vectors.push(encoder.states(word)?.whole);
        }
        let mut mean = vec![0.0; WHOLE_DIMENSIONS];
        for vector in &vectors {
            mean.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number / words.len() as f32);
        }
        for (rank, vector) in vectors.iter_mut().enumerate() {
            // The vocabulary stands in the order of frequency, which falls about with the rank.
            let rarity = ((rank + 31) as f32).ln() - 3.0;
            vector.iter_mut().zip(&mean).for_each(|(number, mean)| *number = (*number - mean) * rarity);
        }
        let places = words.iter().enumerate().map(|(place, word)| (word.clone(), place)).collect();
        Ok(Vocabulary { words, places, vectors })
    }

    fn features(&self, text: &str) -> Vec<f32> {
        let mut features = vec![0.0; FEATURES];
        let words = leaning::words(text);
        let share = 1.0 / (words.len().max(1) as f32).sqrt();
        for word in &words {
            if let Some(known) = leaning::known(word, |word| self.places.contains_key(word)) {
                let vector = &self.vectors[self.places[known]];
                features.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number * share);
            }
        }
        for (place, sign) in leaning::SIGNS.iter().enumerate() {
            features[WHOLE_DIMENSIONS + place] = if text.contains(sign) { SIGN_SCALE } else { 0.0 };
        }
        features
    }

    /// The file: the constant, the marks, and all words.
    fn table(&self, model: &Linear, scale: f32) -> String {
        let row = |word: &str, numbers: [f32; LABELS]| {
            let signs: String =
                numbers[1..].iter().map(|number| leaning::sign(number - numbers[0])).collect();
            format!("{word} {signs}\n")
        };
        let mut table = row(leaning::ALWAYS, model.0[FEATURES]);
        for (place, sign) in leaning::SIGNS.iter().enumerate() {
            table.push_str(&row(sign, model.0[WHOLE_DIMENSIONS + place].map(|number| number * SIGN_SCALE)));
        }
        for (word, vector) in self.words.iter().zip(&self.vectors) {
            let mut numbers = [0.0; LABELS];
            for (number, weights) in vector.iter().zip(&model.0) {
                numbers.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += number * weight / scale);
            }
            table.push_str(&row(word, numbers));
        }
        table
    }
}

impl Linear {
    /// Accelerated descent with a step that is surely small enough (the vectors are about 1 long).
    fn fit(examples: &[&Example]) -> Linear {
        let total: f32 = examples.iter().map(|example| example.weight).sum();
        let longest = examples.iter().map(|e| e.weight * e.features.iter().map(|x| x * x).sum::<f32>());
        let step = 1.0 / (0.5 * (longest.sum::<f32>() / total + 1.0) + RIDGE);
        let mut at = vec![[0.0f32; LABELS]; FEATURES + 1];
        let (mut ahead, mut momentum) = (at.clone(), 1.0f32);
        for _ in 0..STEPS {
            let mut slope: Vec<[f32; LABELS]> = ahead.iter().map(|row| row.map(|x| x * RIDGE)).collect();
            slope[FEATURES] = [0.0; LABELS];
            let model = Linear(ahead);
            for example in examples {
                let wrong = model.wrong_by(example, total);
                for (row, number) in slope.iter_mut().zip(example.features.iter().chain([&1.0])) {
                    row.iter_mut().zip(&wrong).for_each(|(sum, wrong)| *sum += number * wrong);
                }
            }
            let next_momentum = (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0;
            let push = (momentum - 1.0) / next_momentum;
            let step_down = |row: usize, label: usize| model.0[row][label] - step * slope[row][label];
            let next: Vec<[f32; LABELS]> =
                (0..=FEATURES).map(|row| std::array::from_fn(|label| step_down(row, label))).collect();
            ahead = next
                .iter()
                .zip(&at)
                .map(|(new, old)| std::array::from_fn(|label| new[label] + push * (new[label] - old[label])))
                .collect();
            (at, momentum) = (next, next_momentum);
        }
        Linear(at)
    }

    fn apply(&self, features: &[f32]) -> [f32; LABELS] {
        let mut sum = self.0[FEATURES];
        for (number, row) in features.iter().zip(&self.0) {
            sum.iter_mut().zip(row).for_each(|(sum, weight)| *sum += number * weight);
        }
        sum
    }

    /// Chance given to each label, less what is expected, by weight.
    fn wrong_by(&self, example: &Example, total: f32) -> [f32; LABELS] {
        let odds = self.apply(&example.features);
        let most = odds.iter().copied().fold(f32::MIN, f32::max);
        let chances = odds.map(|odds| (odds - most).exp());
        let all: f32 = chances.iter().sum();
        std::array::from_fn(|label| (chances[label] / all - example.expected[label]) * example.weight / total)
    }
}
