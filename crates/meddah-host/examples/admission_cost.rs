//! What admission costs the processor: one thread, many players who wait.
//!
//! `cargo run --release -p meddah-host --example admission_cost`

#![expect(clippy::print_stdout, reason = "an example that prints a table")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use meddah_host::admission::{AdmissionSettings, Asking, ClassSettings, Scheduler, Ticket, Verdict};
use meddah_host::player::{Class, PlayerId};

const SLOTS: u32 = 256;
const HOLD: Duration = Duration::from_secs(3);
const REQUESTS: u32 = 200_000;

fn main() {
    println!("players  waiting   ns per request   places of all, ms");
    for (players, waiting) in [(10, 10), (100, 1_000), (1_000, 10_000), (10_000, 10_000), (100_000, 100_000)]
    {
        let (per_request, places) = measure(players, waiting);
        println!("{players:7} {waiting:8} {:16} {:20.2}", per_request.as_nanos(), places.as_secs_f64() * 1e3);
    }
}

/// From asking to the end, with that many others waiting; and one look at all places.
fn measure(players: u32, waiting: u32) -> (Duration, Duration) {
    let roomy =
        ClassSettings { waiting_max: u32::MAX, waiting_of_player_max: u32::MAX, patience_ms: u64::MAX };
    let mut scheduler = Scheduler::new(AdmissionSettings { live: roomy, ..AdmissionSettings::default() }, 1);
    let ids: Vec<PlayerId> = (0..players).map(|player| player.to_string().as_str().into()).collect();
    let mut running = VecDeque::new();
    for number in 0..waiting + SLOTS {
        ask(&mut scheduler, Duration::ZERO, &ids, number);
    }
    scheduler.set_slots(SLOTS);
    follow(&mut scheduler, Duration::ZERO, &mut running);
    let started = Instant::now();
    for number in 0..REQUESTS {
        let now = HOLD * number / SLOTS;
        // Players are many and ask in no order.
        ask(&mut scheduler, now, &ids, number.wrapping_mul(2_654_435_761) >> 8);
        if let Some(ticket) = running.pop_front() {
            scheduler.end(now, ticket);
        }
        follow(&mut scheduler, now, &mut running);
    }
    let per_request = started.elapsed() / REQUESTS;
    let started = Instant::now();
    let places = scheduler.places().len();
    assert!(places > 0, "some wait");
    (per_request, started.elapsed())
}

fn ask(scheduler: &mut Scheduler, now: Duration, ids: &[PlayerId], number: u32) {
    let asking = Asking {
        player: ids[number as usize % ids.len()].clone(),
        class: Class::Live,
        weight: 1,
        concurrent: SLOTS,
        prompt_tokens: 600,
        output_tokens: 100,
        patience: Duration::MAX,
    };
    assert!(scheduler.ask(now, asking).is_ok(), "patience is endless");
}

fn follow(scheduler: &mut Scheduler, now: Duration, running: &mut VecDeque<Ticket>) {
    while let Some(verdict) = scheduler.poll(now) {
        match verdict {
            Verdict::Start(ticket) => running.push_back(ticket),
            Verdict::Refuse(..) => {}
        }
    }
}
