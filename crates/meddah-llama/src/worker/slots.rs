//! Places in the attention memory, and which of them a prompt gets.
//!
//! What a prompt has in common with anything that was read before need not be read again: the same
//! character's last prompt, or another character's in the same world. It is taken from a place that is
//! live (shared, nothing is copied) or from a parked state (copied back), whichever saves most.

use super::sequence::Sequence;
use super::states::{States, common_prefix};
use crate::ffi::{Context, Token};

/// A parked state must save so many tokens more than a live place to be copied back.
const RESTORE_TOKENS_MIN: usize = 16;

/// A conversation is copied to disk once it has read so many tokens more: what a crash may cost, against what is
/// written.
const KEEP_TOKENS_MIN: usize = 384;

/// A place for one conversation at a time.
pub struct Slot {
    pub sequence: Sequence,
    conversation: String,
    used: u64,
    /// Cells that its reply may take; 0 if nobody is talking.
    reserved: usize,
}

impl Slot {
    fn is_idle(&self) -> bool {
        self.reserved == 0
    }
}

/// All places.
pub struct Slots {
    slots: Vec<Slot>,
    cells: usize,
    clock: u64,
}

enum Source {
    Nothing,
    Slot(usize),
    State(usize),
}

impl Slots {
    /// So many places in a memory of so many cells.
    pub fn new(count: usize, cells: usize) -> Slots {
        let slot =
            |kv| Slot { sequence: Sequence::new(kv), conversation: String::new(), used: 0, reserved: 0 };
        Slots { slots: (0..count as i32).map(slot).collect(), cells, clock: 0 }
    }

    /// The line of tokens at a place.
    pub fn sequence(&mut self, slot: usize) -> &mut Sequence {
        &mut self.slots[slot].sequence
    }

    /// How many places hold something that is not in use.
    pub fn live(&self) -> u32 {
        self.slots.iter().filter(|slot| slot.sequence.len() > 0).count() as u32
    }

    /// Finds a place for a prompt, with as much of it read already as possible. None while all are taken or
    /// memory for `cells` is not free.
    pub fn take(
        &mut self,
        conversation: &str,
        prompt: &[Token],
        cells: usize,
        states: &mut States,
        context: &mut Context,
    ) -> Option<usize> {
        if !self.slots.iter().any(Slot::is_idle) || !self.make_room(cells, conversation, states, context) {
            return None;
        }
        let source = self.source(prompt, states);
        let target = self.target(conversation, &source, states, context)?;
        self.fill(target, source, prompt, states, context);
        states.forget_memory_of(conversation);
        self.clock += 1;
        let slot = &mut self.slots[target];
        slot.conversation = conversation.into();
        slot.used = self.clock;
        slot.reserved = cells.max(1);
        slot.sequence.become_tokens(prompt);
        slot.sequence.settle(context);
        Some(target)
    }

    /// The reply at this place is over; what was read stays for the next one.
    pub fn release(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.reserved = 0;
        // The last token was drawn, but never read.
        let read = slot.sequence.evaluated().len();
        slot.sequence.truncate(read);
    }

    /// Parks the least recently used conversation if no place is empty, so that the next one to talk need
    /// not wait for that. A single place is left alone: the same conversation may well go on.
    pub fn tidy(&mut self, states: &mut States, context: &mut Context) {
        if self.slots.len() > 1 && self.slots.iter().all(|slot| slot.sequence.len() > 0) {
            self.park_oldest(None, states, context);
        }
    }

    /// Copies one idle conversation to disk that has read much since the last copy, then those that are
    /// parked in memory alone. False when there is nothing left to copy.
    pub fn keep(&self, states: &mut States, context: &mut Context) -> bool {
        let idle = self.slots.iter().filter(|slot| slot.is_idle());
        for slot in idle {
            let read = slot.sequence.evaluated();
            if states.tokens_at_risk(&slot.conversation, read) >= KEEP_TOKENS_MIN
                && let Some(data) = context.save(slot.sequence.kv)
            {
                states.keep(&slot.conversation, read.to_vec(), data);
                return states.tokens_at_risk(&slot.conversation, read) == 0;
            }
        }
        states.keep_parked()
    }

    /// Parks everything.
    pub fn park_all(&mut self, states: &mut States, context: &mut Context) {
        for slot in &mut self.slots {
            slot.reserved = 0;
        }
        while self.park_oldest(None, states, context) {}
    }

    fn make_room(
        &mut self,
        cells: usize,
        conversation: &str,
        states: &mut States,
        context: &mut Context,
    ) -> bool {
        let taken = |slot: &Slot| {
            let own = slot.is_idle() && slot.conversation == conversation;
            if own { 0 } else { slot.reserved.max(slot.sequence.len()) }
        };
        while self.slots.iter().map(taken).sum::<usize>() + cells > self.cells {
            if !self.park_oldest(Some(conversation), states, context) {
                return false;
            }
        }
        true
    }

    /// Parks one, sparing a conversation; false if there is none.
    pub fn park_oldest(&mut self, spare: Option<&str>, states: &mut States, context: &mut Context) -> bool {
        let idle = self.slots.iter().enumerate().filter(|(_, slot)| {
            slot.is_idle() && slot.sequence.len() > 0 && Some(slot.conversation.as_str()) != spare
        });
        let Some((oldest, _)) = idle.min_by_key(|(_, slot)| slot.used) else { return false };
        self.park(oldest, states, context);
        true
    }

    fn park(&mut self, slot: usize, states: &mut States, context: &mut Context) {
        let slot = &mut self.slots[slot];
        slot.sequence.settle(context);
        let tokens = slot.sequence.evaluated().to_vec();
        if let (false, Some(data)) = (tokens.is_empty(), context.save(slot.sequence.kv)) {
            states.park(&slot.conversation, tokens, data);
        }
        slot.sequence.clear(context);
    }

    fn source(&self, prompt: &[Token], states: &States) -> Source {
        let shared = |slot: &Slot| common_prefix(slot.sequence.evaluated(), prompt);
        let live = self.slots.iter().enumerate().map(|(index, slot)| (index, shared(slot)));
        let live = live.max_by_key(|&(index, shared)| (shared, self.slots[index].is_idle()));
        let (live, live_shared) = live.unwrap_or((0, 0));
        match states.best(prompt) {
            Some((state, shared)) if shared >= live_shared + RESTORE_TOKENS_MIN => Source::State(state),
            _ if live_shared > 0 => Source::Slot(live),
            _ => Source::Nothing,
        }
    }

    /// The place to use: the conversation's own, or an empty one, or the oldest, which is parked first.
    fn target(
        &mut self,
        conversation: &str,
        source: &Source,
        states: &mut States,
        context: &mut Context,
    ) -> Option<usize> {
        let idle = || self.slots.iter().enumerate().filter(|(_, slot)| slot.is_idle());
        let own = idle().find(|(_, slot)| slot.conversation == conversation && slot.sequence.len() > 0);
        let empty = idle().find(|(_, slot)| slot.sequence.len() == 0);
        if let Some((index, _)) = own.or(empty) {
            return Some(index);
        }
        let is_source = |index: usize| matches!(source, Source::Slot(source) if *source == index);
        let oldest = idle().min_by_key(|(index, slot)| (is_source(*index), slot.used));
        let (index, _) = oldest?;
        if is_source(index) {
            // The last one left is also the one to share from: park a copy, and go on in place.
            let slot = &mut self.slots[index];
            slot.sequence.settle(context);
            if let Some(data) = context.save(slot.sequence.kv) {
                states.park(&slot.conversation, slot.sequence.evaluated().to_vec(), data);
            }
        } else {
            self.park(index, states, context);
        }
        Some(index)
    }

    fn fill(
        &mut self,
        target: usize,
        source: Source,
        prompt: &[Token],
        states: &mut States,
        context: &mut Context,
    ) {
        match source {
            Source::Slot(from) if from == target => {}
            Source::Slot(from) if !context.model().is_recurrent() => {
                let (kv, tokens) = {
                    let from = &self.slots[from].sequence;
                    let shared = common_prefix(from.evaluated(), prompt);
                    (from.kv, from.evaluated()[..shared].to_vec())
                };
                let to = &mut self.slots[target].sequence;
                to.clear(context);
                context.share(kv, to.kv, tokens.len());
                to.adopt(&tokens);
            }
            Source::State(state) => {
                let to = &mut self.slots[target].sequence;
                to.clear(context);
                if let Some(tokens) = states.load(state, |data| context.restore(to.kv, data)) {
                    to.adopt(&tokens);
                } else {
                    to.clear(context);
                }
            }
            Source::Slot(_) | Source::Nothing => self.slots[target].sequence.clear(context),
        }
    }
}
