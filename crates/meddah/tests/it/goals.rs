//! Goals as a game meets them: what follows when one is reached, who speaks first, and what a load brings back.

use serde_json::{Value, json};

use crate::client::{Client, Kind};
use crate::rig::{Rig, door, script};

async fn rig_with_goals() -> Rig {
    let rig = Rig::with(script(0, 0), |settings| settings.turn.speak_first_pause_ms = 0).await;
    let mira = json!({"name": "Mira", "description": "Keeps an inn.", "fallback_lines": ["Hm."],
    "secrets": [{"text": "The bell rings backwards.", "condition": "mira_trusts_player"}],
    "goal": [
        {"id": "bell", "wants": "to get the bell back", "when": "bell_stolen", "reached": "bell_found",
            "speak_first": true, "opening": "The traveller comes in, out of breath.",
            "then": {"action": "open_door", "event": "Mira claps her hands.", "facts": ["mira_trusts_player"],
                "next": "thank"}},
        {"id": "thank", "wants": "to thank the traveller", "reached_by": "open_door", "hears": ["you are welcome"],
            "then": {"action": "fly"}},
    ]});
    let (status, body) = rig.put("/v1/worlds/tavern/characters/mira", &mira).await;
    assert_eq!(status, 200, "{body}");
    rig
}

fn scene(facts: &[&str]) -> Value {
    json!({"type": "scene", "present": ["mira", "Ayla"], "facts": facts})
}

fn shown(rig: &Rig) -> String {
    let seen = rig.model.seen();
    seen.last().unwrap().messages.iter().map(|message| message.text.clone() + "\n").collect()
}

/// What the model was told last.
fn told_now(rig: &Rig) -> String {
    let request = rig.model.seen().pop().unwrap();
    request.messages.last().unwrap().text.clone()
}

async fn say(client: &mut Client<'_>, rig: &Rig, text: &str) -> String {
    client.send(json!({"type": "say", "to": "mira", "text": text})).await;
    client.until_turn_ended().await;
    shown(rig)
}

#[tokio::test]
async fn a_goal_that_is_reached_acts_opens_a_secret_and_leads_on() {
    let rig = rig_with_goals().await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "actions", "list": door()})).await;
    assert!(!say(&mut client, &rig, "Good evening!").await.contains("You want"));
    client
        .send(json!({"type": "event", "text": "Somebody shouts: the bell is gone!", "name": "bell_stolen"}))
        .await;
    let wants = say(&mut client, &rig, "What is it?").await;
    assert!(wants.contains("[You want to get the bell back.]") && !wants.contains("backwards"), "{wants}");

    client.send(json!({"type": "save", "name": "stolen"})).await;
    client.until(|event| event["type"] == "saved").await;
    client.send(json!({"type": "scene", "facts": ["bell_found"]})).await;
    let reached = client.until(|event| event["type"] == "goal" && event["progress"] == "reached").await;
    assert_eq!((&reached["goal"], &reached["text"]), (&json!("bell"), &json!("Mira claps her hands.")));
    let action = client.until(|event| event["type"] == "action" && event["turn"].is_null()).await;
    assert_eq!((&action["name"], &action["character"]), (&json!("open_door"), &json!("mira")), "{action}");
    let after = say(&mut client, &rig, "Here it is.").await;
    for told in [
        "Mira did open_door.",
        "Mira claps her hands.",
        "[The bell rings backwards.]",
        "[You want to thank the traveller.]",
    ] {
        assert!(after.contains(told), "{told} in {after}");
    }

    // The game reports the deed; the next goal's action is none that the game has.
    client.send(json!({"type": "action_result", "call_id": action["call_id"], "ok": true})).await;
    let refused = client.until(|event| event["type"] == "notice").await;
    assert_eq!(refused["code"], "goal_action_refused");
    assert!(refused["help"].as_str().is_some_and(|help| !help.is_empty()));

    // An older save has the goals of that time.
    client.send(json!({"type": "load", "name": "stolen"})).await;
    client.until(|event| event["type"] == "loaded").await;
    client.send(scene(&["It rains."])).await;
    client.until_turn_ended().await; // she speaks first
    let back = say(&mut client, &rig, "Well?").await;
    assert!(back.contains("You want to get the bell back.") && !back.contains("backwards"), "{back}");
    assert!(!back.contains("You want to thank"), "{back}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn several_goals_are_pursued_at_once_and_each_line_of_time_has_its_own() {
    let rig = Rig::start(script(0, 0)).await;
    let goal = |id: &str, priority: i32| json!({"id": id, "wants": format!("to {id}"), "priority": priority, "reached": format!("{id}_done")});
    let mira = json!({"name": "Mira", "goal": [goal("work", 0), goal("rest", 1), goal("sing", 0)]});
    assert_eq!(rig.put("/v1/worlds/tavern/characters/mira", &mira).await.0, 200);
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    say(&mut client, &rig, "Good evening!").await;
    let now = told_now(&rig);
    assert!(now.contains("[You want to rest.]\n[You want to work.]\n") && !now.contains("to sing"), "{now}");
    client.send(json!({"type": "save", "name": "early"})).await;
    client.until(|event| event["type"] == "saved").await;

    client.send(json!({"type": "scene", "facts": ["work_done"]})).await;
    assert_eq!(client.until(|event| event["progress"] == "reached").await["goal"], "work");
    say(&mut client, &rig, "Well done.").await;
    let now = told_now(&rig);
    assert!(now.contains("[You want to sing.]") && !now.contains("to rest"), "the rest stands above: {now}");

    // Another way from the same moment: there she rests first, and the work is not done.
    client.send(json!({"type": "load", "name": "early"})).await;
    client.until(|event| event["type"] == "loaded").await;
    client.send(json!({"type": "scene", "facts": ["rest_done"]})).await;
    assert_eq!(client.until(|event| event["progress"] == "reached").await["goal"], "rest");
    client.send(json!({"type": "scene", "facts": ["rest_done", "work_done"]})).await;
    assert_eq!(client.until(|event| event["progress"] == "reached").await["goal"], "work");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn a_character_speaks_first_once_in_a_meeting_and_only_to_the_player() {
    let rig = rig_with_goals().await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let turns = |rig: &Rig| rig.model.seen().len();
    client.send(scene(&[])).await;
    client.send(json!({"type": "scene", "present": ["mira", "borin"], "facts": ["bell_stolen"]})).await;
    client.send(json!({"type": "event", "text": "A bird sings."})).await;
    assert_eq!(turns(&rig), 0, "no goal, then no player");

    client.send(scene(&["bell_stolen"])).await;
    client.until_turn_ended().await;
    assert!(shown(&rig).contains("[The traveller comes in, out of breath.]"), "{}", shown(&rig));
    assert!(shown(&rig).contains("[You want to get the bell back.]"), "{}", shown(&rig));
    client.send(scene(&["bell_stolen", "It rains."])).await;
    client.send(json!({"type": "event", "text": "A dog barks."})).await;
    assert_eq!(say(&mut client, &rig, "Yes?").await.matches("out of breath").count(), 1);
    assert_eq!(turns(&rig), 2, "once in a meeting");
    client.send(json!({"type": "save", "name": "met"})).await;
    client.until(|event| event["type"] == "saved").await;
    client.send(json!({"type": "load", "name": "met"})).await;
    client.until(|event| event["type"] == "loaded").await;
    client.send(scene(&["bell_stolen"])).await;
    client.send(json!({"type": "event", "text": "A door slams."})).await;
    assert_eq!(turns(&rig), 2, "the meeting of that save goes on");

    client.send(json!({"type": "scene", "present": ["Ayla"]})).await;
    client.send(scene(&[])).await;
    client.until_turn_ended().await;
    assert_eq!(turns(&rig), 3, "another meeting");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn nobody_speaks_first_while_somebody_thinks() {
    let rig = Rig::with(script(30, 4), |settings| settings.turn.speak_first_pause_ms = 0).await;
    let mira = json!({"name": "Mira", "goal": [{"id": "greet", "wants": "to greet", "speak_first": true}]});
    assert_eq!(rig.put("/v1/worlds/tavern/characters/mira", &mira).await.0, 200);
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "say", "to": "borin", "text": "Hello!"})).await;
    client.send(scene(&[])).await;
    client.until_turn_ended().await;
    assert_eq!(rig.model.seen().len(), 1);
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn lore_that_stays_and_rests_follows_the_line_of_time() {
    let rig = Rig::start(script(0, 0)).await;
    let storm = json!({"text": "A storm is coming.", "keys": ["sky"], "rests": 100});
    assert_eq!(rig.put("/v1/worlds/tavern/lore/storm", &storm).await.0, 200);
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(json!({"type": "save", "name": "calm"})).await;
    client.until(|event| event["type"] == "saved").await;
    let tells = |shown: &str| shown.matches("[A storm is coming.]").count();
    assert_eq!(tells(&say(&mut client, &rig, "Look at the sky!").await), 1);
    for _ in 0..6 {
        say(&mut client, &rig, "Hm.").await;
    }
    assert_eq!(tells(&say(&mut client, &rig, "The sky again!").await), 1, "it rests");
    client.send(json!({"type": "load", "name": "calm"})).await;
    client.until(|event| event["type"] == "loaded").await;
    assert_eq!(tells(&say(&mut client, &rig, "The sky!").await), 1, "in this time it never came up");
    drop(client);
    rig.stop().await;
}
