//! The Skyrim mod.

use std::sync::Arc;

use meddah::compat::relay::world_files;
use meddah::worlds::Worlds;
use meddah_inference::scripted::{Script, ScriptedReply};
use serde_json::{Value, json};

use super::{Link, call, shown, start};
use crate::rig::script;

const FACES: [&str; 2] = ["skyrim-relay", "bannerlord-relay"];
const REPLY: &str = "Welcome to the Lantern. Sit down by the fire. What will it be?";

/// Two characters and something to know, in the shape of the mod's own files.
fn import(folder: &std::path::Path) {
    let character = |id: &str, name: &str, nicknames: Value| {
        json!({"name": format!("workspaces/{{WORKSPACE}}/characters/{id}"),
            "defaultCharacterDescription": {"givenName": name, "description": "Lives in the north.", "nicknames": nicknames},
            "facts": [{"text": ["{Character} hunts at night."]}]})
    };
    let characters = [
        character("brenna", "Brenna", json!(["Shield of the Hall"])),
        character("guard", "Guard", json!([])),
    ];
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a.json"), json!({"characters": characters}).to_string()).unwrap();
    let list = json!({"list": [{"memoryRecords": ["The hall of Jorrvask burned once."]}]});
    std::fs::write(files.path().join("b.json"), list.to_string()).unwrap();
    let worlds = Worlds::new(Vec::new()).with_overlay(folder.join("worlds")).unwrap();
    world_files::import(files.path(), world_files::WORLD, Arc::new(worlds), folder).unwrap();
}

async fn send(link: &mut Link, kind: &str, message: &str, id: &str) {
    link.send(&json!({"type": kind, "message": message, "id": id}).to_string()).await;
}

/// The mod reads nothing that lacks one of the three.
async fn next(link: &mut Link) -> (String, String) {
    let message = link.next().await;
    let field =
        |name: &str| message[name].as_str().unwrap_or_else(|| panic!("{name} in {message}")).to_owned();
    assert_eq!(message.as_object().unwrap().len(), 3, "{message}");
    assert_eq!(field("phoneme"), "");
    (field("type"), field("message"))
}

#[tokio::test]
async fn a_walk_through_the_hold() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path());
    let (rig, ports) = start(script(0, 0), &FACES, folder.path()).await;
    assert_eq!(call(ports[0], "GET", "/ping", "").await, (200, json!({"status": "OK"})));
    let mut link = Link::open(ports[0], "/chat").await;
    send(&mut link, "connect", "connect", "Brenna the Huntress").await;
    assert_eq!(next(&mut link).await.0, "established");
    for turn in 0..10 {
        send(&mut link, "message", &format!("Turn {turn}: what of Jorrvask?"), "Brenna the Huntress").await;
        assert_eq!(next(&mut link).await, ("chat".to_owned(), REPLY.to_owned()));
    }
    for told in [
        "You are Brenna.",
        "Brenna hunts at night.",
        "You talk with Dragonborn.",
        "hall of Jorrvask burned",
        "The world: Skyrim.",
    ] {
        assert!(shown(&rig).contains(told), "{told} in {}", shown(&rig));
    }
    // The mod connects and speaks in one go when the player looks at somebody else.
    send(&mut link, "connect", "connect request..", "Whiterun Guard").await;
    send(&mut link, "message", "Halt!", "Whiterun Guard").await;
    assert_eq!(next(&mut link).await.0, "established");
    assert_eq!(next(&mut link).await, ("chat".to_owned(), REPLY.to_owned()));
    assert!(shown(&rig).contains("You are Guard.") && !shown(&rig).contains("Turn 3"), "{}", shown(&rig));
    send(&mut link, "connect", "connect", "SHIELD of the hall").await;
    assert_eq!(next(&mut link).await.0, "established", "by a nickname");
    send(&mut link, "connect", "connect", "Mudcrab").await;
    assert_eq!(next(&mut link).await.0, "doesntexist");
    send(&mut link, "message", "Hello?", "Mudcrab").await;
    let (kind, message) = next(&mut link).await;
    assert!(kind == "doesntexist" && !message.is_empty(), "{kind} {message}");
    // Push to talk and junk do no harm.
    for junk in ["", "junk", "{\"type\":", "[]", "{\"type\": \"dance\"}"] {
        link.send(junk).await;
    }
    link.send_sound(vec![7; 4000]).await;
    // Nobody is there who could be spoken to.
    send(&mut link, "start_listen", "start", "Mudcrab").await;
    send(&mut link, "stop_listen", "stop", "Mudcrab").await;
    assert_eq!(next(&mut link).await.0, "user_voice");
    link.vanish();

    // After a break the mod goes on without another `connect`, and is remembered.
    let mut link = Link::open(ports[0], "/chat").await;
    send(&mut link, "message", "Where were we?", "Brenna the Huntress").await;
    assert_eq!(next(&mut link).await.0, "chat");
    assert!(shown(&rig).contains("Turn 9"), "{}", shown(&rig));
    link.close().await;
    rig.stop().await;
}

#[tokio::test]
async fn two_mods_and_two_clients_talk_at_once() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path());
    let (rig, ports) = start(script(10, 8), &FACES, folder.path()).await;
    let lord = "{\"id\": \"lord\", \"name\": \"Liena\", \"description\": \"A lady.\", \"isFemale\": true, \"age\": 30, \"facts\": [], \"personality\": {}}";
    assert_eq!(call(ports[1], "POST", "/createNewCharacter", lord).await.0, 200);
    let skyrim = async |actor: &str| {
        let mut link = Link::open(ports[0], "/chat").await;
        send(&mut link, "connect", "connect", actor).await;
        send(&mut link, "message", "Hello!", actor).await;
        assert_eq!(next(&mut link).await.0, "established");
        assert_eq!(next(&mut link).await, ("chat".to_owned(), REPLY.to_owned()));
        link.close().await;
    };
    let bannerlord = async {
        let mut link = Link::open(ports[1], "/chatWithCharacter").await;
        link.send("{\"type\": \"connect\", \"characterId\": \"lord\", \"gameDate\": \"1-1-1084\", \"playerName\": \"Ayla\"}").await;
        link.send("{\"type\": \"chat\", \"message\": \"Hello!\"}").await;
        let mut text = String::new();
        while text != REPLY {
            text.push_str(link.next().await["message"].as_str().unwrap_or_default());
        }
        link.close().await;
    };
    tokio::join!(skyrim("Brenna"), skyrim("Whiterun Guard"), bannerlord);
    rig.stop().await;
}

#[tokio::test]
async fn who_comes_second_takes_the_talk_over_and_the_first_may_take_it_back() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path());
    let (rig, ports) = start(script(0, 0), &FACES, folder.path()).await;
    let mut links = [Link::open(ports[0], "/chat").await, Link::open(ports[0], "/chat").await];
    for link in &mut links {
        send(link, "connect", "connect", "Brenna").await;
        assert_eq!(next(link).await.0, "established");
    }
    for turn in 0..6 {
        let link = &mut links[turn % 2];
        send(link, "message", &format!("Turn {turn}"), "Brenna").await;
        assert_eq!(next(link).await, ("chat".to_owned(), REPLY.to_owned()));
    }
    assert!((0..6).all(|turn| shown(&rig).contains(&format!("Turn {turn}"))), "{}", shown(&rig));
    for link in links {
        link.close().await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_interrupted_reply_is_not_shown_and_a_failed_one_is_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path());
    let reply = |when: &str, text: &str, fail: &str| ScriptedReply {
        when: when.into(),
        text: text.into(),
        fail: fail.into(),
        ..ScriptedReply::default()
    };
    let replies = vec![
        reply("First", "One. Two. Three. Four. Five. Six. Seven. Eight.", ""),
        reply("Second", "Short.", ""),
        reply("Third", "", "the model broke"),
    ];
    let (rig, ports) =
        start(Script { delay_ms: 60, chunk_chars: 2, reply: replies }, &FACES, folder.path()).await;
    let mut link = Link::open(ports[0], "/chat").await;
    send(&mut link, "connect", "connect", "Brenna").await;
    assert_eq!(next(&mut link).await.0, "established");
    send(&mut link, "message", "First", "Brenna").await;
    send(&mut link, "message", "Second", "Brenna").await;
    assert_eq!(next(&mut link).await, ("chat".to_owned(), "Short.".to_owned()));
    send(&mut link, "message", "Third", "Brenna").await;
    let (kind, said) = next(&mut link).await;
    let world = rig.sidecar.worlds.find("skyrim").unwrap();
    assert!(kind == "chat" && world.characters["brenna"].fallback_lines.contains(&said), "{kind} {said}");
    link.close().await;
    rig.stop().await;
}
