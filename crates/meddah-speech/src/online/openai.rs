//! OpenAI's `audio/speech`, and the servers that speak it: Kokoro-FastAPI, speaches, LocalAI and others.
//!
//! Sound comes bare or as WAV, without times. Kokoro-FastAPI also tells when each word is spoken, in lines of JSON.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use meddah_inference::http::Call;
use serde_json::{Value, json};

use super::line::Line;
use super::reader::{Bare, JsonLines, Reader, Then, packed_sound};
use super::server::Server;
use super::voice::{Asked, Dialect, Source, check_is_sound};
use crate::SpeechError;

/// What `pcm` means there.
const RATE_HZ: u32 = 24_000;
/// OpenAI's own voices; it has no list to ask for.
const VOICES: [&str; 11] =
    ["alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse"];

/// Sound alone.
pub(super) struct Speech {
    /// A server of the player's own has voices of its own.
    pub own_server: bool,
}

#[async_trait]
impl Dialect for Speech {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let body = json!({
            "model": server.model,
            "input": asked.text,
            "voice": asked.voice,
            "response_format": "pcm",
            "speed": (asked.speed != 1.0).then_some(asked.speed),
        });
        let reply = server.send(server.post(server.url("audio/speech")?, body)?).await?;
        check_is_sound(server, reply).await
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Bare::new(RATE_HZ))
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
        (!self.own_server).then_some(VOICES[0])
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        self.own_server.then(|| server.get(server.url("audio/voices")?))
    }

    fn listed_voices(&self) -> &'static [&'static str] {
        if self.own_server { &[] } else { &VOICES }
    }
}

/// Sound with the times of words, by Kokoro-FastAPI.
pub(super) struct Captioned;

#[async_trait]
impl Dialect for Captioned {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let body = json!({
            "model": server.model,
            "input": asked.text,
            "voice": asked.voice,
            "speed": asked.speed,
            "response_format": "pcm",
            "stream": true,
            "return_timestamps": true,
        });
        let call = server.post(server.url_under("", "dev/captioned_speech")?, body)?;
        Ok(Source::body(server.send(call).await?))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(JsonLines::new(captioned))
    }

    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        Some(0.25..=4.0)
    }

    fn usual_voice(&self) -> Option<&'static str> {
        Some("af_heart")
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url_under("v1", "audio/voices").and_then(|url| server.get(url)))
    }
}

fn captioned(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    if !value["detail"].is_null() || !value["error"].is_null() {
        return Err(server.told(value));
    }
    let words = value["timestamps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let time = |word: &Value, name: &str| word[name].as_f64().unwrap_or(f64::NAN);
    if let Some(first) = words.first() {
        line.times_from(time(first, "start_time"));
    }
    for word in words {
        let said = word["word"].as_str().unwrap_or_default();
        line.said(said, time(word, "start_time"), time(word, "end_time"));
    }
    packed_sound(server, &value["audio"], RATE_HZ, line)?;
    Ok(Then::More)
}
