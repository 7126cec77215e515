//! Tests of the simulation itself, of plans, and of the picture.

use std::time::Duration;

use super::engine::{Engine, Point};
use super::outcome::jain;
use super::*;
use crate::admission::{AdmissionSettings, Asking, Scheduler, Ticket};
use crate::player::Class;

const SECOND: u64 = 1_000_000_000;

fn tickets(count: usize) -> Vec<Ticket> {
    let mut scheduler = Scheduler::new(AdmissionSettings::default(), 1);
    let asking = |player: usize| Asking {
        player: player.to_string().as_str().into(),
        class: Class::Live,
        weight: 1,
        concurrent: 1,
        prompt_tokens: 1,
        output_tokens: 1,
        patience: Duration::MAX,
    };
    (0..count).map(|player| scheduler.ask(Duration::ZERO, asking(player)).unwrap().ticket).collect()
}

fn short(players: u32) -> Scenario {
    Scenario { players, duration: Duration::from_secs(600), ..Scenario::default() }
}

/// A machine that takes a minute to plan for, on a slow computer, would be tested by nobody.
fn quick() -> PlanInput {
    PlanInput { minutes: 4, players: vec![20, 1_000, 1_000_000], ..PlanInput::default() }
}

#[test]
fn an_engine_reads_then_writes() {
    let machine = Machine { slots: 2, token_ms: 100.0, slowdown: 1.0, prompt_tokens_per_second: 100.0 };
    let mut engine = Engine::new(machine);
    let ticket = tickets(1)[0];
    engine.start(0, ticket, 100.0, 10);
    assert_eq!(engine.next(), Some(SECOND * 11 / 10));
    assert_eq!(engine.reach(SECOND * 11 / 10), Some((ticket, Point::FirstToken)));
    assert_eq!(engine.next(), Some(2 * SECOND));
    assert_eq!(engine.reach(2 * SECOND), Some((ticket, Point::End)));
    assert_eq!((engine.next(), engine.running()), (None, 0));
}

#[test]
fn two_requests_take_twice_as_long_while_they_run_together() {
    let machine = Machine { slots: 2, token_ms: 100.0, slowdown: 1.0, prompt_tokens_per_second: 100.0 };
    let mut engine = Engine::new(machine);
    let both = tickets(2);
    engine.start(0, both[0], 0.0, 20);
    assert_eq!(engine.reach(SECOND / 10), Some((both[0], Point::FirstToken)));
    // Half done after one second; the second request has ten tokens, which take two seconds now.
    engine.start(SECOND, both[1], 0.0, 10);
    let mut ends = Vec::new();
    while let Some(at) = engine.next() {
        let (ticket, point) = engine.reach(at).unwrap();
        ends.push((ticket, point, at));
    }
    assert_eq!(ends[0], (both[1], Point::FirstToken, SECOND * 12 / 10));
    // Both reach their ends together: the first has had ten more tokens, at half the speed.
    assert_eq!(ends[1..], [(both[0], Point::End, 3 * SECOND), (both[1], Point::End, 3 * SECOND)]);
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let times = (1..=200).rev().map(Duration::from_secs).collect();
    let expected = Percentiles {
        p50: Duration::from_secs(100),
        p95: Duration::from_secs(190),
        p99: Duration::from_secs(198),
    };
    assert_eq!(Percentiles::of(times), expected);
    assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    assert_eq!(Percentiles::of(vec![Duration::from_secs(7)]).p99, Duration::from_secs(7));
}

#[test]
fn jains_index_is_one_when_all_get_the_same() {
    assert!((jain([3.0; 4].into_iter()) - 1.0).abs() < 1e-9);
    assert!((jain([1.0, 0.0, 0.0, 0.0].into_iter()) - 0.25).abs() < 1e-9);
    assert!((jain(std::iter::empty()) - 1.0).abs() < 1e-9);
}

#[test]
fn the_same_scenario_has_the_same_outcome_and_another_seed_another() {
    assert_eq!(simulate(&short(50)).unwrap(), simulate(&short(50)).unwrap());
    assert_ne!(simulate(&short(50)).unwrap(), simulate(&Scenario { seed: 2, ..short(50) }).unwrap());
}

#[test]
fn every_request_is_answered_turned_away_or_still_on_its_way() {
    let outcome = simulate(&short(600)).unwrap();
    for class in Class::ALL {
        let served = outcome.of(class);
        let on_its_way = served.asked - served.answered - served.shed;
        let most = Machine::default().slots + AdmissionSettings::default().class(class).waiting_max;
        assert!(served.asked > 100 && on_its_way <= u64::from(most), "{class:?} {served:?}");
    }
    assert!(outcome.shed_share > 0.0 && outcome.shed_share < 1.0);
}

#[test]
fn a_quiet_machine_answers_as_fast_as_it_can() {
    let mut scenario = short(1);
    scenario.habits.prompt = Length { median: 1_000.0, spread: 0.0, max: 1_000 };
    scenario.habits.cached_share = 0.8;
    let outcome = simulate(&scenario).unwrap();
    // 200 tokens at 2000 in a second, and the first token of 15 ms.
    let p50 = outcome.of(Class::Live).first_token.p50;
    assert!((Duration::from_millis(114)..Duration::from_millis(116)).contains(&p50), "{p50:?}");
}

#[test]
fn a_plan_grows_with_the_players_and_says_where_it_comes_from() {
    let plan = machines(&quick()).unwrap();
    let [few, some, many] = plan.rows[..] else { panic!() };
    assert_eq!((few.machines, few.basis), (1, Basis::Simulated));
    assert_eq!(some.basis, Basis::Simulated);
    assert_eq!((many.at_once, many.basis), (100_000, Basis::Scaled));
    let pool = plan.pool.unwrap();
    assert_eq!(many.machines, (100_000 * pool.machines).div_ceil(pool.players));
    let alone = pool.players.div_ceil(u64::from(plan.players_per_machine));
    assert!(pool.machines < alone, "together they serve more than {alone} machines alone: {pool:?}");
    assert!(few.micro_per_player_month > many.micro_per_player_month, "a machine that idles is dear");
    // One machine, 730 hours of half a dollar, 20 players.
    assert_eq!(few.micro_per_player_month, 730 * 500_000 / 20);
    // 20 players, 30.4 hours in a month, 60 requests an hour: 36.5 thousand.
    assert_eq!(few.micro_per_thousand_requests, 10_000_000);
}

#[test]
fn the_most_players_of_a_machine_meet_the_target_and_many_more_do_not() {
    let input = quick();
    let plan = machines(&input).unwrap();
    let target = Duration::from_millis(input.target.first_token_ms);
    for point in &plan.curve {
        let met = point.first_token.p95 <= target
            && point.shed_shares[..2].iter().all(|share| *share <= input.target.shed_share_max);
        if point.players == plan.players_per_machine {
            assert!(met, "{point:?}");
        }
        if point.players > plan.players_per_machine * 5 / 4 {
            assert!(!met, "{point:?}");
        }
    }
    assert!(plan.curve.iter().any(|point| point.players == plan.players_per_machine));
}

#[test]
fn a_plan_is_a_table_and_a_picture() {
    let plan = machines(&quick()).unwrap();
    let table = plan.to_string();
    assert!(table.contains("1000000"), "{table}");
    assert!(table.contains("scaling"), "{table}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.svg");
    plot(&plan, &path).unwrap();
    let picture = std::fs::read_to_string(&path).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    assert_eq!(picture.matches(r#"stroke-width="2""#).count(), 6, "three lines, and three in the legend");
    let nowhere = plot(&plan, &folder.path().join("no folder/plan.svg")).unwrap_err();
    assert!(matches!(nowhere, PlanError::Plot { .. }));
}

#[test]
fn what_cannot_be_planned_is_said() {
    let no_slots = PlanInput { machine: Machine { slots: 0, ..Machine::default() }, ..quick() };
    assert_eq!(machines(&no_slots).unwrap_err().to_string(), "slots is 0, and has to be more than 0");
    let mut hasty = quick();
    hasty.target.first_token_ms = 1;
    assert!(matches!(machines(&hasty), Err(PlanError::OutOfReach { .. })));
    let mut odd = quick();
    odd.habits.share_at_peak = 0.01;
    assert!(machines(&odd).unwrap_err().to_string().starts_with("share_at_peak is 0.01"));
}

#[test]
fn a_file_names_only_what_differs() {
    let input: PlanInput = toml::from_str("players = [500]\n[machine]\nslots = 16\n").unwrap();
    assert_eq!(input.machine, Machine { slots: 16, ..Machine::default() });
    assert_eq!((input.players, input.habits), (vec![500], Habits::default()));
    assert!(toml::from_str::<PlanInput>("slotz = 3").is_err());
}
