//! What goes before a waiting request, told from the counters as they stand.
//!
//! A player's waiting requests are served when the player's counter, raised by the estimates of those before, is the
//! least. That value tags the request; requests of lower tags go first. Requests of players who may not run more are
//! passed over, so they are ahead of nobody but their own.

use super::super::cost::virtual_cost;
use super::{FairQueue, Flow, Ticket};
use crate::player::PlayerId;

/// So many requests of others are looked at one by one. With more, a forecast is for seconds ahead, when others will
/// have come anyway.
const EXACT_REQUESTS: u32 = 128;

/// What goes before one request within its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Ahead {
    /// Requests.
    pub requests: u32,
    /// Their estimated cost.
    pub cost: u64,
    /// How many requests of the same player, waiting or running, have to end before it may start.
    pub own_before: u32,
    /// How many of the player's requests run at once.
    pub concurrent: u32,
}

/// A waiting request and its tag.
struct Tagged {
    tag: u64,
    ticket: Ticket,
    cost: u64,
    /// Others wait behind it.
    counts: bool,
    /// Of the same player, before it.
    own: Ahead,
}

impl Ahead {
    /// One more player's requests up to that tag.
    fn count(&mut self, flow: &Flow, tag: u64) {
        let mut their_tag = flow.counter();
        for cost in flow.waiting.values() {
            if their_tag > tag {
                break;
            }
            self.requests += 1;
            self.cost += cost;
            their_tag = next_tag(their_tag, *cost, flow);
        }
    }
}

impl FairQueue {
    /// All that waits, in the order in which it would start.
    pub fn eligible(&self) -> (u32, u64) {
        (self.index.eligible_requests, self.index.eligible_cost)
    }

    /// What would go before one more request of this player; `None` if that costs more than `cost_max`. Looks at the
    /// players next in turn; beyond [`EXACT_REQUESTS`] it interpolates.
    pub fn ahead_of_newcomer(&self, player: &PlayerId, concurrent: u32, cost_max: u64) -> Option<Ahead> {
        let fresh;
        let flow = match self.flows.get(player) {
            Some(flow) => flow,
            None => {
                fresh = Flow::new(self.floor);
                &fresh
            }
        };
        let tag = flow.waiting.values().fold(flow.counter(), |tag, cost| next_tag(tag, *cost, flow));
        let waiting = flow.waiting.len() as u32;
        let own_before = own_before(waiting, flow.running, concurrent);
        let mut ahead = Ahead { requests: waiting, cost: flow.waiting_cost, own_before, concurrent };
        let (mut rest_requests, mut rest_cost) = self.eligible();
        if flow.eligible_head().is_some() {
            rest_requests -= waiting;
            rest_cost -= flow.waiting_cost;
        }
        for (counter, _, other) in self.index.eligible.iter().take_while(|(counter, ..)| *counter <= tag) {
            let Some(theirs) = self.flows.get(other).filter(|_| other != player) else { continue };
            if ahead.requests - waiting >= EXACT_REQUESTS {
                let part = self.part_before(tag, *counter);
                ahead.requests += (f64::from(rest_requests) * part) as u32;
                ahead.cost += (rest_cost as f64 * part) as u64;
                break;
            }
            ahead.count(theirs, tag);
            rest_requests -= theirs.waiting.len() as u32;
            rest_cost -= theirs.waiting_cost;
            if ahead.cost > cost_max {
                return None;
            }
        }
        (ahead.cost <= cost_max).then_some(ahead)
    }

    /// Of the requests whose tags begin at `from`, the part that goes before `tag`, as if they were spread evenly up to
    /// the last of the player who is last.
    fn part_before(&self, tag: u64, from: u64) -> f64 {
        let last = self.index.eligible.last();
        let last = last.and_then(|(counter, _, player)| Some((*counter, self.flows.get(player)?)));
        let to = last.map_or(from, |(counter, flow)| next_tag(counter, flow.waiting_cost, flow));
        let (before, all) = (tag.saturating_sub(from), to.saturating_sub(from));
        if before >= all { 1.0 } else { before as f64 / all as f64 }
    }

    /// The same for everything that waits, in order. Sorts all of it.
    pub fn ahead_of_all(&self) -> Vec<(Ticket, Ahead)> {
        let mut all = Vec::with_capacity(self.index.waiting);
        for (_, player) in &self.index.longest {
            if let Some(flow) = self.flows.get(player) {
                tag(flow, &mut all);
            }
        }
        all.sort_unstable_by_key(|tagged| (tagged.tag, tagged.ticket));
        let (mut requests, mut cost) = (0, 0);
        all.into_iter()
            .map(|tagged| {
                let mut ahead = Ahead { requests, cost, ..tagged.own };
                if tagged.counts {
                    requests += 1;
                    cost += tagged.cost;
                } else {
                    ahead.requests += tagged.own.requests;
                    ahead.cost += tagged.own.cost;
                }
                (tagged.ticket, ahead)
            })
            .collect()
    }
}

fn tag(flow: &Flow, all: &mut Vec<Tagged>) {
    let counts = flow.eligible_head().is_some();
    let mut tag = flow.counter();
    let mut own = Ahead { concurrent: flow.concurrent, ..Ahead::default() };
    for (ticket, cost) in &flow.waiting {
        own.own_before = own_before(own.requests, flow.running, flow.concurrent);
        all.push(Tagged { tag, ticket: *ticket, cost: *cost, counts, own });
        own.requests += 1;
        own.cost += cost;
        tag = next_tag(tag, *cost, flow);
    }
}

/// The tag of what waits behind a request of this cost.
fn next_tag(tag: u64, cost: u64, flow: &Flow) -> u64 {
    tag.saturating_add(virtual_cost(cost, flow.weight))
}

fn own_before(waiting: u32, running: u32, concurrent: u32) -> u32 {
    (waiting + 1 + running).saturating_sub(concurrent.max(1))
}
