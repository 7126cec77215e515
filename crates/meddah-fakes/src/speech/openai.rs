//! OpenAI's speech and transcriptions, and Kokoro-FastAPI beside them.

use serde_json::{Value, json};

use super::{FakeSpeech, bytes, json as answer_json, key_in_address, missing, pieces, tone};
use crate::{Recorded, Transcript};

const RATE_HZ: u32 = 24_000;

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    Some(match (asked.method.as_str(), path) {
        ("POST", "/v1/audio/speech") => checked(asked, speech),
        ("POST", "/v1/audio/transcriptions") => checked(asked, transcription),
        // A server of one's own wants no key.
        ("POST", "/dev/captioned_speech") => captioned(asked),
        ("GET", "/v1/audio/voices") => answer_json("200 OK", &json!({"voices": ["af_heart", "am_adam"]})),
        _ => return None,
    })
}

fn checked(asked: &Recorded, answer: fn(&Recorded) -> Transcript) -> Transcript {
    let sound = asked.header("authorization") == Some(&format!("Bearer {}", FakeSpeech::KEY))
        && !key_in_address(asked);
    if sound {
        answer(asked)
    } else {
        refusal("401 Unauthorized", "invalid_api_key", "Incorrect API key provided.")
    }
}

fn refusal(status: &str, code: &str, message: &str) -> Transcript {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    answer_json(status, &json!({"error": error}))
}

fn speech(asked: &Recorded) -> Transcript {
    if let Some(field) = missing(asked, &["model", "input", "voice"]) {
        return refusal("400 Bad Request", "missing_required_parameter", &format!("Missing: {field}"));
    }
    let speed = &asked.json["speed"];
    if !speed.is_null() && !speed.as_f64().is_some_and(|speed| (0.25..=4.0).contains(&speed)) {
        return refusal("400 Bad Request", "invalid_value", "speed");
    }
    let pcm = tone::pcm(tone::words(asked.json["input"].as_str().unwrap_or_default()).len(), RATE_HZ);
    match asked.json["response_format"].as_str() {
        Some("pcm") => bytes("audio/pcm", pcm),
        Some("wav") => bytes("audio/wav", tone::wav(&pcm, RATE_HZ)),
        _ => bytes("audio/mpeg", b"ID3\x04 not really".to_vec()),
    }
}

/// Half of the words in each line, the times from the beginning.
fn captioned(asked: &Recorded) -> Transcript {
    if let Some(field) = missing(asked, &["input", "voice"]) {
        return answer_json(
            "422 Unprocessable Entity",
            &json!({"detail": [{"loc": ["body", field], "msg": "Field required"}]}),
        );
    }
    let words = tone::words(asked.json["input"].as_str().unwrap_or_default());
    let lines = words.chunks(words.len().div_ceil(2).max(1)).map(|words| {
        let timestamps: Vec<Value> = words
            .iter()
            .map(|word| json!({"word": word.text, "start_time": word.begin, "end_time": word.end}))
            .collect();
        let audio = tone::packed(&tone::pcm(words.len(), RATE_HZ));
        json!({"audio": audio, "audio_format": "audio/pcm", "timestamps": timestamps}).to_string() + "\n"
    });
    pieces("application/json", lines.collect::<Vec<_>>().into_iter())
}

/// Understands how long it was and what helped.
fn transcription(asked: &Recorded) -> Transcript {
    let body = String::from_utf8_lossy(&asked.body);
    let field = |name: &str| {
        let begin = body.find(&format!("name=\"{name}\"\r\n\r\n"))? + name.len() + 11;
        body[begin..].split("\r\n").next().map(str::to_owned)
    };
    let is_file = body.contains("filename=\"") && asked.body.windows(8).any(|bytes| bytes == b"WAVEfmt ");
    let Some(_) = field("model").filter(|_| is_file) else {
        return refusal(
            "400 Bad Request",
            "missing_required_parameter",
            "you must provide a model and a file",
        );
    };
    let text = format!("hail {}", field("prompt").unwrap_or_default());
    if field("stream").as_deref() != Some("true") {
        return answer_json("200 OK", &json!({"text": text}));
    }
    let mut events: Vec<Value> = text
        .split_inclusive(' ')
        .map(|delta| json!({"type": "transcript.text.delta", "delta": delta}))
        .collect();
    events.push(json!({"type": "transcript.text.done", "text": text}));
    pieces("text/event-stream", events.into_iter().map(|event| format!("data: {event}\n\n")))
}
