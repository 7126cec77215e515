//! Deepgram, over a socket: it listens while the player speaks.
//!
//! What it understands comes in stretches. Each is told again and again until it is final; the whole is the final ones
//! in a row, and the last of those that are not. The end of the sound makes it finish; it then sends metadata and hangs
//! up.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_inference::http::{Frame, Socket};
use serde_json::Value;
use tokio::time::Instant;

use super::super::fault;
use super::super::server::Server;
use super::{Hints, TRANSCRIPT_BYTES_MAX, check, hints};
use crate::{
    LISTEN_RATE_HZ, ListenRequest, SoundStream, SpeechError, SpeechToText, Transcript, TranscriptStream,
    UTTERANCE_MAX,
};

/// It hangs up after ten seconds without sound or a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// Silence before it takes a stretch for final, milliseconds.
const ENDPOINTING_MS: &str = "300";
/// How long the last words may take after the sound has ended.
const LAST_WORDS_MAX: Duration = Duration::from_secs(6);

pub(super) struct Deepgram(pub Arc<Server>);

#[async_trait]
impl SpeechToText for Deepgram {
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let hints = hints(&self.0, &request);
        let mut url = self.0.url("listen")?;
        url.query_pairs_mut().extend_pairs(question(&self.0, &hints));
        let socket = self.0.socket(url).await?;
        let listening = Listening {
            server: self.0.clone(),
            socket,
            sound: Some(request.sound),
            samples_left: (UTTERANCE_MAX.as_secs() as usize) * LISTEN_RATE_HZ as usize,
            partial: hints.partial,
            said: String::new(),
            until: Instant::now() + KEEP_ALIVE,
            over: false,
        };
        let transcripts = stream::unfold(listening, |mut listening| async {
            listening.next().await.map(|transcript| (transcript, listening))
        });
        Ok(transcripts.boxed())
    }
}

/// What stands in the address; names do, keys do not.
fn question<'a>(server: &'a Server, hints: &'a Hints) -> Vec<(&'static str, String)> {
    let mut question = vec![
        ("model", server.model.clone()),
        ("encoding", "linear16".to_owned()),
        ("sample_rate", LISTEN_RATE_HZ.to_string()),
        ("channels", "1".to_owned()),
        ("interim_results", hints.partial.to_string()),
        ("endpointing", ENDPOINTING_MS.to_owned()),
        ("smart_format", "true".to_owned()),
    ];
    question.extend(hints.language.as_ref().map(|language| ("language", language.replace('_', "-"))));
    // Older models have keywords instead, one word each.
    let term = if server.model.starts_with("nova-3") { "keyterm" } else { "keywords" };
    question.extend(hints.names.iter().map(|name| (term, name.clone())));
    question
}

struct Listening {
    server: Arc<Server>,
    socket: Socket,
    /// None once it has ended.
    sound: Option<SoundStream>,
    samples_left: usize,
    partial: bool,
    /// What is final.
    said: String,
    /// When a sign of life is due; after the end of the sound, when its patience ends.
    until: Instant,
    over: bool,
}

/// What happens next.
enum Event {
    Sound(Option<crate::Pcm>),
    Frame(Result<Frame, SpeechError>),
    Due,
}

impl Listening {
    async fn next(&mut self) -> Option<Result<Transcript, SpeechError>> {
        if self.over {
            return None;
        }
        let transcript = self.transcript().await;
        self.over = transcript.as_ref().map_or(true, |transcript| transcript.is_final);
        Some(transcript)
    }

    async fn transcript(&mut self) -> Result<Transcript, SpeechError> {
        loop {
            match self.event().await {
                Event::Sound(Some(piece)) => self.send(&piece).await?,
                Event::Sound(None) => self.end().await?,
                Event::Due if self.sound.is_some() => self.say(r#"{"type":"KeepAlive"}"#).await?,
                // What was understood by now is better than nothing.
                Event::Due if !self.said.is_empty() => return Ok(self.last()),
                Event::Due => return Err(fault::silent(&self.server.name, LAST_WORDS_MAX)),
                Event::Frame(frame) => {
                    if let Some(transcript) = self.take(frame?)? {
                        return Ok(transcript);
                    }
                }
            }
        }
    }

    async fn event(&mut self) -> Event {
        let sound = async {
            match &mut self.sound {
                Some(sound) => sound.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            piece = sound => Event::Sound(piece),
            frame = self.socket.next() => Event::Frame(frame.map_err(|error| self.server.fault(error))),
            () = tokio::time::sleep_until(self.until) => Event::Due,
        }
    }

    async fn send(&mut self, piece: &crate::Pcm) -> Result<(), SpeechError> {
        check(piece)?;
        let count = piece.samples.len().min(self.samples_left);
        self.samples_left -= count;
        let bytes = piece.to_i16().into_iter().take(count).flat_map(i16::to_le_bytes).collect::<Vec<u8>>();
        // An empty frame would end the talk.
        if !bytes.is_empty() {
            self.socket.send_bytes(bytes).await.map_err(|error| self.server.fault(error))?;
            self.until = Instant::now() + KEEP_ALIVE;
        }
        if self.samples_left == 0 { self.end().await } else { Ok(()) }
    }

    async fn end(&mut self) -> Result<(), SpeechError> {
        self.sound = None;
        self.say(r#"{"type":"CloseStream"}"#).await?;
        self.until = Instant::now() + LAST_WORDS_MAX;
        Ok(())
    }

    async fn say(&mut self, text: &str) -> Result<(), SpeechError> {
        self.until = Instant::now() + KEEP_ALIVE;
        self.socket.send_text(text.to_owned()).await.map_err(|error| self.server.fault(error))
    }

    fn take(&mut self, frame: Frame) -> Result<Option<Transcript>, SpeechError> {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => return Ok(None),
            Frame::Closed { code: 1000 | 1005, .. } if self.sound.is_none() => return Ok(Some(self.last())),
            Frame::Closed { code, reason } => return Err(self.server.closed(code, &reason)),
        };
        let value: Value = serde_json::from_str(&text)
            .map_err(|_| fault::nonsense(&self.server.name, "words that are no JSON"))?;
        match value["type"].as_str().unwrap_or_default() {
            "Results" => self.results(&value),
            "Metadata" if self.sound.is_none() => Ok(Some(self.last())),
            "Error" => Err(self.server.told(&error(&value))),
            _ if !value["err_code"].is_null() => Err(self.server.told(&value)),
            // `SpeechStarted`, `UtteranceEnd` and what comes newly say nothing here.
            _ => Ok(None),
        }
    }

    fn results(&mut self, value: &Value) -> Result<Option<Transcript>, SpeechError> {
        let stretch = value["channel"]["alternatives"][0]["transcript"].as_str().unwrap_or_default();
        let so_far = join(&self.said, stretch);
        if so_far.len() > TRANSCRIPT_BYTES_MAX {
            return Err(fault::nonsense(&self.server.name, "a transcript without an end"));
        }
        if value["is_final"].as_bool().unwrap_or(false) {
            self.said.clone_from(&so_far);
        }
        let tell = self.partial && !stretch.is_empty();
        Ok(tell.then_some(Transcript::so_far(so_far)))
    }

    fn last(&self) -> Transcript {
        Transcript::last(self.said.as_str())
    }
}

fn join(said: &str, stretch: &str) -> String {
    let stretch = stretch.trim();
    if said.is_empty() || stretch.is_empty() {
        format!("{said}{stretch}")
    } else {
        format!("{said} {stretch}")
    }
}

/// Over the socket it says what is wrong in words of its own.
fn error(value: &Value) -> Value {
    let said = ["description", "message", "variant"].iter().find_map(|name| value[*name].as_str());
    serde_json::json!({"error": {"message": said.unwrap_or_default(), "code": value["variant"]}})
}
