//! Makes a draft fit the model's window, dropping what is missed least.

use super::{Draft, PromptMessage, PromptRole};

/// What must stay is already too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt needs {needed} tokens, the model has room for {budget}")]
pub struct PromptTooLong {
    /// Tokens of rules, character and the player's line.
    pub needed: u32,
    /// Tokens there are.
    pub budget: u32,
}

impl Draft {
    /// The messages that fit into `budget` tokens.
    ///
    /// `counts` are the tokens of [`Draft::texts`], `overhead` is what the chat template adds to each
    /// message. Oldest turns go first, whole blocks at a time, then the samples.
    pub fn fit(
        self,
        counts: &[u32],
        overhead: u32,
        budget: u32,
    ) -> Result<Vec<PromptMessage>, PromptTooLong> {
        let count = |index: usize| counts.get(index).copied().unwrap_or(0) + overhead;
        let sum = |from: usize, len: usize| (from..from + len).map(count).sum::<u32>();
        let fixed = sum(0, 2);
        if fixed > budget {
            return Err(PromptTooLong { needed: fixed, budget });
        }
        let samples = sum(2, self.samples.len());
        let keep_samples = fixed + samples <= budget;
        let mut left = budget - fixed - if keep_samples { samples } else { 0 };

        let first_history = 2 + self.samples.len();
        let mut first_block = usize::MAX;
        for block in blocks_newest_first(&self.history) {
            let members = self.history.iter().enumerate().filter(|(_, (b, _))| *b == block);
            let cost: u32 = members.map(|(index, _)| count(first_history + index)).sum();
            if cost > left {
                break;
            }
            left -= cost;
            first_block = block;
        }

        let mut messages = vec![PromptMessage { role: PromptRole::System, text: self.system }];
        if keep_samples {
            messages.extend(self.samples);
        }
        let kept = self.history.into_iter().filter(|(block, _)| *block >= first_block);
        messages.extend(kept.map(|(_, message)| message));
        messages.push(PromptMessage { role: PromptRole::User, text: self.now });
        Ok(messages)
    }
}

fn blocks_newest_first(history: &[(usize, PromptMessage)]) -> Vec<usize> {
    let mut blocks: Vec<usize> = history.iter().map(|(block, _)| *block).collect();
    blocks.dedup();
    blocks.reverse();
    blocks
}
