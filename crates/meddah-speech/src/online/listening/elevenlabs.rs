//! ElevenLabs' `speech-to-text`.

use async_trait::async_trait;
use meddah_inference::http::{FormFile, post_form};
use tokio::sync::mpsc;

use super::super::fault;
use super::super::server::Server;
use super::{Ears, Hints, short, wav};
use crate::SpeechError;

pub(super) struct ElevenLabs;

#[async_trait]
impl Ears for ElevenLabs {
    async fn understand(
        &self,
        server: &Server,
        sound: &[f32],
        hints: &Hints,
        _: &mpsc::Sender<String>,
    ) -> Result<String, SpeechError> {
        let mut fields = vec![
            ("model_id", server.model.clone()),
            // `(laughs)` is nothing that a player said.
            ("tag_audio_events", "false".to_owned()),
            ("timestamps_granularity", "none".to_owned()),
        ];
        fields.extend(hints.language.as_deref().map(|language| ("language_code", short(language))));
        // The first version knows no key terms.
        if server.model != "scribe_v1" {
            fields.extend(hints.names.iter().map(|name| ("keyterms", name.clone())));
        }
        let bytes = wav(server, sound)?;
        let file = FormFile { field: "file", name: "utterance.wav", media_type: "audio/wav", bytes: &bytes };
        let call = post_form(server.url("speech-to-text")?, &fields, Some(file));
        let answer = server.ask(server.keyed(call.map_err(|error| server.fault(error))?)?).await?;
        let text = answer["text"].as_str().map(str::to_owned);
        text.ok_or_else(|| fault::nonsense(&server.name, "an answer without a text"))
    }
}
