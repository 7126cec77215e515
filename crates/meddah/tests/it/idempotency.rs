//! A game that asks again does not make anybody talk twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, KINDS, Lines};
use crate::rig::{PATIENCE, Rig, answer, door, say, script, types};

fn talk(req_id: &str) -> Value {
    json!({"character": "mira", "player": "Ayla", "text": "Good evening!", "req_id": req_id})
}

/// Waits until the model was asked so often.
async fn until_asked(rig: &Rig, times: usize) {
    let asked = async {
        while rig.model.seen().len() < times {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the model is asked");
}

#[tokio::test]
async fn a_repeated_talk_gets_the_first_answer() {
    let rig = Rig::start(script(3, 4)).await;
    let said = talk("r1");
    let (one, two) = tokio::join!(rig.post("/v1/talk", &said), rig.post("/v1/talk", &said));
    let later = rig.post("/v1/talk", &said).await;
    assert_eq!((later.0, &one, &two), (200, &later, &later));
    assert_eq!(rig.model.seen().len(), 1, "also when both are the first of their session");
    let request = rig.http.post(rig.url("/v1/talk")).json(&talk("r1"));
    assert_eq!(Lines::of(request, true).await.rest().await, *later.1["events"].as_array().unwrap());
    let other = rig.post("/v1/talk", &talk("r2")).await;
    assert_ne!(other.1["turn"], later.1["turn"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_left_fetches_its_answer_with_the_same_req_id() {
    let rig = Rig::start(script(10, 4)).await;
    let impatient = rig.http.post(rig.url("/v1/talk")).json(&talk("r1")).timeout(Duration::from_millis(60));
    assert!(impatient.send().await.unwrap_err().is_timeout());
    let (status, reply) = rig.post("/v1/talk", &talk("r1")).await;
    assert_eq!((status, &reply["finish"]), (200, &json!("complete")));
    assert_eq!(rig.model.seen().len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn without_a_req_id_a_client_that_leaves_withdraws_its_turn() {
    for accept in ["application/json", "text/event-stream", "application/x-ndjson"] {
        let rig = Rig::start(script(20, 1)).await;
        let request = rig.http.post(rig.url("/v1/talk")).json(&talk("")).header("accept", accept);
        let leaving = async {
            let mut response = request.timeout(Duration::from_millis(150)).send().await?;
            while response.chunk().await?.is_some() {}
            Ok::<_, reqwest::Error>(())
        };
        assert!(leaving.await.unwrap_err().is_timeout(), "{accept}");
        until_asked(&rig, 1).await;
        // The whole reply would take 1.2 s; the next one does not wait for it.
        let begun = std::time::Instant::now();
        let next =
            rig.http.post(rig.url("/v1/talk")).json(&talk("")).header("accept", "application/x-ndjson");
        let mut lines = Lines::of(next, false).await;
        while lines.next().await.expect("a turn goes on")["type"] != "emotion" {}
        assert!(begun.elapsed() < Duration::from_millis(900), "{accept}: {:?}", begun.elapsed());
        drop(lines);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_repeated_say_begins_nothing() {
    for kind in KINDS {
        let rig = Rig::start(script(1, 9)).await;
        let mut client = Client::open(&rig, kind).await;
        client.send(json!([say("r1", "mira"), say("r1", "mira")])).await;
        client.until_turn_ended().await;
        if let Some(again) = client.send(say("r1", "mira")).await {
            let expected = json!([{"type": "say", "req_id": "r1", "turn": "t1", "repeated": true}]);
            assert_eq!(again["accepted"], expected);
        }
        client.send(say("r2", "mira")).await;
        let end = client.until_turn_ended().await;
        assert_eq!((&end["req_id"], &end["turn"]), (&json!("r2"), &json!("t2")));
        let ends = types(&client.seen).iter().filter(|kind| **kind == "turn_ended").count();
        assert_eq!((ends, rig.model.seen().len()), (2, 2), "{kind:?}");
        drop(client);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_failed_turn_is_an_error_with_the_same_body() {
    let mut failing = script(0, 0);
    failing.reply[0].text = String::new();
    failing.reply[0].fail = "the model broke".into();
    let rig = Rig::start(failing).await;
    let (status, _) = rig.put("/v1/worlds/tavern/characters/anna", &json!({"name": "Anna"})).await;
    assert_eq!(status, 200);
    let request = json!({"character": "anna", "text": "Good evening!", "req_id": "r1"});
    let (status, body) = rig.post("/v1/talk", &request).await;
    assert_eq!(
        (status, &body["finish"], &body["error"]["code"]),
        (502, &json!("failed"), &json!("model_failed"))
    );
    assert!(!body["error"]["help"].as_str().unwrap().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn when_no_model_answers_the_character_has_lines_of_its_own_and_the_reason_is_told() {
    let mut failing = script(0, 0);
    failing.reply[0].text = String::new();
    failing.reply[0].fail = "the model broke".into();
    let rig = Rig::start(failing).await;
    let (status, body) = answer(rig.http.post(rig.url("/v1/talk")).json(&talk("r1"))).await;
    let said = (status, &body["finish"], &body["text"], &body["timing"]["model"]);
    assert_eq!(said, (200, &json!("complete"), &json!("Hm."), &json!("canned")));
    assert_eq!(body["error"]["code"], "model_failed", "{body}");
    let events = body["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["type"] == "notice" && event["code"] == "canned"), "{body}");
    rig.stop().await;
}

#[tokio::test]
async fn an_action_before_the_model_broke_stands_and_no_canned_line_follows() {
    let mut failing = script(0, 0);
    failing.reply[0].text = String::new();
    failing.reply[0].fail = "the model broke".into();
    let rig = Rig::start(failing).await;
    let request = json!({"character": "mira", "text": "Open the cellar!", "actions": door()});
    let (status, body) = rig.post("/v1/talk", &request).await;
    assert_eq!((status, &body["finish"], &body["text"]), (200, &json!("complete"), &json!("")), "{body}");
    assert_eq!(body["error"]["code"], "model_failed");
    assert_eq!(body["actions"][0]["name"], "open_door");
    let notices: Vec<&str> =
        body["events"].as_array().unwrap().iter().filter_map(|e| e["code"].as_str()).collect();
    assert_eq!(notices, ["cut_short"], "{body}");
    rig.stop().await;
}
