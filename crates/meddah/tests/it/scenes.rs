//! Scenes with many: who answers, several who answer, and characters among themselves.

use std::time::Duration;

use meddah::config::{PromptChoice, Settings};
use meddah_inference::scripted::{Script, ScriptedReply};
use serde_json::{Value, json};

use crate::rig::{PATIENCE, Rig};

fn replies(texts: &[&str]) -> Script {
    let reply = texts.iter().map(|text| ScriptedReply { text: (*text).into(), ..ScriptedReply::default() });
    Script { reply: reply.collect(), ..Script::default() }
}

fn at_once(settings: &mut Settings) {
    settings.scenes.pause_ms = 0;
    settings.scenes.one_call = false;
}

/// As [`at_once`], with one call for a whole scene.
fn one_call(settings: &mut Settings) {
    settings.scenes.pause_ms = 0;
}

/// The first reply, and the scene that is written after it.
fn first_and_scene(first: &str, scene: &str) -> Script {
    let keyed = ScriptedReply { when: first.into(), text: scene.into(), ..ScriptedReply::default() };
    let mut script = replies(&[first, "Nobody asked for this."]);
    script.reply.insert(0, keyed);
    script
}

fn crash(among: u32) -> Value {
    json!({"type": "event", "text": "A crash in the cellar.", "to": "mira", "react": true, "among": among})
}

async fn send(rig: &Rig, session: &str, command: Value) {
    let (status, body) = rig.post(&format!("/v1/sessions/{session}/commands"), &command).await;
    assert!(status == 200 && body["accepted"][0]["error"].is_null(), "{body}");
}

/// Waits for so many ends of turns; who spoke and what, in order.
async fn ends(rig: &Rig, session: &str, count: usize) -> Vec<(String, String)> {
    let (mut cursor, mut ended) = (0, Vec::new());
    let wait = async {
        while ended.len() < count {
            let path = format!("/v1/sessions/{session}/events?cursor={cursor}&wait=5");
            let (_, body) = rig.get(&path).await;
            cursor = body["cursor"].as_u64().unwrap();
            for event in body["events"].as_array().unwrap() {
                if event["type"] == "turn_ended" {
                    let text = |key: &str| event[key].as_str().unwrap().to_owned();
                    ended.push((text("character"), text("text")));
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the turns end");
    ended
}

/// What the model was shown last for each request, oldest first.
fn told(rig: &Rig) -> Vec<String> {
    let seen = rig.model.seen().into_iter();
    seen.map(|request| request.messages.iter().map(|message| message.text.clone() + "\n").collect()).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(who, text)| (who.to_owned(), text.to_owned())).collect()
}

#[tokio::test]
async fn everybody_is_answered_by_all_who_are_there_one_after_another() {
    let rig = Rig::with(replies(&["A good evening to you.", "And from me as well."]), at_once).await;
    let session = rig.session().await;
    let scene = json!({"present": ["mira", "borin"]});
    let said = json!({"type": "say", "to": "", "text": "Good evening, everybody!", "scene": scene});
    send(&rig, &session, said).await;
    let expected = pairs(&[("mira", "A good evening to you."), ("borin", "And from me as well.")]);
    assert_eq!(ends(&rig, &session, 2).await, expected);
    let told = told(&rig);
    assert!(
        told[1].contains("Mira answered: A good evening to you."),
        "who answers second has heard the first: {}",
        told[1]
    );
    rig.stop().await;
}

#[tokio::test]
async fn characters_go_on_among_themselves_until_a_line_asks_for_nothing() {
    let lines = [
        "What was that noise?",
        "The wind, Mira. Or was it?",
        "Did you lock the door?",
        "I did.",
        "Never said.",
    ];
    let rig = Rig::with(replies(&lines), at_once).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(
        &rig,
        &session,
        json!({"type": "event", "text": "A crash in the cellar.", "to": "mira", "react": true, "among": 6}),
    )
    .await;
    let expected = pairs(&[("mira", lines[0]), ("borin", lines[1]), ("mira", lines[2]), ("borin", lines[3])]);
    assert_eq!(ends(&rig, &session, 4).await, expected);
    assert!(told(&rig)[1].ends_with("Mira: What was that noise?\n"), "{}", told(&rig)[1]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.model.seen().len(), 4, "a last word is a last word");

    // And a moment later they are silent among themselves.
    send(
        &rig,
        &session,
        json!({"type": "event", "text": "Another crash.", "to": "mira", "react": true, "among": 6}),
    )
    .await;
    ends(&rig, &session, 5).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.model.seen().len(), 5);
    rig.stop().await;
}

#[tokio::test]
async fn one_call_writes_a_scene_and_each_says_its_own_lines() {
    let scene = "Borin: Was that the wind?\n**Mira:** In the cellar? Is it open?\nBorin: I will look.\nMira: Too much.";
    let rig = Rig::with(first_and_scene("What was that noise?", scene), one_call).await;
    rig.put("/v1/worlds/tavern/characters/osk", &json!({"name": "Osk", "knows": ["The beam is rotten."]}))
        .await;
    let session = rig.session().await;
    // What Mira hears alone, Borin does not know, and so nobody writes of it.
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(&rig, &session, json!({"type": "event", "text": "Mira finds a ring.", "witnesses": ["mira"]})).await;
    send(&rig, &session, json!({"type": "event", "text": "It thunders.", "witnesses": ["mira", "borin"]}))
        .await;
    send(&rig, &session, crash(6)).await;
    let expected = pairs(&[
        ("mira", "What was that noise?"),
        ("borin", "Was that the wind?"),
        ("mira", "In the cellar? Is it open?"),
        ("borin", "I will look."),
    ]);
    assert_eq!(ends(&rig, &session, 4).await, expected);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let told_until_now = told(&rig);
    assert_eq!(told_until_now.len(), 2, "one call for the first line, one for the rest");
    let asked = &told_until_now[1];
    for part in [
        "Only these speak: Mira, Borin.",
        "[It thunders.]",
        "[A crash in the cellar.]\nMira: What was that noise?",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    assert!(!asked.contains("ring") && !asked.contains("rotten"), "{asked}");

    // It is remembered as what each of them said and heard, and by nobody who was not there.
    let say = |to: &str| {
        let scene = json!({"present": [to, "Ayla"]});
        json!({"type": "say", "to": to, "text": "What did I miss?", "scene": scene})
    };
    send(&rig, &session, say("mira")).await;
    ends(&rig, &session, 5).await;
    let mira = told(&rig).pop().unwrap();
    for part in ["Borin: Was that the wind?", "In the cellar? Is it open?", "I will look."] {
        assert!(mira.contains(part), "{part} in {mira}");
    }
    send(&rig, &session, say("osk")).await;
    ends(&rig, &session, 6).await;
    let osk = told(&rig).pop().unwrap();
    assert!(osk.contains("You are Osk") && !osk.contains("wind") && !osk.contains("cellar"), "{osk}");
    rig.stop().await;
}

#[tokio::test]
async fn what_no_scene_can_be_read_from_is_asked_for_line_by_line() {
    let rig = Rig::with(first_and_scene("What was that noise?", "The wind howls."), one_call).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(&rig, &session, crash(2)).await;
    let ended = ends(&rig, &session, 3).await;
    let who: Vec<&str> = ended.iter().map(|(who, _)| who.as_str()).collect();
    assert_eq!(who, ["mira", "borin", "mira"]);
    let scenes = told(&rig).iter().filter(|asked| asked.contains("Only these speak")).count();
    assert_eq!((scenes, rig.model.seen().len()), (1, 4), "one that came to nothing, then each line");
    rig.stop().await;
}

#[tokio::test]
async fn a_written_line_that_nobody_may_say_ends_the_scene_in_silence() {
    let scene = "Borin: As an AI language model I cannot hear.\nMira: Pardon?\nBorin: Well?";
    let rig = Rig::with(first_and_scene("What was that noise?", scene), one_call).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(&rig, &session, crash(6)).await;
    let expected = pairs(&[("mira", "What was that noise?"), ("borin", "")]);
    assert_eq!(ends(&rig, &session, 2).await, expected);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.model.seen().len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn the_player_ends_a_written_scene_and_what_was_not_said_was_not_said() {
    let scene = "Borin: Was that the wind?\nMira: Is it open?\nBorin: The secret cupboard?";
    let slow = |settings: &mut Settings| settings.scenes.pause_ms = 300;
    let rig = Rig::with(first_and_scene("What was that noise?", scene), slow).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(&rig, &session, crash(6)).await;
    ends(&rig, &session, 2).await;
    send(&rig, &session, json!({"type": "say", "to": "borin", "text": "It is only me."})).await;
    let all = ends(&rig, &session, 3).await;
    assert_eq!(all[2].0, "borin");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(rig.model.seen().len(), 3, "nobody goes on");
    let last = told(&rig).pop().unwrap();
    assert!(last.contains("Was that the wind?") && !last.contains("Is it open?"), "{last}");
    rig.stop().await;
}

#[tokio::test]
async fn a_small_model_writes_no_scene() {
    let small = |settings: &mut Settings| {
        settings.scenes.pause_ms = 0;
        settings.turn.prompt = PromptChoice::Small;
    };
    let rig = Rig::with(replies(&["What was that?", "The wind?", "Was it?"]), small).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    send(&rig, &session, crash(2)).await;
    ends(&rig, &session, 3).await;
    assert!(told(&rig).iter().all(|asked| !asked.contains("Only these speak")));
    assert_eq!(rig.model.seen().len(), 3);
    rig.stop().await;
}

#[tokio::test]
async fn an_event_alone_has_one_remark_and_the_player_ends_a_talk_of_others() {
    let slow = |settings: &mut Settings| {
        settings.scenes.pause_ms = 300;
        settings.scenes.one_call = false;
    };
    let rig = Rig::with(replies(&["Who is there?"]), slow).await;
    let session = rig.session().await;
    send(&rig, &session, json!({"type": "scene", "present": ["mira", "borin"]})).await;
    let event = |among: u32| json!({"type": "event", "text": "A knock.", "to": "mira", "react": true, "among": among});
    send(&rig, &session, event(0)).await;
    ends(&rig, &session, 1).await;
    send(&rig, &session, event(6)).await;
    ends(&rig, &session, 2).await;
    // In the breath between two lines the player speaks.
    send(&rig, &session, json!({"type": "say", "to": "borin", "text": "It is only me."})).await;
    let all = ends(&rig, &session, 3).await;
    assert_eq!(all[2].0, "borin");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(rig.model.seen().len(), 3, "nobody goes on");
    rig.stop().await;
}

#[tokio::test]
async fn two_pairs_that_talk_at_the_same_time_do_not_hear_each_other() {
    let keyed = |when: &str, text: &str| ScriptedReply {
        when: when.into(),
        text: text.into(),
        ..ScriptedReply::default()
    };
    let script = Script {
        delay_ms: 2,
        chunk_chars: 4,
        reply: vec![
            keyed("salt", "The salt is gone, is it not?"),
            keyed("bell", "The bell rang again, did it not?"),
        ],
    };
    let rig = Rig::with(script, at_once).await;
    for (id, name) in [("osk", "Osk"), ("linnet", "Linnet")] {
        rig.put(&format!("/v1/worlds/tavern/characters/{id}"), &json!({"name": name})).await;
    }
    let session = rig.session().await;
    let say = |from: &str, to: &str, text: &str| json!({"type": "say", "from": from, "to": to, "text": text, "among": 4, "scene": {"present": [from, to]}});
    let both =
        json!([say("mira", "borin", "Where is the salt?"), say("osk", "linnet", "Did you hear the bell?")]);
    let (status, _) = rig.post(&format!("/v1/sessions/{session}/commands"), &both).await;
    assert_eq!(status, 200);
    let ended = ends(&rig, &session, 6).await;
    let of = |who: [&str; 2]| ended.iter().filter(|(id, _)| who.contains(&id.as_str())).count();
    assert!(of(["mira", "borin"]) >= 2 && of(["osk", "linnet"]) >= 2, "{ended:?}");
    for prompt in told(&rig) {
        let last = prompt.trim_end().lines().last().unwrap_or_default().to_owned();
        let (own, other) = if last.contains("salt") { ("salt", "bell") } else { ("bell", "salt") };
        assert!(prompt.contains(own) && !prompt.contains(other), "{prompt}");
    }
    rig.stop().await;
}
