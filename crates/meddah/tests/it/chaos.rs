//! Five hundred turns with interrupts at any moment, over all transports at once.
//!
//! Each game plays 25 turns with two characters side by side and does what games do: waits, interrupts,
//! cancels, talks over. Whatever happens, every accepted request ends exactly once, nothing is heard after
//! an interrupt, and the text of a turn is what was heard of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::client::{Client, KINDS, Kind};
use crate::rig::{Rig, answer, is_heard, say, script};

const GAMES_PER_TRANSPORT: u64 = 4;
const TURNS_PER_GAME: u64 = 25;

/// Plays and returns, for each turn that was cut, where its silence begins.
async fn play(client: &mut Client<'_>, mut dice: Chance) -> BTreeMap<String, u64> {
    let mut silent_after = BTreeMap::new();
    let mut asked = 0;
    while asked < TURNS_PER_GAME {
        let together = (1 + dice.below(2)).min(TURNS_PER_GAME - asked);
        let mut open: Vec<String> = Vec::new();
        for number in 0..together {
            let req_id = format!("r{}", asked + number);
            let to = if dice.below(2) == 0 { "mira" } else { "borin" };
            client.send(say(&req_id, to)).await;
            open.push(req_id);
        }
        asked += together;
        if dice.below(3) > 0 {
            for _ in 0..dice.below(6) {
                client.next().await.expect("the session goes on");
            }
            dice.moment(Duration::from_millis(4)).await;
            let command = match dice.below(3) {
                0 => json!({"type": "cancel", "req_id": open[0]}),
                1 => json!([{"type": "interrupt"}, {"type": "sing"}]),
                _ => json!({"type": "interrupt"}),
            };
            let cut: Vec<String> =
                if command["type"] == "cancel" { vec![open[0].clone()] } else { open.clone() };
            let acknowledged = client.interrupt(command).await;
            silent_after.extend(cut.into_iter().map(|req_id| (req_id, acknowledged)));
        }
        for req_id in &open {
            let ended = |event: &Value| event["type"] == "turn_ended" && event["req_id"] == req_id.as_str();
            if !client.seen.iter().any(ended) {
                client.until(ended).await;
            }
        }
    }
    silent_after
}

fn check(name: &str, seen: &[Value], silent_after: &BTreeMap<String, u64>) -> [u64; 2] {
    let seqs: Vec<u64> = seen.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{name}: {seqs:?}");
    let mut finishes = [0; 2];
    for number in 0..TURNS_PER_GAME {
        let req_id = format!("r{number}");
        let of_turn: Vec<&Value> = seen
            .iter()
            .filter(|event| event["req_id"] == req_id.as_str() && event["type"] != "error")
            .collect();
        finishes[check_turn(&format!("{name}, {req_id}"), &of_turn, silent_after.get(&req_id).copied())] += 1;
    }
    finishes
}

/// Returns 0 for a turn that is complete, 1 for one that was cut.
fn check_turn(name: &str, of_turn: &[&Value], silent_after: Option<u64>) -> usize {
    let ends = of_turn.iter().filter(|event| event["type"] == "turn_ended").count();
    assert_eq!(ends, 1, "{name}: {of_turn:?}");
    let end = of_turn[of_turn.len() - 1];
    assert_eq!(end["type"], "turn_ended", "{name}: nothing follows the end");
    let late = |event: &&&Value| is_heard(event) && event["seq"].as_u64() > silent_after;
    if silent_after.is_some() {
        assert_eq!(of_turn.iter().filter(late).count(), 0, "{name} after {silent_after:?}: {of_turn:?}");
    }
    let lines = of_turn.iter().filter(|event| event["type"] == "line");
    let lines: Vec<&str> = lines.map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(end["text"], lines.join(" "), "{name}: {of_turn:?}");
    match end["finish"].as_str() {
        Some("complete") => {
            assert_eq!(lines.len(), 3, "{name}: {of_turn:?}");
            0
        }
        Some("interrupted") => 1,
        other => panic!("{name}: {other:?}"),
    }
}

async fn game(kind: Kind, number: u64) -> [u64; 2] {
    let mut dice = Chance(number * 4 + kind as u64);
    let rig = Rig::start(script(dice.below(3), 1 + dice.below(9) as usize)).await;
    let mut client = Client::open_as(&rig, kind, &format!("player {number}")).await;
    let silent_after = play(&mut client, dice).await;
    let seen = std::mem::take(&mut client.seen);
    drop(client);
    rig.stop().await;
    check(&format!("{kind:?}, game {number}"), &seen, &silent_after)
}

/// A game that can only make single requests: it gives up at any moment and asks again.
async fn one_shot_game(number: u64) -> [u64; 2] {
    let mut dice = Chance(1000 + number);
    let rig = Rig::start(script(dice.below(3), 1 + dice.below(9) as usize)).await;
    let mut finishes = [0; 2];
    for turn in 0..TURNS_PER_GAME {
        let req_id = format!("r{turn}");
        let said = json!({"character": "mira", "text": "Good evening!", "req_id": req_id});
        let request = || rig.http.post(rig.url("/v1/talk")).json(&said);
        if dice.below(2) == 0 {
            request().timeout(Duration::from_micros(500 + dice.below(20_000))).send().await.ok(); // it may be faster
        }
        let (status, reply) = answer(request()).await;
        assert_eq!(status, 200, "{reply}");
        let seen = reply["events"].as_array().unwrap();
        assert!(seen.iter().all(|event| event["req_id"] == req_id.as_str()), "one shot {number}: {seen:?}");
        finishes
            [check_turn(&format!("one shot {number}, {req_id}"), &seen.iter().collect::<Vec<_>>(), None)] +=
            1;
        assert_eq!(rig.model.seen().len() as u64, turn + 1, "one shot {number} {req_id}: asked once");
    }
    rig.stop().await;
    finishes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_turns_end_once_and_no_line_follows_an_interrupt() {
    let games =
        KINDS.into_iter().flat_map(|kind| (0..GAMES_PER_TRANSPORT).map(move |number| game(kind, number)));
    let one_shots = join_all((0..GAMES_PER_TRANSPORT).map(one_shot_game));
    let (mut finishes, one_shots) = tokio::join!(join_all(games), one_shots);
    finishes.extend(one_shots);
    let [complete, interrupted] =
        finishes.iter().fold([0, 0], |sum, game| [sum[0] + game[0], sum[1] + game[1]]);
    assert_eq!(complete + interrupted, 5 * GAMES_PER_TRANSPORT * TURNS_PER_GAME);
    assert!(complete > 50 && interrupted > 50, "both happen often: {complete} {interrupted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_of_one_character_run_in_the_order_in_which_they_were_accepted() {
    let rig = Rig::start(script(0, 0)).await;
    for round in 0..20 {
        let mut client = Client::open_as(&rig, Kind::LongPoll, &format!("player {round}")).await;
        let says: Vec<Value> = (0..30).map(|number| say(&format!("r{number}"), "mira")).collect();
        client.send(says.into()).await;
        client.until(|event| event["type"] == "turn_ended" && event["req_id"] == "r29").await;
        let started = client.seen.iter().filter(|event| event["type"] == "turn_started");
        let order: Vec<&str> = started.map(|event| event["turn"].as_str().unwrap()).collect();
        assert_eq!(order, (1..=30).map(|number| format!("t{number}")).collect::<Vec<_>>(), "round {round}");
    }
    rig.stop().await;
}
