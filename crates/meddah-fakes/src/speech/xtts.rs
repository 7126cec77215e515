//! The XTTS API server, whose stream is a GET with a body.

use serde_json::json;

use super::{bytes, json as answer_json, missing, tone};
use crate::{Recorded, Transcript};

const RATE_HZ: u32 = 24_000;

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    Some(match (asked.method.as_str(), path) {
        ("GET", "/tts_stream") | ("POST", "/tts_to_audio/") => speech(asked),
        ("GET", "/speakers") => {
            let female = json!({"name": "female", "voice_id": "female", "preview_url": "http://127.0.0.1/sample/female.wav"});
            answer_json("200 OK", &json!([female]))
        }
        _ => return None,
    })
}

fn speech(asked: &Recorded) -> Transcript {
    if let Some(field) = missing(asked, &["text", "speaker_wav", "language"]) {
        return answer_json(
            "422 Unprocessable Entity",
            &json!({"detail": [{"loc": ["body", field], "msg": "Field required"}]}),
        );
    }
    let words = tone::words(asked.json["text"].as_str().unwrap_or_default());
    bytes("audio/x-wav", tone::wav(&tone::pcm(words.len(), RATE_HZ), RATE_HZ))
}
