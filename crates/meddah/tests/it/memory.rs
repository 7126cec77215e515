//! What a character remembers: what it witnessed, as far as it was heard, on the line of time that is loaded.

use serde_json::{Value, json};

use crate::client::{Client, Kind};
use crate::rig::{Rig, script};

/// Says something and returns everything that the model was shown for the answer.
async fn told(client: &mut Client<'_>, rig: &Rig, said: Value) -> String {
    let before = rig.model.seen().len();
    client.send(said).await;
    client.until_turn_ended().await;
    let seen = rig.model.seen();
    assert_eq!(seen.len(), before + 1);
    seen[before].messages.iter().map(|message| message.text.clone() + "\n").collect()
}

fn say(to: &str, text: &str) -> Value {
    json!({"type": "say", "to": to, "text": text})
}

#[tokio::test]
async fn loading_a_save_brings_back_its_memory_and_the_other_time_is_still_there() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    told(&mut client, &rig, say("mira", "My dog is called Rex.")).await;
    client.send(json!({"type": "save", "name": "inn"})).await;
    let early = client.until(|event| event["type"] == "saved").await["cursor"].clone();
    assert!(early.as_str().is_some_and(|cursor| cursor.len() <= 64 && cursor.is_ascii()), "{early}");
    let later = told(&mut client, &rig, say("mira", "I stole the silver spoon.")).await;
    assert!(later.contains("Rex"));
    client.send(json!({"type": "save"})).await;
    let late = client.until(|event| event["type"] == "saved").await["cursor"].clone();

    client.send(json!({"type": "load", "cursor": early})).await;
    client.until(|event| event["type"] == "loaded").await;
    let back = told(&mut client, &rig, say("mira", "What do you know of me?")).await;
    assert!(back.contains("Rex") && !back.contains("spoon"), "{back}");

    client.send(json!({"type": "load", "cursor": late})).await;
    client.until(|event| event["type"] == "loaded").await;
    let other = told(&mut client, &rig, say("mira", "And now?")).await;
    assert!(other.contains("Rex") && other.contains("spoon") && !other.contains("know of me"), "{other}");

    client.send(json!({"type": "load", "name": "inn"})).await;
    client.until(|event| event["type"] == "loaded").await;
    client.send(json!({"type": "load", "cursor": "nonsense"})).await;
    let error = client.until(|event| event["type"] == "error").await;
    assert_eq!(error["code"], "unknown_save");
    drop(client);

    // A session that opens with a save begins there.
    let hello = json!({"player": "Ayla", "save": early});
    let (status, opened) = rig.post("/v1/sessions", &hello).await;
    assert_eq!(status, 200, "{opened}");
    rig.stop().await;
}

#[tokio::test]
async fn a_line_that_was_cut_off_is_remembered_as_far_as_it_was_heard() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    told(&mut client, &rig, say("mira", "Good evening!")).await;
    client
        .send(json!([
            {"type": "heard", "turn": "t1", "line": 1, "fraction": 0.5},
            {"type": "heard", "turn": "t1", "line": 2, "fraction": 0},
        ]))
        .await;
    let told = told(&mut client, &rig, say("mira", "Sorry, what?")).await;
    assert!(told.contains("Welcome to the Lantern. Sit down—"), "{told}");
    assert!(!told.contains("by the fire") && !told.contains("What will it be"), "{told}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn who_was_not_there_does_not_know() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "scene", "place": "the cellar", "present": ["mira", "Ayla"]})).await;
    told(&mut client, &rig, say("mira", "The key is under the mat.")).await;
    client.send(json!({"type": "event", "text": "A barrel falls over."})).await;
    client.send(json!({"type": "scene", "place": "the yard", "present": ["mira", "borin", "Ayla"]})).await;
    let borin = told(&mut client, &rig, say("borin", "Anything new?")).await;
    assert!(borin.contains("The place: the yard."), "{borin}");
    assert!(!borin.contains("mat") && !borin.contains("barrel"), "{borin}");
    let mira = told(&mut client, &rig, say("mira", "Anything new?")).await;
    assert!(mira.contains("under the mat") && mira.contains("A barrel falls over."), "{mira}");
    // She stood by while Borin was asked.
    assert!(mira.contains("Ayla said to Borin: Anything new?"), "{mira}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_scene_that_comes_with_the_words_is_noticed_once() {
    let rig = Rig::start(script(0, 0)).await;
    let scene =
        json!({"place": "the harbour", "time": "midnight", "facts": ["Fog hides the ships.", "door_open"]});
    let talk = json!({"character": "mira", "player": "Ayla", "text": "Who goes there?", "scene": scene});
    for _ in 0..2 {
        assert_eq!(rig.post("/v1/talk", &talk).await.0, 200);
    }
    for request in rig.model.seen() {
        let all: String = request.messages.iter().map(|message| message.text.as_str()).collect();
        let note = "[The place: the harbour. The time: midnight. Fog hides the ships.]";
        assert_eq!(all.matches(note).count(), 1, "{all}");
        assert!(!all.contains("door_open"), "{all}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_secret_is_told_to_the_model_only_while_its_condition_holds() {
    let rig = Rig::start(script(0, 0)).await;
    let mira = json!({"name": "Mira", "description": "Keeps an inn.",
        "secrets": [{"text": "Mira owes forty silver.", "condition": "mira_trusts_player"}]});
    assert_eq!(rig.put("/v1/worlds/tavern/characters/mira", &mira).await.0, 200);
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let before = told(&mut client, &rig, say("mira", "Do you owe anybody silver?")).await;
    assert!(!before.contains("forty"), "{before}");
    client.send(json!({"type": "scene", "facts": ["mira_trusts_player"]})).await;
    let after = told(&mut client, &rig, say("mira", "Do you owe anybody silver?")).await;
    assert!(after.contains("[Mira owes forty silver.]"), "{after}");
    drop(client);
    rig.stop().await;
}
