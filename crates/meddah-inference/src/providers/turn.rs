//! One reply on its way: bytes to frames to events to chunks, with an end in every case.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ask::Ask;
use super::failure::{self, Refusal};
use super::online::{Online, Seen, estimate};
use super::reading::Reading;
use super::wire::{Decoder, Event, Failure, Framing};
use crate::http::{COMMENT, Call, Http, LineSplitter, Reply, SseParser, TooLong, broke};
use crate::{ChatStream, Chunk, ErrorKind, ModelError, StopReason, TokenUsage};

/// Longer replies never end, in bytes of the body.
const BODY_BYTES_MAX: usize = 16 << 20;
/// A model that goes on after so many bytes per token allowed does not obey its limit.
const BYTES_PER_TOKEN_MAX: usize = 32;
/// A body that is one JSON value, in bytes.
const WHOLE_BYTES_MAX: usize = 4 << 20;
/// After the model was done, so long for the cost and the end mark.
const TAIL_WAIT: Duration = Duration::from_secs(5);
/// What a reply costs so far is told anew after so many bytes of it.
const USAGE_EVERY_BYTES: usize = 256;

/// Tells a server that nobody wants the rest, if a reply is dropped before its end.
pub(super) struct Farewell {
    http: Http,
    call: Option<Call>,
    armed: AtomicBool,
}

impl Farewell {
    pub fn new(http: &Http, call: Option<Call>) -> Farewell {
        Farewell { http: http.clone(), armed: AtomicBool::new(call.is_some()), call }
    }

    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// A server that cannot be reached need not be told.
    pub fn unless_cancelled(&self, error: &ModelError) {
        if error.kind != ErrorKind::Cancelled {
            self.disarm();
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(call) = self.call.take().filter(|_| self.armed.load(Ordering::Relaxed)) {
            self.http.send_and_forget(call);
        }
    }
}

enum Frames {
    Sse(SseParser),
    Lines(LineSplitter),
    /// The server did not stream: one value.
    Whole(Vec<u8>),
}

/// One reply.
pub(super) struct Turn {
    reply: Option<Reply>,
    frames: Frames,
    decoder: Box<dyn Decoder>,
    reading: Reading,
    queue: VecDeque<Result<Chunk, ModelError>>,
    who: String,
    http: Http,
    farewell: Farewell,
    cancel: CancellationToken,
    usage: TokenUsage,
    /// The provider itself told what the reply costs.
    completion_known: bool,
    /// Of the reply, thinking among it.
    reply_bytes: usize,
    /// Of the reply without thinking.
    spoken_bytes: usize,
    spoken_bytes_max: usize,
    /// What the next turn should know of the model.
    seen: Arc<Seen>,
    told_bytes: usize,
    body_bytes: usize,
    stop: Option<StopReason>,
    ended: bool,
}

impl Turn {
    pub fn new(
        online: &Online,
        reply: Reply,
        reading: Reading,
        ask: &Ask,
        prompt_tokens: u32,
        (farewell, cancel): (Farewell, CancellationToken),
    ) -> Result<Turn, ModelError> {
        let media_type = reply.media_type();
        if matches!(media_type.as_str(), "text/html" | "application/xhtml+xml") {
            farewell.disarm();
            let message = format!("{} answers with a web page", reply.host());
            return Err(ModelError::new(ErrorKind::Protocol, message).with_help(
                "Check base_url; in hotels and trains, open a web page first and sign in to the network.",
            ));
        }
        let frames = match online.protocol().framing() {
            Framing::Lines => Frames::Lines(LineSplitter::default()),
            Framing::Sse if media_type == "application/json" => Frames::Whole(Vec::new()),
            Framing::Sse => Frames::Sse(SseParser::with_comments()),
        };
        let usage = TokenUsage { prompt_tokens, ..TokenUsage::default() };
        let limit = usize::try_from(ask.max_tokens).unwrap_or(usize::MAX);
        Ok(Turn {
            reply: Some(reply),
            frames,
            decoder: online.protocol().decoder(),
            reading,
            queue: VecDeque::from([Ok(Chunk::Usage(usage))]),
            who: online.who().to_owned(),
            http: online.http().clone(),
            farewell,
            cancel,
            usage,
            completion_known: false,
            reply_bytes: 0,
            spoken_bytes: 0,
            seen: online.seen(),
            spoken_bytes_max: limit.saturating_mul(BYTES_PER_TOKEN_MAX),
            told_bytes: 0,
            body_bytes: 0,
            stop: None,
            ended: false,
        })
    }

    pub fn into_stream(self) -> ChatStream {
        Box::pin(futures::stream::unfold(self, |mut turn| async move {
            let item = turn.next().await?;
            Some((item, turn))
        }))
    }

    async fn next(&mut self) -> Option<Result<Chunk, ModelError>> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.step().await {
                self.fail(error);
            }
        }
    }

    /// The next bytes.
    async fn step(&mut self) -> Result<(), ModelError> {
        let Some(reply) = &mut self.reply else { return Err(broke(&self.who)) };
        let next = reply.next(&self.cancel);
        let bytes = match self.stop {
            None => next.await?,
            // The words are complete: what follows is nice to have.
            Some(_) => match tokio::time::timeout(TAIL_WAIT, next).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) if error.kind == ErrorKind::Cancelled => return Err(error),
                Ok(Err(_)) | Err(_) => None,
            },
        };
        let Some(bytes) = bytes else { return self.at_end_of_body() };
        self.body_bytes += bytes.len();
        if self.body_bytes > BODY_BYTES_MAX {
            return Err(self.nonsense("a reply without an end"));
        }
        for (name, data) in self.split(&bytes)? {
            self.frame(&name, &data)?;
            if self.ended {
                return Ok(());
            }
        }
        if self.spoken_bytes > self.spoken_bytes_max {
            self.finish(StopReason::Length);
        } else if self.reading.is_over() {
            self.finish(StopReason::Stop);
        }
        Ok(())
    }

    fn split(&mut self, bytes: &[u8]) -> Result<Vec<(String, String)>, ModelError> {
        let mut found = Vec::new();
        let result = match &mut self.frames {
            Frames::Sse(parser) => {
                parser.push(bytes).map(|events| found.extend(events.into_iter().map(|e| (e.name, e.data))))
            }
            Frames::Lines(lines) => lines.push(bytes, |line| {
                found.push((String::new(), line.to_owned()));
                Ok::<_, TooLong>(())
            }),
            Frames::Whole(body) if body.len() + bytes.len() > WHOLE_BYTES_MAX => Err(TooLong),
            Frames::Whole(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
        };
        result.map_err(|TooLong| self.nonsense("a line without an end"))?;
        Ok(found)
    }

    fn at_end_of_body(&mut self) -> Result<(), ModelError> {
        let mut found = Vec::new();
        match &mut self.frames {
            Frames::Sse(parser) => {
                let events = parser.finish().unwrap_or_default();
                found.extend(events.into_iter().map(|event| (event.name, event.data)));
            }
            Frames::Lines(lines) => {
                let take = |line: &str| {
                    found.push((String::new(), line.to_owned()));
                    Ok::<_, TooLong>(())
                };
                lines.finish(take).unwrap_or_default();
            }
            Frames::Whole(body) => {
                found.push((String::new(), String::from_utf8_lossy(&std::mem::take(body)).into_owned()));
            }
        }
        let whole = matches!(self.frames, Frames::Whole(_));
        for (name, data) in found {
            match self.frame(&name, &data) {
                Ok(()) if self.ended => return Ok(()),
                Ok(()) => {}
                Err(_) if !whole && is_half(&data) => break,
                Err(error) => return Err(error),
            }
        }
        match self.stop {
            Some(stop) => {
                self.finish(stop);
                Ok(())
            }
            None => Err(broke(&self.who)),
        }
    }

    /// A frame; several JSON values in one are several frames.
    fn frame(&mut self, name: &str, data: &str) -> Result<(), ModelError> {
        let data = data.trim();
        if name == COMMENT {
            let event = self.decoder.comment(data);
            return self.events(Vec::from_iter(event));
        }
        if data == "[DONE]" {
            return self.events(vec![Event::End]);
        }
        for value in serde_json::Deserializer::from_str(data).into_iter::<Value>() {
            let Ok(value) = value else {
                return Err(self.nonsense("a frame that is no JSON"));
            };
            let mut events = Vec::new();
            let outcome = self.decoder.frame(name, &value, &mut events);
            self.events(events)?;
            match outcome {
                Ok(()) => {}
                Err(Failure::Body(body)) => return Err(self.refused(&body)),
                Err(Failure::Kind(kind, message)) => {
                    let error = ModelError::new(kind, format!("{}: {message}", self.who));
                    return Err(error.with_help("Try again, or put another model into the ladder."));
                }
            }
            if self.ended {
                return Ok(());
            }
        }
        Ok(())
    }

    fn events(&mut self, events: Vec<Event>) -> Result<(), ModelError> {
        let mut chunks = Vec::new();
        for event in events {
            match event {
                Event::Text(text) => {
                    self.spoken(text.len());
                    self.reading.text(&text, &mut chunks);
                }
                Event::Thought(bytes) => {
                    self.reply_bytes += bytes;
                    self.reading.thinking_comes_apart();
                    self.seen.thinks.store(true, Ordering::Relaxed);
                }
                Event::Call { slot, name, arguments } => {
                    self.spoken(name.len() + arguments.len());
                    self.reading.call(slot, &name, &arguments);
                }
                Event::Usage(cost) => {
                    cost.add_to(&mut self.usage);
                    // Anthropic counts one token at the start, as a stand-in.
                    self.completion_known |= cost.completion.is_some_and(|count| count > 1);
                    chunks.push(Chunk::Usage(self.usage_now()));
                }
                Event::Remark(notice) => chunks.push(Chunk::Notice(notice)),
                // Some send a reason with every frame, so words may follow.
                Event::Stop(stop) => {
                    self.reading.settle_calls(&mut chunks);
                    self.stop = Some(stop);
                }
                Event::End => {
                    self.queue.extend(chunks.drain(..).map(Ok));
                    return match self.stop {
                        Some(stop) => {
                            self.finish(stop);
                            Ok(())
                        }
                        // An end mark without a reason, as old relays send it.
                        None if self.reply_bytes > 0 => {
                            self.finish(StopReason::End);
                            Ok(())
                        }
                        None => Err(self.nonsense("an empty reply")),
                    };
                }
            }
        }
        self.queue.extend(chunks.into_iter().map(Ok));
        if self.reply_bytes >= self.told_bytes + USAGE_EVERY_BYTES {
            self.told_bytes = self.reply_bytes;
            self.queue.push_back(Ok(Chunk::Usage(self.usage_now())));
        }
        Ok(())
    }

    fn spoken(&mut self, bytes: usize) {
        self.reply_bytes += bytes;
        self.spoken_bytes += bytes;
    }

    /// What the provider said, and an estimate of what it did not say yet.
    fn usage_now(&self) -> TokenUsage {
        let mut usage = self.usage;
        if !self.completion_known {
            usage.completion_tokens = usage.completion_tokens.max(estimate(self.reply_bytes));
        }
        usage
    }

    fn finish(&mut self, stop: StopReason) {
        let mut chunks = Vec::new();
        self.reading.finish(stop, &mut chunks);
        if self.reading.began_inside() {
            self.seen.begins_inside.store(true, Ordering::Relaxed);
        }
        chunks.push(Chunk::Done { stop, usage: self.usage_now() });
        self.queue.extend(chunks.into_iter().map(Ok));
        self.ended = true;
        // A reply that ended by itself leaves a connection for the next turn.
        if self.stop.is_some() {
            self.farewell.disarm();
            if let Some(reply) = self.reply.take() {
                self.http.read_to_end(reply);
            }
        }
        self.reply = None;
    }

    fn fail(&mut self, error: ModelError) {
        if error.kind == ErrorKind::ToolsFailed {
            self.seen.tools_failed();
        }
        self.ended = true;
        self.reply = None;
        if self.reply_bytes > 0 {
            self.queue.push_back(Ok(Chunk::Usage(self.usage_now())));
        }
        self.queue.push_back(Err(error));
    }

    fn refused(&self, body: &Value) -> ModelError {
        let secrets = self.reply.as_ref().map(Reply::secrets).unwrap_or_default();
        failure::classify(&Refusal { status: 200, body, headers: None, who: &self.who, secrets })
    }

    fn nonsense(&self, what: &str) -> ModelError {
        ModelError::new(ErrorKind::Protocol, format!("{} sends {what}", self.who))
            .with_help("Check that base_url is a chat model's address, or put another model into the ladder.")
    }
}

/// Whether a frame was cut: it is no JSON.
fn is_half(data: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(data).is_err()
}
