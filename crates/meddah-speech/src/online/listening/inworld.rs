//! Inworld's `transcribe`. Its shape is that of the service's own reference; no account was at hand to try it.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::sync::mpsc;

use super::super::fault;
use super::super::server::Server;
use super::{Ears, Hints, wav};
use crate::{LISTEN_RATE_HZ, SpeechError};

pub(super) struct Inworld;

#[async_trait]
impl Ears for Inworld {
    async fn understand(
        &self,
        server: &Server,
        sound: &[f32],
        hints: &Hints,
        _: &mpsc::Sender<String>,
    ) -> Result<String, SpeechError> {
        let mut config = json!({
            "modelId": server.model,
            "audioEncoding": "LINEAR16",
            "sampleRateHertz": LISTEN_RATE_HZ,
            "numberOfChannels": 1,
        });
        if let Some(language) = &hints.language {
            config["language"] = json!(language.replace('_', "-"));
        }
        let sound = STANDARD.encode(wav(server, sound)?);
        let body = json!({"transcribeConfig": config, "audioData": {"content": sound}});
        let call = server.post(server.url_under("", "stt/v1/transcribe")?, body)?;
        let answer = server.ask(call).await?;
        let text = answer["transcription"]["transcript"].as_str().map(str::to_owned);
        text.ok_or_else(|| fault::nonsense(&server.name, "an answer without a transcript"))
    }
}
