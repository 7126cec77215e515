//! One batch on its way to the store and back. No I/O.

use std::collections::BTreeMap;

use super::desk::{Desk, Settled, Ticket, Want};
use super::{Allowance, Amounts, Exceeded, Left, QuotaError, Window};
use crate::storage::{Batch, Decision, Posted, RequestId, StorageError, WantAsk};

/// The most entries and wants of a batch: the first must not wait long for the last.
const ENTRIES_PER_ROUND: usize = 512;
const WANTS_PER_ROUND: usize = 512;
const DIRTY_PER_ROUND: usize = 1_000;

pub(super) struct Round {
    pub batch: Batch,
    settled: Vec<Settled>,
    wants: Vec<Want>,
    /// What of each window's pending use is in the batch.
    written: Vec<(Window, Amounts)>,
}

/// What the waiting are told, once the desk is free again.
#[derive(Default)]
pub(super) struct News {
    pub settled: Vec<(Settled, Result<Left, QuotaError>)>,
    pub wants: Vec<(Want, Result<(), QuotaError>)>,
}

impl Desk {
    /// The next batch, if there is anything to write. `idle` are windows to give back.
    pub fn form(&mut self, idle: Vec<Window>, now_ms: u64) -> Option<Round> {
        let settled: Vec<Settled> = self.settled.drain(..self.settled.len().min(ENTRIES_PER_ROUND)).collect();
        let wants: Vec<Want> = self.wants.drain(..self.wants.len().min(WANTS_PER_ROUND)).collect();
        let mut written: BTreeMap<Window, Amounts> =
            idle.into_iter().map(|window| (window, Amounts::default())).collect();
        for settled in &settled {
            for (window, _) in &settled.ticket.windows {
                let sum = written.entry(window.clone()).or_default();
                *sum = sum.plus(settled.entry.amounts);
            }
        }
        let wanted = wants.iter().flat_map(|want| &want.ticket.windows).map(|(window, _)| window.clone());
        for window in wanted.chain(self.dirty()) {
            written.entry(window).or_default();
        }
        if written.is_empty() && self.unclaim.is_empty() {
            return None;
        }
        self.number += 1;
        self.writing = settled.len();
        let mut batch = Batch { number: self.number, now_ms, ..Batch::default() };
        batch.unclaim = std::mem::take(&mut self.unclaim);
        batch.entries = settled.iter().map(|settled| settled.entry.clone()).collect();
        let mut places = BTreeMap::new();
        for (window, sum) in &written {
            if let Some(ask) = self.leases.get_mut(window).and_then(|lease| lease.ask(window, *sum)) {
                places.insert(window, batch.leases.len());
                batch.leases.push(ask);
            }
        }
        let asks = wants.iter().map(|want| WantAsk {
            request: want.ticket.request,
            player: want.ticket.player.clone(),
            most: want.ticket.most,
            leases: want
                .ticket
                .windows
                .iter()
                .filter_map(|(window, _)| places.get(window).copied())
                .collect(),
            claim: want.claim,
        });
        batch.wants = asks.collect();
        Some(Round { batch, settled, wants, written: written.into_iter().collect() })
    }

    /// The batch is written.
    pub fn posted(&mut self, round: Round, posted: &Posted) -> News {
        let now_ms = round.batch.now_ms;
        self.heard(now_ms, posted.state);
        self.writing = 0;
        for (window, sum) in &round.written {
            if let Some(lease) = self.leases.get_mut(window) {
                lease.written(*sum);
            }
        }
        for (ask, leased) in round.batch.leases.iter().zip(&posted.leases) {
            if let Some(lease) = self.leases.get_mut(&ask.window) {
                lease.leased(&ask.limit, *leased);
            }
        }
        let mut news = News::default();
        for (want, decision) in round.wants.into_iter().zip(&posted.decisions) {
            let told = match decision {
                Decision::Granted => Ok(()),
                Decision::Repeated(repeat) => Err(QuotaError::Repeated(*repeat)),
                Decision::Lacks { lease, lack } => {
                    let window = round.batch.leases[*lease].window.clone();
                    Err(Exceeded::new(window, *lack, now_ms).into())
                }
            };
            self.decided(&want.ticket, told.is_ok());
            news.wants.push((want, told));
        }
        for settled in round.settled {
            let left = self.left(&settled.ticket);
            news.settled.push((settled, Ok(left)));
        }
        for (window, _) in &round.written {
            if self.leases.get(window).is_some_and(|lease| lease.is_empty()) {
                self.leases.remove(window);
            }
        }
        news
    }

    /// The store did not write it, or did and could not say so.
    pub fn failed(&mut self, round: Round, error: &StorageError) -> News {
        let claimed: Vec<RequestId> = self.take_back(&round);
        self.remember_unclaim(claimed);
        for ask in &round.batch.leases {
            if let Some(lease) = self.leases.get_mut(&ask.window) {
                lease.dirty = true;
                self.dirty = true;
            }
        }
        let mut news = News::default();
        for want in round.wants {
            self.decided(&want.ticket, false);
            news.wants.push((want, Err(QuotaError::unavailable(error))));
        }
        round.settled.into_iter().rev().for_each(|settled| self.settled.push_front(settled));
        news
    }

    /// Windows of whose lease the store may have a wrong idea.
    fn dirty(&mut self) -> Vec<Window> {
        if !self.dirty {
            return Vec::new(); // there are many leases, and they are nearly always clean
        }
        let dirty = self.leases.iter().filter(|(_, lease)| lease.dirty);
        let dirty: Vec<Window> = dirty.map(|(window, _)| window.clone()).take(DIRTY_PER_ROUND).collect();
        self.dirty = dirty.len() == DIRTY_PER_ROUND;
        dirty
    }

    fn take_back(&mut self, round: &Round) -> Vec<RequestId> {
        self.writing = 0;
        let claims = round.wants.iter().filter(|want| want.claim.is_some()).map(|want| want.ticket.request);
        claims.chain(round.batch.unclaim.iter().copied()).collect()
    }

    fn decided(&mut self, ticket: &Ticket, granted: bool) {
        self.each_lease(ticket, |lease| {
            lease.wait_no_more(ticket.most);
            if granted {
                lease.promise(ticket.most);
            }
        });
        if granted {
            self.open += 1;
        }
    }

    /// The store said a word.
    pub fn heard(&mut self, now_ms: u64, state: crate::storage::ServerState) {
        self.confirmed_ms = now_ms;
        self.state = state;
    }
}

/// The windows of a request and their limits.
pub(super) fn windows(
    player: &crate::player::PlayerId,
    now_ms: u64,
    limits: [Allowance; 4],
) -> [(Window, Allowance); 4] {
    let mut limits = limits.into_iter();
    Window::all_of(player, now_ms).map(|window| (window, limits.next().unwrap_or_default()))
}
