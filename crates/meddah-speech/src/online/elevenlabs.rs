//! ElevenLabs: lines of JSON with sound and the time of each sign, or the same over a socket.
//!
//! Their names are spelled in two ways, times count from the beginning or from each piece, and either half of a piece
//! may be missing.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use meddah_inference::http::Call;
use serde_json::{Value, json};

use super::line::Line;
use super::reader::{JsonFrames, JsonLines, Reader, Then, numbers, packed_sound, texts};
use super::server::Server;
use super::voice::{Asked, Dialect, Source, is_safe_in_a_path};
use crate::{SpeechError, SpeechErrorKind};

/// Every plan may have it.
const RATE_HZ: u32 = 22_050;
const FORMAT: &str = "pcm_22050";
/// A voice's id; whatever is shorter is a name.
const ID_BYTES: usize = 20;

/// By one request for each line, or over a socket.
pub(super) struct ElevenLabs {
    pub socket: bool,
}

fn settings(asked: &Asked<'_>) -> Value {
    if asked.speed == 1.0 { Value::Null } else { json!({"speed": asked.speed}) }
}

#[async_trait]
impl Dialect for ElevenLabs {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        if !is_safe_in_a_path(asked.voice) {
            return Err(SpeechError::new(
                SpeechErrorKind::UnknownVoice,
                format!("{:?} is no id of a voice", asked.voice),
                "Copy the voice's id from its page.",
            ));
        }
        if self.socket {
            return over_socket(server, asked).await;
        }
        let mut url = server.url(&format!("text-to-speech/{}/stream/with-timestamps", asked.voice))?;
        url.query_pairs_mut().append_pair("output_format", FORMAT);
        let body = json!({
            "text": asked.text,
            "model_id": server.model,
            "language_code": server.language,
            "voice_settings": settings(asked),
        });
        Ok(Source::body(server.send(server.post(url, body)?).await?))
    }

    fn reader(&self) -> Box<dyn Reader> {
        if self.socket { Box::new(JsonFrames(frame)) } else { Box::new(JsonLines::new(piece)) }
    }

    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        Some(0.7..=1.2)
    }

    fn usual_voice(&self) -> Option<&'static str> {
        None
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url("voices").and_then(|url| server.get(url)))
    }

    fn is_id(&self, voice: &str) -> bool {
        voice.len() >= ID_BYTES && is_safe_in_a_path(voice)
    }
}

/// The whole line is known, so it is sent at once, with the wish to begin.
async fn over_socket(server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
    let mut url = server.url(&format!("text-to-speech/{}/stream-input", asked.voice))?;
    url.query_pairs_mut()
        .append_pair("model_id", &server.model)
        .append_pair("output_format", FORMAT)
        .append_pair("sync_alignment", "true");
    if let Some(language) = &server.language {
        url.query_pairs_mut().append_pair("language_code", language);
    }
    let mut socket = server.socket(url).await?;
    let mut first = json!({"text": " "});
    if asked.speed != 1.0 {
        first["voice_settings"] = settings(asked);
    }
    // A text has to end with a space there.
    let text = json!({"text": format!("{} ", asked.text), "flush": true});
    for message in [first, text, json!({"text": ""})] {
        socket.send_text(message.to_string()).await.map_err(|error| server.fault(error))?;
    }
    Ok(Source::Socket(Box::new(socket)))
}

/// A line of the answer.
fn piece(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    if !value["detail"].is_null() || !value["error"].is_null() {
        return Err(server.told(value));
    }
    take(server, value, &value["audio_base64"], line)?;
    Ok(Then::More)
}

/// A frame of the socket. What is wrong comes as a frame, too.
fn frame(server: &Server, value: &Value, line: &mut Line) -> Result<Then, SpeechError> {
    let is_answer =
        ["audio", "isFinal", "is_final", "alignment"].iter().any(|name| value.get(name).is_some());
    if !value["error"].is_null() || (!is_answer && !value["message"].is_null()) {
        return Err(server.told(&in_code(value)));
    }
    take(server, value, &value["audio"], line)?;
    let is_final = value["isFinal"].as_bool().or(value["is_final"].as_bool()).unwrap_or(false);
    Ok(if is_final { Then::Over } else { Then::More })
}

/// Over the socket the word that says what is wrong stands in `error`, and the number in `code` is that of the socket.
fn in_code(value: &Value) -> Value {
    let word = value["error"].as_str().unwrap_or_default();
    json!({"error": {"code": word, "message": value["message"].as_str().unwrap_or(word)}})
}

fn take(server: &Server, value: &Value, audio: &Value, line: &mut Line) -> Result<(), SpeechError> {
    // The text as it was written; the normalized one is as it is spoken.
    let written = [&value["alignment"], &value["normalizedAlignment"], &value["normalized_alignment"]];
    if let Some(alignment) = written.into_iter().find(|alignment| alignment.is_object()) {
        signs(alignment, line);
    }
    packed_sound(server, audio, RATE_HZ, line)
}

/// The times of signs.
fn signs(alignment: &Value, line: &mut Line) {
    let list =
        |names: &[&str]| names.iter().map(|name| &alignment[*name]).find(|list| list.is_array()).cloned();
    let signs = list(&["chars", "characters"]).unwrap_or_default();
    let (begins, ends) = match list(&["character_start_times_seconds"]) {
        Some(begins) => (numbers(&begins), numbers(&alignment["character_end_times_seconds"])),
        None => {
            let seconds = |list: Option<Value>| -> Vec<f64> {
                numbers(&list.unwrap_or_default()).into_iter().map(|ms| ms / 1000.0).collect()
            };
            let begins = seconds(list(&["charStartTimesMs", "char_start_times_ms"]));
            let durations =
                ["charDurationsMs", "charsDurationsMs", "char_durations_ms", "chars_durations_ms"];
            let durations = seconds(list(&durations));
            let ends = begins.iter().zip(durations).map(|(begin, duration)| begin + duration);
            (begins.clone(), ends.collect())
        }
    };
    if let Some(first) = begins.first() {
        line.times_from(*first);
    }
    for ((sign, begin), end) in texts(&signs).into_iter().zip(begins).zip(ends) {
        line.said(sign, begin, end);
    }
}
