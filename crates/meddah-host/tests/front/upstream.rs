//! One engine of two goes wrong, in every way that is known: players of the other one notice nothing, who met the
//! fault is answered elsewhere or told so in order, every answer is settled once, and no slot is lost.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use meddah_fakes::engine::{EngineShape, Fault};
use meddah_host::engines::Health;
use meddah_host::storage::{Ended, LedgerLine};
use serde_json::Value;

use crate::two_engines::{PLAYERS, Rig, TOKENS, Told, body, is_clean, is_within, reserved, shape};

/// A player of the other engine waits at most this many times as long as without the fault, and this much more: half
/// of the slots are gone, and other tests run on the same two cores. Less than a silence together.
const LATER: u32 = 4;
const LATER_BY: Duration = Duration::from_secs(1);
fn slowest(told: &[Told]) -> Duration {
    told.iter().map(|told| told.took).max().unwrap()
}

/// Lets one engine go wrong in this way. `is_seen`: players have seen the beginning of an answer by then.
async fn goes_wrong(fault: Fault, is_seen: bool) {
    let rig = Rig::start(shape()).await;
    let before = rig.everybody().await;
    assert!(before.iter().all(|told| told.error.is_none()), "{before:?}");
    let bound = slowest(&before) * LATER + LATER_BY;

    rig.host.engine.set_fault(fault);
    let told = rig.everybody().await;
    let state = rig.state(0);
    let broken: Vec<&Value> = told.iter().filter_map(|told| told.error.as_ref()).collect();
    assert!(state.failed > 0, "the fault was met: {state:?}");
    assert_eq!(broken.len() as u64, state.failed - state.failed_over, "{fault:?}: {state:?} {broken:?}");
    assert!(broken.iter().all(|error| is_clean(error)), "{fault:?}: {broken:?}");
    assert!(
        is_seen || broken.is_empty(),
        "{fault:?}: another engine takes over before the first word: {broken:?}"
    );
    // Three failures in a row, and what was on its way meanwhile.
    assert!(state.failed <= 3 + 4, "{fault:?}: {state:?}");
    let late = told.iter().filter(|told| told.took > bound).count() as u64;
    assert!(late <= state.failed, "{fault:?}: {late} beyond {bound:?}, {}", state.failed);
    assert_eq!((rig.state(1).failed, rig.state(1).health), (0, Health::Up), "{fault:?}");
    assert_eq!((rig.host.engine.figures().most_waiting, rig.sound.figures().most_waiting), (0, 0));
    rig.wait_for("it rests", |rig| rig.state(0).health == Health::Resting).await;
    let metrics = rig.host.client.get(rig.host.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("engine_up{engine=\"bad\"} 0") && metrics.contains("engine_up{engine=\"sound\"} 1")
    );

    rig.host.engine.clear_fault();
    rig.wait_for("it is back", |rig| rig.state(0).health == Health::Up).await;
    rig.wait_until_idle().await;
    let finished = rig.host.engine.figures().finished;
    let after = rig.everybody().await;
    assert!(after.iter().all(|told| told.error.is_none()), "{fault:?}: {after:?}");
    assert!(rig.host.engine.figures().finished > finished, "{fault:?}: it has work again");
    rig.wait_until_idle().await;
    let all: Vec<&Told> = before.iter().chain(&told).chain(&after).collect();
    costs_are_right(&rig, &all).await;
}

/// Tokens of the answer that were charged. A token of it costs two millionths here, and one of the prompt costs one.
fn output(line: &LedgerLine) -> u64 {
    line.entry.amounts.micro - line.entry.amounts.tokens
}

async fn costs_are_right(rig: &Rig, told: &[&Told]) {
    let ledger = rig.settled_once(told.len()).await;
    let ended = |ended: Ended| ledger.iter().filter(move |line| line.entry.ended == ended);
    let broken: Vec<&&Told> = told.iter().filter(|told| told.error.is_some()).collect();
    assert_eq!((ended(Ended::Failed).count(), ended(Ended::Cut).count()), (broken.len(), 0));
    assert!(
        ended(Ended::Answered).all(|line| output(line) == u64::from(TOKENS) && line.entry.amounts.turns == 1)
    );
    let heard: u64 = broken.iter().map(|told| told.words).sum();
    let charged: u64 = ended(Ended::Failed).map(output).sum();
    // By its bytes where no usage came: a word of five is two tokens then.
    assert!((heard..=2 * heard).contains(&charged), "{charged} of {heard}");
    let reserved = reserved(PLAYERS - 1, TOKENS);
    assert!(ledger.iter().all(|line| is_within(line, reserved)), "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_word_another_engine_takes_over() {
    let faults = [
        Fault::HangBeforeHead,
        Fault::Drip(1, Duration::from_millis(100)),
        Fault::Status(500),
        Fault::Garbage,
        Fault::Noise,
        Fault::CutInLetter(0),
        Fault::EndlessLine(0),
    ];
    join_all(faults.map(|fault| goes_wrong(fault, false))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_first_word_an_answer_ends_in_order() {
    let faults = [
        Fault::HangAfter(2),
        Fault::CutAfter(2),
        Fault::CutInLetter(2),
        Fault::EndlessLine(2),
        Fault::ErrorAfter(2),
    ];
    join_all(faults.map(|fault| goes_wrong(fault, true))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_engine_is_no_broken_one() {
    const FEW: u32 = 4;
    let rig = Rig::start(shape()).await;
    rig.host.engine.set_fault(Fault::Drip(1, Duration::from_micros(100)));
    let told = join_all((0..PLAYERS).map(|player| rig.ask(player, FEW))).await;
    assert!(told.iter().all(|told| told.error.is_none() && told.words == u64::from(FEW)), "{told:?}");
    assert!(rig.host.engine.figures().finished > 0);
    let state = rig.state(0);
    assert_eq!((state.failed, state.health), (0, Health::Up), "{state:?}");
    let ledger = rig.settled_once(PLAYERS).await;
    assert!(ledger.iter().all(|line| output(line) == u64::from(FEW)), "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_engine_says_of_the_usage_nobody_pays_for_a_lie() {
    const LONG: u32 = 200;
    let rig = Rig::start(EngineShape { token: Duration::from_micros(500), ..shape() }).await;
    let honest = rig.ask(0, LONG).await;
    assert_eq!((honest.words, honest.error), (u64::from(LONG), None));
    let lies = [
        Fault::NoUsage,
        Fault::Usage(0, 0),
        Fault::Usage(0, 1),
        Fault::Usage(1, 5),
        // Up to a token for each byte there is text for it, and the player still pays no more than was reserved.
        Fault::Usage(100, 4 * u64::from(LONG)),
        Fault::Usage(1_000, 10 * u64::from(LONG)),
        Fault::Usage(u64::MAX, u64::MAX),
        Fault::Charged(1_000),
        Fault::UsageTwice(1, 1),
        Fault::UsageTwice(1_000, 10 * u64::from(LONG)),
    ];
    let reserved = reserved(0, LONG);
    for (place, lie) in lies.into_iter().enumerate() {
        rig.host.engine.set_fault(lie);
        rig.sound.set_fault(lie);
        let told = rig.ask(0, LONG).await;
        assert_eq!((told.words, told.error), (u64::from(LONG), None), "{lie:?}");
        let ledger = rig.settled_once(place + 2).await;
        let (line, amounts) = (ledger.last().unwrap(), ledger.last().unwrap().entry.amounts);
        assert!(is_within(line, reserved), "{lie:?}: {amounts:?} of {reserved}");
        assert!(output(line) >= told.words, "{lie:?}: {amounts:?}"); // of a charge, all that was reserved
        assert_eq!((amounts.turns, line.entry.ended), (1, Ended::Answered), "{lie:?}");
    }
    assert!(rig.host.host.pool.states().iter().all(|state| state.failed == 0 && state.health == Health::Up));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_works_on_after_its_player_left_gets_no_more_than_it_has_slots() {
    const LONG: u32 = 1_000;
    let rig = Rig::start(EngineShape { token: Duration::from_millis(4), ..shape() }).await;
    for fake in [&rig.host.engine, &rig.sound] {
        fake.set_fault(Fault::IgnoresCancel);
    }
    // Eight answers are begun, and those at one engine are left.
    let mut streams = Vec::new();
    for player in 0..8 {
        let asking = rig.host.chat(&rig.players[player], &body(player, LONG));
        streams.push(asking.send().await.unwrap().bytes_stream());
    }
    assert_eq!((rig.state(0).running, rig.state(1).running), (4, 4));
    for stream in &mut streams {
        stream.next().await.unwrap().unwrap();
    }
    rig.host.engine.clear_fault(); // of what begins from now on
    rig.sound.clear_fault();
    drop(streams);
    rig.wait_for("left", |rig| rig.state(0).lingering + rig.state(1).lingering == 8).await;
    assert_eq!((rig.host.engine.figures().running, rig.sound.figures().running), (4, 4), "both still work");
    let told = rig.everybody().await;
    assert!(told.iter().all(|told| told.error.is_none()), "{told:?}");
    for fake in [&rig.host.engine, &rig.sound] {
        let figures = fake.figures();
        assert_eq!((figures.most_waiting, figures.cancelled), (0, 4), "{figures:?}");
    }
    rig.wait_until_idle().await;
    let ledger = rig.settled_once(8 + told.len()).await;
    let left: Vec<u64> = ledger.iter().filter(|line| line.entry.ended == Ended::Cut).map(output).collect();
    assert!(left.len() == 8 && left.iter().all(|tokens| *tokens < u64::from(LONG) / 2), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_does_not_stop_is_stopped() {
    let rig = Rig::start(EngineShape { token: Duration::from_micros(100), ..shape() }).await;
    rig.host.engine.set_fault(Fault::Endless);
    rig.sound.set_fault(Fault::Endless);
    let told = rig.ask(0, TOKENS).await;
    assert!(is_clean(&told.error.unwrap()));
    rig.wait_until_idle().await;
    let ledger = rig.settled_once(1).await;
    assert_eq!((output(&ledger[0]), ledger[0].entry.ended), (u64::from(TOKENS), Ended::Failed));
}
