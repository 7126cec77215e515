//! What every ledger has to do. An adapter's test calls [`all`] with a way to open an empty one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Ask, Ceiling, Charge, Clock, Ledger, Limits, Part, PartLimit, RESERVATION_LIFE, Refusal, ReservationId,
    Reserved, Warning,
};

/// Opens an empty ledger.
pub type Open<'o> = &'o dyn Fn(Limits, Clock) -> Arc<dyn Ledger>;

const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const LIFE_MS: u64 = RESERVATION_LIFE.as_millis() as u64;

/// Runs the whole suite.
pub fn all(open: Open<'_>) {
    ceilings_hold(open);
    parts_have_switches_and_ceilings(open);
    a_reservation_is_settled_once(open);
    what_costs_more_than_was_reserved_counts_in_full(open);
    a_day_ends_at_midnight(open);
    an_abandoned_reservation_runs_out(open);
    a_late_charge_counts(open);
    a_warning_is_given_once(open);
    nothing_overflows(open);
    leave_tells_what_is_left(open);
    threads_cannot_pass_a_ceiling_together(open);
}

/// A clock that is turned by hand.
pub fn hand_clock(start_ms: u64) -> (Clock, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(start_ms));
    let clock = hand.clone();
    (Arc::new(move || clock.load(Ordering::SeqCst)), hand)
}

fn noon() -> Clock {
    hand_clock(NOON_MS).0
}

fn ask(part: Part, micro: u64) -> Ask {
    Ask { part, source: "rung".into(), model: "model".into(), micro }
}

fn reserve(ledger: &Arc<dyn Ledger>, micro: u64) -> ReservationId {
    ledger.reserve(&ask(Part::Talk, micro)).expect("leave to spend").id
}

fn spend(ledger: &Arc<dyn Ledger>, micro: u64) -> bool {
    let id = reserve(ledger, micro);
    ledger.settle(id, &cost(micro))
}

fn cost(micro: u64) -> Charge {
    Charge { micro, ..Charge::default() }
}

/// How much is left, found out by asking; the ledger is as before.
fn left(ledger: &Arc<dyn Ledger>, part: Part) -> u64 {
    match ledger.reserve(&ask(part, 1 << 60)) {
        Err(Refusal::Ceiling { left, .. }) => {
            assert!(ledger.check(&ask(part, left)).is_ok() && ledger.check(&ask(part, left + 1)).is_err());
            if let Ok(Reserved { id, .. }) = ledger.reserve(&ask(part, left)) {
                ledger.release(id);
            } else {
                panic!("{left} is said to be left, but cannot be had");
            }
            assert!(ledger.reserve(&ask(part, left + 1)).is_err(), "more than {left} could be had");
            left
        }
        other => panic!("no ceiling: {other:?}"),
    }
}

fn ceilings_hold(open: Open<'_>) {
    let day = Limits { per_day: Some(100), ..Limits::default() };
    let total = Limits { in_total: Some(100), ..Limits::default() };
    for (limits, ceiling) in [(day, Ceiling::Day), (total, Ceiling::Total)] {
        let ledger = open(limits, noon());
        let first = reserve(&ledger, 60);
        let refused = ledger.reserve(&ask(Part::Speech, 41)).expect_err("passes the ceiling");
        assert_eq!(refused, Refusal::Ceiling { ceiling, asked: 41, left: 40, of: 100 });
        ledger.release(first);
        let whole = reserve(&ledger, 100);
        assert_eq!(left(&ledger, Part::Background), 0);
        ledger.settle(whole, &cost(30));
        assert_eq!(left(&ledger, Part::Background), 70);
    }
    let free = open(Limits::default(), noon());
    reserve(&free, u64::from(u32::MAX));
}

fn parts_have_switches_and_ceilings(open: Open<'_>) {
    let limits = Limits {
        per_day: Some(100),
        background: PartLimit::PerDay(30),
        speech: PartLimit::Off,
        ..Limits::default()
    };
    let ledger = open(limits, noon());
    assert_eq!(ledger.reserve(&ask(Part::Speech, 0)), Err(Refusal::Off(Part::Speech)));
    assert_eq!(left(&ledger, Part::Background), 30);
    let id = ledger.reserve(&ask(Part::Background, 20)).expect("leave to spend").id;
    let refused = ledger.reserve(&ask(Part::Background, 11));
    let ceiling = Ceiling::PartDay(Part::Background);
    assert_eq!(refused, Err(Refusal::Ceiling { ceiling, asked: 11, left: 10, of: 30 }));
    ledger.release(id);
    spend(&ledger, 80);
    let refused = ledger.reserve(&ask(Part::Background, 30));
    let expected = Refusal::Ceiling { ceiling: Ceiling::Day, asked: 30, left: 20, of: 100 };
    assert_eq!(refused, Err(expected), "a part's own ceiling is not added to the common one");
}

fn a_reservation_is_settled_once(open: Open<'_>) {
    let ledger = open(Limits { per_day: Some(100), ..Limits::default() }, noon());
    let id = reserve(&ledger, 50);
    ledger.settle(id, &cost(10));
    ledger.settle(id, &cost(10));
    ledger.release(id);
    assert_eq!(left(&ledger, Part::Talk), 90);
    let released = reserve(&ledger, 50);
    ledger.release(released);
    ledger.settle(released, &cost(10));
    assert_eq!(left(&ledger, Part::Talk), 90);
    ledger.settle(ReservationId(1_000_000), &cost(10));
    ledger.release(ReservationId(1_000_000));
    assert_eq!(left(&ledger, Part::Talk), 90, "of a reservation that never was");
}

fn what_costs_more_than_was_reserved_counts_in_full(open: Open<'_>) {
    let ledger = open(Limits { per_day: Some(100), ..Limits::default() }, noon());
    let id = reserve(&ledger, 50);
    ledger.settle(id, &cost(130));
    assert_eq!(left(&ledger, Part::Talk), 0);
}

fn a_day_ends_at_midnight(open: Open<'_>) {
    let (clock, hand) = hand_clock(NOON_MS);
    let limits = Limits { per_day: Some(100), in_total: Some(150), ..Limits::default() };
    let ledger = open(limits, clock);
    spend(&ledger, 40);
    hand.store(NOON_MS + DAY_MS / 2 - 1, Ordering::SeqCst);
    let over_midnight = reserve(&ledger, 60);
    assert_eq!(left(&ledger, Part::Talk), 0);
    hand.store(NOON_MS + DAY_MS / 2, Ordering::SeqCst);
    assert_eq!(left(&ledger, Part::Talk), 50, "of the total; the new day is untouched");
    ledger.settle(over_midnight, &cost(20));
    assert_eq!(left(&ledger, Part::Talk), 90, "it counts for the day on which leave was given");
    hand.store(NOON_MS, Ordering::SeqCst);
    assert_eq!(left(&ledger, Part::Talk), 40, "a clock that is set back finds its day again");
}

fn an_abandoned_reservation_runs_out(open: Open<'_>) {
    let (clock, hand) = hand_clock(NOON_MS);
    let ledger = open(Limits { per_day: Some(100), ..Limits::default() }, clock);
    reserve(&ledger, 100);
    hand.store(NOON_MS + LIFE_MS - 1, Ordering::SeqCst);
    assert_eq!(left(&ledger, Part::Talk), 0);
    hand.store(NOON_MS + LIFE_MS, Ordering::SeqCst);
    // The refusal of a too large request already gives it back.
    assert_eq!(left(&ledger, Part::Talk), 100);
}

fn a_late_charge_counts(open: Open<'_>) {
    let (clock, hand) = hand_clock(NOON_MS);
    let ledger = open(Limits { per_day: Some(100), ..Limits::default() }, clock);
    let late = reserve(&ledger, 100);
    hand.store(NOON_MS + LIFE_MS, Ordering::SeqCst);
    let next = reserve(&ledger, 70);
    ledger.settle(late, &cost(25));
    ledger.settle(late, &cost(25));
    ledger.release(next);
    assert_eq!(left(&ledger, Part::Talk), 75);
}

fn a_warning_is_given_once(open: Open<'_>) {
    let (clock, hand) = hand_clock(NOON_MS);
    let limits = Limits { per_day: Some(100), in_total: Some(200), ..Limits::default() };
    let ledger = open(limits, clock);
    assert!(!spend(&ledger, 79));
    assert_eq!(ledger.take_warning(), None);
    assert!(spend(&ledger, 1), "80 of 100");
    assert!(ledger.reserve(&ask(Part::Talk, 1)).expect("leave").warns, "it waits for somebody to tell");
    let told = Warning { ceiling: Ceiling::Day, spent: 80, of: 100 };
    assert_eq!(ledger.take_warning(), Some(told));
    assert_eq!(ledger.take_warning(), None);
    assert!(!spend(&ledger, 5));
    hand.store(NOON_MS + DAY_MS, Ordering::SeqCst);
    assert!(!spend(&ledger, 60));
    assert!(spend(&ledger, 15), "160 of 200");
    assert_eq!(ledger.take_warning().map(|warning| warning.ceiling), Some(Ceiling::Total));
    assert!(spend(&ledger, 5), "80 of 100 on another day");
    assert_eq!(ledger.take_warning().map(|warning| warning.ceiling), Some(Ceiling::Day));
    assert_eq!(ledger.take_warning(), None);
}

fn leave_tells_what_is_left(open: Open<'_>) {
    let ledger = open(Limits { per_day: Some(1_000), in_total: Some(5_000), ..Limits::default() }, noon());
    spend(&ledger, 100);
    let granted = ledger.reserve(&ask(Part::Talk, 300)).expect("leave to spend");
    assert_eq!((granted.left, left(&ledger, Part::Talk)), (600, 600));
    let unlimited = open(Limits::default(), noon());
    assert!(unlimited.reserve(&ask(Part::Talk, 300)).expect("leave to spend").left > 1 << 60);
}

fn nothing_overflows(open: Open<'_>) {
    let ledger = open(Limits { in_total: Some(1_000), ..Limits::default() }, noon());
    assert!(ledger.reserve(&ask(Part::Talk, u64::MAX)).is_err());
    let ids = [reserve(&ledger, 1), reserve(&ledger, 1), reserve(&ledger, 1)];
    for id in ids {
        ledger.settle(id, &cost(u64::MAX));
    }
    assert_eq!(left(&ledger, Part::Talk), 0);
    let unlimited = open(Limits::default(), noon());
    for _ in 0..3 {
        if let Ok(Reserved { id, .. }) = unlimited.reserve(&ask(Part::Talk, u64::MAX)) {
            unlimited.settle(id, &cost(u64::MAX));
        }
    }
    spend(&unlimited, 1);
}

/// 10,000 requests from 8 threads, of which a ceiling admits some.
fn threads_cannot_pass_a_ceiling_together(open: Open<'_>) {
    const THREADS: u64 = 8;
    const REQUESTS: u64 = 10_000;
    const CEILING: u64 = 1_000_000;
    let ledger = open(Limits { per_day: Some(CEILING), ..Limits::default() }, noon());
    let granted = std::thread::scope(|scope| {
        let run = |thread: u64| {
            let ledger = ledger.clone();
            move || {
                let asked =
                    (0..REQUESTS / THREADS).map(|number| 1 + (number * 7919 + thread * 104_729) % 400);
                asked.filter(|micro| ledger.reserve(&ask(Part::Talk, *micro)).is_ok()).sum::<u64>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<u64>()
    });
    assert!(granted <= CEILING, "{granted} of {CEILING}");
    assert_eq!(left(&ledger, Part::Talk), CEILING - granted);
    assert!(CEILING - granted < 400, "it asked for twice the ceiling, so it gets nearly all: {granted}");
}
