//! Inworld: lines of JSON, each with sound, the words in it and their sounds.
//!
//! Each piece of sound repeats the head of a WAV file.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use meddah_inference::http::Call;
use serde_json::{Value, json};

use super::line::Line;
use super::reader::{JsonLines, Reader, Then, numbers, packed_sound, texts};
use super::server::Server;
use super::voice::{Asked, Dialect, Source};
use crate::SpeechError;

const RATE_HZ: u32 = 24_000;

pub(super) struct Inworld;

#[async_trait]
impl Dialect for Inworld {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let mut sound = json!({"audioEncoding": "LINEAR16", "sampleRateHertz": RATE_HZ});
        if asked.speed != 1.0 {
            sound["speakingRate"] = json!(asked.speed);
        }
        let body = json!({
            "text": asked.text,
            "voiceId": asked.voice,
            "modelId": server.model,
            "audioConfig": sound,
            "timestampType": "WORD",
        });
        let call = server.post(server.url_under("", "tts/v1/voice:stream")?, body)?;
        Ok(Source::body(server.send(call).await?))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(JsonLines::new(piece))
    }

    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        Some(0.5..=1.5)
    }

    fn usual_voice(&self) -> Option<&'static str> {
        Some("Ashley")
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url_under("", "voices/v1/voices").and_then(|url| server.get(url)))
    }
}

fn piece(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    if !value["error"].is_null() || (value["result"].is_null() && !value["message"].is_null()) {
        return Err(server.told(value));
    }
    let result = &value["result"];
    let words = &result["timestampInfo"]["wordAlignment"];
    let (begins, ends) = (numbers(&words["wordStartTimeSeconds"]), numbers(&words["wordEndTimeSeconds"]));
    if let Some(first) = begins.first() {
        line.times_from(*first);
    }
    for phone in words["phoneticDetails"].as_array().into_iter().flatten().flat_map(phones) {
        let begin = phone["startTimeSeconds"].as_f64().unwrap_or(f64::NAN);
        let duration = phone["durationSeconds"].as_f64().unwrap_or(f64::NAN);
        // Signs that are not of the IPA count as nothing told.
        line.sounded(phone["phoneSymbol"].as_str().unwrap_or_default(), begin, begin + duration);
    }
    for ((word, begin), end) in texts(&words["words"]).into_iter().zip(begins).zip(ends) {
        line.said(word, begin, end);
    }
    packed_sound(server, &result["audioContent"], RATE_HZ, line)?;
    Ok(Then::More)
}

fn phones(details: &Value) -> impl Iterator<Item = &Value> {
    details["phones"].as_array().into_iter().flatten()
}
