//! What this program has promised, and what it has to write. No I/O, and time is an argument.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::lease::Lease;
use super::{Allowance, Amounts, Left, NearEnd, QuotaError, Reservation, Window};
use crate::player::{Class, PlayerId};
use crate::storage::{ClaimKey, Ended, Entry, RequestId, ServerState};

/// The most requests that are open or settled and not written: what a program may have to remember while its
/// store is away.
pub const REQUESTS_MAX: usize = 65_536;
/// The most requests that wait for the store.
const WANTS_MAX: usize = 16_384;
/// The most leases. Each player who is there has two.
const LEASES_MAX: usize = 262_144;
/// A lease that nobody has used for so long is given back.
const IDLE_MS: u64 = 10_000;
/// The most leases that are given back at once.
pub(super) const IDLE_PER_ROUND: usize = 1_000;
/// Without a word from the store for so long, nothing is promised from leases: others may soon take this
/// program for gone. Shorter than any store's patience.
pub const FENCE_MS: u64 = 15_000;
/// The most keys of failed requests that are remembered to be taken back.
const UNCLAIM_MAX: usize = 10_000;

/// A request that has leave, or waits for it.
#[derive(Debug)]
pub(super) struct Ticket {
    pub request: RequestId,
    pub player: PlayerId,
    pub class: Class,
    pub model: String,
    pub at_ms: u64,
    pub most: Amounts,
    /// The player's day and month, the server's day and month, and their limits.
    pub windows: [(Window, Allowance); 4],
}

impl Ticket {
    pub fn entry(&self, amounts: Amounts, ended: Ended, settled_ms: u64) -> Entry {
        Entry {
            request: self.request,
            player: Some(self.player.clone()),
            class: self.class,
            model: self.model.clone(),
            amounts,
            at_ms: self.at_ms,
            settled_ms,
            ended,
        }
    }
}

/// A request that waits for the store.
pub(super) struct Want {
    pub ticket: Ticket,
    pub claim: Option<ClaimKey>,
    pub answer: oneshot::Sender<Result<Reservation, QuotaError>>,
}

/// An entry that waits for the ledger.
pub(super) struct Settled {
    pub ticket: Ticket,
    pub entry: Entry,
    /// `None`: nobody waits.
    pub answer: Option<oneshot::Sender<Result<Left, QuotaError>>>,
}

#[derive(Default)]
pub(super) struct Desk {
    pub leases: HashMap<Window, Lease>,
    pub settled: VecDeque<Settled>,
    pub wants: VecDeque<Want>,
    pub unclaim: Vec<RequestId>,
    /// Requests that have leave.
    pub open: usize,
    /// Entries that are on their way to the store.
    pub writing: usize,
    /// When the store last said a word.
    pub confirmed_ms: u64,
    pub state: ServerState,
    /// Nothing is granted any more: this program ends.
    pub closing: bool,
    pub number: u64,
    /// Some lease is dirty.
    pub dirty: bool,
}

impl Desk {
    /// Whether a request may be looked at, at all.
    pub fn admits(&self, requests_max: usize) -> Result<(), QuotaError> {
        match self.state {
            ServerState::Open if self.closing => Err(QuotaError::Closed(ServerState::Draining)),
            ServerState::Open if self.open + self.settled.len() + self.writing >= requests_max => {
                Err(QuotaError::busy("too much waits to be written"))
            }
            ServerState::Open if self.leases.len() >= LEASES_MAX => {
                Err(QuotaError::busy("too many players are there"))
            }
            ServerState::Open => Ok(()),
            closed => Err(QuotaError::Closed(closed)),
        }
    }

    /// Promises it if the leases allow.
    pub fn reserve(&mut self, ticket: &Ticket, now_ms: u64) -> bool {
        let mut fits = self.confirmed_ms.abs_diff(now_ms) < FENCE_MS;
        for (window, limit) in &ticket.windows {
            if !self.leases.contains_key(window) {
                self.leases.insert(window.clone(), Lease::default());
            }
            if let Some(lease) = self.leases.get_mut(window) {
                lease.touch(*limit, &window.whose, ticket.most, now_ms);
                fits &= lease.fits(ticket.most);
            }
        }
        if fits {
            self.each_lease(ticket, |lease| lease.promise(ticket.most));
            self.open += 1;
        }
        fits
    }

    /// Asks the store for what the leases did not allow, or for a key.
    pub fn want(&mut self, want: Want, now_ms: u64) -> Result<(), QuotaError> {
        if self.wants.len() >= WANTS_MAX {
            return Err(QuotaError::busy("too many requests wait for the database"));
        }
        for (window, limit) in &want.ticket.windows {
            let lease = self.leases.entry(window.clone()).or_default();
            lease.touch(*limit, &window.whose, want.ticket.most, now_ms);
            lease.wait(want.ticket.most);
        }
        self.wants.push_back(want);
        Ok(())
    }

    pub fn settle(&mut self, settled: Settled) {
        let (most, actual) = (settled.ticket.most, settled.entry.amounts);
        self.each_lease(&settled.ticket, |lease| lease.settle(most, actual));
        self.open = self.open.saturating_sub(1);
        self.settled.push_back(settled);
    }

    pub fn each_lease(&mut self, ticket: &Ticket, mut change: impl FnMut(&mut Lease)) {
        for (window, _) in &ticket.windows {
            // There is one as long as anything is promised.
            if let Some(lease) = self.leases.get_mut(window) {
                change(lease);
            }
        }
    }

    /// The windows whose lease nobody needs.
    pub fn idle(&mut self, now_ms: u64) -> Vec<Window> {
        // With too many players, whoever is not talking right now makes room.
        let after_ms = if self.leases.len() >= LEASES_MAX / 2 { 0 } else { IDLE_MS };
        let leases = self.leases.iter_mut();
        let idle = leases.filter_map(|(window, lease)| lease.idle(now_ms, after_ms).then(|| window.clone()));
        idle.take(IDLE_PER_ROUND).collect()
    }

    /// What a request's player has left.
    pub fn left(&self, ticket: &Ticket) -> Left {
        let left = |(window, limit): &(Window, Allowance)| {
            limit.of(self.leases.get(window).map(Lease::left).unwrap_or_default())
        };
        Left { day: left(&ticket.windows[0]), month: left(&ticket.windows[1]) }
    }

    /// Whether little is left for the request's player when all is used that is promised.
    pub fn near_end(&self, ticket: &Ticket) -> Option<NearEnd> {
        NearEnd::find(self.left(ticket), ticket.windows[0].1, ticket.windows[1].1)
    }

    pub fn remember_unclaim(&mut self, requests: impl IntoIterator<Item = RequestId>) {
        // What does not fit is forgotten after a day.
        let room = UNCLAIM_MAX - self.unclaim.len().min(UNCLAIM_MAX);
        self.unclaim.extend(requests.into_iter().take(room));
    }

    /// Others took this program for gone.
    pub fn expelled(&mut self) {
        self.leases.values_mut().for_each(Lease::lose);
        self.unclaim.clear();
        self.number = 0;
    }
}
