//! Player2's app: a line as a whole.

use serde_json::json;

use super::{bytes, json as answer_json, missing, tone};
use crate::{Recorded, Transcript};

const RATE_HZ: u32 = 24_000;

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    Some(match (asked.method.as_str(), path) {
        ("POST", "/v1/tts/speak") => speech(asked),
        ("GET", "/v1/tts/voices") => {
            let mirela = json!({"id": "01955d76-ed5b-7451-92d6-5ef579d3ed28", "name": "Mirela", "language": "american_english", "gender": "female"});
            answer_json("200 OK", &json!({"voices": [mirela]}))
        }
        _ => return None,
    })
}

fn speech(asked: &Recorded) -> Transcript {
    if asked.header("player2-game-key").is_none_or(str::is_empty) {
        return answer_json("401 Unauthorized", &json!({"message": "missing game key"}));
    }
    let sound = asked.json["voice_ids"].is_array()
        && asked.json["speed"].is_number()
        && asked.json["play_in_app"] == false;
    if let (Some(field), _) | (None, Some(field)) =
        (missing(asked, &["text", "audio_format"]), (!sound).then_some("voice_ids"))
    {
        return answer_json("400 Bad Request", &json!({"message": format!("missing field `{field}`")}));
    }
    let words = tone::words(asked.json["text"].as_str().unwrap_or_default());
    let wav = tone::wav(&tone::pcm(words.len(), RATE_HZ), RATE_HZ);
    bytes("application/json", json!({"data": tone::packed(&wav)}).to_string().into_bytes())
}
