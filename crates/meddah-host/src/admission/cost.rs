//! What a request costs its player's turn.
//!
//! Prompt and answer count 1 : 2, as in the paper on virtual token counters (Sheng et al., OSDI 2024, arXiv 2401.00588):
//! a token that is written takes a step of its own, those that are read go through in bulk. What the engine had in its
//! cache counts a tenth, for it need not be read again.

/// The unit of costs is a tenth of a prompt token, so that a cached one is a whole number.
const PROMPT: u64 = 10;
const CACHED: u64 = 1;
const OUTPUT: u64 = 20;
/// Of the division by weights, so that little is lost to rounding.
const WEIGHT_SCALE: u64 = 1_000;

/// Tokens that an engine has worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Those of the prompt that were cached.
    pub cached_tokens: u32,
    /// Of the answer.
    pub output_tokens: u32,
}

impl Usage {
    /// In tenths of a prompt token.
    pub(super) fn cost(self) -> u64 {
        let cached = self.cached_tokens.min(self.prompt_tokens);
        u64::from(self.prompt_tokens - cached) * PROMPT
            + u64::from(cached) * CACHED
            + u64::from(self.output_tokens) * OUTPUT
    }
}

/// What a cost adds to the virtual counter of a player of this weight.
pub(super) fn virtual_cost(cost: u64, weight: u32) -> u64 {
    cost.saturating_mul(WEIGHT_SCALE) / u64::from(weight.max(1))
}
