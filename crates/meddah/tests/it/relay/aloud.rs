//! What these mods hear: sound in pieces, and for Skyrim the signs of the sounds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use meddah::voice::Voices;
use meddah_speech::{ScriptedListener, ScriptedSpeech, TextToSpeech};
use serde_json::{Value, json};

use super::{Link, call, start_with};
use crate::rig::{PATIENCE, script};

const BYTES_KEPT: usize = 8 << 20;
/// The reply of the script: thirteen words of 200 ms.
const REPLY_MS: usize = 13 * 200;

fn voices() -> Voices {
    let speech: Arc<dyn TextToSpeech> = Arc::new(ScriptedSpeech::default());
    Voices::new(speech, BYTES_KEPT)
}

/// Messages of a reply until all of its sound is there.
async fn reply(link: &mut Link, rate_hz: usize) -> Vec<Value> {
    let (mut seen, mut bytes) = (Vec::new(), 0);
    let read = async {
        while bytes < 2 * rate_hz * (REPLY_MS - 20) / 1000 {
            let message = link.next().await;
            if message["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("audio")) {
                bytes += BASE64.decode(message["data"].as_str().unwrap()).unwrap().len();
            }
            seen.push(message);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("all of the sound comes");
    assert!(bytes <= 2 * rate_hz * (REPLY_MS + 20) / 1000, "{bytes} bytes");
    seen
}

fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn bannerlord_has_the_face_before_the_sound_and_the_text_before_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let more = |ports: meddah::turn::Ports| ports.with_voices(voices());
    let (rig, ports) = start_with(script(1, 3), &["bannerlord-relay"], folder.path(), more).await;
    let lord = json!({"id": "a-lady", "name": "Liena", "description": "A lady.", "isFemale": true, "age": 30,
        "facts": [], "personality": {"positive": 0, "peaceful": 0, "open": 0, "extravert": 0}});
    call(ports[0], "POST", "/createNewCharacter", &lord.to_string()).await;
    let mut link = Link::open(ports[0], "/chatWithCharacter").await;
    let connect =
        json!({"type": "connect", "characterId": "a-lady", "playerName": "Bo", "gameDate": "1-1-1084"});
    link.send(&connect.to_string()).await;
    link.send(&json!({"type": "chat", "message": "Hail!"}).to_string()).await;
    let messages = reply(&mut link, 22_050).await;
    let kinds = kinds(&messages);
    assert_eq!((kinds[0], kinds[1]), ("emotion", "text"), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "text").count(), 3);
    link.close().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_companion_is_heard_and_hears() {
    let folder = tempfile::tempdir().unwrap();
    let ears = Arc::new(ScriptedListener::hearing("who are you"));
    let more = |ports: meddah::turn::Ports| ports.with_voices(voices()).with_ears(ears);
    let (rig, ports) = start_with(script(1, 3), &["baldursgate-relay"], folder.path(), more).await;
    let mut link = Link::open(ports[0], "/connect").await;
    link.send(&json!({"type": "connect", "message": "gale"}).to_string()).await;
    link.send(&json!({"type": "message", "message": "Hail!"}).to_string()).await;
    assert_eq!(link.next().await["type"], "connected");
    let messages = reply(&mut link, 22_050).await;
    assert_eq!(kinds(&messages)[0], "TEXT");
    link.close().await;
    rig.stop().await;
}

#[tokio::test]
async fn skyrim_moves_the_mouth_by_the_sounds() {
    let folder = tempfile::tempdir().unwrap();
    let more = |ports: meddah::turn::Ports| ports.with_voices(voices());
    let (rig, ports) = start_with(script(1, 3), &["skyrim-relay"], folder.path(), more).await;
    let lydia = json!({"name": "Lydia", "description": "A housecarl."});
    rig.put("/v1/worlds/skyrim/characters/lydia", &lydia).await;
    let mut link = Link::open(ports[0], "/chat").await;
    link.send(&json!({"type": "connect", "message": "", "id": "Lydia"}).to_string()).await;
    assert_eq!(link.next().await["type"], "established");
    link.send(&json!({"type": "message", "message": "Hail!", "id": "Lydia"}).to_string()).await;
    let message = link.next().await;
    // The scripted voice says the same sound for every word.
    assert_eq!((&message["type"], &message["phoneme"]), (&json!("chat"), &json!("ə".repeat(13))));
    link.close().await;
    rig.stop().await;
}
