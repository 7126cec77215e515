//! ElevenLabs: speech with the times of signs by HTTP and over a socket, and transcription.

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};

use super::{FakeSpeech, Services, close_with, json as answer_json, key_in_address, pieces, receive, tone};
use crate::{Recorded, Transcript};

const RATE_HZ: u32 = 22_050;

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    let tail = path.strip_prefix("/v1/text-to-speech/").and_then(|rest| rest.split_once('/'));
    Some(match (asked.method.as_str(), path, tail) {
        ("POST", _, Some((voice, "stream/with-timestamps"))) => check(asked, voice).unwrap_or_else(|| speech(asked)),
        ("POST", "/v1/speech-to-text", _) => {
            check(asked, FakeSpeech::ELEVENLABS_VOICE).unwrap_or_else(|| transcription(asked))
        }
        ("GET", "/v1/voices", _) => check(asked, FakeSpeech::ELEVENLABS_VOICE).unwrap_or_else(|| {
            let rachel = json!({"voice_id": FakeSpeech::ELEVENLABS_VOICE, "name": "Rachel - calm", "labels": {"language": "en"}});
            answer_json("200 OK", &json!({"voices": [rachel]}))
        }),
        _ => return None,
    })
}

fn check(asked: &Recorded, voice: &str) -> Option<Transcript> {
    let refuse = |status: &str, what: &str| {
        Some(answer_json(status, &json!({"detail": {"status": what, "message": "as it says"}})))
    };
    if asked.header("xi-api-key") != Some(FakeSpeech::KEY) || key_in_address(asked) {
        return refuse("401 Unauthorized", "invalid_api_key");
    }
    if voice != FakeSpeech::ELEVENLABS_VOICE {
        return refuse("404 Not Found", "voice_not_found");
    }
    None
}

pub(super) fn check_socket(asked: &Recorded) -> Option<Transcript> {
    let voice = asked.path.trim_start_matches("/v1/text-to-speech/").split('/').next().unwrap_or_default();
    if !asked.path.contains("output_format=pcm_22050") {
        return Some(answer_json(
            "400 Bad Request",
            &json!({"detail": {"status": "bad_format", "message": "x"}}),
        ));
    }
    check(asked, voice)
}

/// The signs of a word and the space after it, spread over its time.
fn signs(word: &tone::Word) -> Vec<(String, f64, f64)> {
    let signs: Vec<char> = word.text.chars().collect();
    let part = (word.end - word.begin) / signs.len() as f64;
    let timed = signs.iter().enumerate().map(|(place, sign)| {
        (sign.to_string(), word.begin + part * place as f64, word.begin + part * (place + 1) as f64)
    });
    timed.chain([(" ".to_owned(), word.end, word.end + tone::GAP)]).collect()
}

/// Two words in each line, times from the beginning.
fn speech(asked: &Recorded) -> Transcript {
    if !asked.path.contains("output_format=pcm_22050") {
        return answer_json("400 Bad Request", &json!({"detail": {"status": "bad_format", "message": "x"}}));
    }
    let speed = &asked.json["voice_settings"]["speed"];
    if !speed.is_null() && !speed.as_f64().is_some_and(|speed| (0.7..=1.2).contains(&speed)) {
        return answer_json(
            "400 Bad Request",
            &json!({"detail": {"status": "invalid_voice_settings", "message": "speed"}}),
        );
    }
    let words = tone::words(asked.json["text"].as_str().unwrap_or_default());
    let lines = words.chunks(2).map(|words| {
        let signs: Vec<_> = words.iter().flat_map(signs).collect();
        let alignment = json!({
            "characters": signs.iter().map(|sign| &sign.0).collect::<Vec<_>>(),
            "character_start_times_seconds": signs.iter().map(|sign| sign.1).collect::<Vec<_>>(),
            "character_end_times_seconds": signs.iter().map(|sign| sign.2).collect::<Vec<_>>(),
        });
        let audio = tone::packed(&tone::pcm(words.len(), RATE_HZ));
        json!({"audio_base64": audio, "alignment": alignment, "normalized_alignment": alignment}).to_string()
            + "\n"
    });
    pieces("application/json", lines.collect::<Vec<_>>().into_iter())
}

/// A word in each frame, times from the frame on, spelled in turns in either way; now and then without sound.
pub(super) async fn talk(socket: &mut WebSocket, state: &Services) {
    let mut text = String::new();
    let mut first = true;
    while let Some(said) = receive(socket, state).await {
        let said: Value = serde_json::from_str(&said).unwrap_or_default();
        let Some(said) = said["text"].as_str() else {
            let wrong = json!({"message": "Invalid message", "error": "invalid_message", "code": 1008});
            socket.send(Message::Text(wrong.to_string().into())).await.ok();
            return close_with(socket, state, 1008, "Invalid message").await;
        };
        match said {
            "" => break,
            " " if std::mem::take(&mut first) => {}
            said => text.push_str(said),
        }
    }
    for (place, word) in tone::words(&text).iter().enumerate() {
        let word = tone::Word { text: word.text.clone(), begin: 0.0, end: tone::WORD };
        let signs = signs(&word);
        let list = |of: fn(&(String, f64, f64)) -> Value| Value::Array(signs.iter().map(of).collect());
        let (chars, begins, lengths) = (
            list(|sign| json!(sign.0)),
            list(|sign| json!((sign.1 * 1000.0).round() as i64)),
            list(|sign| json!(((sign.2 - sign.1) * 1000.0).round() as i64)),
        );
        let alignment = match place % 3 {
            0 => json!({"chars": chars, "charStartTimesMs": begins, "charDurationsMs": lengths}),
            1 => json!({"chars": chars, "char_start_times_ms": begins, "char_durations_ms": lengths}),
            _ => json!({"chars": chars, "charStartTimesMs": begins, "charsDurationsMs": lengths}),
        };
        let audio = tone::packed(&tone::pcm(1, RATE_HZ));
        let frame =
            json!({"audio": audio, "isFinal": null, "alignment": alignment, "normalizedAlignment": null});
        let nothing = json!({"audio": null, "isFinal": null, "alignment": null});
        for frame in [frame, nothing] {
            if socket.send(Message::Text(frame.to_string().into())).await.is_err() {
                return;
            }
        }
    }
    socket.send(Message::Text(json!({"audio": null, "isFinal": true}).to_string().into())).await.ok();
    close_with(socket, state, 1000, "").await;
}

fn transcription(asked: &Recorded) -> Transcript {
    let body = String::from_utf8_lossy(&asked.body);
    let sound =
        body.contains("name=\"model_id\"\r\n\r\nscribe_v1\r\n") && body.contains("name=\"file\"; filename=");
    if !sound {
        return answer_json(
            "422 Unprocessable Entity",
            &json!({"detail": [{"loc": ["body", "file"], "msg": "Field required"}]}),
        );
    }
    answer_json(
        "200 OK",
        &json!({"language_code": "en", "language_probability": 0.98, "text": "hail to you", "words": []}),
    )
}
