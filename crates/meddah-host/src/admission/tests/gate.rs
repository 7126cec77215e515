//! The gate: futures, drops, tasks and paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::admission::{Gate, Place};

fn gate(slots: u32) -> Arc<Gate> {
    let gate = Gate::new(roomy());
    gate.set_slots(slots);
    gate
}

fn waiting(gate: &Gate) -> u64 {
    Class::ALL.into_iter().map(|class| gate.figures().of(class).waiting).sum()
}

fn running(gate: &Gate) -> u64 {
    Class::ALL.into_iter().map(|class| gate.figures().of(class).running).sum()
}

#[tokio::test(start_paused = true)]
async fn dropping_a_slot_lets_the_next_in_at_once() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    let next = gate.enter(asking("bo", Class::Live), None);
    tokio::pin!(next);
    assert!(timeout(SECOND, &mut next).await.is_err(), "the slot is taken");
    drop(slot);
    assert_eq!(running(&gate), 1, "it has the slot before it is polled again");
    let slot = next.await.unwrap();
    assert!(slot.waited() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_leaves_the_queue() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    assert!(timeout(SECOND, gate.enter(asking("bo", Class::Live), None)).await.is_err());
    assert_eq!(waiting(&gate), 0);
    drop(slot);
    assert_eq!(running(&gate), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_while_the_future_is_dropped_is_not_lost() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    let mut next = Box::pin(gate.enter(asking("bo", Class::Live), None));
    assert!(timeout(SECOND, &mut next).await.is_err());
    drop(slot);
    drop(next);
    assert_eq!(running(&gate), 0);
    let _slot =
        timeout(SECOND, gate.enter(asking("cy", Class::Live), None)).await.expect("a free slot").unwrap();
}

#[tokio::test(start_paused = true)]
async fn patience_ends_by_itself() {
    let gate = gate(0);
    let hasty = Asking { patience: 5 * SECOND, ..asking("ada", Class::Live) };
    let started = tokio::time::Instant::now();
    let shed = gate.enter(hasty, None).await.err().expect("expired");
    assert_eq!(shed.why, ShedReason::Expired);
    assert!((5 * SECOND..6 * SECOND).contains(&started.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_patience_than_the_timer_waits_for_is_kept() {
    let gate = gate(0);
    let mut tasks = JoinSet::new();
    for seconds in [60, 5] {
        let gate = Arc::clone(&gate);
        let asking = Asking { patience: seconds * SECOND, ..asking("ada", Class::Live) };
        tasks.spawn(async move { gate.enter(asking, None).await.err().map(|shed| (seconds, shed.why)) });
        sleep(SECOND).await;
    }
    let started = tokio::time::Instant::now();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), Some((5, ShedReason::Expired)));
    assert!(started.elapsed() < 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_where() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    let mut tasks = JoinSet::new();
    let mut places = Vec::new();
    for player in ["bo", "cy"] {
        let (progress, place) = watch::channel(Place::default());
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            let slot = gate.enter(asking(player, Class::Live), Some(progress)).await.unwrap();
            sleep(10 * SECOND).await;
            drop(slot);
        });
        places.push(place);
        sleep(SECOND).await;
    }
    assert_eq!([places[0].borrow().position, places[1].borrow().position], [1, 2]);
    drop(slot);
    sleep(SECOND).await;
    assert_eq!(places[1].borrow().position, 1);
    assert!(places[1].borrow().wait > Duration::ZERO);
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn more_slots_let_more_in() {
    let gate = gate(0);
    let mut tasks = JoinSet::new();
    for player in 0..5 {
        let gate = Arc::clone(&gate);
        tasks.spawn(async move { gate.enter(asking(&player.to_string(), Class::Live), None).await });
    }
    sleep(SECOND).await;
    assert_eq!((waiting(&gate), running(&gate)), (5, 0));
    gate.set_slots(3);
    assert_eq!((waiting(&gate), running(&gate)), (2, 3));
    gate.set_slots(5);
    assert_eq!(tasks.join_all().await.into_iter().filter(Result::is_ok).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn draining_turns_away_who_waits_and_who_comes() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    let mut tasks = JoinSet::new();
    let same = Arc::clone(&gate);
    tasks.spawn(async move { same.enter(asking("bo", Class::Live), None).await.err() });
    sleep(SECOND).await;
    gate.drain();
    assert_eq!(tasks.join_next().await.unwrap().unwrap().unwrap().why, ShedReason::Draining);
    let late = gate.enter(asking("cy", Class::Live), None).await.err().unwrap();
    assert_eq!(late.why, ShedReason::Draining);
    assert_eq!(running(&gate), 1);
    drop(slot);
    assert_eq!(running(&gate), 0);
}

#[tokio::test(start_paused = true)]
async fn reports_of_usage_reach_the_counters() {
    let gate = gate(1);
    let slot = gate.enter(asking("ada", Class::Live), None).await.unwrap();
    slot.used(600, 600, 0);
    let mut order = JoinSet::new();
    for player in ["bo", "ada"] {
        let gate = Arc::clone(&gate);
        order.spawn(async move {
            let slot = gate.enter(asking(player, Class::Live), None).await.unwrap();
            slot.used(20_000, 0, 0);
            player
        });
        sleep(SECOND).await;
    }
    let (first, second) = (async { drop(slot) }, async { order.join_next().await.unwrap().unwrap() });
    let (_, first_served) = tokio::join!(first, second);
    assert_eq!(first_served, "bo", "60 tokens are more than none");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_nobody_holds_is_gone_with_its_timer() {
    let gate = gate(1);
    let weak = Arc::downgrade(&gate);
    sleep(SECOND).await;
    drop(gate);
    sleep(SECOND).await;
    assert!(weak.upgrade().is_none());
}

/// Many tasks on several threads, half of which give up: never more inside than slots, and nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_race_for_few_slots() {
    const TASKS: u32 = 2_000;
    const SLOTS: u32 = 4;
    let gate = gate(SLOTS);
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (gate, inside, most) = (Arc::clone(&gate), Arc::clone(&inside), Arc::clone(&most));
        tasks.spawn(async move {
            let class = Class::ALL[number as usize % 3];
            let entering = gate.enter(asking(&format!("player {}", number % 50), class), None);
            let hasty = Duration::from_micros(u64::from(number % 64) * 50);
            let entered =
                if number % 2 == 0 { timeout(hasty, entering).await.ok() } else { Some(entering.await) };
            let Some(slot) = entered else { return false };
            let slot = slot.unwrap();
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            slot.used(10, 0, number);
            inside.fetch_sub(1, Ordering::SeqCst);
            true
        });
    }
    let through = tasks.join_all().await.into_iter().filter(|through| *through).count();
    assert!(through >= TASKS as usize / 2, "{through}");
    assert!(most.load(Ordering::SeqCst) <= SLOTS);
    assert_eq!((waiting(&gate), running(&gate)), (0, 0));
}
