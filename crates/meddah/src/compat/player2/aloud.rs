//! Speech in the shapes of Player2: texts that a mod wants spoken, voices to choose from, and sound to understand.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use meddah_protocol::WireError;
use meddah_speech::{AudioFormat, VOLUME, VoiceSettings};
use serde_json::{Value, json};

use super::Player2;
use super::error::Refused;
use crate::compat::aloud;
use crate::compat::sent::{Fields as _, Sent};
use crate::transport::App;

/// Rate of sound that comes without a head.
const PCM_RATE_HZ: u32 = 44_100;

/// How a mod wants a character to sound.
#[derive(Clone, Debug, Default)]
pub(super) struct Tts {
    voice: Option<String>,
    gender: Option<String>,
    speed: Option<f64>,
    format: Option<String>,
}

impl Tts {
    pub fn read(body: &Value) -> Tts {
        let text = |key: &str| body.text(key).map(str::to_owned);
        let named = body.list("voice_ids").first().and_then(Value::as_str).map(str::to_owned);
        Tts {
            voice: named.or_else(|| text("voice_id")),
            gender: text("voice_gender"),
            speed: body.float("speed"),
            format: text("audio_format"),
        }
    }

    pub fn format(&self) -> Result<AudioFormat, WireError> {
        aloud::format(self.format.as_deref(), AudioFormat::Mp3)
    }

    async fn settings(&self, app: &App) -> VoiceSettings {
        match (&self.voice, &self.gender) {
            (Some(voice), _) => aloud::voice(app, voice).await,
            // What a character is like decides; a gender is what is known of it here.
            (None, gender) => aloud::voice_like(app, gender.as_deref().unwrap_or_default()).await,
        }
    }
}

/// A whole answer of a character as a file in Base64.
pub(super) async fn spoken(face: &Player2, text: &str, tts: &Tts) -> Result<String, WireError> {
    let speech = begin(face, Some(text), tts).await?;
    Ok(BASE64.encode(aloud::file(speech, tts.format()?, None).await?))
}

async fn begin(
    face: &Player2,
    text: Option<&str>,
    tts: &Tts,
) -> Result<meddah_speech::SpeechStream, WireError> {
    let settings = VoiceSettings { volume: face.volume(), ..tts.settings(&face.app).await };
    aloud::speak(&face.app, aloud::request(text, settings, tts.speed)?).await
}

pub(super) async fn speak(State(face): State<Arc<Player2>>, sent: Sent) -> Result<Json<Value>, Refused> {
    let body = sent.0?;
    let tts = Tts::read(&body);
    let speech = begin(&face, body.text("text"), &tts).await?;
    Ok(Json(json!({"data": BASE64.encode(aloud::file(speech, tts.format()?, None).await?)})))
}

pub(super) async fn stream(State(face): State<Arc<Player2>>, sent: Sent) -> Result<Response, Refused> {
    let body = sent.0?;
    let tts = Tts::read(&body);
    let speech = begin(&face, body.text("text"), &tts).await?;
    let format = tts.format()?;
    let sound = aloud::body(speech, format, None).await?;
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], sound).into_response())
}

pub(super) async fn voices(State(face): State<Arc<Player2>>) -> Json<Value> {
    let ports = &face.app.sidecar.ports;
    ports.voices.list_voices().await;
    let voices: Vec<Value> = ports
        .voices
        .list()
        .iter()
        .map(|voice| {
            let gender = crate::voice::gender_of(&voice.name);
            json!({"id": voice.name, "name": voice.name, "language": voice.language, "gender": gender})
        })
        .collect();
    Json(json!({"voices": voices}))
}

pub(super) async fn get_volume(State(face): State<Arc<Player2>>) -> Json<Value> {
    Json(json!({"volume": face.volume()}))
}

pub(super) async fn set_volume(State(face): State<Arc<Player2>>, sent: Sent) -> Result<Json<Value>, Refused> {
    let volume = sent.0?.float("volume").unwrap_or(1.0) as f32;
    face.set_volume(volume.clamp(*VOLUME.start(), *VOLUME.end()));
    Ok(get_volume(State(face)).await)
}

/// `POST /v1/stt/audio`: a file, or numbers without a head at the rate of the address.
pub(super) async fn understand(
    State(face): State<Arc<Player2>>,
    Query(query): Query<HashMap<String, String>>,
    sound: Bytes,
) -> Result<Json<Value>, Refused> {
    let rate_hz = query.get("sample_rate").and_then(|rate| rate.parse().ok()).unwrap_or(PCM_RATE_HZ);
    let language = query.get("language").cloned();
    let heard = aloud::understand(&face.app, sound.into(), Some(rate_hz), language, None).await?;
    let seconds = heard.length.as_secs_f64();
    Ok(Json(json!({"transcript": heard.text, "duration": seconds})))
}
