//! Places in a text at which the model was asked how it goes on, and what it said.
//!
//! Some places come again: those after a line that says nothing, for as long as the system message stays the same
//! (`neutral.rs`), and those of a prompt that was read ahead, when it is asked.

use std::sync::Arc;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::decision::Branch;
use super::sampling::log_sum;
use crate::ffi::Token;

/// Places that are remembered.
const PLACES_MAX: u64 = 8192;

type Key = [u8; 32];
type Likelihoods = Arc<Vec<(Token, f32)>>;

/// What is known of places.
pub struct Places(Cache<Key, Likelihoods>);

/// A place where the model has to be asked.
pub struct Place {
    key: Key,
    /// What stands before it.
    pub tokens: Vec<Token>,
    branches: Vec<Token>,
}

impl Place {
    /// Behind these tokens.
    pub fn new(tokens: Vec<Token>, branches: &[Branch]) -> Place {
        let mut hash = Sha256::new();
        for token in &tokens {
            hash.update(token.to_le_bytes());
        }
        let key = hash.finalize().into();
        Place { key, tokens, branches: branches.iter().map(|branch| branch.token).collect() }
    }

    /// The same is asked there.
    pub fn is(&self, other: &Place) -> bool {
        self.key == other.key && self.branches == other.branches
    }
}

impl Places {
    /// Nothing yet.
    pub fn new() -> Places {
        Places(Cache::new(PLACES_MAX))
    }

    /// Log-probabilities of the branches at a place, if all are known.
    pub fn get(&self, place: &Place) -> Option<Vec<f32>> {
        let known = self.0.get(&place.key)?;
        let find = |token: &Token| known.iter().find(|(known, _)| known == token).map(|(_, value)| *value);
        place.branches.iter().map(find).collect()
    }

    /// The model's answer there.
    pub fn put(&self, place: &Place, logits: &[f32]) {
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
