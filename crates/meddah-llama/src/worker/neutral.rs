//! How a model leans without cause.
//!
//! A small model likes some words more than others, whatever was said. So the likelihoods of the branches
//! are also taken after a line that says nothing, and subtracted. That needs the same system message, which
//! is in the attention memory already, plus a few tokens, and is remembered for as long as the system
//! message and the texts stay the same.

use std::collections::VecDeque;

use super::decision::{Branch, Next, Options, Walk};
use super::places::{Place, Places};
use super::sequence::Sequence;
use super::states::common_prefix;
use crate::ffi::{Context, Token};

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
    pub fn new(kv: i32, prompt: Vec<Token>, real: &[Token], options: &[Options], known: &Places) -> Probe {
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
        Place::new(tokens, branches)
    }

    /// How the model leans at a place: known, or asked for. `Some(None)` if it cannot be known.
    pub fn ask(
        &mut self,
        options: &[Options],
        index: usize,
        walk: &Walk,
        branches: &[Branch],
        known: &Places,
    ) -> Option<Option<Vec<f32>>> {
        let place = self.place(options, index, walk, branches);
        if let Some(values) = known.get(&place) {
            return Some(Some(values));
        }
        if self.failed {
            return Some(None);
        }
        if !self.places.iter().any(|asked| asked.is(&place)) {
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
    pub fn answer(&mut self, logits: &[f32], known: &Places) {
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
