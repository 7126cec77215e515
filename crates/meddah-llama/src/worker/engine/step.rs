//! One step: whose tokens go into it, and what becomes of them.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Engine, Running, grammar_of};
use crate::ffi::{Context, DecodeError};
use crate::wire::{WireError, WireErrorKind};
use crate::worker::reply::Tools;
use crate::worker::slots::Slots;
use crate::worker::threads::TRIAL_TOKENS;

/// Tokens that are not a prompt but a word or a forced text: they go first, whole.
const SHORT_TOKENS: usize = 24;

/// Which tokens of a step belong to whom.
struct Part {
    running: usize,
    probe: bool,
    count: usize,
    /// Row of the last one, if its answer is wanted.
    row: Option<usize>,
}

impl Engine {
    /// Computes once for everybody who waits for the model.
    pub(super) fn step(&mut self) {
        self.wake_waiting();
        let threads = self.threads.next();
        let parts = self.fill_batch();
        if parts.is_empty() {
            return self.end_stuck();
        }
        let ids = parts.iter().filter_map(|part| self.running.get(part.running)).map(|running| running.id);
        if !self.control.begin_step(ids) {
            return;
        }
        self.context.set_threads(threads);
        let begun = Instant::now();
        let result = self.context.decode(&self.batch);
        self.control.end_step();
        self.control.pulse.beats.fetch_add(1, Ordering::Relaxed);
        self.steps += 1;
        match result {
            Ok(()) => {
                let took = begun.elapsed();
                self.threads.measured(self.batch.len(), took);
                self.pace.measured(self.batch.len(), took);
                self.take_answers(&parts);
            }
            Err(DecodeError::Aborted) => {
                self.aborted_steps += 1;
                self.roll_back(&parts);
            }
            Err(DecodeError::NoRoom) => self.make_room(&parts),
            Err(error @ DecodeError::Failed(_)) => {
                self.roll_back(&parts);
                self.fail_parts(&parts, WireErrorKind::Broken, &error.to_string());
            }
        }
    }

    /// Replies that wait for a side question whose answer has come.
    fn wake_waiting(&mut self) {
        for index in 0..self.running.len() {
            let running = &mut self.running[index];
            if running.speech.is_waiting() {
                running.speech.settle(
                    self.slots.sequence(running.slot),
                    &mut Tools {
                        model: self.context.model(),
                        places: &self.places,
                        grammar_of: &mut |schema| grammar_of(&mut self.grammars, &self.context, schema),
                    },
                );
                self.tell(index);
            }
        }
        self.end_over();
    }

    /// First everybody's next words, then a piece of the oldest prompts; a short one where somebody waits for the next
    /// step, or may come and wait.
    fn fill_batch(&mut self) -> Vec<Part> {
        self.batch.clear();
        let mut parts = Vec::new();
        let mut long = Vec::new();
        for index in 0..self.running.len() {
            let running = &self.running[index];
            let sequence = self.slots.sequence(running.slot);
            if !running.speech.is_waiting() && sequence.pending().is_empty() {
                sequence.reread_last();
            }
            sequence.settle(&mut self.context);
            for probe in [false, true] {
                let running = &mut self.running[index];
                let pending = pending(&mut self.slots, &mut self.context, running, probe);
                if (1..=SHORT_TOKENS).contains(&pending) {
                    parts.extend(self.add_part(index, probe, pending));
                } else if pending > SHORT_TOKENS {
                    long.push((index, probe, pending));
                }
            }
        }
        let mut piece = self.pace.piece_tokens(!parts.is_empty() || !self.somebody_waits());
        if self.threads.is_trial() {
            piece = piece.min(TRIAL_TOKENS);
        }
        for (index, probe, pending) in long {
            let count = pending.min(piece).min(self.batch.free());
            piece -= count;
            if count > 0 {
                parts.extend(self.add_part(index, probe, count));
            }
        }
        parts
    }

    fn add_part(&mut self, index: usize, probe: bool, count: usize) -> Option<Part> {
        let running = &mut self.running[index];
        let sequence = match (probe, running.speech.probe()) {
            (true, Some(probe)) => &*probe.sequence(),
            _ => &*self.slots.sequence(running.slot),
        };
        let count = count.min(self.batch.free());
        let begin = sequence.evaluated().len();
        let whole = count == sequence.pending().len();
        let mut row = None;
        for (offset, &token) in sequence.pending()[..count].iter().enumerate() {
            let last = whole && offset + 1 == count;
            let added = self.batch.add(token, begin + offset, sequence.kv, last);
            row = if last { added } else { None };
        }
        (count > 0).then_some(Part { running: index, probe, count, row })
    }

    fn take_answers(&mut self, parts: &[Part]) {
        for part in parts {
            let running = &mut self.running[part.running];
            let logits = part.row.and_then(|row| self.context.logits(row));
            if part.probe {
                if let Some(probe) = running.speech.probe() {
                    probe.sequence().advance(part.count);
                    if let Some(logits) = logits {
                        probe.answer(logits, &self.places);
                    }
                }
                continue;
            }
            let sequence = self.slots.sequence(running.slot);
            sequence.advance(part.count);
            if let Some(logits) = logits {
                let mut tools = Tools {
                    model: self.context.model(),
                    places: &self.places,
                    grammar_of: &mut |schema| grammar_of(&mut self.grammars, &self.context, schema),
                };
                running.speech.answer(logits, sequence, &mut tools);
                self.tell(part.running);
            }
        }
        self.end_over();
    }

    fn roll_back(&mut self, parts: &[Part]) {
        for part in parts {
            let Some(running) = self.running.get_mut(part.running) else { continue };
            match (part.probe, running.speech.probe()) {
                (true, Some(probe)) => probe.sequence().was_aborted(),
                _ => self.slots.sequence(running.slot).was_aborted(),
            }
        }
    }

    /// Should not happen, because places are given out only with their memory; still it is survived.
    fn make_room(&mut self, parts: &[Part]) {
        self.roll_back(parts);
        if self.slots.park_oldest(None, &mut self.states, &mut self.context) {
            return;
        }
        if let Some(youngest) = self.running.len().checked_sub(1) {
            let id = self.running[youngest].id;
            self.end(youngest);
            self.fail(id, WireError::new(WireErrorKind::Overloaded, "the attention memory is full"));
        }
    }

    fn fail_parts(&mut self, parts: &[Part], kind: WireErrorKind, message: &str) {
        let mut indices: Vec<usize> = parts.iter().map(|part| part.running).collect();
        indices.sort_unstable();
        indices.dedup();
        for index in indices.into_iter().rev() {
            let (id, slot) = (self.running[index].id, self.running[index].slot);
            self.end(index);
            self.slots.sequence(slot).clear(&mut self.context);
            self.fail(id, WireError::new(kind, message));
        }
    }

    /// Nothing to compute though replies are running: their side questions cannot be answered.
    fn end_stuck(&mut self) {
        for running in &mut self.running {
            if let Some(probe) = running.speech.probe() {
                probe.give_up();
            }
        }
    }
}

fn pending(slots: &mut Slots, context: &mut Context, running: &mut Running, probe: bool) -> usize {
    let sequence = slots.sequence(running.slot);
    if !probe {
        return sequence.pending().len();
    }
    match running.speech.probe() {
        Some(probe) => {
            let ready = probe.prepare(sequence, context);
            if ready { probe.sequence().pending().len() } else { 0 }
        }
        None => 0,
    }
}
