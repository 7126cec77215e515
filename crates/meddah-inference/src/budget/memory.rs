//! A ledger that is gone when it is dropped, for tests and measurements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    Ask, Ceiling, Charge, Clock, Ledger, Limits, Part, PartLimit, RESERVATION_LIFE, Refusal, ReservationId,
    Reserved, Warning,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The double. Its rules are those of every ledger, see [`Ledger`].
pub struct MemoryLedger {
    limits: Limits,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    open: BTreeMap<u64, Open>,
    /// Given back because nobody settled them in time; a late charge still counts.
    expired: BTreeMap<u64, Open>,
    spent: BTreeMap<(u64, Part), u64>,
    told: BTreeSet<(Option<u64>, u64)>,
}

#[derive(Clone, Copy)]
struct Open {
    since_ms: u64,
    day: u64,
    part: Part,
    micro: u64,
}

impl MemoryLedger {
    /// An empty one with the system's clock.
    pub fn new(limits: Limits) -> MemoryLedger {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        MemoryLedger::with_clock(limits, Arc::new(move || u64::try_from(now()).unwrap_or(u64::MAX)))
    }

    /// An empty one with this clock.
    pub fn with_clock(limits: Limits, clock: Clock) -> MemoryLedger {
        MemoryLedger { limits, clock, state: Mutex::default() }
    }

    /// What was spent, ever, in micro-units.
    pub fn spent(&self) -> u64 {
        self.state().spent(|_, _| true)
    }

    /// What is reserved, in micro-units.
    pub fn reserved(&self) -> u64 {
        self.state().reserved(|_| true)
    }

    /// Reservations that are neither settled nor released.
    pub fn open(&self) -> usize {
        self.state().open.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warning(&self, state: &State, day: u64) -> Option<(Option<u64>, Warning)> {
        let today = self.limits.per_day.map(|of| (Some(day), Ceiling::Day, of));
        let total = self.limits.in_total.map(|of| (None, Ceiling::Total, of));
        [today, total].into_iter().flatten().find_map(|(scope, ceiling, of)| {
            let spent = state.spent(|other, _| scope.is_none_or(|day| day == other));
            let due = Warning::is_due(spent, of) && !state.told.contains(&(scope, of));
            due.then_some((scope, Warning { ceiling, spent, of }))
        })
    }

    fn day(&self) -> u64 {
        (self.clock)() / DAY_MS
    }
}

impl State {
    fn spent(&self, counts: impl Fn(u64, Part) -> bool) -> u64 {
        let counted = self.spent.iter().filter(|((day, part), _)| counts(*day, *part));
        counted.fold(0, |sum, (_, micro)| sum.saturating_add(*micro))
    }

    fn reserved(&self, counts: impl Fn(&Open) -> bool) -> u64 {
        let counted = self.open.values().filter(|open| counts(open));
        counted.fold(0, |sum, open| sum.saturating_add(open.micro))
    }

    fn expire(&mut self, now_ms: u64) {
        let life = RESERVATION_LIFE.as_millis() as u64;
        let dead = self.open.iter().filter(|(_, open)| now_ms.saturating_sub(open.since_ms) >= life);
        for id in dead.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.expired.extend(self.open.remove(&id).map(|open| (id, open)));
        }
    }

    /// What the tightest ceiling leaves before the ask.
    fn check(&self, limits: &Limits, day: u64, ask: &Ask) -> Result<u64, Refusal> {
        let part = ask.part;
        let own = match limits.part(part) {
            PartLimit::Off => return Err(Refusal::Off(part)),
            PartLimit::On => None,
            PartLimit::PerDay(of) => Some(of),
        };
        let taken_by_part = self
            .spent(|other, of| other == day && of == part)
            .saturating_add(self.reserved(|open| open.day == day && open.part == part));
        let taken_today =
            self.spent(|other, _| other == day).saturating_add(self.reserved(|open| open.day == day));
        let taken = self.spent(|_, _| true).saturating_add(self.reserved(|_| true));
        let ceilings = [
            (Ceiling::PartDay(part), own, taken_by_part),
            (Ceiling::Day, limits.per_day, taken_today),
            (Ceiling::Total, limits.in_total, taken),
        ];
        let left = |(ceiling, of, taken): (Ceiling, Option<u64>, u64)| {
            of.map(|of| (ceiling, of, of.saturating_sub(taken)))
        };
        // The tightest one is what the player has to know of.
        match ceilings.into_iter().filter_map(left).min_by_key(|(_, _, left)| *left) {
            Some((ceiling, of, left)) if ask.micro > left => {
                Err(Refusal::Ceiling { ceiling, asked: ask.micro, left, of })
            }
            tightest => Ok(tightest.map_or(u64::MAX, |(.., left)| left)),
        }
    }
}

impl Ledger for MemoryLedger {
    fn reserve(&self, ask: &Ask) -> Result<Reserved, Refusal> {
        let (now_ms, day) = ((self.clock)(), self.day());
        let mut state = self.state();
        state.expire(now_ms);
        let left = state.check(&self.limits, day, ask)?.saturating_sub(ask.micro);
        state.last_id += 1;
        let id = state.last_id;
        state.open.insert(id, Open { since_ms: now_ms, day, part: ask.part, micro: ask.micro });
        Ok(Reserved { id: ReservationId(id), warns: self.warning(&state, day).is_some(), left })
    }

    fn check(&self, ask: &Ask) -> Result<(), Refusal> {
        let mut state = self.state();
        state.expire((self.clock)());
        state.check(&self.limits, self.day(), ask).map(drop)
    }

    fn settle(&self, id: ReservationId, charge: &Charge) -> bool {
        let mut state = self.state();
        let open = state.open.remove(&id.0).or_else(|| state.expired.remove(&id.0));
        if let Some(open) = open {
            let spent = state.spent.entry((open.day, open.part)).or_default();
            *spent = spent.saturating_add(charge.micro);
        }
        self.warning(&state, self.day()).is_some()
    }

    fn release(&self, id: ReservationId) {
        let mut state = self.state();
        state.open.remove(&id.0);
        state.expired.remove(&id.0);
    }

    fn held(&self) -> u64 {
        self.state().reserved(|_| true)
    }

    fn take_warning(&self) -> Option<Warning> {
        let mut state = self.state();
        let (scope, warning) = self.warning(&state, self.day())?;
        state.told.insert((scope, warning.of));
        Some(warning)
    }
}
