//! The queue of one class: virtual token counters, one per player.
//!
//! Each player has a counter of what they got, divided by their weight, and who has got least is next. Two parts make
//! the counter: `settled` is work that engines have reported, `pending` is the estimate for what runs. The order
//! follows their sum, so that one player does not get all free slots at once; newcomers are lifted to the least
//! `settled` of those who are active, so that nobody saves up turns by staying away, and nobody is held back by
//! estimates for others that turn out too large.
//!
//! `settled` only grows, and so does its minimum, the `floor`. A player who is away and not above the floor is as good
//! as a new one and is forgotten.

mod ahead;
mod flow;

use std::collections::{BTreeSet, HashMap};

use super::asking::Ticket;
use crate::player::PlayerId;

pub(super) use ahead::Ahead;
use flow::Flow;

/// Players that are away and above the floor. Beyond that the ones least above it are forgotten.
const AWAY_MAX: usize = 65_536;

/// One class's players and what they wait for.
#[derive(Default)]
pub(super) struct FairQueue {
    flows: HashMap<PlayerId, Flow>,
    index: Index,
    floor: u64,
}

/// Orders of the players. Each has a row in those that fit it; [`FairQueue::change`] keeps them so.
#[derive(Default)]
struct Index {
    /// Those of whom a request can start, the next one first.
    eligible: BTreeSet<(u64, Ticket, PlayerId)>,
    /// Sum of the estimated costs of what they wait for, and its number.
    eligible_cost: u64,
    eligible_requests: u32,
    /// Those who wait or are served, by what they got.
    active: BTreeSet<(u64, PlayerId)>,
    /// Those who do not, likewise.
    away: BTreeSet<(u64, PlayerId)>,
    /// Those who wait, by how many requests.
    longest: BTreeSet<(usize, PlayerId)>,
    waiting: usize,
}

impl Index {
    fn insert(&mut self, player: &PlayerId, flow: &Flow) {
        let waiting = flow.waiting.len();
        let by_settled = if flow.is_active() { &mut self.active } else { &mut self.away };
        by_settled.insert((flow.settled, player.clone()));
        if let Some(head) = flow.eligible_head() {
            self.eligible.insert((flow.counter(), head, player.clone()));
            self.eligible_cost += flow.waiting_cost;
            self.eligible_requests += waiting as u32;
        }
        if waiting > 0 {
            self.longest.insert((waiting, player.clone()));
            self.waiting += waiting;
        }
    }

    fn remove(&mut self, player: &PlayerId, flow: &Flow) {
        let waiting = flow.waiting.len();
        let by_settled = if flow.is_active() { &mut self.active } else { &mut self.away };
        by_settled.remove(&(flow.settled, player.clone()));
        if let Some(head) = flow.eligible_head() {
            self.eligible.remove(&(flow.counter(), head, player.clone()));
            self.eligible_cost -= flow.waiting_cost;
            self.eligible_requests -= waiting as u32;
        }
        if waiting > 0 {
            self.longest.remove(&(waiting, player.clone()));
            self.waiting -= waiting;
        }
    }
}

impl FairQueue {
    /// A request waits. Its player's weight and limit hold from now on.
    pub fn push(&mut self, player: &PlayerId, ticket: Ticket, cost: u64, weight: u32, concurrent: u32) {
        if !self.flows.contains_key(player) {
            let flow = Flow::new(self.floor);
            self.index.insert(player, &flow);
            self.flows.insert(player.clone(), flow);
        }
        self.change(player, |flow| {
            flow.weight = weight;
            flow.concurrent = concurrent.max(1);
            flow.wait(ticket, cost);
        });
    }

    /// A request waits no more and does not run either.
    pub fn withdraw(&mut self, player: &PlayerId, ticket: Ticket) {
        self.change(player, |flow| flow.leave(ticket));
    }

    /// The request that is next.
    pub fn next(&self) -> Option<Ticket> {
        self.index.eligible.first().map(|(_, ticket, _)| *ticket)
    }

    /// A waiting request runs from now on; `pending` is the virtual cost that it is estimated to have.
    pub fn start(&mut self, player: &PlayerId, ticket: Ticket, pending: u64) {
        self.change(player, |flow| {
            flow.leave(ticket);
            flow.running += 1;
            flow.pending = flow.pending.saturating_add(pending);
        });
    }

    /// Of a running request so much virtual cost is certain now, and so much less is estimated.
    pub fn settle(&mut self, player: &PlayerId, certain: u64, less_pending: u64) {
        self.change(player, |flow| flow.settle(certain, less_pending));
    }

    /// As [`FairQueue::settle`], for the last time: it runs no more.
    pub fn stop(&mut self, player: &PlayerId, certain: u64, less_pending: u64) {
        self.change(player, |flow| {
            flow.settle(certain, less_pending);
            flow.running = flow.running.saturating_sub(1);
        });
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.index.waiting
    }

    /// How many of a player wait.
    pub fn waiting_of(&self, player: &PlayerId) -> usize {
        self.flows.get(player).map_or(0, |flow| flow.waiting.len())
    }

    /// How many of a player run.
    pub fn running_of(&self, player: &PlayerId) -> u32 {
        self.flows.get(player).map_or(0, |flow| flow.running)
    }

    /// How many players are remembered.
    pub fn players(&self) -> usize {
        self.flows.len()
    }

    /// The latest request of whoever waits for most, and how many that player waits for.
    pub fn last_of_longest(&self) -> Option<(usize, Ticket)> {
        let (waiting, player) = self.index.longest.last()?;
        let (last, _) = self.flows.get(player)?.waiting.last_key_value()?;
        Some((*waiting, *last))
    }

    fn change(&mut self, player: &PlayerId, change: impl FnOnce(&mut Flow)) {
        let Some(flow) = self.flows.get_mut(player) else { return };
        self.index.remove(player, flow);
        change(flow);
        self.index.insert(player, flow);
        // Whoever leaves last leaves the floor where they stood.
        let least = self.index.active.first().map_or(flow.settled, |(settled, _)| *settled);
        self.floor = self.floor.max(least);
        self.forget();
    }

    fn forget(&mut self) {
        while let Some((settled, _)) = self.index.away.first()
            && (*settled <= self.floor || self.index.away.len() > AWAY_MAX)
        {
            if let Some((_, player)) = self.index.away.pop_first() {
                self.flows.remove(&player);
            }
        }
    }
}
