//! Places, predicted waits, and who is turned away by them.

use proptest::prelude::*;

use super::*;
use crate::admission::Place;

/// Everybody's requests take three seconds, as guessed.
fn busy(slots: u32, settings: AdmissionSettings) -> Scheduler {
    let mut scheduler = with_slots(settings, slots);
    for number in 0..slots {
        ask(&mut scheduler, &format!("runner {number}"), Class::Live);
    }
    assert_eq!(starts(&mut scheduler, Duration::ZERO).len(), slots as usize);
    scheduler
}

fn place_of(scheduler: &Scheduler, ticket: Ticket) -> Place {
    scheduler.places().into_iter().find(|(other, _)| *other == ticket).expect("waits").1
}

#[test]
fn with_a_free_slot_nobody_waits() {
    let mut scheduler = with_slots(roomy(), 1);
    let asked = scheduler.ask(SECOND, asking("ada", Class::Live)).unwrap();
    assert_eq!(asked.place, Place { position: 1, wait: Duration::ZERO });
}

#[test]
fn slots_come_free_at_an_even_pace() {
    let mut scheduler = busy(3, roomy());
    let first = scheduler.ask(SECOND, asking("ada", Class::Live)).unwrap().place;
    let second = scheduler.ask(SECOND, asking("bo", Class::Live)).unwrap().place;
    assert_eq!((first.position, first.wait), (1, SECOND));
    assert_eq!((second.position, second.wait), (2, 2 * SECOND));
}

#[test]
fn a_light_player_is_told_a_short_wait_while_another_floods() {
    let mut scheduler = busy(3, roomy());
    for _ in 0..64 {
        ask(&mut scheduler, "flood", Class::Live);
    }
    let light = scheduler.ask(SECOND, asking("ada", Class::Live)).unwrap().place;
    assert_eq!((light.position, light.wait), (2, 2 * SECOND));
    let heavy = scheduler.ask(SECOND, asking("flood", Class::Live)).unwrap().place;
    assert_eq!((heavy.position, heavy.wait), (66, 66 * SECOND));
}

#[test]
fn more_urgent_requests_are_ahead() {
    let mut scheduler = busy(3, roomy());
    ask(&mut scheduler, "ada", Class::Live);
    let ambient = ask(&mut scheduler, "bo", Class::Ambient);
    assert_eq!(place_of(&scheduler, ambient).position, 2);
    assert!(place_of(&scheduler, ambient).wait >= 2 * SECOND);
}

#[test]
fn a_player_at_the_limit_waits_for_their_own_requests() {
    let mut scheduler = with_slots(roomy(), 10);
    let capped = Asking { concurrent: 1, ..asking("ada", Class::Live) };
    scheduler.ask(SECOND, capped.clone()).unwrap();
    assert_eq!(starts(&mut scheduler, SECOND).len(), 1);
    let second = scheduler.ask(SECOND, capped.clone()).unwrap();
    let third = scheduler.ask(SECOND, capped).unwrap();
    assert_eq!((second.place.wait, third.place.wait), (3 * SECOND, 6 * SECOND));
    assert_eq!(place_of(&scheduler, third.ticket), third.place);
}

#[test]
fn who_would_wait_too_long_is_turned_away_at_once_with_a_time_to_return() {
    let mut scheduler = busy(3, roomy());
    for number in 0..5 {
        ask(&mut scheduler, &format!("player {number}"), Class::Live);
    }
    let hasty = Asking { patience: 5 * SECOND, ..asking("ada", Class::Live) };
    let shed = scheduler.ask(SECOND, hasty.clone()).unwrap_err();
    assert_eq!(shed.why, ShedReason::WouldWaitTooLong);
    assert!((6 * SECOND..=9 * SECOND).contains(&shed.retry_after), "{shed:?}");
    scheduler.ask(SECOND, Asking { patience: 6 * SECOND, ..hasty }).unwrap();
}

#[test]
fn forecasts_follow_what_requests_take() {
    let mut scheduler = busy(1, roomy());
    let mut now = Duration::ZERO;
    let mut running = Ticket(1);
    for _ in 0..300 {
        let next = ask(&mut scheduler, "ada", Class::Live);
        now += 9 * SECOND;
        scheduler.end(now, running);
        assert_eq!(starts(&mut scheduler, now), [next]);
        running = next;
    }
    let wait = scheduler.ask(now, asking("bo", Class::Live)).unwrap().place.wait;
    assert!((8 * SECOND..10 * SECOND).contains(&wait), "{wait:?}");
}

#[test]
fn without_slots_requests_wait_for_an_engine_as_long_as_they_like() {
    let mut scheduler = with_slots(roomy(), 0);
    let asked = scheduler.ask(SECOND, Asking { patience: SECOND, ..asking("ada", Class::Live) }).unwrap();
    assert_eq!(asked.place.wait, Duration::MAX);
}

#[test]
fn in_a_long_queue_the_forecast_is_near_what_the_list_says() {
    let mut scheduler = busy(8, roomy());
    for number in 0..3_000_u32 {
        // Some have one request waiting, some have ten, of all sizes.
        let player = number.wrapping_mul(2_654_435_761) % 700;
        let prompt_tokens = 100 + number * 7_919 % 2_000;
        let asking =
            Asking { prompt_tokens, ..asking(&format!("player {}", player % (player / 9 + 1)), Class::Live) };
        let asked = scheduler.ask(SECOND, asking).unwrap();
        if number % 100 == 99 {
            let [told, listed] = [asked.place, place_of(&scheduler, asked.ticket)].map(|place| place.wait);
            let ratio = told.as_secs_f64() / listed.as_secs_f64();
            assert!((0.6..1.6).contains(&ratio), "after {number}: told {told:?}, listed {listed:?}");
        }
    }
}

proptest! {
    #[test]
    fn what_a_newcomer_is_told_is_what_the_list_says(
        crowd in prop::collection::vec((0..6_u32, 1..2_000_u32), 1..60),
        slots in 1..5_u32,
    ) {
        let mut scheduler = with_slots(roomy(), slots);
        for (player, prompt_tokens) in crowd {
            let (weight, concurrent) = (1 + player % 3, 1 + player % 2);
            let name = format!("player {player}");
            let asking = Asking { weight, concurrent, prompt_tokens, ..asking(&name, Class::Live) };
            let asked = scheduler.ask(SECOND, asking).unwrap();
            let started = starts(&mut scheduler, SECOND);
            if !started.contains(&asked.ticket) {
                prop_assert_eq!(place_of(&scheduler, asked.ticket), asked.place);
            }
        }
    }

    #[test]
    fn positions_are_the_order_in_which_requests_start(
        crowd in prop::collection::vec((0..6_u32, 1..2_000_u32), 1..60),
    ) {
        let mut scheduler = busy(1, roomy());
        for (player, prompt_tokens) in crowd {
            let weight = 1 + player % 3;
            let name = format!("player {player}");
            scheduler.ask(SECOND, Asking { weight, prompt_tokens, ..asking(&name, Class::Live) }).unwrap();
        }
        let mut running = Ticket(1);
        while let Some((next, place)) = scheduler.places().into_iter().next() {
            prop_assert_eq!(place.position, 1);
            scheduler.end(SECOND, running);
            prop_assert_eq!(starts(&mut scheduler, SECOND), [next]);
            running = next;
        }
    }
}
