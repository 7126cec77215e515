//! This program's piece of one window.

use std::ops::RangeInclusive;

use super::room::SHARE;
use super::{Allowance, Amounts, Unit, Whose, Window};
use crate::storage::{LeaseAsk, Leased};

/// How many requests like the last one a lease is to be good for: a player's few, and more of them far from its limit.
const AHEAD_OF_PLAYER: RangeInclusive<u64> = 4..=32;
/// The server's many, but never more: its money counts as spent if this program is killed.
const AHEAD_OF_SERVER: RangeInclusive<u64> = 64..=64;

/// A limit is far as long as so many times what is leased ahead is left: the exact amounts matter to nobody there.
const FAR: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct Lease {
    /// As of the newest request.
    limit: Allowance,
    /// The store has decided by this limit.
    decided: bool,
    /// What the store keeps for this program, at least.
    held: Amounts,
    /// What the store believes to be leased: `held`, and what was used of it since.
    known: Amounts,
    /// Promised to requests under way.
    open: Amounts,
    /// Used, but not written yet.
    pending: Amounts,
    /// Asked for by requests that wait for the store.
    waiting: Amounts,
    /// What nobody had at the last post.
    rest: Amounts,
    ahead: Amounts,
    used_ms: u64,
    /// The store may believe in another lease: it did not answer, or was not told yet.
    pub dirty: bool,
}

impl Lease {
    /// A request of this size comes in.
    pub fn touch(&mut self, limit: Allowance, whose: &Whose, most: Amounts, now_ms: u64) {
        if self.limit != limit {
            (self.limit, self.decided) = (limit, false);
        }
        let ahead = if *whose == Whose::Server { AHEAD_OF_SERVER } else { AHEAD_OF_PLAYER };
        let (few, many) = (most.times(*ahead.start()), most.times(*ahead.end()));
        // The store gives less where that is too much.
        self.ahead = if self.decided { self.far().min(many).max(few) } else { many };
        self.used_ms = now_ms;
    }

    /// What may be leased ahead without being felt.
    fn far(&self) -> Amounts {
        Amounts::by_unit(|unit| self.rest.get(unit) / FAR)
    }

    fn promised(&self) -> Amounts {
        self.open.plus(self.pending).plus(self.waiting)
    }

    /// Whether it can be promised without asking the store.
    pub fn fits(&self, most: Amounts) -> bool {
        let promised = self.promised().plus(most);
        let fits = |unit| self.limit.get(unit).is_none() || promised.get(unit) <= self.held.get(unit);
        self.limit.is_unlimited() || (self.decided && Unit::ALL.into_iter().all(fits))
    }

    pub fn promise(&mut self, most: Amounts) {
        self.open = self.open.plus(most);
    }

    pub fn wait(&mut self, most: Amounts) {
        self.waiting = self.waiting.plus(most);
    }

    pub fn wait_no_more(&mut self, most: Amounts) {
        self.waiting = self.waiting.minus(most);
    }

    pub fn settle(&mut self, most: Amounts, actual: Amounts) {
        self.open = self.open.minus(most);
        self.pending = self.pending.plus(actual);
    }

    /// What goes to the store when `written` of what is pending is in the same batch. What is given back with
    /// it is gone from here at once: nobody may promise it while the store is at work.
    pub fn ask(&mut self, window: &Window, written: Amounts) -> Option<LeaseAsk> {
        if self.limit.is_unlimited() && self.held.is_zero() && !self.dirty || self.lasts(written) {
            return None;
        }
        let open = self.open.plus(self.pending.minus(written));
        let free = self.held.minus(written).minus(open);
        let fair = Amounts::by_unit(|unit| self.rest.get(unit).saturating_add(free.get(unit)) / SHARE);
        // Another limit: what was got by the old one is decided anew.
        let target = if self.decided { self.ahead.min(fair) } else { Amounts::default() };
        let keep = open.plus(free.min(target));
        self.held = self.held.min(keep.plus(written));
        Some(LeaseAsk { window: window.clone(), limit: self.limit, keep, open, ahead: self.ahead })
    }

    /// Whether it is still good for the next requests when this is written, far from its limit: then the store need not
    /// hear of it with each request. It believes in the old lease meanwhile, which is larger, so that nobody gets more
    /// than there is.
    fn lasts(&self, written: Amounts) -> bool {
        let is_settled = self.decided && !self.dirty && self.waiting.is_zero() && !self.ahead.is_zero();
        let free = self.held.minus(written).minus(self.open.plus(self.pending.minus(written)));
        let far = self.far();
        let is_enough = |unit| {
            let ahead = self.ahead.get(unit);
            self.limit.get(unit).is_none() || free.get(unit) >= ahead / 2 && far.get(unit) >= ahead
        };
        is_settled && Unit::ALL.into_iter().all(is_enough)
    }

    /// A batch was written, with this of what was pending: it is used now, and leased no more.
    pub fn written(&mut self, written: Amounts) {
        self.pending = self.pending.minus(written);
        self.held = self.held.minus(written);
    }

    /// The store has answered an [`ask`](Self::ask).
    pub fn leased(&mut self, by: &Allowance, leased: Leased) {
        (self.held, self.known, self.rest) = (leased.hold, leased.hold, leased.rest);
        self.decided = self.limit == *by;
        self.dirty = false;
    }

    /// The store has given it to others.
    pub fn lose(&mut self) {
        (self.held, self.known, self.rest) = Default::default();
        (self.decided, self.dirty) = (false, false);
    }

    /// Nobody used it for so long that others may have it.
    pub fn idle(&mut self, now_ms: u64, after_ms: u64) -> bool {
        let idle = self.promised().is_zero() && self.used_ms.abs_diff(now_ms) >= after_ms;
        if idle {
            self.ahead = Amounts::default();
        }
        idle
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_zero() && self.promised().is_zero() && !self.dirty
    }

    /// What is neither used nor promised, as of the last post.
    pub fn left(&self) -> Amounts {
        self.rest.plus(self.held.minus(self.promised()))
    }

    /// Of what the store says is leased, this is neither promised nor waits to be written.
    pub fn free(&self) -> Amounts {
        self.known.minus(self.promised())
    }

    /// What the store is to have for this program, and what is promised of it.
    #[cfg(test)]
    pub fn held_and_promised(&self) -> (Amounts, Amounts) {
        (self.held, self.open.plus(self.pending))
    }
}
