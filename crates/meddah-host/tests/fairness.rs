//! Light players beside one that floods, an hour of it, with the real scheduler.

#[path = "../examples/fairness/scenario.rs"]
mod scenario;

use std::time::Duration;

use meddah_host::plan::{Flood, Habits, Order, Outcome, Scenario, simulate};
use meddah_host::player::Class;
use scenario::{FLOOD, light_players, with_ambient};

fn live_p99(outcome: &Outcome) -> Duration {
    outcome.of(Class::Live).first_token.p99
}

/// How long a request of these scenarios holds its slot on average: a quarter of a second to read 60 tokens, and 97
/// tokens of 25 ms.
const HOLD: Duration = Duration::from_millis(250 + 97 * 25);

#[test]
fn light_players_hardly_notice_a_flood() {
    for seed in 1..=3 {
        let quiet = simulate(&Scenario { seed, ..light_players() }).unwrap();
        let flooded = Scenario { seed, flood: FLOOD, ..light_players() };
        let fair = simulate(&flooded).unwrap();
        let bound = live_p99(&quiet) * 3 / 2 + HOLD;
        assert!(live_p99(&fair) <= bound, "{:?} of {bound:?}", live_p99(&fair));
        assert!(fair.utilisation >= 0.97, "no slot may be wasted: {}", fair.utilisation);
        assert!(fair.flood_token_share > 0.6, "the flood has what is left: {}", fair.flood_token_share);
        let first_come = simulate(&Scenario { order: Order::FirstCome, ..flooded }).unwrap();
        assert!(live_p99(&first_come) > 10 * live_p99(&fair), "{:?}", live_p99(&first_come));
    }
}

#[test]
fn players_who_all_want_more_get_the_same() {
    let flood = Flood { players: 5, outstanding: 16 };
    let outcome = simulate(&Scenario { flood, players: 0, ..light_players() }).unwrap();
    assert!(outcome.flood_jain >= 0.999, "{}", outcome.flood_jain);
}

#[test]
fn talk_among_characters_makes_nobody_wait_and_a_kept_slot_helps() {
    let together = simulate(&with_ambient(light_players())).unwrap();
    let first_come =
        simulate(&Scenario { order: Order::FirstCome, ..with_ambient(light_players()) }).unwrap();
    let mut keeping = with_ambient(light_players());
    keeping.admission.kept_for_live = 1;
    let keeping = simulate(&keeping).unwrap();
    assert!(live_p99(&together) * 2 < live_p99(&first_come), "{:?}", live_p99(&together));
    assert!(live_p99(&keeping) < live_p99(&together), "{:?}", live_p99(&keeping));
}

#[test]
fn a_limit_of_requests_at_once_leaves_room_for_lower_classes_in_a_flood() {
    let flooded = Scenario { flood: FLOOD, ..with_ambient(light_players()) };
    let habits = Habits { concurrent: 2, ..flooded.habits };
    let answered = |scenario: &Scenario| simulate(scenario).unwrap().of(Class::Ambient).answered;
    assert_eq!(answered(&flooded), 0, "live requests come first, strictly");
    assert!(answered(&Scenario { habits, ..flooded }) > 3_000, "of 5400 asked");
}

#[test]
fn patience_turns_minutes_into_seconds_when_there_are_too_many_players() {
    let mut crowd = Scenario { players: 60, ..light_players() };
    let endless = simulate(&crowd).unwrap();
    crowd.admission.live.patience_ms = 8_000;
    let patient = simulate(&crowd).unwrap();
    assert!(live_p99(&endless) > Duration::from_secs(60), "{:?}", live_p99(&endless));
    assert!(live_p99(&patient) < Duration::from_millis(8_500), "{:?}", live_p99(&patient));
    assert!(patient.shed_share < 0.08, "{}", patient.shed_share);
    assert!(patient.utilisation > 0.9, "{}", patient.utilisation);
    assert!(patient.jain > 0.99, "everybody loses a little: {}", patient.jain);
}
