//! One player within one class.

use std::collections::BTreeMap;

use super::Ticket;

/// What a player waits for, has running, and got.
pub(super) struct Flow {
    /// Virtual cost that is certain.
    pub settled: u64,
    /// Virtual cost that is estimated for what runs.
    pub pending: u64,
    pub weight: u32,
    pub concurrent: u32,
    pub running: u32,
    /// Estimated costs, the oldest request first.
    pub waiting: BTreeMap<Ticket, u64>,
    /// Their sum.
    pub waiting_cost: u64,
}

impl Flow {
    pub fn new(settled: u64) -> Self {
        Flow {
            settled,
            pending: 0,
            weight: 1,
            concurrent: 1,
            running: 0,
            waiting: BTreeMap::new(),
            waiting_cost: 0,
        }
    }

    /// Who has least is next.
    pub fn counter(&self) -> u64 {
        self.settled.saturating_add(self.pending)
    }

    pub fn is_active(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }

    /// The oldest waiting request, if one more may run.
    pub fn eligible_head(&self) -> Option<Ticket> {
        let (head, _) = self.waiting.first_key_value()?;
        (self.running < self.concurrent).then_some(*head)
    }

    pub fn wait(&mut self, ticket: Ticket, cost: u64) {
        self.waiting.insert(ticket, cost);
        self.waiting_cost += cost;
    }

    pub fn leave(&mut self, ticket: Ticket) {
        if let Some(cost) = self.waiting.remove(&ticket) {
            self.waiting_cost -= cost;
        }
    }

    pub fn settle(&mut self, certain: u64, less_pending: u64) {
        self.settled = self.settled.saturating_add(certain);
        self.pending = self.pending.saturating_sub(less_pending);
    }
}
