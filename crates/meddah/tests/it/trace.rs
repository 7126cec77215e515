//! The same talk over every transport gives the same events.

use serde_json::{Value, json};

use crate::client::{Client, KINDS, Kind, Lines};
use crate::rig::{Rig, answer, door, script, types};

/// What is said; a one-shot sends the same fields in its own form.
fn trace() -> Vec<Value> {
    let scene = json!({"place": "the inn", "present": ["mira", "borin"]});
    vec![
        json!({"req_id": "r1", "to": "mira", "text": "Good evening!", "scene": scene, "actions": door()}),
        json!({"req_id": "r2", "to": "borin", "text": "And you? \"ça va\" 🍺"}),
        json!({"req_id": "r3", "to": "mira", "text": "One more thing."}),
    ]
}

/// Times differ from run to run, and so does the session's id. A feeling fades with the real clock, so
/// only the first one has the same numbers every time.
fn blank(mut event: Value) -> Value {
    let mut blanked = vec!["timing", "session"];
    if event["type"] == "emotion" && event["turn"] != "t1" {
        blanked.extend(["intensity", "pleasure", "arousal", "dominance"]);
    }
    event.as_object_mut().unwrap().retain(|key, _| !blanked.contains(&key.as_str()));
    event
}

async fn over_session(kind: Kind) -> Vec<Value> {
    let rig = Rig::start(script(1, 5)).await;
    let mut client = Client::open(&rig, kind).await;
    for mut said in trace() {
        said["type"] = "say".into();
        client.send(said).await;
        client.until_turn_ended().await;
    }
    let seen = std::mem::take(&mut client.seen);
    drop(client);
    rig.stop().await;
    seen.into_iter().map(blank).collect()
}

fn one_shot(mut said: Value) -> Value {
    said["character"] = said["to"].take();
    said.as_object_mut().unwrap().shift_remove("to");
    said["player"] = "Ayla".into();
    said
}

async fn over_one_shot(kind: Option<Kind>) -> Vec<Value> {
    let rig = Rig::start(script(1, 5)).await;
    let mut all = Vec::new();
    for said in trace() {
        let request = rig.http.post(rig.url("/v1/talk")).json(&one_shot(said));
        match kind {
            Some(kind) => all.extend(Lines::of(request, kind == Kind::Sse).await.rest().await),
            None => {
                let (status, reply) = answer(request).await;
                assert_eq!(status, 200, "{reply}");
                all.extend(reply["events"].as_array().unwrap().iter().cloned());
            }
        }
    }
    rig.stop().await;
    all.into_iter().map(blank).collect()
}

#[tokio::test]
async fn the_same_talk_gives_the_same_events_everywhere() {
    let expected = over_session(Kind::LongPoll).await;
    let turn = ["turn_started", "emotion", "action", "line", "line", "line", "turn_ended"];
    assert_eq!(types(&expected[1..8]), turn);
    assert_eq!(expected.len(), 1 + 3 * turn.len());
    for kind in KINDS {
        assert_eq!(over_session(kind).await, expected, "{kind:?}");
    }
    for kind in [None, Some(Kind::Sse), Some(Kind::Ndjson)] {
        assert_eq!(over_one_shot(kind).await, expected[1..], "one shot, {kind:?}");
    }
}
