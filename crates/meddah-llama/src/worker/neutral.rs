//! How a model leans without cause.
//!
//! A small model likes some words more than others, whatever was said. So the likelihoods of the branches
//! are also taken after a line that says nothing, and subtracted. That needs the same system message, which
//! is in the attention memory already, plus a few tokens, and is remembered for as long as the system
//! message and the texts stay the same.

use std::collections::VecDeque;
use std::sync::Arc;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::decision::{Branch, Next, Options, Walk};
use super::sampling::log_sum;
use super::sequence::Sequence;
use super::states::common_prefix;
use crate::ffi::{Context, Token};

/// Places that are remembered.
const PLACES_MAX: u64 = 8192;

type Key = [u8; 32];
type Likelihoods = Arc<Vec<(Token, f32)>>;

/// What is known of how the model leans.
pub struct Neutrals(Cache<Key, Likelihoods>);

impl Neutrals {
    /// Nothing yet.
    pub fn new() -> Neutrals {
        Neutrals(Cache::new(PLACES_MAX))
    }

    /// Log-probabilities of the branches at a place, if all are known.
    fn get(&self, place: &Place) -> Option<Vec<f32>> {
        let known = self.0.get(&place.key)?;
        let find = |token: &Token| known.iter().find(|(known, _)| known == token).map(|(_, value)| *value);
        place.branches.iter().map(find).collect()
    }

    fn put(&self, place: &Place, logits: &[f32]) {
        let sum = log_sum(logits);
        let value = |token: &Token| logits.get(*token as usize).map_or(0.0, |logit| logit - sum);
        let mut values: Vec<_> = place.branches.iter().map(|token| (*token, value(token))).collect();
        if let Some(known) = self.0.get(&place.key) {
            // Other choices at the same place; old ones may come back.
            values.extend(known.iter().filter(|(token, _)| !place.branches.contains(token)));
        }
        self.0.insert(place.key, Arc::new(values));
    }
}

/// A place where the model has to be asked.
struct Place {
    key: Key,
    tokens: Vec<Token>,
    branches: Vec<Token>,
}

/// The question in progress, for one reply.
pub struct Probe {
    sequence: Sequence,
    /// The prompt that says nothing.
    prompt: Vec<Token>,
    places: VecDeque<Place>,
    /// Tokens in common with the reply's own prompt.
    shared: usize,
    begun: bool,
    failed: bool,
}

impl Probe {
    /// For a reply with this prompt; its first places are known beforehand.
    pub fn new(kv: i32, prompt: Vec<Token>, real: &[Token], options: &[Options], known: &Neutrals) -> Probe {
        let shared = common_prefix(&prompt, real).min(prompt.len().saturating_sub(1));
        let sequence = Sequence::new(kv);
        let places = VecDeque::new();
        let mut probe = Probe { sequence, prompt, places, shared, begun: false, failed: false };
        for (index, own) in options.iter().enumerate() {
            let mut walk = own.start();
            if let Next::Branch(branches) = own.go(&mut walk) {
                probe.ask(options, index, &walk, &branches, known);
            }
        }
        probe
    }

    fn place(&self, options: &[Options], index: usize, walk: &Walk, branches: &[Branch]) -> Place {
        let mut tokens = self.prompt.clone();
        for earlier in &options[..index] {
            tokens.extend_from_slice(earlier.path(0));
        }
        tokens.extend_from_slice(options[index].walked(walk));
        let mut hash = Sha256::new();
        for token in &tokens {
            hash.update(token.to_le_bytes());
        }
        let key = hash.finalize().into();
        Place { key, tokens, branches: branches.iter().map(|branch| branch.token).collect() }
    }

    /// How the model leans at a place: known, or asked for. `Some(None)` if it cannot be known.
    pub fn ask(
        &mut self,
        options: &[Options],
        index: usize,
        walk: &Walk,
        branches: &[Branch],
        known: &Neutrals,
    ) -> Option<Option<Vec<f32>>> {
        let place = self.place(options, index, walk, branches);
        if let Some(values) = known.get(&place) {
            return Some(Some(values));
        }
        if self.failed {
            return Some(None);
        }
        let same = |asked: &Place| asked.key == place.key && asked.branches == place.branches;
        if !self.places.iter().any(same) {
            self.places.push_back(place);
        }
        None
    }

    /// Tokens to read next, once the part in common with `real` has been read. Sets the sequence up.
    pub fn prepare(&mut self, real: &Sequence, context: &mut Context) -> bool {
        if self.failed || self.places.is_empty() || real.evaluated().len() < self.shared {
            return false;
        }
        if !self.begun {
            self.begun = true;
            self.sequence.clear(context);
            if self.shared > 0 && !context.model().is_recurrent() {
                context.share(real.kv, self.sequence.kv, self.shared);
                self.sequence.adopt(&self.prompt[..self.shared]);
            }
        }
        if self.sequence.pending().is_empty()
            && let Some(place) = self.places.front()
        {
            self.sequence.become_tokens(&place.tokens);
        }
        self.sequence.settle(context);
        true
    }

    /// What it reads.
    pub fn sequence(&mut self) -> &mut Sequence {
        &mut self.sequence
    }

    /// The model's answer to the last token.
    pub fn answer(&mut self, logits: &[f32], known: &Neutrals) {
        if let Some(place) = self.places.pop_front() {
            known.put(&place, logits);
        }
    }

    /// Do without.
    pub fn give_up(&mut self) {
        self.failed = true;
        self.places.clear();
    }

    /// Frees its place in the attention memory.
    pub fn end(&mut self, context: &mut Context) {
        self.sequence.clear(context);
    }
}
