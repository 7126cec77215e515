//! Inworld: speech with words and sounds in lines of JSON, each piece with the head of a WAV file; transcription.

use serde_json::{Value, json};

use super::{FakeSpeech, json as answer_json, key_in_address, missing, pieces, tone};
use crate::{Recorded, Transcript};

pub(super) fn answer(asked: &Recorded, path: &str) -> Option<Transcript> {
    let answer: fn(&Recorded) -> Transcript = match (asked.method.as_str(), path) {
        ("POST", "/tts/v1/voice:stream") => speech,
        ("POST", "/stt/v1/transcribe") => transcription,
        ("GET", "/voices/v1/voices") => |_| {
            let ashley = json!({"voiceId": "Ashley", "displayName": "Ashley", "langCode": "EN_US", "source": "SYSTEM"});
            answer_json("200 OK", &json!({"voices": [ashley]}))
        },
        _ => return None,
    };
    let sound = asked.header("authorization") == Some(&format!("Basic {}", FakeSpeech::KEY))
        && !key_in_address(asked);
    Some(if sound {
        answer(asked)
    } else {
        refusal("401 Unauthorized", 16, "Invalid authorization credentials")
    })
}

fn refusal(status: &str, code: u32, message: &str) -> Transcript {
    answer_json(status, &json!({"code": code, "message": message, "details": []}))
}

/// A word in each line, times from the line on; every second word with its sounds in the IPA.
fn speech(asked: &Recorded) -> Transcript {
    let config = &asked.json["audioConfig"];
    let rate = config["sampleRateHertz"].as_u64().and_then(|rate| u32::try_from(rate).ok());
    let (Some(rate), None, true) = (
        rate,
        missing(asked, &["text", "voiceId", "modelId"]),
        config["audioEncoding"] == "LINEAR16" && asked.json["timestampType"] == "WORD",
    ) else {
        return refusal("400 Bad Request", 3, "invalid argument");
    };
    if asked.json["voiceId"] != "Ashley" {
        return refusal("404 Not Found", 5, "Unknown voice");
    }
    let words = tone::words(asked.json["text"].as_str().unwrap_or_default());
    let lines = words.iter().enumerate().map(|(place, word)| {
        let phone = |symbol: &str, begin: f64| {
            json!({"phoneSymbol": symbol, "startTimeSeconds": begin, "durationSeconds": 0.12, "visemeSymbol": "aei"})
        };
        let phones = if place % 2 == 0 { [phone("h", 0.0), phone("aɪ", 0.12)] } else { [phone("HH", 0.0), phone("AY", 0.12)] };
        let alignment = json!({
            "words": [word.text, " "],
            "wordStartTimeSeconds": [0.0, tone::WORD],
            "wordEndTimeSeconds": [tone::WORD, tone::WORD + tone::GAP],
            "phoneticDetails": [{"wordIndex": 0, "phones": phones, "isPartial": false}],
        });
        let audio = tone::packed(&tone::wav(&tone::pcm(1, rate), rate));
        let result = json!({
            "audioContent": audio,
            "usage": {"processedCharactersCount": word.text.len(), "modelId": asked.json["modelId"]},
            "timestampInfo": {"wordAlignment": alignment},
        });
        json!({"result": result}).to_string() + "\n"
    });
    pieces("application/json", lines.collect::<Vec<_>>().into_iter())
}

fn transcription(asked: &Recorded) -> Transcript {
    let config = &asked.json["transcribeConfig"];
    let sound = config["modelId"].is_string()
        && config["audioEncoding"] == "LINEAR16"
        && asked.json["audioData"]["content"].as_str().is_some_and(|content| content.len() > 1000);
    if !sound {
        return refusal("400 Bad Request", 3, "invalid argument");
    }
    let transcription = json!({"transcript": "hail to you", "isFinal": true, "wordTimestamps": []});
    answer_json("200 OK", &json!({"transcription": transcription, "usage": Value::Null}))
}
