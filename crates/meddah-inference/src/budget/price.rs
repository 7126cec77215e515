//! What tokens cost.

use serde::{Deserialize, Serialize};

use crate::TokenUsage;

/// Prices are for so many tokens.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// Micro-units per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt that are read anew.
    pub input: u64,
    /// Tokens of the prompt that come from a cache.
    pub cached_input: u64,
    /// Tokens of the prompt that are written to a cache.
    pub cache_write: u64,
    /// Tokens of the reply, reasoning among them.
    pub output: u64,
}

impl Price {
    /// What this usage costs, in micro-units, rounded up once. Cached and cache-written tokens are among the
    /// tokens of the prompt. A cost beyond `u64` is `u64::MAX`.
    pub fn cost(&self, usage: &TokenUsage) -> u64 {
        let special = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
        round_up(&[
            (u64::from(usage.prompt_tokens.saturating_sub(special)), self.input),
            (u64::from(usage.cached_tokens), self.cached_input),
            (u64::from(usage.cache_write_tokens), self.cache_write),
            (u64::from(usage.completion_tokens), self.output),
        ])
    }

    /// The most that so many tokens can cost, wherever the provider puts those of the prompt.
    pub fn most(&self, prompt_tokens: u64, output_tokens: u64) -> u64 {
        let dearest = self.input.max(self.cached_input).max(self.cache_write);
        round_up(&[(prompt_tokens, dearest), (output_tokens, self.output)])
    }
}

fn round_up(parts: &[(u64, u64)]) -> u64 {
    let sum = parts
        .iter()
        .fold(0_u128, |sum, (tokens, price)| sum.saturating_add(u128::from(*tokens) * u128::from(*price)));
    u64::try_from(sum.div_ceil(TOKENS_PER_PRICE)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRICE: Price =
        Price { input: 3_000_000, cached_input: 300_000, cache_write: 3_750_000, output: 15_000_000 };

    fn usage(prompt: u32, cached: u32, written: u32, completion: u32) -> TokenUsage {
        TokenUsage {
            prompt_tokens: prompt,
            cached_tokens: cached,
            cache_write_tokens: written,
            completion_tokens: completion,
            charged_micro: None,
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        // 100 new at 3, 800 cached at 0.3, 100 written at 3.75, 50 out at 15.
        assert_eq!(PRICE.cost(&usage(1_000, 800, 100, 50)), 300 + 240 + 375 + 750);
    }

    #[test]
    fn a_fraction_of_a_micro_unit_counts_as_one() {
        let cheap = Price { input: 1, ..Price::default() };
        assert_eq!(cheap.cost(&usage(1, 0, 0, 0)), 1);
        assert_eq!(cheap.cost(&usage(1_000_000, 0, 0, 0)), 1);
        assert_eq!(cheap.cost(&usage(1_000_001, 0, 0, 0)), 2);
        assert_eq!(cheap.cost(&usage(0, 0, 0, 9)), 0);
    }

    #[test]
    fn nothing_overflows() {
        let dear = Price { input: u64::MAX, cached_input: u64::MAX, cache_write: u64::MAX, output: u64::MAX };
        assert_eq!(dear.cost(&usage(u32::MAX, u32::MAX, u32::MAX, u32::MAX)), u64::MAX);
        assert_eq!(dear.most(u64::MAX, u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn the_most_is_the_most(
            prompt: u32, cached: u32, written: u32, completion: u32,
            input in 0..1_u64 << 40, cached_input in 0..1_u64 << 40, cache_write in 0..1_u64 << 40,
            output in 0..1_u64 << 40,
        ) {
            let cached = cached % prompt.max(1);
            let written = written % (prompt - cached).max(1);
            let price = Price { input, cached_input, cache_write, output };
            let cost = price.cost(&usage(prompt, cached, written, completion));
            prop_assert!(cost <= price.most(prompt.into(), completion.into()));
        }
    }
}
