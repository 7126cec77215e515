//! A reply that may be asked for soon is thought up while nobody waits for one.
//!
//! There is one at a time, and it goes away as soon as anything else is asked: its steps are short, and what it has read
//! is in the attention memory for whoever asks something alike. Whoever asks the very same takes it up as it is: the
//! same seed and prompt would give the same words.

use meddah_inference::{ChatRequest, StopReason, TokenUsage};

use super::Engine;
use crate::wire::{Reply, WireError, WireErrorKind};
use crate::worker::reply::Event;

/// A whole reply that nobody has asked for yet.
pub(super) struct Draft {
    request: ChatRequest,
    events: Vec<Event>,
    usage: TokenUsage,
}

impl Engine {
    /// Thinks up a reply for whoever may ask for it. The newest one is likelier than the one before.
    pub(super) fn read_ahead(&mut self, id: u64, request: ChatRequest) {
        if let Some(draft) = self.draft.as_ref().filter(|draft| draft.request == request) {
            let (stop, usage) = (StopReason::End, draft.usage);
            return self.outbox.send(&Reply::Done { id, stop, usage });
        }
        self.end_ahead();
        // Its memory could not be cut back to a part of what it has read.
        let is_of_no_use = self.context.model().is_recurrent();
        if self.somebody_waits() || is_of_no_use {
            return self.fail(id, others_go_first());
        }
        self.queue(id, request, true);
    }

    /// Somebody asks for what was thought up, or is being thought up: it is theirs now. Gives the request back if it is
    /// another one.
    pub(super) fn take_up(&mut self, id: u64, request: ChatRequest) -> Option<ChatRequest> {
        if let Some(Draft { events, usage, .. }) = self.draft.take_if(|draft| draft.request == request) {
            // None of the prompt is read again.
            self.tell_events(id, events, TokenUsage { cached_tokens: usage.prompt_tokens, ..usage });
            return None;
        }
        let is_it = |ahead: bool, of: &ChatRequest| ahead && *of == request;
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| is_it(waiting.ahead, &waiting.request))
        {
            waiting.ahead = false;
            let reader = std::mem::replace(&mut waiting.id, id);
            self.fail(reader, others_go_first());
            return None;
        }
        let found = self.running.iter().position(|running| is_it(running.ahead, running.speech.request()));
        let Some(index) = found else { return Some(request) };
        let running = &mut self.running[index];
        let read = self.slots.sequence(running.slot).evaluated().len();
        running.cached_tokens = read.min(running.prompt_tokens);
        running.ahead = false;
        let reader = std::mem::replace(&mut running.id, id);
        self.fail(reader, others_go_first());
        self.tell(index);
        None
    }

    /// A reply is complete: if nobody waits for it, it waits for somebody.
    pub(super) fn keep_draft(&mut self, index: usize) {
        let running = &mut self.running[index];
        if !running.ahead {
            return;
        }
        let usage = running.usage(self.slots.sequence(running.slot).len());
        let (request, events) = (running.speech.request().clone(), running.speech.take_events());
        self.outbox.send(&Reply::Done { id: running.id, stop: StopReason::End, usage });
        self.draft = Some(Draft { request, events, usage });
    }

    /// Something else is asked.
    pub(super) fn end_ahead(&mut self) {
        self.draft = None;
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
    WireError::new(WireErrorKind::Cancelled, "nothing is thought up ahead while others ask")
}
