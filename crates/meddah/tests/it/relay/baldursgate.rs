//! The Baldur's Gate 3 mod.

use serde_json::{Value, json};

use super::{Link, shown, start};
use crate::rig::{door, script};

const FACE: &str = "baldursgate-relay";
const REPLY: &str = "Welcome to the Lantern. Sit down by the fire. What will it be?";

async fn send(link: &mut Link, kind: &str, message: &str) {
    link.send(&json!({"type": kind, "message": message}).to_string()).await;
}

/// What the overlay shows of a reply of three sentences.
async fn hear(link: &mut Link) -> String {
    let mut text = String::new();
    for _ in 0..3 {
        let piece = link.next().await;
        assert_eq!(piece["type"].as_str().unwrap().to_lowercase(), "text", "{piece}");
        text.push_str(piece["data"].as_str().unwrap());
    }
    text
}

#[tokio::test]
async fn a_day_on_the_road() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let mut link = Link::open(ports[0], "/connect").await;
    send(&mut link, "message", "Anybody?").await;
    assert!(link.next().await["data"].as_str().unwrap().contains("nobody is listening"));
    send(&mut link, "connect", "laezel").await;
    let connected = link.next().await;
    assert_eq!(
        (&connected["type"], connected["data"].as_str()),
        (&json!("connected"), Some("Lae'zel is listening. "))
    );
    for turn in 0..10 {
        // The microphone is always on.
        link.send_sound(vec![turn; 3200]).await;
        link.send("this is sound too").await;
        send(&mut link, "message", &format!("Turn {turn}")).await;
        assert_eq!(hear(&mut link).await, REPLY);
    }
    for told in ["The world: Baldur's Gate.", "You are Lae'zel, githyanki fighter", "You talk with friend."] {
        assert!(shown(&rig).contains(told), "{told} in {}", shown(&rig));
    }
    let event = json!({"type": "event", "message": "location_chatter", "parameters": [{"Key": "place", "Value": "an amazing view"}]});
    link.send(&event.to_string()).await;
    assert_eq!(hear(&mut link).await, REPLY);
    assert!(
        shown(&rig).contains("[You walk along together and see this: an amazing view.]"),
        "{}",
        shown(&rig)
    );
    send(&mut link, "reconnect", "laezel").await;
    assert_eq!(link.next().await["type"], "reconnected");
    send(&mut link, "message", "Still there?").await;
    assert_eq!(hear(&mut link).await, REPLY);
    assert!(shown(&rig).contains("Turn 7"), "{}", shown(&rig));
    send(&mut link, "disconnect", "").await;
    assert_eq!(link.next().await, json!({"type": "disconnected", "data": ""}));
    link.close().await;
    rig.stop().await;

    // The mod takes a talk up again after Meddah was started anew.
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let mut link = Link::open(ports[0], "/connect").await;
    send(&mut link, "reconnect", "laezel").await;
    assert_eq!(link.next().await["type"], "reconnected");
    send(&mut link, "message", "And now?").await;
    hear(&mut link).await;
    assert!(shown(&rig).contains("Turn 9") && shown(&rig).contains("Lae'zel"), "{}", shown(&rig));
    link.close().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_reply_broken_off_by_a_break_does_not_hold_the_next_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(100, 8), &[FACE], folder.path()).await;
    let mut link = Link::open(ports[0], "/connect").await;
    send(&mut link, "connect", "minsc_and_boo").await;
    assert_eq!(link.next().await["data"], "Minsc And Boo is listening. ");
    send(&mut link, "message", "First").await;
    assert_eq!(link.next().await["data"], "Welcome to the Lantern.");
    link.vanish();
    let mut link = Link::open(ports[0], "/connect").await;
    send(&mut link, "reconnect", "minsc_and_boo").await;
    assert_eq!(link.next().await["type"], "reconnected");
    send(&mut link, "message", "Second").await;
    assert_eq!(hear(&mut link).await, REPLY);
    let shown = shown(&rig);
    assert!(shown.contains("First") && !shown.contains("What will it be?"), "{shown}");
    link.close().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_character_of_the_players_own_is_used_and_broken_messages_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let own: Value = json!({"name": "Gale", "description": "Gale of my own making."});
    assert_eq!(rig.put("/v1/worlds/baldursgate/characters/gale", &own).await.0, 200);
    let mut link = Link::open(ports[0], "/connect").await;
    for junk in [
        "",
        "[]",
        "{}",
        "{\"type\": 1}",
        "{\"type\": \"event\", \"parameters\": 7}",
        "{\"type\": \"connect\"}",
    ] {
        link.send(junk).await;
    }
    // Only the last is a request, and it names nobody.
    assert_eq!(link.next().await["type"], "TEXT");
    send(&mut link, "connect", "Gale").await;
    assert_eq!(link.next().await["type"], "connected");
    link.send(&format!("{{\"type\": \"event\", \"message\": \"x\", \"parameters\": {}}}", door())).await;
    assert_eq!(hear(&mut link).await, REPLY);
    assert!(shown(&rig).contains("Gale of my own making."), "{}", shown(&rig));
    link.close().await;
    rig.stop().await;
}
