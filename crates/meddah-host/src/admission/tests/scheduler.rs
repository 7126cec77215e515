//! One behaviour of the scheduler each.

use super::*;
use crate::admission::Usage;

#[test]
fn a_free_slot_is_given_at_once_and_the_next_when_it_is_free_again() {
    let mut scheduler = with_slots(roomy(), 1);
    let first = ask(&mut scheduler, "ada", Class::Live);
    let second = ask(&mut scheduler, "bo", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [first]);
    assert!(scheduler.end(SECOND, first));
    assert_eq!(starts(&mut scheduler, SECOND), [second]);
    assert!(!scheduler.end(SECOND, first), "it has ended already");
}

#[test]
fn more_urgent_classes_go_first() {
    let mut scheduler = with_slots(roomy(), 0);
    let ambient = ask(&mut scheduler, "ada", Class::Ambient);
    let session = ask(&mut scheduler, "ada", Class::Session);
    let live = ask(&mut scheduler, "ada", Class::Live);
    scheduler.set_slots(3);
    assert_eq!(starts(&mut scheduler, SECOND), [live, session, ambient]);
}

#[test]
fn a_kept_slot_stays_free_for_live_requests() {
    let mut scheduler = with_slots(AdmissionSettings { kept_for_live: 1, ..roomy() }, 2);
    let ambient = ask(&mut scheduler, "ada", Class::Ambient);
    let late = ask(&mut scheduler, "ada", Class::Ambient);
    assert_eq!(starts(&mut scheduler, SECOND), [ambient]);
    let live = ask(&mut scheduler, "ada", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [live]);
    scheduler.end(SECOND, ambient);
    assert_eq!(starts(&mut scheduler, SECOND), [], "one free slot is the kept one");
    scheduler.end(SECOND, live);
    assert_eq!(starts(&mut scheduler, SECOND), [late]);
}

#[test]
fn the_only_slot_is_for_everybody() {
    let mut scheduler = with_slots(AdmissionSettings { kept_for_live: 4, ..roomy() }, 1);
    let ambient = ask(&mut scheduler, "ada", Class::Ambient);
    assert_eq!(starts(&mut scheduler, SECOND), [ambient]);
}

#[test]
fn a_player_runs_no_more_than_the_tier_allows_and_the_others_are_not_held_up() {
    let mut scheduler = with_slots(roomy(), 3);
    let capped = Asking { concurrent: 1, ..asking("ada", Class::Live) };
    let first = scheduler.ask(SECOND, capped.clone()).unwrap().ticket;
    let second = scheduler.ask(SECOND, capped).unwrap().ticket;
    let other = ask(&mut scheduler, "bo", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [first, other]);
    scheduler.end(SECOND, first);
    assert_eq!(starts(&mut scheduler, SECOND), [second]);
}

#[test]
fn fewer_slots_cut_nobody_and_let_nobody_in() {
    let mut scheduler = with_slots(roomy(), 2);
    let running = [ask(&mut scheduler, "ada", Class::Live), ask(&mut scheduler, "bo", Class::Live)];
    let waiting = ask(&mut scheduler, "cy", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), running);
    scheduler.set_slots(1);
    scheduler.end(SECOND, running[0]);
    assert_eq!(starts(&mut scheduler, SECOND), []);
    scheduler.end(SECOND, running[1]);
    assert_eq!(starts(&mut scheduler, SECOND), [waiting]);
}

#[test]
fn patience_ends_in_the_queue_only() {
    let mut scheduler = with_slots(roomy(), 1);
    let short = Asking { patience: 5 * SECOND, ..asking("ada", Class::Live) };
    let running = scheduler.ask(Duration::ZERO, short.clone()).unwrap().ticket;
    assert_eq!(starts(&mut scheduler, Duration::ZERO), [running]);
    let waiting = scheduler.ask(Duration::ZERO, Asking { player: "bo".into(), ..short }).unwrap().ticket;
    assert_eq!(scheduler.next_deadline(), Some(5 * SECOND));
    assert_eq!(verdicts(&mut scheduler, 4 * SECOND), []);
    let [Verdict::Refuse(ticket, shed)] = verdicts(&mut scheduler, 5 * SECOND)[..] else { panic!() };
    assert_eq!((ticket, shed.why), (waiting, ShedReason::Expired));
    assert_eq!(scheduler.next_deadline(), None);
    assert!(scheduler.end(5 * SECOND, running));
}

#[test]
fn stale_ambient_requests_expire_by_the_patience_of_their_class() {
    let mut settings = roomy();
    settings.ambient.patience_ms = 4_000;
    let mut scheduler = with_slots(settings, 0);
    ask(&mut scheduler, "ada", Class::Ambient);
    ask(&mut scheduler, "ada", Class::Live);
    assert_eq!(verdicts(&mut scheduler, 4 * SECOND).len(), 1);
    assert_eq!(scheduler.figures().of(Class::Ambient).shed(ShedReason::Expired), 1);
    assert_eq!(scheduler.figures().of(Class::Live).waiting, 1);
}

#[test]
fn a_player_has_only_so_many_waiting() {
    let mut settings = roomy();
    settings.live.waiting_of_player_max = 2;
    let mut scheduler = with_slots(settings, 0);
    ask(&mut scheduler, "ada", Class::Live);
    ask(&mut scheduler, "ada", Class::Live);
    assert_eq!(why(scheduler.ask(SECOND, asking("ada", Class::Live))), ShedReason::TooManyOfPlayer);
    ask(&mut scheduler, "bo", Class::Live);
    ask(&mut scheduler, "ada", Class::Session);
}

#[test]
fn a_full_queue_takes_from_whoever_has_most_in_it() {
    let mut settings = roomy();
    settings.live.waiting_max = 4;
    let mut scheduler = with_slots(settings, 0);
    let flood: Vec<Ticket> = (0..4).map(|_| ask(&mut scheduler, "flood", Class::Live)).collect();
    ask(&mut scheduler, "ada", Class::Live);
    let [Verdict::Refuse(ticket, shed)] = verdicts(&mut scheduler, SECOND)[..] else { panic!() };
    assert_eq!((ticket, shed.why), (flood[3], ShedReason::QueueFull));
    assert_eq!(why(scheduler.ask(SECOND, asking("flood", Class::Live))), ShedReason::QueueFull);
    assert_eq!(scheduler.figures().of(Class::Live).waiting, 4);
}

#[test]
fn without_a_queue_free_slots_are_given_all_the_same() {
    let mut settings = roomy();
    settings.live.waiting_max = 0;
    let mut scheduler = with_slots(settings, 1);
    let first = ask(&mut scheduler, "ada", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [first]);
    assert_eq!(why(scheduler.ask(SECOND, asking("bo", Class::Live))), ShedReason::QueueFull);
}

#[test]
fn who_waits_may_leave() {
    let mut scheduler = with_slots(roomy(), 1);
    let running = ask(&mut scheduler, "ada", Class::Live);
    let leaver = ask(&mut scheduler, "bo", Class::Live);
    let stays = ask(&mut scheduler, "cy", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [running]);
    assert!(scheduler.end(SECOND, leaver));
    assert_eq!(starts(&mut scheduler, SECOND), [], "a place in the queue is no slot");
    scheduler.end(SECOND, running);
    assert_eq!(starts(&mut scheduler, SECOND), [stays]);
    assert_eq!(scheduler.figures().of(Class::Live).left, 1);
}

#[test]
fn draining_turns_away_who_waits_and_lets_end_what_runs() {
    let mut scheduler = with_slots(roomy(), 1);
    let running = ask(&mut scheduler, "ada", Class::Live);
    ask(&mut scheduler, "bo", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [running]);
    scheduler.drain();
    let [Verdict::Refuse(_, shed)] = verdicts(&mut scheduler, SECOND)[..] else { panic!() };
    assert_eq!(shed.why, ShedReason::Draining);
    assert_eq!(why(scheduler.ask(SECOND, asking("cy", Class::Live))), ShedReason::Draining);
    assert!(scheduler.end(SECOND, running));
}

#[test]
fn who_used_less_than_estimated_is_sooner_next() {
    let mut scheduler = with_slots(roomy(), 2);
    let (much, little) = (ask(&mut scheduler, "ada", Class::Live), ask(&mut scheduler, "bo", Class::Live));
    ask(&mut scheduler, "ada", Class::Live);
    let next_little = ask(&mut scheduler, "bo", Class::Live);
    assert_eq!(starts(&mut scheduler, SECOND), [much, little]);
    scheduler.used(much, Usage { prompt_tokens: 600, cached_tokens: 0, output_tokens: 300 });
    scheduler.used(little, Usage { prompt_tokens: 600, cached_tokens: 540, output_tokens: 50 });
    scheduler.end(SECOND, much);
    assert_eq!(starts(&mut scheduler, SECOND), [next_little]);
}

#[test]
fn staying_away_saves_no_turns_up() {
    let mut scheduler = with_slots(roomy(), 1);
    for _ in 0..50 {
        ask(&mut scheduler, "ada", Class::Live);
    }
    for _ in 0..20 {
        let started = starts(&mut scheduler, SECOND);
        scheduler.end(SECOND, started[0]);
    }
    let late: Vec<Ticket> = (0..10).map(|_| ask(&mut scheduler, "bo", Class::Live)).collect();
    let order: Vec<bool> = (0..8)
        .map(|_| {
            let started = starts(&mut scheduler, SECOND)[0];
            scheduler.end(SECOND, started);
            late.contains(&started)
        })
        .collect();
    assert_eq!(order.iter().filter(|of_late| **of_late).count(), 4, "they take turns: {order:?}");
}

#[test]
fn times_to_ask_again_are_spread_and_a_seed_repeats_them() {
    let retries = |seed| {
        let mut scheduler = Scheduler::new(roomy(), seed);
        scheduler.drain();
        (0..20)
            .map(|_| scheduler.ask(SECOND, asking("ada", Class::Live)).unwrap_err().retry_after)
            .collect::<Vec<Duration>>()
    };
    assert_eq!(retries(1), retries(1));
    assert_ne!(retries(1), retries(2));
    let distinct: std::collections::BTreeSet<Duration> = retries(1).into_iter().collect();
    assert!(distinct.len() > 15, "{distinct:?}");
}
