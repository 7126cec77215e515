//! Player2: the app beside the game, or its cloud. A line comes as a whole, without times.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use meddah_inference::http::Call;
use serde_json::{Value, json};

use super::fault;
use super::line::Line;
use super::reader::{Reader, Then, WholeJson, packed_sound};
use super::server::Server;
use super::voice::{Asked, Dialect, Source};
use crate::SpeechError;

/// What its WAV files have; their heads say it.
const RATE_HZ: u32 = 24_000;
/// A voice's id; whatever is shorter is a name.
const ID_BYTES_MIN: usize = 20;
/// Stands for the voice that the app chooses.
const ANY: &str = "any";

pub(super) struct Player2;

#[async_trait]
impl Dialect for Player2 {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let voices: Vec<&str> = [asked.voice].into_iter().filter(|voice| *voice != ANY).collect();
        let body = json!({
            "text": asked.text,
            "voice_ids": voices,
            "voice_language": server.language,
            "speed": asked.speed,
            "audio_format": "wav",
            // The game plays it, where its character stands.
            "play_in_app": false,
        });
        Ok(Source::body(server.send(server.post(server.url("tts/speak")?, body)?).await?))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(WholeJson::new(whole))
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        Some(0.25..=4.0)
    }

    fn usual_voice(&self) -> Option<&'static str> {
        Some(ANY)
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url("tts/voices").and_then(|url| server.get(url)))
    }

    fn is_id(&self, voice: &str) -> bool {
        voice == ANY || voice.len() >= ID_BYTES_MIN
    }
}

fn whole(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    if !value["error"].is_null() || (value["data"].is_null() && !value["message"].is_null()) {
        return Err(server.told(value));
    }
    let Some(data) = value["data"].as_str() else {
        return Err(fault::nonsense(&server.name, "an answer without sound"));
    };
    // Some versions write it as an address that holds its data.
    let packed = data.split_once("base64,").map_or(data, |(_, packed)| packed);
    packed_sound(server, &Value::from(packed), RATE_HZ, line)?;
    Ok(Then::Over)
}
