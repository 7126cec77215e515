//! OpenAI's `audio/transcriptions`, and the servers that speak it: Groq, speaches, LocalAI and others.

use async_trait::async_trait;
use meddah_inference::http::{ERROR_BODY_BYTES_MAX, FormFile, Reply, SseParser, post_form};
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::fault;
use super::super::server::Server;
use super::{Ears, Hints, TRANSCRIPT_BYTES_MAX, short, wav};
use crate::SpeechError;

pub(super) struct Transcriptions;

#[async_trait]
impl Ears for Transcriptions {
    async fn understand(
        &self,
        server: &Server,
        sound: &[f32],
        hints: &Hints,
        partial: &mpsc::Sender<String>,
    ) -> Result<String, SpeechError> {
        let mut fields = vec![("model", server.model.clone()), ("response_format", "json".to_owned())];
        fields.extend(hints.language.as_deref().map(|language| ("language", short(language))));
        // Names in a prompt are spelled as they are there.
        if !hints.names.is_empty() {
            fields.push(("prompt", hints.names.join(", ")));
        }
        if hints.partial {
            fields.push(("stream", "true".to_owned()));
        }
        let bytes = wav(server, sound)?;
        let file = FormFile { field: "file", name: "utterance.wav", media_type: "audio/wav", bytes: &bytes };
        let call = post_form(server.url("audio/transcriptions")?, &fields, Some(file));
        let call = server.keyed(call.map_err(|error| server.fault(error))?)?;
        let reply = server.send(call).await?;
        // Servers that cannot stream answer as a whole.
        match reply.media_type().as_str() {
            "text/event-stream" => deltas(server, reply, partial).await,
            _ => whole(server, reply).await,
        }
    }
}

async fn whole(server: &Server, mut reply: Reply) -> Result<String, SpeechError> {
    let mut body = Vec::new();
    while let Some(bytes) = server.next(&mut reply).await? {
        body.extend_from_slice(&bytes);
        if body.len() > ERROR_BODY_BYTES_MAX {
            return Err(fault::nonsense(&server.name, "a transcript without an end"));
        }
    }
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| fault::nonsense(&server.name, "an answer that is no JSON"))?;
    match answer["text"].as_str() {
        Some(text) => Ok(text.to_owned()),
        None if !answer["error"].is_null() => Err(server.told(&answer)),
        None => Err(fault::nonsense(&server.name, "an answer without a text")),
    }
}

async fn deltas(
    server: &Server,
    mut reply: Reply,
    partial: &mpsc::Sender<String>,
) -> Result<String, SpeechError> {
    let (mut parser, mut text, mut ended) = (SseParser::default(), String::new(), false);
    while !ended {
        let bytes = server.next(&mut reply).await?;
        ended = bytes.is_none();
        let events = match bytes {
            Some(bytes) => parser.push(&bytes),
            None => parser.finish(),
        };
        for event in events.map_err(|_| fault::nonsense(&server.name, "an event without an end"))? {
            if event.data == "[DONE]" {
                return Ok(text);
            }
            let value: Value = serde_json::from_str(&event.data)
                .map_err(|_| fault::nonsense(&server.name, "words that are no JSON"))?;
            match value["type"].as_str().unwrap_or_default() {
                "transcript.text.done" => return Ok(value["text"].as_str().unwrap_or(&text).to_owned()),
                "transcript.text.delta" => text.push_str(value["delta"].as_str().unwrap_or_default()),
                _ if !value["error"].is_null() => return Err(server.told(&value)),
                // speaches sends what it has understood so far, without a type.
                _ => text.push_str(value["text"].as_str().unwrap_or_default()),
            }
            if text.len() > TRANSCRIPT_BYTES_MAX {
                return Err(fault::nonsense(&server.name, "a transcript without an end"));
            }
            // Whoever reads slowly misses what is old anyway.
            partial.try_send(text.trim().to_owned()).ok();
        }
    }
    if text.is_empty() {
        return Err(fault::nonsense(&server.name, "an answer without a text"));
    }
    Ok(text)
}
