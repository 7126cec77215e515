//! A player who speaks: sound comes in, what is understood is told and said.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{SinkExt as _, StreamExt as _};
use meddah::voice::Voices;
use meddah_speech::{AudioFormat, Pcm, ScriptedListener, encode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{PATIENCE, Rig, check_error, script};

const RATE_HZ: u32 = 16_000;

async fn rig(text: &str) -> (Rig, Arc<ScriptedListener>) {
    let ears = Arc::new(ScriptedListener::hearing(text));
    (Rig::hearing(script(1, 3), Voices::default(), ears.clone()).await, ears)
}

/// So many milliseconds of a tone.
fn tone(ms: usize) -> Vec<f32> {
    (0..ms * 16).map(|sample| (sample as f32 * 0.2).sin() * 0.3).collect()
}

fn wav(ms: usize) -> String {
    let pcm = Pcm { sample_rate_hz: RATE_HZ, samples: tone(ms) };
    BASE64.encode(encode(&pcm, AudioFormat::Wav, RATE_HZ).unwrap())
}

fn pcm(ms: usize) -> Vec<u8> {
    Pcm { sample_rate_hz: RATE_HZ, samples: tone(ms) }
        .to_i16()
        .iter()
        .flat_map(|one| one.to_le_bytes())
        .collect()
}

fn transcripts(events: &[Value]) -> Vec<(&str, bool)> {
    let transcripts = events.iter().filter(|event| event["type"] == "transcript");
    transcripts.map(|event| (event["text"].as_str().unwrap(), event["final"] == true)).collect()
}

#[tokio::test]
async fn a_file_is_understood_said_and_answered() {
    let (rig, ears) = rig("good evening mira").await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    let listen = json!({"type": "listen", "req_id": "r1", "to": "mira", "data": wav(800)});
    let (_, answer) = rig.post(&commands, &listen).await;
    assert!(answer["accepted"][0]["error"].is_null(), "{answer}");
    let events = rig.until_turn_ended(&session, 0).await;
    assert_eq!(transcripts(&events), [("good evening mira", true)]);
    let ended = events.last().unwrap();
    assert_eq!((&ended["req_id"], &ended["finish"]), (&json!("r1"), &json!("complete")));
    assert!(rig.model.seen().last().unwrap().messages.last().unwrap().text.contains("good evening mira"));
    assert_eq!(ears.heard().len(), 1);
    // The same request again says nothing new.
    let (_, again) = rig.post(&commands, &listen).await;
    assert_eq!(again["accepted"][0]["repeated"], true, "{again}");
    rig.stop().await;
}

#[tokio::test]
async fn sound_may_come_in_several_commands() {
    let (rig, ears) = rig("hail").await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    let part = |ms, more| {
        let data = BASE64.encode(pcm(ms));
        json!({"type": "listen", "req_id": "r1", "to": "mira", "format": "pcm", "data": data, "more": more})
    };
    for (ms, more) in [(300, true), (300, true), (200, false)] {
        rig.post(&commands, &part(ms, more)).await;
    }
    rig.until_turn_ended(&session, 0).await;
    assert_eq!(ears.heard()[0].as_millis(), 800);
    rig.stop().await;
}

#[tokio::test]
async fn frames_of_a_websocket_are_sound_until_the_key_is_let_go() {
    let (rig, ears) = rig("who goes there").await;
    let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{}/v1/ws", rig.port)).await.unwrap();
    let listen = json!({"type": "listen", "req_id": "r1", "to": "mira", "format": "pcm",
        "sample_rate_hz": 48_000, "partial": true});
    for message in [json!({"type": "hello", "player": "Ayla"}), listen] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    for _ in 0..5 {
        socket.send(Message::binary(pcm(300))).await.unwrap(); // a tenth of a second at that rate
    }
    let end = json!({"type": "listen", "req_id": "r1", "to": "mira", "end": true});
    socket.send(Message::text(end.to_string())).await.unwrap();
    let mut events = Vec::new();
    let read = async {
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message.unwrap() else { continue };
            events.push(serde_json::from_str::<Value>(&text).unwrap());
            if events.last().unwrap()["type"] == "turn_ended" {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    let told = transcripts(&events);
    assert_eq!(told.last(), Some(&("who goes there", true)));
    assert!(told.len() > 1 && !told[0].1, "{told:?}");
    assert!(ears.heard()[0].as_millis().abs_diff(500) <= 2, "{:?}", ears.heard());
    rig.stop().await;
}

#[tokio::test]
async fn an_open_microphone_finds_utterances_and_cuts_in() {
    let (rig, ears) = rig("stop talking").await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    let voice = meddah_test_voice();
    rig.post(
        &commands,
        &json!({"type": "listen", "to": "mira", "format": "pcm", "open": true, "more": true}),
    )
    .await;
    for _ in 0..2 {
        let silence = vec![0_u8; 2 * 16 * 1500];
        for sound in [voice.as_slice(), silence.as_slice()] {
            for piece in sound.chunks(6400) {
                let data = BASE64.encode(piece);
                let more = json!({"type": "listen", "to": "mira", "data": data, "more": true});
                let (_, answer) = rig.post(&commands, &more).await;
                assert!(answer["accepted"][0]["error"].is_null(), "{answer}");
            }
        }
    }
    rig.post(&commands, &json!({"type": "listen", "to": "mira", "end": true})).await;
    let (mut events, mut cursor) = (Vec::new(), 0);
    let ends = |events: &[Value]| events.iter().filter(|event| event["type"] == "turn_ended").count();
    let read = async {
        while ends(&events) < 2 {
            let (_, body) = rig.get(&format!("/v1/sessions/{session}/events?cursor={cursor}&wait=5")).await;
            cursor = body["cursor"].as_u64().unwrap();
            events.extend(body["events"].as_array().unwrap().iter().cloned());
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    let told = transcripts(&events);
    assert_eq!(told.iter().filter(|told| **told == ("stop talking", true)).count(), 2, "{told:?}");
    assert_eq!(
        told.iter().filter(|told| **told == ("", false)).count(),
        2,
        "each time the player began to speak"
    );
    assert_eq!(ears.heard().len(), 2);
    rig.stop().await;
}

/// A sentence of a synthesiser, as a microphone hears it.
pub fn meddah_test_voice() -> Vec<u8> {
    use meddah_speech::{LocalSpeech, ROBOT, SpeechPiece, SpeechRequest, TextToSpeech as _, VoiceSettings};
    let folder = meddah_speech::suite::voice_file();
    let name = folder.file_stem().unwrap().to_str().unwrap().to_owned();
    assert_ne!(name, ROBOT);
    let speech = LocalSpeech::new(folder.parent().unwrap().to_owned(), 1).unwrap();
    let settings = VoiceSettings { voice: Some(name), ..VoiceSettings::default() };
    let request = SpeechRequest { settings, ..SpeechRequest::new("Will you please stop talking to me now?") };
    let spoken = async { SpeechPiece::whole(speech.speak(request).await.unwrap()).await.unwrap().pcm };
    futures::executor::block_on(spoken)
        .resampled(RATE_HZ)
        .to_i16()
        .iter()
        .flat_map(|one| one.to_le_bytes())
        .collect()
}

#[tokio::test]
async fn silence_says_nothing() {
    let (rig, _) = rig("").await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    rig.post(&commands, &json!({"type": "listen", "req_id": "r1", "to": "mira", "data": wav(300)})).await;
    let (_, body) = rig.get(&format!("/v1/sessions/{session}/events?cursor=1&wait=5")).await;
    assert_eq!(transcripts(body["events"].as_array().unwrap()), [("", true)]);
    assert!(rig.model.seen().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_heard_is_said() {
    let (rig, _) = rig("hail").await;
    let session = rig.session().await;
    let commands = format!("/v1/sessions/{session}/commands");
    let refused = async |listen: Value| {
        let (_, answer) = rig.post(&commands, &listen).await;
        let error = answer["accepted"][0]["error"].clone();
        assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
        error["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(json!({"type": "listen", "to": "nobody", "data": wav(10)})).await,
        "unknown_character"
    );
    assert_eq!(refused(json!({"type": "listen", "to": "mira", "data": "%%"})).await, "invalid_request");
    assert_eq!(refused(json!({"type": "listen", "to": "mira", "format": "flac"})).await, "invalid_request");
    // What is no sound is found out while it is listened to.
    let data = BASE64.encode(b"no sound at all");
    rig.post(&commands, &json!({"type": "listen", "req_id": "r2", "to": "mira", "data": data})).await;
    let mut cursor = 1;
    let error = loop {
        let (_, body) = rig.get(&format!("/v1/sessions/{session}/events?cursor={cursor}&wait=5")).await;
        cursor = body["cursor"].as_u64().unwrap();
        let events = body["events"].as_array().unwrap().clone();
        assert!(!events.is_empty(), "the error of r2 comes");
        if let Some(error) = events.into_iter().find(|event| event["req_id"] == "r2") {
            break error;
        }
    };
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid_request")));
    rig.stop().await;

    let deaf = Rig::start(script(1, 3)).await;
    let session = deaf.session().await;
    let listen = json!({"type": "listen", "to": "mira", "data": wav(10)});
    let (_, answer) = deaf.post(&format!("/v1/sessions/{session}/commands"), &listen).await;
    assert_eq!(answer["accepted"][0]["error"]["code"], "unsupported");
    let (status, _) = deaf.get("/v1/health").await;
    assert_eq!(status, 200);
    check_error(&deaf.get("/v1/audio/x.wav").await, 404, "not_found");
    deaf.stop().await;
}
