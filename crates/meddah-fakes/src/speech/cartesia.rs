//! Cartesia: events of several kinds.

use serde_json::{Value, json};

use super::{FakeSpeech, json as answer_json, key_in_address, missing, pieces, tone};
use crate::{Recorded, Transcript};

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    let answer: fn(&Recorded) -> Transcript = match (asked.method.as_str(), path) {
        ("POST", "/tts/sse") => speech,
        ("GET", "/voices") => |_| {
            let sage = json!({"id": FakeSpeech::CARTESIA_VOICE, "name": "Sage", "language": "en"});
            answer_json("200 OK", &json!({"data": [sage], "has_more": false}))
        },
        _ => return None,
    };
    let sound = asked.header("x-api-key") == Some(FakeSpeech::KEY) && !key_in_address(asked);
    Some(match (sound, asked.header("cartesia-version")) {
        (false, _) => refusal("401 Unauthorized", "unauthorized", "Invalid API key"),
        (true, None) => refusal("400 Bad Request", "version_required", "Cartesia-Version is missing"),
        (true, Some(_)) => answer(asked),
    })
}

fn refusal(status: &str, code: &str, message: &str) -> Transcript {
    answer_json(
        status,
        &json!({"title": message, "message": message, "error_code": code, "request_id": "r-1"}),
    )
}

/// All words first, then pieces of sound of no particular length, then sounds of the last word.
fn speech(asked: &Recorded) -> Transcript {
    let format = &asked.json["output_format"];
    let sound = format["container"] == "raw"
        && format["encoding"] == "pcm_s16le"
        && asked.json["voice"]["mode"] == "id";
    let rate = format["sample_rate"].as_u64().and_then(|rate| u32::try_from(rate).ok());
    let (Some(rate), None, true) = (rate, missing(asked, &["model_id", "transcript"]), sound) else {
        return refusal("400 Bad Request", "invalid_request", "The request is not valid");
    };
    if asked.json["voice"]["id"] != FakeSpeech::CARTESIA_VOICE {
        return refusal("404 Not Found", "voice_not_found", "Voice not found");
    }
    let words = tone::words(asked.json["transcript"].as_str().unwrap_or_default());
    let times = |of: fn(&tone::Word) -> Value| words.iter().map(of).collect::<Vec<_>>();
    let mut events = vec![json!({
        "type": "timestamps", "done": false, "status_code": 206,
        "word_timestamps": {
            "words": times(|word| json!(word.text)),
            "start": times(|word| json!(word.begin)),
            "end": times(|word| json!(word.end)),
        },
    })];
    if let Some(last) = words.last() {
        let middle = (last.begin + last.end) / 2.0;
        events.push(json!({
            "type": "phoneme_timestamps", "done": false, "status_code": 206,
            "phoneme_timestamps": {"phonemes": ["b", "oʊ"], "start": [last.begin, middle], "end": [middle, last.end]},
        }));
    }
    for piece in tone::pcm(words.len(), rate).chunks(4000) {
        events.push(json!({"type": "chunk", "done": false, "status_code": 206, "data": tone::packed(piece)}));
    }
    events.push(json!({"type": "done", "done": true, "status_code": 200}));
    let events = events.into_iter().map(|event| {
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        format!("event: {name}\ndata: {event}\n\n")
    });
    pieces("text/event-stream", events)
}
