//! Cartesia: events with sound, words and sounds, each of a kind of its own.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use meddah_inference::http::Call;
use serde_json::{Value, json};

use super::line::Line;
use super::reader::{JsonEvents, Reader, Then, numbers, packed_sound, texts};
use super::server::Server;
use super::voice::{Asked, Dialect, Source};
use crate::SpeechError;

const RATE_HZ: u32 = 24_000;
/// A voice's id is a UUID.
const ID_BYTES: usize = 36;

pub(super) struct Cartesia;

#[async_trait]
impl Dialect for Cartesia {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let speed = (asked.speed != 1.0).then(|| json!({"speed": asked.speed}));
        let body = json!({
            "model_id": server.model,
            "transcript": asked.text,
            "voice": {"mode": "id", "id": asked.voice},
            "language": server.language.as_deref().unwrap_or("en"),
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE_HZ},
            "add_timestamps": true,
            "add_phoneme_timestamps": true,
            "generation_config": speed,
        });
        Ok(Source::body(server.send(server.post(server.url_under("", "tts/sse")?, body)?).await?))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(JsonEvents::new(event))
    }

    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        Some(0.6..=1.5)
    }

    fn usual_voice(&self) -> Option<&'static str> {
        None
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url_under("", "voices").and_then(|url| server.get(url)))
    }

    fn is_id(&self, voice: &str) -> bool {
        voice.len() == ID_BYTES && voice.chars().all(|sign| sign.is_ascii_hexdigit() || sign == '-')
    }
}

fn event(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    match value["type"].as_str().unwrap_or_default() {
        "error" => return Err(server.told(value)),
        "done" => return Ok(Then::Over),
        "timestamps" => {
            let words = &value["word_timestamps"];
            timed(words, &words["words"], |word, begin, end| line.said(word, begin, end));
        }
        "phoneme_timestamps" => {
            let sounds = &value["phoneme_timestamps"];
            timed(sounds, &sounds["phonemes"], |ipa, begin, end| line.sounded(ipa, begin, end));
        }
        "chunk" => packed_sound(server, &value["data"], RATE_HZ, line)?,
        // A refusal of a proxy in between has no type; kinds that are not known yet mean nothing.
        "" if !value["error"].is_null() => return Err(server.told(value)),
        _ => {}
    }
    Ok(Then::More)
}

fn timed(times: &Value, what: &Value, mut take: impl FnMut(&str, f64, f64)) {
    let ends = numbers(&times["end"]);
    for ((what, begin), end) in texts(what).into_iter().zip(numbers(&times["start"])).zip(ends) {
        take(what, begin, end);
    }
}
