//! Makes a draft fit the model's window, dropping what is missed least.
//!
//! The head of the prompt is clipped by what the window is worth and by nothing else, so that it reads the same in
//! every turn (decision 0006). What belongs to the moment gives way before it: oldest turns, samples, memories,
//! knowledge beyond the first piece.

use std::collections::HashSet;

use super::draft::{Draft, NowPiece};
use super::past::Shown;
use super::system::{self, Piece};
use super::{PartKind, Prompt, PromptMessage, PromptPart, PromptRole, PromptSize};

/// Kept free for what is told and said in a turn when it is decided whether the samples fit: a share of the room.
const MOMENT_SHARE: u32 = 4;

/// Stands in no text, so that nothing is found across two.
const BETWEEN_TEXTS: &str = "\0";
/// Shorter words ("Aye.") stand in a prompt by chance, in bytes.
const WORDS_BYTES_MIN: usize = 12;

/// What must stay is already too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt needs {needed} tokens, the model has room for {budget}")]
pub struct PromptTooLong {
    /// Tokens of rules, character and the player's line.
    pub needed: u32,
    /// Tokens there are.
    pub budget: u32,
}

/// The draft with the tokens of its parts.
struct Counted<'d> {
    system: Vec<(&'d Piece, u32)>,
    now: Vec<(&'d NowPiece, u32)>,
    samples: Vec<(&'d PromptMessage, u32)>,
    history: Vec<(&'d Shown, u32)>,
    overhead: u32,
}

impl Draft {
    /// The prompt that fits into `room` tokens.
    ///
    /// `counts` are the tokens of [`Draft::texts`], `overhead` is what the chat template adds to each message.
    ///
    /// # Errors
    /// What the player says and what must stay of the character do not fit.
    pub fn fit(&self, counts: &[u32], overhead: u32, room: u32) -> Result<Prompt, PromptTooLong> {
        let mut counted = self.counted(counts, overhead);
        counted.clip_system(self.system_limit(room));
        // Memories that will be left out take no place from others.
        let with_their_share = (room + counted.memory_tokens()).saturating_sub(self.form.budget.memories);
        counted.leave_out_shown(counted.first_block(with_their_share));
        counted.trim_mind(self);
        counted.make_room(room)?;
        let keeps_samples = counted.keeps_samples(room);
        if !keeps_samples {
            counted.samples.clear();
        }
        let first_block = counted.first_block(room);
        counted.history.retain(|(shown, _)| shown.block >= first_block);
        counted.leave_out_shown(first_block);
        Ok(counted.prompt())
    }

    fn counted(&self, counts: &[u32], overhead: u32) -> Counted<'_> {
        let mut counts = counts.iter().copied();
        let mut next = || counts.next().unwrap_or(0);
        Counted {
            // One more each: the space or line between them.
            system: self.system.iter().map(|piece| (piece, next() + 1)).collect(),
            now: self.now.iter().map(|piece| (piece, next() + 1)).collect(),
            samples: self.samples.iter().map(|message| (message, next() + overhead)).collect(),
            history: self.history.iter().map(|shown| (shown, next() + overhead)).collect(),
            overhead,
        }
    }

    /// What the head may take. A larger model may have more of it than its share, from that of the recent turns.
    fn system_limit(&self, room: u32) -> u32 {
        let budget = &self.form.budget;
        let own = budget.shared + budget.character;
        let lent = if self.form.size <= PromptSize::Small { 0 } else { budget.recent(room) / 2 };
        (own + lent).min(room)
    }
}

impl<'d> Counted<'d> {
    fn system_tokens(&self) -> u32 {
        self.system.iter().map(|(_, tokens)| tokens).sum::<u32>() + self.overhead
    }

    fn now_tokens(&self) -> u32 {
        self.now.iter().map(|(_, tokens)| tokens).sum::<u32>() + self.overhead
    }

    fn memory_tokens(&self) -> u32 {
        let memories = self.now.iter().filter(|(piece, _)| piece.kind == PartKind::Memory);
        memories.map(|(_, tokens)| tokens).sum()
    }

    fn fixed(&self) -> u32 {
        self.system_tokens() + self.now_tokens()
    }

    /// Drops pieces of the head, the least missed first, until it has no more than `limit` tokens.
    fn clip_system(&mut self, limit: u32) {
        while self.system_tokens() > limit {
            let ranks = self.system.iter().enumerate().map(|(index, (piece, _))| (piece.rank, index));
            let Some((_, index)) = ranks.filter(|(rank, _)| *rank > 0).max() else { return };
            self.system.remove(index);
        }
    }

    /// A memory is not told where the turn that it is of stands, or a turn in which it was told.
    fn leave_out_shown(&mut self, first_block: usize) {
        if !self.now.iter().any(|(piece, _)| piece.kind == PartKind::Memory) {
            return;
        }
        let shown =
            || self.history.iter().map(|(shown, _)| *shown).filter(|shown| shown.block >= first_block);
        let turns: HashSet<&str> = shown().map(|shown| shown.turn.as_str()).collect();
        // In one text: to begin a search takes longer than to search what was said in a turn.
        let texts: Vec<&str> = shown().map(|shown| shown.message.text.as_str()).collect();
        let texts = texts.join(BETWEEN_TEXTS);
        self.now.retain(|(piece, _)| {
            let is_of = || !piece.turn.is_empty() && turns.contains(piece.turn.as_str());
            let tells_it = || {
                let words = piece.words.len() >= WORDS_BYTES_MIN && texts.contains(&piece.words);
                words || texts.contains(&piece.text)
            };
            piece.kind != PartKind::Memory || !(is_of() || tells_it())
        });
    }

    /// Keeps memories and knowledge within their shares: the last memories, and knowledge from its first piece on.
    fn trim_mind(&mut self, draft: &Draft) {
        let budget = &draft.form.budget;
        let (mut memories, mut memory_tokens) = (0_usize, 0_u32);
        let mut kept_memories: Vec<bool> = Vec::new();
        for (piece, tokens) in self.now.iter().rev() {
            let is_memory = piece.kind == PartKind::Memory;
            let fits = memories < budget.memories_max && memory_tokens + tokens <= budget.memories;
            if is_memory && fits {
                memories += 1;
                memory_tokens += tokens;
            }
            kept_memories.push(!is_memory || fits);
        }
        let mut kept = kept_memories.into_iter().rev();
        self.now.retain(|_| kept.next().unwrap_or(true));
        let (mut pieces, mut knowledge) = (0, 0);
        self.now.retain(|(piece, tokens)| {
            if piece.kind != PartKind::Knowledge {
                return true;
            }
            pieces += 1;
            let fits = pieces == 1 || knowledge + tokens <= budget.knowledge;
            knowledge += if fits { *tokens } else { 0 };
            fits
        });
    }

    /// Head and moment alone must fit; what is told gives way first, then the description.
    fn make_room(&mut self, room: u32) -> Result<(), PromptTooLong> {
        for (kind, kept) in
            [(PartKind::Memory, 0), (PartKind::Knowledge, 1), (PartKind::Goal, 0), (PartKind::Note, 1)]
        {
            while self.fixed() > room
                && self.now.iter().filter(|(piece, _)| piece.kind == kind).count() > kept
            {
                // Memories and notes: the oldest. Knowledge and goals: the last, because the first matters most.
                let of_kind = |(piece, _): &(&NowPiece, u32)| piece.kind == kind;
                let place = match kind {
                    PartKind::Knowledge | PartKind::Goal => self.now.iter().rposition(of_kind),
                    _ => self.now.iter().position(of_kind),
                };
                let Some(place) = place else { break };
                self.now.remove(place);
            }
        }
        self.clip_system(room.saturating_sub(self.now_tokens()));
        match self.fixed() {
            needed if needed > room => Err(PromptTooLong { needed, budget: room }),
            _ => Ok(()),
        }
    }

    /// Decided by the head alone where that is possible, so that samples do not come and go from turn to turn.
    fn keeps_samples(&self, room: u32) -> bool {
        let samples: u32 = self.samples.iter().map(|(_, tokens)| tokens).sum();
        let moment = self.now_tokens().max(room / MOMENT_SHARE);
        self.system_tokens() + samples + moment <= room
    }

    /// The oldest block of turns that still fits; blocks go as a whole.
    fn first_block(&self, room: u32) -> usize {
        let samples: u32 = self.samples.iter().map(|(_, tokens)| tokens).sum();
        let mut left = room.saturating_sub(self.fixed() + samples);
        let mut blocks: Vec<usize> = self.history.iter().map(|(shown, _)| shown.block).collect();
        blocks.dedup();
        let mut first = usize::MAX;
        for block in blocks.into_iter().rev() {
            let of_block = self.history.iter().filter(|(shown, _)| shown.block == block);
            let cost: u32 = of_block.map(|(_, tokens)| tokens).sum();
            if cost > left {
                break;
            }
            left -= cost;
            first = block;
        }
        first
    }

    fn prompt(self) -> Prompt {
        let system = system::render(self.system.iter().map(|(piece, _)| *piece));
        let told = super::draft::render(self.now.iter().map(|(piece, _)| *piece));
        let mut parts: Vec<PromptPart> = Vec::new();
        for (piece, tokens) in &self.system {
            parts.push(PromptPart { kind: piece.kind, text: piece.text.clone(), tokens: *tokens });
        }
        let mut messages = vec![PromptMessage { role: PromptRole::System, text: system }];
        let samples = self.samples.iter().map(|(message, tokens)| (PartKind::Sample, *message, *tokens));
        let history = self.history.iter().map(|(shown, tokens)| (PartKind::Turn, &shown.message, *tokens));
        for (kind, message, tokens) in samples.chain(history) {
            parts.push(PromptPart { kind, text: message.text.clone(), tokens });
            messages.push(message.clone());
        }
        for (piece, tokens) in &self.now {
            parts.push(PromptPart { kind: piece.kind, text: piece.text.clone(), tokens: *tokens });
        }
        messages.push(PromptMessage { role: PromptRole::User, text: told.clone() });
        Prompt { messages, told, parts }
    }
}
