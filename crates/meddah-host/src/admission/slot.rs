//! A slot while it is held, and the promise to give it back.

use std::sync::Arc;
use std::time::Duration;

use super::asking::Ticket;
use super::cost::Usage;
use super::gate::Gate;

/// The right to use one slot of an engine. Dropping it frees the slot at once.
#[must_use = "dropping it frees the slot"]
pub struct Slot {
    held: Leaving,
    waited: Duration,
}

impl Slot {
    pub(super) fn new(held: Leaving, waited: Duration) -> Self {
        Slot { held, waited }
    }

    /// What the request has used so far, all together; may be told again with larger figures. Without it the request
    /// counts as estimated, so one that was no fault of the player should be told as zero.
    pub fn used(&self, prompt_tokens: u32, cached_tokens: u32, output_tokens: u32) {
        let usage = Usage { prompt_tokens, cached_tokens, output_tokens };
        self.held.gate.used(self.held.ticket, usage);
    }

    /// How long the request was in the queue.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// Ends a request when dropped, whether it waits or runs.
pub(super) struct Leaving {
    gate: Arc<Gate>,
    ticket: Ticket,
}

impl Leaving {
    pub fn new(gate: Arc<Gate>, ticket: Ticket) -> Self {
        Leaving { gate, ticket }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.gate.end(self.ticket);
    }
}
