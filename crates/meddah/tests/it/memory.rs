//! What a character remembers: what it witnessed, as far as it was heard, on the line of time that is loaded.

use serde_json::{Value, json};

use crate::client::{Client, Kind};
use crate::rig::{Rig, script};

/// Says something and returns everything that the model was shown for the answer.
async fn told(client: &mut Client<'_>, rig: &Rig, said: Value) -> String {
    let before = rig.model.seen().pop();
    client.send(said).await;
    client.until_turn_ended().await;
    let asked = rig.model.seen().pop();
    assert!(asked.is_some() && asked != before);
    asked.iter().flat_map(|request| &request.messages).map(|message| message.text.clone() + "\n").collect()
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

#[tokio::test]
async fn reports_that_come_while_the_turn_runs_count() {
    let mut playing = script(20, 4);
    playing.reply[0].decide.insert(meddah_engine::prompt::ACTION_DECISION.into(), "open_door".into());
    let rig = Rig::start(playing).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client
        .send(json!({"type": "say", "to": "mira", "text": "Open it!", "actions": crate::rig::door()}))
        .await;
    let call = client.until(|event| event["type"] == "action").await["call_id"].clone();
    let result = json!({"type": "action_result", "call_id": call, "ok": false, "text": "The door is stuck."});
    let answer = client.send(result).await.unwrap();
    assert_eq!(answer["accepted"], json!([{"type": "action_result"}]));
    client.until(|event| event["type"] == "line" && event["line"] == 1).await;
    client
        .send(json!([{"type": "heard", "turn": "t1", "line": 1, "fraction": 0.5}, {"type": "interrupt"}]))
        .await;
    client.until_turn_ended().await;
    let next = told(&mut client, &rig, say("mira", "And now?")).await;
    assert!(next.contains("Welcome to the Lantern. Sit down—"), "{next}");
    assert!(next.contains("The door is stuck."), "{next}");
    client.send(json!({"type": "heard", "turn": "t99", "line": 0, "fraction": 1})).await;
    let error = client.until(|event| event["type"] == "error").await;
    assert_eq!(error["code"], "unknown_turn");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_request_that_is_repeated_or_refused_leaves_no_trace() {
    let rig = Rig::start(script(0, 0)).await;
    let mut talk = json!({"character": "mira", "player": "Ayla", "text": "Hello!", "req_id": "r1",
        "scene": {"place": "the cellar", "present": ["mira"]}, "events": [{"text": "A bell rings."}]});
    for _ in 0..3 {
        assert_eq!(rig.post("/v1/talk", &talk).await.1["turn"], "t1");
    }
    (talk["req_id"], talk["character"], talk["events"]) =
        ("r2".into(), "nobody".into(), json!([{"text": "A cat."}]));
    assert_eq!(rig.post("/v1/talk", &talk).await.0, 404);
    (talk["req_id"], talk["character"], talk["actions"]) =
        ("r3".into(), "mira".into(), json!([{"name": ""}]));
    assert_eq!(rig.post("/v1/talk", &talk).await.0, 400);
    let last =
        json!({"character": "mira", "player": "Ayla", "text": "Well?", "req_id": null, "timeout_ms": 9000.0});
    assert_eq!(rig.post("/v1/talk", &last).await.0, 200);
    let seen = rig.model.seen();
    let shown: String = seen[seen.len() - 1].messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((shown.matches("A bell rings.").count(), shown.contains("A cat.")), (1, false), "{shown}");
    assert_eq!(shown.matches("The place: the cellar.").count(), 1, "{shown}");
    rig.stop().await;
}

#[tokio::test]
async fn what_nobody_fetched_is_not_remembered() {
    let rig = Rig::start(script(30, 6)).await;
    let said = json!({"character": "mira", "player": "Ayla", "text": "Good evening!"});
    let leaving =
        rig.http.post(rig.url("/v1/talk")).json(&said).timeout(std::time::Duration::from_millis(250));
    assert!(leaving.send().await.unwrap_err().is_timeout());
    assert_eq!(rig.post("/v1/talk", &said).await.0, 200);
    let seen = rig.model.seen();
    let shown: String = seen[1].messages.iter().map(|message| message.text.as_str()).collect();
    assert!(!shown.contains("Welcome to the Lantern"), "{shown}");
    rig.stop().await;
}

#[tokio::test]
async fn after_a_load_the_scene_is_told_anew() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "save", "name": "a"})).await;
    let harbour = json!({"type": "scene", "place": "the harbour", "present": ["mira"]});
    client.send(harbour.clone()).await;
    client.send(json!({"type": "load", "name": "a"})).await;
    client.until(|event| event["type"] == "loaded").await;
    client.send(harbour).await;
    let shown = told(&mut client, &rig, say("mira", "Where are we?")).await;
    assert!(shown.contains("The place: the harbour."), "{shown}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_turn_that_waits_for_another_ends_at_its_own_deadline() {
    let rig = Rig::start(script(200, 4)).await;
    let said = |timeout_ms: u64| json!({"character": "mira", "player": "Ayla", "text": "Hm?", "timeout_ms": timeout_ms});
    let long = said(20_000);
    let waiting = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let begun = std::time::Instant::now();
        let (status, reply) = rig.post("/v1/talk", &said(200)).await;
        // A line of the character's own file is there in time.
        assert_eq!(
            (status, &reply["text"], &reply["error"]["code"]),
            (200, &json!("Hm."), &json!("timeout"))
        );
        assert!(begun.elapsed().as_millis() < 1500, "{:?}", begun.elapsed());
    };
    let (first, ()) = tokio::join!(rig.post("/v1/talk", &long), waiting);
    assert_eq!(first.0, 200);
    rig.stop().await;
}

/// A game that keeps no cursor names its saves, and uses the same name again.
#[tokio::test]
async fn a_name_that_was_used_again_means_the_newest_save_and_is_said_to_be_uncertain() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let load = async |client: &mut Client<'_>, by: Value| {
        let mut command = json!({"type": "load"});
        command.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        client.send(command).await;
        client.until(|event| event["type"] == "loaded" || event["type"] == "error").await
    };
    let at = |time: i64| json!({"type": "scene", "present": ["mira"], "game_time": time});
    client
        .send(json!([at(10), {"type": "event", "text": "It rains."}, {"type": "save", "name": "quick"}]))
        .await;
    let certain = load(&mut client, json!({"name": "quick"})).await;
    assert_eq!(certain["uncertain"], Value::Null, "{certain}");
    client
        .send(json!([at(20), {"type": "event", "text": "A cat comes."}, {"type": "save", "name": "quick"}]))
        .await;
    let newest = load(&mut client, json!({"name": "quick"})).await;
    assert_eq!(newest["uncertain"], true, "{newest}");
    let seen = told(&mut client, &rig, say("mira", "Well?")).await;
    assert!(seen.contains("A cat comes."), "{seen}");

    // Back in time, and on in another way: the moment of the first way is not on this line of time.
    let back = load(&mut client, json!({"game_time": 15})).await;
    assert_eq!(back["uncertain"], true, "{back}");
    client.send(json!([at(30), {"type": "event", "text": "A dog comes."}])).await;
    let here = load(&mut client, json!({"game_time": 25})).await;
    assert_eq!(here["uncertain"], true, "{here}");
    let seen = told(&mut client, &rig, say("mira", "And now?")).await;
    assert!(seen.contains("It rains.") && !seen.contains("cat") && !seen.contains("dog"), "{seen}");
    // By its name it is found all the same.
    load(&mut client, json!({"name": "quick"})).await;
    let seen = told(&mut client, &rig, say("mira", "And here?")).await;
    assert!(seen.contains("A cat comes.") && !seen.contains("dog"), "{seen}");
    assert_eq!(load(&mut client, json!({"name": "never"})).await["code"], "unknown_save");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn what_was_told_long_ago_comes_to_mind_when_it_is_asked_for() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let cellar = json!({"type": "scene", "place": "the cellar", "time": "3 Rain's Hand, evening",
        "present": ["mira", "Ayla"]});
    client.send(json!({"type": "save", "name": "before"})).await;
    client.until(|event| event["type"] == "saved").await;
    client.send(cellar).await;
    told(&mut client, &rig, say("mira", "I buried my grandmother's silver lantern under the old mill."))
        .await;
    client.send(json!({"type": "scene", "place": "the yard", "time": "9 Sun's Dusk, noon", "present": ["mira", "borin", "Ayla"]})).await;
    for number in 0..100 {
        told(
            &mut client,
            &rig,
            say("mira", &format!("Cart number {number} has just come in from the road.")),
        )
        .await;
    }
    let ask = "Do you remember where I buried my grandmother's lantern?";
    let shown = told(&mut client, &rig, say("mira", ask)).await;
    let now = shown.lines().filter(|line| line.contains("You remember")).collect::<Vec<_>>().join("\n");
    assert!(now.contains("silver lantern under the old mill"), "{now}");
    assert!(
        now.contains("(3 Rain's Hand, evening, at the cellar)") && now.contains("Ayla said to you"),
        "{now}"
    );

    let borin = told(&mut client, &rig, say("borin", ask)).await;
    assert!(!borin.contains("silver lantern"), "he was not there: {borin}");

    client.send(json!({"type": "load", "name": "before"})).await;
    client.until(|event| event["type"] == "loaded").await;
    let back = told(&mut client, &rig, say("mira", ask)).await;
    assert!(!back.contains("silver lantern"), "it has not been said yet: {back}");
    drop(client);
    rig.stop().await;
}
