//! Speech through the faces: a text as sound, and sound as text, as mods and their libraries ask for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use meddah_speech::{AudioFormat, Pcm, decode, encode};
use serde_json::{Value, json};

use super::{Faces, model, text};
use crate::rig::answer;

fn tone() -> Vec<u8> {
    let samples = (0..16_000).map(|sample| (sample as f32 * 0.2).sin() * 0.3).collect();
    encode(&Pcm { sample_rate_hz: 16_000, samples }, AudioFormat::Wav, 16_000).unwrap()
}

/// A form as browsers and libraries write it.
fn form(fields: &[(&str, &str)], file: &[u8]) -> (String, Vec<u8>) {
    let boundary = "----meddah0123";
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[tokio::test]
async fn a_text_is_spoken_in_every_format() {
    let faces = Faces::start(model()).await;
    for format in AudioFormat::ALL {
        let body = json!({"model": "tts-1", "input": "one two three", "voice": "alloy",
            "response_format": format.extension()});
        let response = faces.post("openai", "/v1/audio/speech").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{format}");
        assert_eq!(response.headers()["content-type"], format.content_type());
        let bytes = response.bytes().await.unwrap();
        let pcm = match format {
            AudioFormat::Pcm => meddah_speech::decode_pcm(&bytes, 24_000).unwrap(),
            _ => decode(&bytes).unwrap(),
        };
        // Three words of 200 ms; compressed formats have some silence around them.
        let ms = pcm.duration().as_millis();
        assert!((580..800).contains(&ms), "{format}: {ms} ms");
    }
    let body = json!({"input": "one two", "voice": {"id": "nova"}, "response_format": "wav", "stream_format": "sse"});
    let (_, events) = text(faces.post("openai", "/v1/audio/speech").json(&body)).await;
    assert!(events.contains("speech.audio.delta") && events.contains("speech.audio.done"), "{events}");
    faces.stop().await;
}

#[tokio::test]
async fn what_cannot_be_spoken_is_said() {
    let faces = Faces::start(model()).await;
    for (body, status) in [
        (json!({"model": "tts-1", "voice": "alloy"}), 400),
        (json!({"input": "  ", "voice": "alloy"}), 400),
        (json!({"input": "a".repeat(10_000), "voice": "alloy"}), 502),
        (json!({"input": "hail", "response_format": "aac"}), 501),
    ] {
        let (found, error) = answer(faces.post("openai", "/v1/audio/speech").json(&body)).await;
        let shown = body.to_string();
        assert!(
            found == status || (status == 502 && found >= 400),
            "{found} {error} {}",
            &shown[..shown.len().min(80)]
        );
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    faces.stop().await;
}

#[tokio::test]
async fn a_file_is_understood_in_every_shape() {
    let faces = Faces::start(model()).await;
    let transcribe = async |fields: &[(&str, &str)], file: &[u8]| {
        let (kind, body) = form(fields, file);
        let post = faces.post("openai", "/v1/audio/transcriptions").header("content-type", kind);
        text(post.body(body)).await
    };
    let (status, said) = transcribe(&[("model", "whisper-1"), ("language", "en")], &tone()).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&said).unwrap()),
        (200, json!({"text": "good evening"}))
    );
    let (_, said) = transcribe(&[("response_format", "text")], &tone()).await;
    assert_eq!(said, "good evening\n");
    let (_, said) = transcribe(&[("response_format", "verbose_json")], &tone()).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["duration"], &said["text"]), (&json!(1.0), &json!("good evening")));
    let (_, said) = transcribe(&[("stream", "true")], &tone()).await;
    assert!(said.contains("transcript.text.done") && said.contains("good evening"), "{said}");
    for (fields, file) in [(&[][..], &b"no sound"[..]), (&[("response_format", "srt")][..], &tone()[..])] {
        let (status, error) = transcribe(fields, file).await;
        assert!(status >= 400 && error.contains("message"), "{status} {error}");
    }
    let (status, error) = text(faces.post("openai", "/v1/audio/transcriptions").body("x")).await;
    assert!(status == 400 && error.contains("multipart"), "{status} {error}");
    faces.stop().await;
}

#[tokio::test]
async fn player2_speaks_lists_and_listens() {
    let faces = Faces::start(model()).await;
    let (_, voices) = answer(faces.get("player2", "/v1/tts/voices")).await;
    assert_eq!(voices["voices"][0]["id"], "scripted");
    let speak =
        json!({"text": "one two", "voice_ids": ["scripted"], "audio_format": "wav", "play_in_app": false});
    let (status, spoken) = answer(faces.post("player2", "/v1/tts/speak").json(&speak)).await;
    let file = BASE64.decode(spoken["data"].as_str().unwrap()).unwrap();
    assert_eq!((status, decode(&file).unwrap().duration().as_millis()), (200, 400));
    let stream = faces.post("player2", "/v1/tts/stream").json(&json!({"text": "one"})).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "audio/mpeg");
    let (_, volume) = answer(faces.post("player2", "/v1/tts/volume").json(&json!({"volume": 0.5}))).await;
    assert_eq!(volume["volume"], 0.5);
    let heard = faces.post("player2", "/v1/stt/audio?language=en").body(tone());
    assert_eq!(answer(heard).await.1, json!({"transcript": "good evening", "duration": 1.0}));
    let (status, _) = text(faces.post("player2", "/v1/stt/start").json(&json!({"timeout": 5}))).await;
    assert_eq!(status, 501);
    faces.stop().await;
}
