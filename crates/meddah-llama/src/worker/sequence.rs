//! One line of tokens and how much of it the model has read.
//!
//! Prompt, forced text and sampled tokens are all the same to the model: tokens that it has not read yet.
//! Whoever wants something said pushes tokens; the engine reads what is pending, and asks again when there
//! is nothing left to read.

use crate::ffi::{Context, Token};

/// Tokens, the first of which are in the attention memory.
#[derive(Debug)]
pub struct Sequence {
    /// Its number in the attention memory.
    pub kv: i32,
    tokens: Vec<Token>,
    evaluated: usize,
    /// The attention memory may hold more than is wanted; cut before the next step.
    excess: bool,
}

impl Sequence {
    /// Nothing.
    pub fn new(kv: i32) -> Sequence {
        Sequence { kv, tokens: Vec::new(), evaluated: 0, excess: true }
    }

    /// All of them.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Those that the model has read.
    pub fn evaluated(&self) -> &[Token] {
        &self.tokens[..self.evaluated]
    }

    /// Those that it has yet to read.
    pub fn pending(&self) -> &[Token] {
        &self.tokens[self.evaluated..]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Adds tokens to be read.
    pub fn push(&mut self, tokens: &[Token]) {
        self.tokens.extend_from_slice(tokens);
    }

    /// Keeps the first so many.
    pub fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        if self.evaluated > self.tokens.len() {
            self.evaluated = self.tokens.len();
            self.excess = true;
        }
    }

    /// Makes this the line of tokens; what it has in common with the present one stays read. At least one
    /// token is left to read, because the model's answer to the last one is wanted.
    pub fn become_tokens(&mut self, tokens: &[Token]) {
        let shared = super::states::common_prefix(self.evaluated(), tokens);
        self.truncate(shared.min(tokens.len().saturating_sub(1)));
        self.tokens.truncate(self.evaluated);
        self.tokens.extend_from_slice(&tokens[self.evaluated..]);
    }

    /// These tokens are in the attention memory already, by a copy.
    pub fn adopt(&mut self, tokens: &[Token]) {
        self.tokens = tokens.to_vec();
        self.evaluated = tokens.len();
        self.excess = false;
    }

    /// So many pending ones have been read.
    pub fn advance(&mut self, count: usize) {
        self.evaluated = (self.evaluated + count).min(self.tokens.len());
    }

    /// The last token has to be read again: its answer is gone.
    pub fn reread_last(&mut self) {
        if self.evaluated == self.tokens.len() && self.evaluated > 0 {
            self.evaluated -= 1;
            self.excess = true;
        }
    }

    /// A step that this took part in was not finished.
    pub fn was_aborted(&mut self) {
        self.excess = true;
    }

    /// Makes the attention memory hold exactly what counts as read. A memory that cannot be cut back is
    /// cleared, and everything is read again.
    pub fn settle(&mut self, context: &mut Context) {
        if !self.excess {
            return;
        }
        self.excess = false;
        if self.evaluated == 0 || !context.cut(self.kv, self.evaluated) {
            context.clear(self.kv);
            self.evaluated = 0;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self, context: &mut Context) {
        context.clear(self.kv);
        self.tokens.clear();
        self.evaluated = 0;
        self.excess = false;
    }
}
