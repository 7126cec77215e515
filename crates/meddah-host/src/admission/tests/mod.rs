//! Tests of admission, and how they ask.

mod fairness;
mod forecast;
mod gate;
mod properties;
mod scheduler;

use std::time::Duration;

use super::{AdmissionSettings, Asked, Asking, Scheduler, Shed, ShedReason, Ticket, Verdict};
use crate::player::Class;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any test takes.
const PATIENT: Duration = Duration::from_secs(100_000);

/// Queues that no test fills by accident, and unlimited patience.
fn roomy() -> AdmissionSettings {
    let mut settings = AdmissionSettings::default();
    for class in [&mut settings.live, &mut settings.session, &mut settings.ambient] {
        class.waiting_max = 100_000;
        class.waiting_of_player_max = 100_000;
        class.patience_ms = u64::MAX;
    }
    settings
}

fn with_slots(settings: AdmissionSettings, slots: u32) -> Scheduler {
    let mut scheduler = Scheduler::new(settings, 1);
    scheduler.set_slots(slots);
    scheduler
}

fn asking(player: &str, class: Class) -> Asking {
    Asking {
        player: player.into(),
        class,
        weight: 1,
        concurrent: 1_000,
        prompt_tokens: 600,
        output_tokens: 100,
        patience: PATIENT,
    }
}

fn ask(scheduler: &mut Scheduler, player: &str, class: Class) -> Ticket {
    scheduler.ask(Duration::ZERO, asking(player, class)).expect("let in").ticket
}

/// Everything that is decided now.
fn verdicts(scheduler: &mut Scheduler, now: Duration) -> Vec<Verdict> {
    std::iter::from_fn(|| scheduler.poll(now)).collect()
}

/// The tickets that start now; nothing may be refused.
fn starts(scheduler: &mut Scheduler, now: Duration) -> Vec<Ticket> {
    let started = |verdict| match verdict {
        Verdict::Start(ticket) => ticket,
        Verdict::Refuse(ticket, shed) => panic!("{ticket:?} refused: {shed}"),
    };
    verdicts(scheduler, now).into_iter().map(started).collect()
}

fn why(shed: Result<Asked, Shed>) -> ShedReason {
    shed.expect_err("turned away").why
}
