//! After an interrupt is acknowledged, nothing of that turn is heard any more.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, KINDS};
use crate::rig::{Rig, is_heard, say, script};

/// Reads on until the turn has ended and a later turn as well, then checks what came after `acknowledged`.
async fn check_silence(client: &mut Client<'_>, turn: &str, acknowledged: u64) {
    let ended = |event: &Value, turn: &str| event["type"] == "turn_ended" && event["turn"] == turn;
    if !client.seen.iter().any(|event| ended(event, turn)) {
        client.until(|event| ended(event, turn)).await;
    }
    client.send(say("later", "mira")).await;
    client.until(|event| event["type"] == "turn_ended" && event["req_id"] == "later").await;
    let of_turn: Vec<&Value> = client.seen.iter().filter(|event| event["turn"] == turn).collect();
    let late: Vec<&&Value> = of_turn
        .iter()
        .filter(|event| is_heard(event) && event["seq"].as_u64().unwrap() > acknowledged)
        .collect();
    assert!(late.is_empty(), "after {acknowledged}: {late:?}");
    let end = of_turn.last().unwrap();
    assert_eq!(end["finish"], "interrupted", "{end}");
    // What is remembered is what came through.
    let heard: Vec<&str> = of_turn
        .iter()
        .filter(|event| event["type"] == "line")
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(end["text"], heard.join(" "));
}

#[tokio::test]
async fn an_interrupt_silences_the_turn_on_every_transport() {
    for kind in KINDS {
        for (place, command) in [
            ("first line", json!({"type": "interrupt"})),
            ("first line", json!({"type": "interrupt", "turn": "t1"})),
            ("first line", json!({"type": "cancel", "req_id": "r1"})),
            ("start", json!({"type": "interrupt"})),
        ] {
            let rig = Rig::start(script(2, 1)).await;
            let mut client = Client::open(&rig, kind).await;
            client.send(say("r1", "mira")).await;
            match place {
                "start" => client.until(|event| event["type"] == "turn_started").await,
                _ => client.until(|event| event["type"] == "line").await,
            };
            let acknowledged = client.interrupt(command).await;
            check_silence(&mut client, "t1", acknowledged).await;
            drop(client);
            rig.stop().await;
        }
    }
}

#[tokio::test]
async fn what_nobody_fetched_is_taken_back() {
    let rig = Rig::start(script(5, 2)).await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    rig.post(&commands, &say("r1", "mira")).await;
    tokio::time::sleep(Duration::from_millis(100)).await; // time for a line or two
    let (_, answer) = rig.post(&commands, &json!({"type": "interrupt"})).await;
    assert_eq!(answer["accepted"], json!([{"type": "interrupt", "turn": "t1"}]));
    let events = rig.until_turn_ended(&session, 0).await;
    assert!(!events.iter().any(is_heard), "{events:?}");
    assert_eq!(events.last().unwrap()["text"], "");
    rig.stop().await;
}

#[tokio::test]
async fn an_interrupt_from_another_connection_reaches_a_stream() {
    let rig = Rig::start(script(4, 1)).await;
    let mut reader = Client::open(&rig, crate::client::Kind::Sse).await;
    reader.send(say("r1", "mira")).await;
    reader.until(|event| event["type"] == "line").await;
    let path = format!("/v1/sessions/{}/commands", reader.session);
    let (_, answer) = rig.post(&path, &json!({"type": "interrupt"})).await;
    check_silence(&mut reader, "t1", answer["cursor"].as_u64().unwrap()).await;
    drop(reader);
    rig.stop().await;
}
