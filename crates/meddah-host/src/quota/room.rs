//! How much of a window a program gets. Pure, and the same for every database.

use super::{Allowance, Amounts, Unit};

/// Beyond what is needed now, a program gets at most this part of what nobody has: the pieces shrink as the
/// limit comes near, and several programs can share the rest.
pub const SHARE: u64 = 16;
/// What a lease never exceeds, so that sums of them are still integers of a database. More than all requests
/// that a program may have open can promise.
const LEASE_MAX: u64 = 100_000_000_000_000_000;

/// What is left of a window, as one program sees it while it asks for leases.
#[derive(Clone, Debug)]
pub struct Room {
    limit: Allowance,
    /// Not used, not leased by others, not open here.
    spare: Amounts,
    /// Not used: what is open may come back.
    unused: Amounts,
    open: Amounts,
}

/// Why a request does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    pub unit: Unit,
    pub left: u64,
    pub limit: u64,
    /// It would fit if what is reserved by others came back unused.
    pub for_now: bool,
}

impl Room {
    /// `used` is what the ledger says, `others` what other programs have leased, `open` what this program has
    /// promised and not yet written.
    pub fn new(limit: Allowance, used: Amounts, others: Amounts, open: Amounts) -> Room {
        let unused = Amounts::by_unit(|unit| limit.get(unit).unwrap_or(0).saturating_sub(used.get(unit)));
        Room { limit, spare: unused.minus(others).minus(open), unused, open }
    }

    /// What stands against a request of this size.
    pub fn lacks(&self, most: Amounts) -> Option<Lack> {
        Unit::ALL.into_iter().find_map(|unit| {
            let limit = self.limit.get(unit)?;
            let (left, needed) = (self.spare.get(unit), most.get(unit));
            (needed > left).then(|| Lack { unit, left, limit, for_now: needed <= self.unused.get(unit) })
        })
    }

    pub fn take(&mut self, most: Amounts) {
        self.spare = self.spare.minus(most);
        self.open = self.open.plus(most);
    }

    /// The lease after all: what is open, and ahead of need as much as is fair. Not less than `keep`, which
    /// the program may be promising away just now.
    pub fn lease(&self, keep: Amounts, ahead: Amounts) -> Amounts {
        Amounts::by_unit(|unit| {
            if self.limit.get(unit).is_none() {
                return 0;
            }
            let extra = ahead.get(unit).min(self.spare.get(unit) / SHARE);
            self.open.get(unit).saturating_add(extra).max(keep.get(unit)).min(LEASE_MAX)
        })
    }

    /// What nobody has when this is leased.
    pub fn rest(&self, lease: Amounts) -> Amounts {
        self.spare.plus(self.open).minus(lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: u64) -> Amounts {
        Amounts { tokens, ..Amounts::default() }
    }

    fn limit(tokens: u64) -> Allowance {
        Allowance { tokens: Some(tokens), ..Allowance::default() }
    }

    #[test]
    fn pieces_shrink_as_the_limit_comes_near() {
        let lease = |used| {
            let mut room = Room::new(limit(1_000), tokens(used), tokens(0), tokens(0));
            room.take(tokens(10));
            room.lease(tokens(0), tokens(50)).tokens
        };
        assert_eq!([lease(0), lease(700), lease(950), lease(989), lease(990)], [60, 28, 12, 10, 10]);
    }

    #[test]
    fn what_others_have_leased_is_not_there_but_may_come_back() {
        let room = Room::new(limit(100), tokens(20), tokens(50), tokens(10));
        assert_eq!(room.lacks(tokens(20)), None);
        let lack = |left, for_now| Some(Lack { unit: Unit::Tokens, left, limit: 100, for_now });
        assert_eq!(room.lacks(tokens(21)), lack(20, true));
        assert_eq!(room.lacks(tokens(81)), lack(20, false));
    }

    #[test]
    fn what_has_no_limit_is_not_leased() {
        let room = Room::new(Allowance::default(), tokens(u64::MAX), tokens(5), tokens(5));
        assert_eq!(room.lacks(tokens(u64::MAX)), None);
        assert_eq!(room.lease(tokens(7), tokens(7)), Amounts::default());
    }

    #[test]
    fn a_limit_that_was_passed_leases_what_is_open_and_no_more() {
        let room = Room::new(limit(10), tokens(40), tokens(0), tokens(5));
        assert_eq!(room.lease(tokens(0), tokens(100)), tokens(5));
        assert_eq!(room.rest(tokens(5)), tokens(0));
    }
}
