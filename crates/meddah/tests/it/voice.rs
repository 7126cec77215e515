//! A game that wants to hear its characters: sound follows the lines, in order, and ends with the turn.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{SinkExt as _, StreamExt as _};
use meddah::voice::Voices;
use meddah_speech::ladder::{SpeechLadder, SpeechRung};
use meddah_speech::{ScriptedSpeech, TextToSpeech};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{PATIENCE, Rig, check_error, say, script, types};

const BYTES_KEPT: usize = 8 << 20;

async fn rig(speech: ScriptedSpeech) -> (Rig, Arc<ScriptedSpeech>) {
    let speech = Arc::new(speech);
    let engine: Arc<dyn TextToSpeech> = speech.clone();
    let rig = Rig::speaking(script(1, 3), Voices::new(engine, BYTES_KEPT)).await;
    (rig, speech)
}

async fn open(rig: &Rig, capabilities: Value) -> String {
    let hello = json!({"player": "Ayla", "capabilities": capabilities});
    let (status, body) = rig.post("/v1/sessions", &hello).await;
    assert_eq!(status, 200, "{body}");
    body["session"].as_str().unwrap().to_owned()
}

async fn talk(rig: &Rig, session: &str) -> Vec<Value> {
    rig.post(&format!("/v1/sessions/{session}/commands"), &say("r1", "mira")).await;
    rig.until_turn_ended(session, 0).await
}

fn sounds(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["type"] == "audio").collect()
}

#[tokio::test]
async fn every_line_is_followed_by_its_sound_and_the_turn_ends_after_the_last() {
    let (rig, speech) = rig(ScriptedSpeech::default()).await;
    let session = open(&rig, json!({"audio": ["wav"], "visemes": true})).await;
    let events = talk(&rig, &session).await;
    let lines: Vec<u64> = sounds(&events).iter().map(|sound| sound["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [0, 1, 2]);
    assert_eq!(types(&events).last(), Some(&"turn_ended"));
    for sound in sounds(&events) {
        let of_line = |event: &&Value| event["type"] == "line" && event["line"] == sound["line"];
        let line = events.iter().find(of_line).unwrap();
        assert!(line["seq"].as_u64() < sound["seq"].as_u64());
        // A word is a tone of 200 ms, with one mouth shape.
        let words = line["text"].as_str().unwrap().split(' ').count() as u64;
        assert_eq!((&sound["duration_ms"], &sound["format"]), (&json!(200 * words), &json!("wav")));
        let shapes = sound["visemes"].as_array().unwrap();
        let held: u64 = shapes.iter().map(|shape| shape["duration_ms"].as_u64().unwrap()).sum();
        assert_eq!(held, 200 * words);
        assert_eq!(sound["envelope"].as_array().unwrap().len() as u64, 10 * words);
        let file = rig.http.get(rig.url(sound["url"].as_str().unwrap())).send().await.unwrap();
        assert_eq!(file.headers()["content-type"], "audio/wav");
        assert_eq!(file.bytes().await.unwrap().len() as u64, 44 + 2 * 3200 * words);
    }
    let ended = &events.last().unwrap()["timing"];
    assert!(ended["first_audio_ms"].as_f64() > ended["first_line_ms"].as_f64(), "{ended}");
    assert_eq!(speech.seen().iter().filter(|request| !request.text.is_empty()).count(), 3);
    rig.stop().await;
}

#[tokio::test]
async fn a_game_that_did_not_ask_hears_nothing() {
    let (rig, speech) = rig(ScriptedSpeech::default()).await;
    let session = rig.session().await;
    let events = talk(&rig, &session).await;
    assert!(sounds(&events).is_empty() && speech.seen().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn the_sound_comes_inside_of_the_event_or_as_a_file_or_at_another_rate() {
    let (rig, _) = rig(ScriptedSpeech::default()).await;
    let session = open(&rig, json!({"audio": ["pcm"], "audio_as": "data", "sample_rate_hz": 24000})).await;
    let events = talk(&rig, &session).await;
    let sound = sounds(&events)[0];
    let bytes = BASE64.decode(sound["data"].as_str().unwrap()).unwrap();
    let seconds = bytes.len() as f64 / 2.0 / 24_000.0;
    assert!((seconds * 1000.0 - sound["duration_ms"].as_f64().unwrap()).abs() < 20.0, "{seconds}");
    assert!(sound["url"].is_null() && sound["sample_rate_hz"] == 24_000);

    let session = open(&rig, json!({"audio": ["ogg", "wav"]})).await;
    let events = talk(&rig, &session).await;
    let url = sounds(&events)[0]["url"].as_str().unwrap();
    let fetch = async |url: String| rig.http.get(rig.url(&url)).send().await.unwrap().bytes().await.unwrap();
    assert!(url.ends_with(".ogg") && fetch(url.into()).await.starts_with(b"OggS"));
    let wav = fetch(format!("{}?rate=48000", url.replace(".ogg", ".wav"))).await;
    assert_eq!(u32::from_le_bytes(wav[24..28].try_into().unwrap()), 48_000);

    let folder = tempfile::tempdir().unwrap();
    let speech: Arc<dyn TextToSpeech> = Arc::new(ScriptedSpeech::default());
    let voices = Voices::new(speech, BYTES_KEPT).with_files(folder.path().to_owned());
    let files = Rig::speaking(script(1, 3), voices).await;
    let session = open(&files, json!({"audio": ["wav"], "audio_as": "path"})).await;
    let events = talk(&files, &session).await;
    let path = sounds(&events)[2]["path"].as_str().unwrap();
    assert!(std::fs::read(path).unwrap().starts_with(b"RIFF"));
    rig.stop().await;
    files.stop().await;
}

#[tokio::test]
async fn parts_come_as_they_are_made_and_join_without_a_gap() {
    let (rig, _) = rig(ScriptedSpeech::default()).await;
    let session = open(&rig, json!({"audio": ["pcm"], "audio_as": "data", "audio_parts": true})).await;
    let events = talk(&rig, &session).await;
    let (mut line, mut part, mut at) = (0, 0, 0);
    let mut lasts = 0;
    for sound in sounds(&events) {
        if sound["line"] != json!(line) {
            (line, part, at) = (line + 1, 0, 0);
        }
        assert_eq!((&sound["line"], &sound["part"]), (&json!(line), &json!(part)));
        assert_eq!(sound["at_ms"].as_u64().unwrap_or(0), at);
        at += sound["duration_ms"].as_u64().unwrap();
        part += 1;
        if sound["last"] == true {
            lasts += 1;
            assert!(sound["data"].is_null());
        } else {
            let bytes = BASE64.decode(sound["data"].as_str().unwrap()).unwrap();
            assert_eq!(bytes.len(), 2 * 3200);
        }
    }
    assert_eq!((line, lasts), (2, 3));
    rig.stop().await;
}

#[tokio::test]
async fn a_websocket_has_the_sound_in_the_frame_behind_its_event() {
    let (rig, _) = rig(ScriptedSpeech::default()).await;
    let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{}/v1/ws", rig.port)).await.unwrap();
    let capabilities = json!({"audio": ["wav"], "audio_as": "frames"});
    let hello = json!({"type": "hello", "player": "Ayla", "capabilities": capabilities});
    socket.send(Message::text(hello.to_string())).await.unwrap();
    socket.send(Message::text(say("r1", "mira").to_string())).await.unwrap();
    let (mut files, mut announced) = (0, None);
    let read = async {
        while let Some(message) = socket.next().await {
            match message.unwrap() {
                Message::Text(text) => {
                    assert!(announced.is_none(), "the sound comes right behind its event");
                    let event: Value = serde_json::from_str(&text).unwrap();
                    if event["type"] == "audio" {
                        announced = Some(event["duration_ms"].as_u64().unwrap());
                    }
                    if event["type"] == "turn_ended" {
                        break;
                    }
                }
                Message::Binary(file) => {
                    let duration_ms = announced.take().unwrap();
                    assert_eq!(file.len() as u64, 44 + 2 * 16 * duration_ms);
                    files += 1;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert_eq!(files, 3);
    rig.stop().await;
}

#[tokio::test]
async fn an_interrupt_ends_the_voice_with_the_turn() {
    let slow = ScriptedSpeech::slow(Duration::from_millis(50));
    let (rig, _) = rig(slow).await;
    let session = open(&rig, json!({"audio": ["pcm"], "audio_parts": true})).await;
    let commands = format!("/v1/sessions/{session}/commands");
    rig.post(&commands, &say("r1", "mira")).await;
    let mut cursor = 0;
    loop {
        let (_, body) = rig.get(&format!("/v1/sessions/{session}/events?cursor={cursor}&wait=5")).await;
        cursor = body["cursor"].as_u64().unwrap();
        if !sounds(body["events"].as_array().unwrap()).is_empty() {
            break;
        }
    }
    rig.post(&commands, &json!({"type": "interrupt"})).await;
    let rest = rig.until_turn_ended(&session, cursor).await;
    assert!(sounds(&rest).is_empty(), "{rest:?}");
    assert_eq!(rest.last().unwrap()["finish"], "interrupted");
    rig.stop().await;
}

#[tokio::test]
async fn a_voice_that_fails_costs_a_notice_and_not_the_text() {
    let (rig, _) = rig(ScriptedSpeech::failing_at(1)).await;
    let session = open(&rig, json!({"audio": ["wav"]})).await;
    let events = talk(&rig, &session).await;
    let notices: Vec<&Value> = events.iter().filter(|event| event["type"] == "notice").collect();
    assert_eq!((notices.len(), &notices[0]["code"]), (1, &json!("no_voice")));
    assert!(notices[0]["help"].as_str().is_some_and(|help| !help.is_empty()));
    assert_eq!(types(&events).iter().filter(|kind| **kind == "line").count(), 3);
    assert_eq!(events.last().unwrap()["finish"], "complete");
    rig.stop().await;
}

#[tokio::test]
async fn another_voice_speaks_where_the_first_fails_and_the_player_is_told() {
    let rung = |name: &str, speech: ScriptedSpeech| {
        SpeechRung::new(name, Arc::new(speech) as Arc<dyn TextToSpeech>, PATIENCE)
    };
    let ladder = SpeechLadder::new(vec![
        rung("paid", ScriptedSpeech::failing_at(0)),
        rung("local", ScriptedSpeech::default()),
    ]);
    let rig = Rig::speaking(script(1, 3), Voices::new(Arc::new(ladder), BYTES_KEPT)).await;
    let session = open(&rig, json!({"audio": ["wav"]})).await;
    let events = talk(&rig, &session).await;
    assert_eq!(sounds(&events).len(), 3);
    let notices: Vec<&Value> = events.iter().filter(|event| event["type"] == "notice").collect();
    assert_eq!((notices.len(), &notices[0]["code"]), (1, &json!("voice_stepped_down")));
    rig.stop().await;
}

#[tokio::test]
async fn a_character_that_thinks_aloud_is_heard_before_its_first_line() {
    let speech: Arc<dyn TextToSpeech> = Arc::new(ScriptedSpeech::default());
    let rig = Rig::speaking(script(60, 3), Voices::new(speech, BYTES_KEPT)).await;
    let mira = json!({"name": "Mira", "description": "Keeps an inn.", "voice": {"thinking": ["Hm."]}});
    assert_eq!(rig.put("/v1/worlds/tavern/characters/mira", &mira).await.0, 200);
    let session = open(&rig, json!({"audio": ["wav"]})).await;
    let events = talk(&rig, &session).await;
    let first = sounds(&events)[0];
    assert_eq!((&first["thinking"], &first["line"]), (&json!(true), &json!(0)));
    let line = events.iter().find(|event| event["type"] == "line").unwrap();
    assert!(first["seq"].as_u64() < line["seq"].as_u64());
    assert_eq!(sounds(&events).iter().filter(|sound| sound["thinking"] == true).count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn the_one_shot_route_speaks_where_it_is_asked_to() {
    let (rig, _) = rig(ScriptedSpeech::default()).await;
    let mut body = json!({"character": "mira", "player": "Ayla", "text": "Hello!"});
    let (_, silent) = rig.post("/v1/talk", &body).await;
    assert!(sounds(silent["events"].as_array().unwrap()).is_empty());
    body["capabilities"] = json!({"audio": ["wav"], "audio_as": "data"});
    let (_, spoken) = rig.post("/v1/talk", &body).await;
    let events = spoken["events"].as_array().unwrap();
    assert!(sounds(events).len() == 3 && sounds(events)[0]["data"].is_string());
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_made_is_said_at_once() {
    let (rig, _) = rig(ScriptedSpeech::default()).await;
    let hello = json!({"player": "Ayla", "capabilities": {"audio": ["flac"]}});
    check_error(&rig.post("/v1/sessions", &hello).await, 400, "invalid_request");
    check_error(&rig.get("/v1/audio/none-1.wav").await, 404, "not_found");
    check_error(&rig.get("/v1/audio/..%2F..%2Fx.wav").await, 404, "not_found");
    rig.stop().await;
}
