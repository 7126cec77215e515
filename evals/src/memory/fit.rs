//! `fit-memory`: fits the weights of recall to the worlds of `evals/memory/`, from the weights of the recipe on.
//!
//! Listwise softmax over all that a character perceived, the target spread evenly over what answers, with a
//! pull (L2) toward the weights that one began with. How much a pull of each strength costs or gains is shown by
//! leaving out one world of the fitted ones at a time; the worlds that are held out are only measured.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use meddah_embedding::Encoder;
use meddah_engine::memory::{
    Added, BY_WORDS, DocumentId, FEATURES, Feature, Index, NAMES, Part, Place, QuestionVectors, Recall,
    Values, View, Weights, encode,
};
use meddah_engine::timeline::TimelineKey;
use meddah_store::{EntryFilter, RECENT_MAX, SqliteStore, TimelineStore};

use super::measure::Table;
use super::told::{self, Asked, Talks};
use super::{published, worlds};

const USAGE: &str = "fit-memory [--model FILE.onnx] [--words-only]";
/// How strongly the weights are pulled back, for comparison.
const PULLS: [f32; 6] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0];
/// The pull of the weights that ship. Weaker ones do better on fitted worlds left out in turn, but not on those that
/// are held out, and worse on conversations from outside: eight worlds by one hand are little to learn from.
const PULL: f32 = 0.3;
/// What the published weights say nothing about is pulled toward nothing, and only a little.
const PULL_OF_NEW: f32 = 0.01;
const STEPS: usize = 400;
const STEP: f32 = 0.05;
/// What an embedder brings.
const OF_MEANING: [Feature; 3] = [Feature::NearMeaning, Feature::OwnMeaning, Feature::AnswersMeaning];
/// Features that these worlds say nothing about stay as they are.
const UNTOLD: [Feature; 2] = [Feature::Derived, Feature::Importance];

/// A question with everything that its character perceived.
struct List {
    world: usize,
    held_out: bool,
    kind: String,
    evidence: Vec<String>,
    /// Values and ids, what is most likely by words first.
    documents: Vec<(Values, String)>,
}

/// Runs the fit and prints weights and figures.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let (mut model, mut words_only) = (None, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--model" => model = Some(arguments.next().context(USAGE)?),
            "--words-only" => words_only = true,
            other => anyhow::bail!("unknown argument {other:?}: {USAGE}"),
        }
    }
    let encoder = match super::embedder_file(model) {
        Some(file) if !words_only => Some(Encoder::open(&file)?),
        _ => None,
    };
    let lists = tokio::runtime::Runtime::new()?.block_on(lists(encoder.as_ref()))?;
    report("by words alone", &lists, published::BY_WORDS, &OF_MEANING);
    if encoder.is_some() {
        report("with the embedder", &lists, published::BY_MEANING, &[]);
    }
    Ok(())
}

async fn lists(encoder: Option<&Encoder>) -> anyhow::Result<Vec<List>> {
    let worlds = worlds::read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/memory")))?;
    let store = SqliteStore::in_memory()?;
    let mut lists = Vec::new();
    for (number, world) in worlds.iter().enumerate() {
        let told = Told::new(&store, &world.talks, encoder).await?;
        for question in &world.talks.questions {
            lists.push(List {
                world: number,
                held_out: world.held_out,
                kind: question.category.clone(),
                evidence: question.evidence.clone(),
                documents: told.ask(question, encoder)?,
            });
        }
    }
    Ok(lists)
}

/// A world in an index.
struct Told {
    index: Index,
    head: Place,
    ids: HashMap<(u64, Part), String>,
    vectors: HashMap<DocumentId, Vec<u8>>,
}

impl Told {
    async fn new(store: &SqliteStore, talks: &Talks, encoder: Option<&Encoder>) -> anyhow::Result<Told> {
        let key = TimelineKey::new("fit", talks.name.clone());
        let ids = told::tell(store, &key, talks).await?;
        let mut told = Told { index: Index::new("en"), head: Place::default(), ids, vectors: HashMap::new() };
        talks.people.iter().for_each(|(id, name)| told.index.name(id, name));
        for stored in store.recent(&key, EntryFilter::All, RECENT_MAX, None).await? {
            told.head = Place { branch: stored.cursor.branch.0, seq: stored.cursor.seq };
            for Added { document, to_embed, .. } in told.index.add(told.head, &stored.entry) {
                if let Some(encoder) = encoder {
                    let embedded = encoder.embed(&to_embed)?;
                    let bytes = encode(embedded.tokens.iter().map(|token| &token.vector[..]));
                    told.vectors.insert(document, bytes);
                }
            }
        }
        Ok(told)
    }

    fn ask(&self, question: &Asked, encoder: Option<&Encoder>) -> anyhow::Result<Vec<(Values, String)>> {
        let view = View::new(&self.index, &question.asked, self.head);
        let read = self.index.question(&question.asker, &question.asked, &question.text);
        let mut recall = Recall::new(&self.index, &view, &read, view.len());
        if let Some(encoder) = encoder {
            let embedded = encoder.embed(&question.text)?;
            let words =
                embedded.tokens.iter().map(|token| (&token.vector[..], recall.word_weight(&token.bytes)));
            let asked = QuestionVectors::new(words);
            recall.compare(&asked, |document| self.vectors.get(&document).map(Vec::as_slice));
        }
        let all = recall.best(&BY_WORDS, view.len());
        Ok(all
            .into_iter()
            .filter_map(|found| Some((found.values, self.ids.get(&(found.place.seq, found.part))?.clone())))
            .collect())
    }
}

fn report(title: &str, lists: &[List], prior: Weights, without: &[Feature]) {
    let fitted: Vec<&List> = lists.iter().filter(|list| !list.held_out).collect();
    let held_out: Vec<&List> = lists.iter().filter(|list| list.held_out).collect();
    let fixed: Vec<usize> = without.iter().chain(&UNTOLD).map(|feature| *feature as usize).collect();
    println!("== {title}");
    for pull in PULLS {
        let [at_5, at_10, rank] = left_out(&fitted, prior, &fixed, pull);
        println!("  pull {pull:<6} worlds left out in turn: R@5 {at_5:.3} R@10 {at_10:.3} MRR {rank:.3}");
    }
    let weights = fit(&fitted, prior, &fixed, PULL);
    for (name, weights) in [("prior", prior), ("fitted", weights)] {
        measured(&fitted, &weights).print(&format!("{name}, fitted worlds"));
        measured(&held_out, &weights).print(&format!("{name}, held-out worlds"));
    }
    println!("  weights with pull {PULL}");
    for ((name, fitted), prior) in NAMES.iter().zip(weights.0).zip(prior.0) {
        println!("  {name:<16} {fitted:>7.2}   (from {prior:.2})");
    }
}

fn left_out(lists: &[&List], prior: Weights, fixed: &[usize], pull: f32) -> [f64; 3] {
    let mut table = Table::default();
    let mut worlds: Vec<usize> = lists.iter().map(|list| list.world).collect();
    worlds.dedup();
    for world in worlds {
        let (out, rest): (Vec<&List>, Vec<&List>) = lists.iter().partition(|list| list.world == world);
        let weights = fit(&rest, prior, fixed, pull);
        out.iter().for_each(|list| count(&mut table, list, &weights));
    }
    table.all.means()
}

fn measured(lists: &[&List], weights: &Weights) -> Table {
    let mut table = Table::default();
    lists.iter().for_each(|list| count(&mut table, list, weights));
    table
}

fn count(table: &mut Table, list: &List, weights: &Weights) {
    let mut scored: Vec<(f32, &str)> =
        list.documents.iter().map(|(values, id)| (weights.score(values), id.as_str())).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let ids: Vec<&str> = scored.into_iter().map(|(_, id)| id).collect();
    table.count(&list.kind, &ids, &list.evidence);
}

/// Gradient descent with a step per weight (Adam, Kingma and Ba 2015).
fn fit(lists: &[&List], prior: Weights, fixed: &[usize], pull: f32) -> Weights {
    let mut weights = prior;
    let (mut mean, mut square) = ([0.0f32; FEATURES], [0.0f32; FEATURES]);
    for step in 1..=STEPS {
        let mut gradient = gradient(lists, &weights);
        for (at, gradient) in gradient.iter_mut().enumerate() {
            let pull = if prior.0[at] == 0.0 { PULL_OF_NEW.min(pull) } else { pull };
            *gradient += 2.0 * pull * (weights.0[at] - prior.0[at]);
            if fixed.contains(&at) {
                continue;
            }
            mean[at] = 0.9 * mean[at] + 0.1 * *gradient;
            square[at] = 0.999 * square[at] + 0.001 * *gradient * *gradient;
            let (mean, square) = (
                mean[at] / (1.0 - 0.9f32.powi(step as i32)),
                square[at] / (1.0 - 0.999f32.powi(step as i32)),
            );
            weights.0[at] -= STEP * mean / (square.sqrt() + 1e-8);
        }
    }
    weights
}

/// Of the mean cross entropy.
fn gradient(lists: &[&List], weights: &Weights) -> Values {
    let mut sum = [0.0f32; FEATURES];
    for list in lists {
        let scores: Vec<f32> = list.documents.iter().map(|(values, _)| weights.score(values)).collect();
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shares: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
        let all: f32 = shares.iter().sum();
        let answers =
            list.documents.iter().filter(|(_, id)| list.evidence.contains(id)).count().max(1) as f32;
        for ((values, id), share) in list.documents.iter().zip(shares) {
            let wanted = if list.evidence.contains(id) { 1.0 / answers } else { 0.0 };
            let difference = (share / all - wanted) / lists.len() as f32;
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += difference * value);
        }
    }
    sum
}
