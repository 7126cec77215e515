//! What a character feels and how it stands to the player: events for the game, sentences for whoever thinks,
//! and all of it on the line of time that is loaded.

use meddah_engine::emotion::EmotionLabel;
use meddah_engine::prompt;
use meddah_inference::scripted::Script;
use serde_json::{Value, json};

use crate::client::{Client, Kind};
use crate::rig::{Rig, script};

const INSULT: &str = "You are a worthless liar!";
const STILL_ANGRY: &str = "[You are still angry because Ayla insulted you.]";

/// A model that is angry at whatever is said.
fn angry(delay_ms: u64, chunk_chars: usize) -> Script {
    let mut playing = script(delay_ms, chunk_chars);
    playing.reply[0].decide.insert(prompt::EMOTION_DECISION.into(), "anger".into());
    playing
}

fn say(text: &str) -> Value {
    json!({"type": "say", "to": "mira", "text": text})
}

/// Says something and returns the last message that the model was shown.
async fn told(client: &mut Client<'_>, rig: &Rig, text: &str) -> String {
    client.send(say(text)).await;
    client.until_turn_ended().await;
    rig.model.seen().pop().unwrap().messages.pop().unwrap().text
}

async fn load(client: &mut Client<'_>, cursor: &Value) {
    client.send(json!({"type": "load", "cursor": cursor})).await;
    client.until(|event| event["type"] == "loaded").await;
}

async fn save(client: &mut Client<'_>) -> Value {
    client.send(json!({"type": "save"})).await;
    client.until(|event| event["type"] == "saved").await["cursor"].clone()
}

#[tokio::test]
async fn an_insult_is_felt_and_remembered_and_the_game_is_told_why() {
    let rig = Rig::start(angry(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(say(INSULT)).await;
    let bond = client.until(|event| event["type"] == "relationship").await;
    assert_eq!((&bond["toward"], &bond["character"]), (&json!("Ayla"), &json!("mira")), "{bond}");
    assert_eq!(bond["why"], "Ayla insulted you");
    assert!(bond["affection"].as_f64().unwrap() < -0.05, "{bond}");
    assert_eq!(bond["changed"]["affection"], bond["affection"], "{bond}");
    client.until_turn_ended().await;
    let place = |kind: &str| client.seen.iter().position(|event| event["type"] == kind).unwrap();
    assert!(place("emotion") < place("relationship") && place("relationship") < place("line"));
    let next = told(&mut client, &rig, "Well?").await;
    assert!(next.contains(STILL_ANGRY), "{next}");
    // Told once, it is not told again at once.
    let after = told(&mut client, &rig, "Well?").await;
    assert!(!after.contains(STILL_ANGRY), "{after}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn where_no_mood_was_chosen_the_words_decide() {
    for (mood, text, felt) in [
        ("", INSULT, "anger"),
        ("bluish", INSULT, "anger"),
        ("furious", "Well?", "anger"),
        ("", "Well?", "neutral"),
    ] {
        let mut playing = script(0, 0);
        playing.reply[0].decide.insert(prompt::EMOTION_DECISION.into(), mood.into());
        let rig = Rig::start(playing).await;
        let mut client = Client::open(&rig, Kind::Ndjson).await;
        client.send(say(text)).await;
        let emotion = client.until(|event| event["type"] == "emotion").await;
        assert_eq!(emotion["label"], felt, "{mood:?} {text}: {emotion}");
        drop(client);
        rig.stop().await;
    }
}

#[tokio::test]
async fn feelings_and_bonds_follow_the_save() {
    let rig = Rig::start(angry(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(say("Good evening!")).await;
    client.until_turn_ended().await;
    let early = save(&mut client).await;
    for _ in 0..4 {
        client.send(say(INSULT)).await;
        client.until_turn_ended().await;
    }
    let late = save(&mut client).await;

    load(&mut client, &early).await;
    let back = told(&mut client, &rig, "Well?").await;
    assert!(!back.contains("insulted") && !back.contains("do not like"), "{back}");

    load(&mut client, &late).await;
    // What was told with the insults themselves is not told again, and stands with them.
    told(&mut client, &rig, "Well?").await;
    let there: String =
        rig.model.seen().pop().unwrap().messages.into_iter().map(|message| message.text).collect();
    assert!(there.contains("You do not like Ayla."), "{there}");

    load(&mut client, &early).await;
    let seen = client.seen.len();
    client.send(say(INSULT)).await;
    client.until_turn_ended().await;
    let bond = client.seen[seen..].iter().find(|event| event["type"] == "relationship").unwrap();
    assert!(bond["affection"].as_f64().unwrap() > -0.2, "one insult only on this line of time: {bond}");
    drop(client);
    rig.stop().await;
}

#[tokio::test]
async fn what_a_cut_takes_back_was_not_felt() {
    let rig = Rig::start(angry(40, 1)).await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    let insult = rig.post(&commands, &say(INSULT)).await;
    assert_eq!(insult.0, 200, "{}", insult.1);
    // Nobody reads the events; the feeling is in the log when its turn is cut.
    let felt = async {
        while !rig.sidecar.session(&session).unwrap().events.any_of_turn("t1", is_feeling) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::rig::PATIENCE, felt).await.expect("it is felt");
    assert_eq!(rig.post(&commands, &json!({"type": "interrupt"})).await.0, 200);
    let events = rig.until_turn_ended(&session, 0).await;
    assert!(!events.iter().any(|event| event["type"] == "emotion" || event["type"] == "relationship"));
    let cursor = events.last().unwrap()["seq"].as_u64().unwrap();
    rig.post(&commands, &say("Well?")).await;
    rig.until_turn_ended(&session, cursor).await;
    let next = rig.model.seen().pop().unwrap().messages.pop().unwrap().text;
    assert!(next.contains("Well?") && !next.contains("still angry"), "{next}");
    rig.stop().await;
}

fn is_feeling(kind: &meddah_protocol::EventKind) -> bool {
    matches!(kind, meddah_protocol::EventKind::Relationship { .. })
}

#[tokio::test]
async fn a_canned_line_has_a_feeling_too() {
    // The model is not there in time, so nobody but the words themselves says what is felt.
    let rig = Rig::start(script(5_000, 0)).await;
    let talk = json!({"character": "mira", "player": "Ayla", "text": INSULT, "timeout_ms": 300});
    let (status, reply) = rig.post("/v1/talk", &talk).await;
    assert_eq!((status, &reply["text"]), (200, &json!("Hm.")), "{reply}");
    assert_eq!(reply["emotion"]["label"], "anger", "{reply}");
    rig.stop().await;
}

#[tokio::test]
async fn an_event_is_felt_by_who_saw_it() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    client.send(say("Good evening!")).await;
    client.until_turn_ended().await;
    client
        .send(json!({"type": "event", "text": "Ayla stole a silver spoon from Mira.", "witnesses": ["mira"]}))
        .await;
    let next = told(&mut client, &rig, "Good day.").await;
    assert!(next.contains("[You are still angry because Ayla betrayed your trust.]"), "{next}");
    let bond = client.seen.iter().rfind(|event| event["type"] == "relationship").unwrap();
    assert_eq!(bond["why"], "Ayla betrayed your trust", "the deed, not the greeting at hand: {bond}");
    assert!(bond["trust"].as_f64().unwrap() < -0.2, "{bond}");
    drop(client);
    rig.stop().await;
}

/// Numbers of the file are where the story begins, and a paused clock lets nothing fade.
#[tokio::test]
async fn a_bond_begins_where_the_file_says() {
    let rig = Rig::start(angry(0, 0)).await;
    let mira = json!({"name": "Mira", "description": "Keeps an inn.", "relationships":
        {"player": {"text": "Her oldest friend.", "trust": 0.6, "affection": 0.7, "familiarity": 0.9}}});
    assert_eq!(rig.put("/v1/worlds/tavern/characters/mira", &mira).await.0, 200);
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let first = told(&mut client, &rig, "Good evening!").await;
    assert!(!first.contains("friend"), "the file says it already: {first}");
    client.send(say(INSULT)).await;
    let bond = client.until(|event| event["type"] == "relationship").await;
    assert!(bond["affection"].as_f64().unwrap() > 0.4 && bond["trust"].as_f64().unwrap() > 0.4, "{bond}");
    drop(client);
    rig.stop().await;
}

/// Pleasure of the feelings that a story brings: four insults within four minutes of the game, a remark at once, and
/// one after a day and a half.
async fn pleasures(insult: &str) -> Vec<f64> {
    let mut playing = angry(0, 0);
    let mut calm = playing.reply[0].clone();
    calm.when = "Well?".into();
    calm.decide.insert(prompt::EMOTION_DECISION.into(), "neutral".into());
    playing.reply.push(calm);
    let rig = Rig::start(playing).await;
    let mut client = Client::open(&rig, Kind::Ndjson).await;
    let times = [(0, insult), (1, insult), (2, insult), (3, insult), (3, "Well?"), (2163, "Well?")];
    for (minute, text) in times {
        client.send(json!({"type": "scene", "present": ["mira"], "game_time": minute})).await;
        client.send(say(text)).await;
        client.until_turn_ended().await;
    }
    let felt = client.seen.iter().filter(|event| event["type"] == "emotion");
    let felt = felt.map(|event| event["pleasure"].as_f64().unwrap()).collect();
    drop(client);
    rig.stop().await;
    felt
}

#[tokio::test]
async fn the_mood_comes_back_with_the_clock_of_the_game() {
    let felt = pleasures(INSULT).await;
    assert_eq!(felt.len(), 6, "every turn tells its feeling: {felt:?}");
    assert!(felt[4] < -0.1, "it lasts: {felt:?}");
    assert!(felt[5].abs() < 0.01, "and is gone the day after: {felt:?}");
}

#[tokio::test]
async fn the_same_story_brings_the_same_feelings() {
    let (once, twice) = (pleasures(INSULT).await, pleasures(INSULT).await);
    assert_eq!(once, twice);
    let other = pleasures("Your soup is cold.").await;
    assert_ne!(once, other, "another story brings others");
}

/// The table of services knows no word for one label that the engine has for another.
#[test]
fn services_and_engine_agree_on_the_words_for_feelings() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../meddah-inference/src/services/emotions.toml");
    let table: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let mut compared = 0;
    for (label, words) in &table {
        for word in words.as_array().unwrap() {
            let word = word.as_str().unwrap();
            if let Ok(ours) = word.parse::<EmotionLabel>() {
                assert_eq!(ours.name(), label, "{word}");
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared}");
}
