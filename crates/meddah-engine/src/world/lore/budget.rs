//! How much lore a model of a given size is told at once.

/// Up to this window a model gets lost in more than a little, in tokens.
const SMALL_WINDOW_TOKENS: u32 = 4096;
/// From this window on, lore may take what other programs give it.
const LARGE_WINDOW_TOKENS: u32 = 32 * 1024;
/// The largest share of a window, in percent: what authors of lore books expect.
const SHARE_PERCENT_MAX: u32 = 25;
/// The share of a window between small and large, in percent.
const SHARE_PERCENT_MIDDLE: u32 = 9;
/// A token of English and its neighbours has about so many characters.
const CHARS_PER_TOKEN: u32 = 4;

/// How much lore fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoreBudget {
    /// Entries at most.
    pub entries_max: usize,
    /// Characters at most, over all entries.
    pub chars_max: usize,
}

impl LoreBudget {
    /// Of a model that very little is known of, or that is very small.
    pub const SMALL: LoreBudget = LoreBudget { entries_max: 2, chars_max: 500 };

    /// Of a model with this window.
    pub fn of(context_tokens: u32) -> LoreBudget {
        if context_tokens <= SMALL_WINDOW_TOKENS {
            return LoreBudget::SMALL;
        }
        let large = context_tokens >= LARGE_WINDOW_TOKENS;
        let (entries_max, percent) = if large { (24, SHARE_PERCENT_MAX) } else { (6, SHARE_PERCENT_MIDDLE) };
        // A window of a million tokens is no reason to tell a whole book: nobody reads it attentively.
        let window = context_tokens.min(LARGE_WINDOW_TOKENS);
        let chars = u64::from(window) * u64::from(percent) * u64::from(CHARS_PER_TOKEN) / 100;
        LoreBudget { entries_max, chars_max: chars as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_model_is_told_more() {
        let chars = [2048, 4096, 8192, 32_768, 1_000_000].map(|window| LoreBudget::of(window).chars_max);
        assert_eq!(chars, [500, 500, 2949, 32_768, 32_768]);
    }
}
