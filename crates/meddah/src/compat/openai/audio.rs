//! `/v1/audio/…`: a text as sound, and sound as text, in the shapes that clients of OpenAI know.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt as _, stream};
use meddah_protocol::WireError;
use meddah_speech::{AudioFormat, SpeechStream};
use serde_json::{Value, json};

use super::error::Refused;
use crate::compat::aloud::{self, Heard};
use crate::compat::sent::{Fields as _, Sent, invalid, unsupported};
use crate::transport::App;

/// `pcm` is defined with this rate, and clients take it for granted.
const PCM_RATE_HZ: u32 = 24_000;
/// The longest text field of a form.
const FIELD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a form that are looked at.
const FIELDS_MAX: usize = 64;

/// `POST /v1/audio/speech`.
pub(super) async fn speech(State(app): State<Arc<App>>, sent: Sent) -> Result<Response, Refused> {
    let body = sent.0?;
    let format = aloud::format(body.text("response_format"), AudioFormat::Mp3)?;
    // Newer clients may send a voice as an object.
    let voice = body.text("voice").or_else(|| body.get("voice")?.text("id")).unwrap_or_default();
    let settings = aloud::voice(&app, voice).await;
    let request = aloud::request(body.text("input"), settings, body.float("speed"))?;
    let speech = aloud::speak(&app, request).await?;
    if body.text("stream_format") == Some("sse") {
        return Ok(deltas(speech, format).await?);
    }
    let sound = aloud::body(speech, format, Some(PCM_RATE_HZ)).await?;
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], sound).into_response())
}

/// The sound in events, each with a piece of the file.
async fn deltas(speech: SpeechStream, format: AudioFormat) -> Result<Response, WireError> {
    let sound = aloud::body(speech, format, Some(PCM_RATE_HZ)).await?.into_data_stream();
    let deltas = sound.map(|piece| {
        let delta = json!({"type": "speech.audio.delta", "audio": BASE64.encode(piece?)});
        Ok::<_, axum::Error>(format!("data: {delta}\n\n"))
    });
    let done = json!({"type": "speech.audio.done",
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}});
    let events = deltas.chain(stream::iter([Ok(format!("data: {done}\n\n"))]));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, axum::body::Body::from_stream(events)).into_response())
}

/// A form with a file.
#[derive(Default)]
struct Form {
    file: Option<Vec<u8>>,
    language: Option<String>,
    prompt: Option<String>,
    response_format: Option<String>,
    stream: bool,
}

impl Form {
    async fn read(mut fields: Multipart) -> Result<Form, WireError> {
        let broken =
            |error: MultipartError| invalid(format!("the form cannot be read: {}", error.body_text()), FORM);
        let mut form = Form::default();
        for _ in 0..FIELDS_MAX {
            let Some(field) = fields.next_field().await.map_err(broken)? else { break };
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(broken)?;
            if name == "file" {
                form.file = Some(bytes.into());
                continue;
            }
            if bytes.len() > FIELD_BYTES_MAX {
                return Err(invalid(format!("`{name}` has {} bytes", bytes.len()), FORM));
            }
            let text = Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty());
            match name.as_str() {
                "language" => form.language = text,
                "prompt" => form.prompt = text,
                "response_format" => form.response_format = text,
                "stream" => form.stream = text.is_some_and(|text| text.eq_ignore_ascii_case("true")),
                _ => {}
            }
        }
        Ok(form)
    }
}

const FORM: &str = "Send `multipart/form-data` with the sound in `file`, at most 25 MB.";

/// `POST /v1/audio/transcriptions`, and `translations`, which is the same where one language is understood.
pub(super) async fn transcriptions(
    State(app): State<Arc<App>>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Response, Refused> {
    let fields = form.map_err(|rejection| invalid(rejection.body_text(), FORM))?;
    let form = Form::read(fields).await?;
    let sound = form.file.ok_or_else(|| invalid("the form has no `file`", FORM))?;
    let language = form.language.clone().unwrap_or_default();
    let heard = aloud::understand(&app, sound, None, form.language, form.prompt).await?;
    let text = &heard.text;
    if form.stream {
        return Ok(transcript_events(text));
    }
    match form.response_format.as_deref().unwrap_or("json") {
        "json" => Ok(Json(json!({"text": text})).into_response()),
        "text" => Ok(format!("{text}\n").into_response()),
        "verbose_json" => Ok(Json(verbose(&heard, &language)).into_response()),
        other => {
            let help = "Ask for json, text or verbose_json: no times are known here.";
            Err(unsupported(format!("there is no `response_format` {other:?} here"), help).into())
        }
    }
}

fn verbose(heard: &Heard, language: &str) -> Value {
    let (text, duration) = (&heard.text, heard.length.as_secs_f64());
    json!({"task": "transcribe", "language": language, "duration": duration, "text": text})
}

/// All of it in one event, for clients that read a stream.
fn transcript_events(text: &str) -> Response {
    let delta = json!({"type": "transcript.text.delta", "delta": text});
    let done = json!({"type": "transcript.text.done", "text": text});
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, format!("data: {delta}\n\ndata: {done}\n\n")).into_response()
}
