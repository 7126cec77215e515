//! A prompt that may be asked soon is read while nobody waits for a reply.
//!
//! There is one at a time, and it goes away as soon as anything else is asked: its step is short, and what it has read
//! is in the attention memory for whoever asks the same.

use meddah_inference::ChatRequest;

use super::Engine;
use crate::wire::{WireError, WireErrorKind};

impl Engine {
    /// Reads a prompt for whoever may ask it. The newest one is likelier than the one before.
    pub(super) fn read_ahead(&mut self, id: u64, request: ChatRequest) {
        self.end_ahead();
        // Its memory could not be cut back to a part of what it has read.
        let is_of_no_use = self.context.model().is_recurrent();
        if self.somebody_waits() || is_of_no_use {
            return self.fail(id, others_go_first());
        }
        self.queue(id, request, true);
    }

    /// Something else is asked.
    pub(super) fn end_ahead(&mut self) {
        if let Some(place) = self.waiting.iter().position(|prepared| prepared.ahead)
            && let Some(prepared) = self.waiting.remove(place)
        {
            self.fail(prepared.id, others_go_first());
        }
        if let Some(index) = self.running.iter().position(|running| running.ahead) {
            let id = self.running[index].id;
            self.end(index);
            self.fail(id, others_go_first());
        }
    }

    /// Whether a reply is thought up or waits to be.
    pub(super) fn somebody_waits(&self) -> bool {
        self.waiting.iter().any(|prepared| !prepared.ahead)
            || self.running.iter().any(|running| !running.ahead)
    }
}

fn others_go_first() -> WireError {
    WireError::new(WireErrorKind::Cancelled, "nothing is read ahead while others ask")
}
