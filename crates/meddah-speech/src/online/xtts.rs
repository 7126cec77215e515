//! The XTTS API server on a PC of the player's. Sound comes while it is made where the server can, otherwise as a file;
//! both without times.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use meddah_inference::http::{Call, Method};
use serde_json::json;

use super::reader::{Bare, Reader};
use super::server::Server;
use super::voice::{Asked, Dialect, Source, check_is_sound};
use crate::{SpeechError, SpeechErrorKind};

const RATE_HZ: u32 = 24_000;

/// Remembers whether the server can stream.
#[derive(Default)]
pub(super) struct Xtts {
    files_only: AtomicBool,
}

impl Xtts {
    async fn stream(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let language = server.language.as_deref().unwrap_or("en");
        let body = json!({"text": asked.text, "speaker_wav": asked.voice, "language": language});
        let mut url = server.url_under("", "tts_stream")?;
        // Older servers read the address, newer ones the body.
        url.query_pairs_mut()
            .append_pair("text", asked.text)
            .append_pair("speaker_wav", asked.voice)
            .append_pair("language", language);
        let call = Call { method: Method::GET, ..server.post(url, body)? };
        check_is_sound(server, server.send(call).await?).await
    }

    async fn file(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        let language = server.language.as_deref().unwrap_or("en");
        let body = json!({"text": asked.text, "speaker_wav": asked.voice, "language": language});
        let call = server.post(server.url_under("", "tts_to_audio/")?, body)?;
        check_is_sound(server, server.send(call).await?).await
    }
}

#[async_trait]
impl Dialect for Xtts {
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError> {
        if self.files_only.load(Ordering::Relaxed) {
            return self.file(server, asked).await;
        }
        match self.stream(server, asked).await {
            Err(error) if matches!(error.kind, SpeechErrorKind::BadRequest | SpeechErrorKind::NotFound) => {
                let source = self.file(server, asked).await?;
                self.files_only.store(true, Ordering::Relaxed);
                Ok(source)
            }
            asked => asked,
        }
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

    /// Its speed is a setting of the whole server.
    fn speeds(&self) -> Option<RangeInclusive<f32>> {
        None
    }

    fn usual_voice(&self) -> Option<&'static str> {
        Some("female")
    }

    fn list_voices(&self, server: &Server) -> Option<Result<Call, SpeechError>> {
        Some(server.url_under("", "speakers").and_then(|url| server.get(url)))
    }
}
