//! KoboldCpp's own generate: a prompt in, text out.
//!
//! The chat is written out in the form of instruct models, which the server replaces by the tokens of the
//! model's own template. A reply goes on when its connection closes, so it is ended by its key.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::openai::{rounded, seed_of};
use super::server::{BEARER, Server};
use super::wire::{Body, Decoder, Event, Failure, Protocol};
use super::{ProviderConfig, ProviderInfo};
use crate::http::Call;
use crate::{ErrorKind, ModelError, Role, StopReason};

/// Where the player says nothing, in tokens.
const CONTEXT_DEFAULT: u32 = 8192;
const SYSTEM: &str = "{{[SYSTEM]}}";
const USER: &str = "{{[INPUT]}}";
const ASSISTANT: &str = "{{[OUTPUT]}}";

/// A model behind KoboldCpp.
pub(super) struct Generate {
    server: Server,
    context_tokens: u32,
    replies: AtomicU64,
}

impl Generate {
    pub fn new(config: &ProviderConfig, info: &ProviderInfo) -> Result<Generate, ModelError> {
        Ok(Generate {
            server: Server::new(config, info, "api/extra/generate/stream", BEARER)?,
            context_tokens: config.context_tokens.unwrap_or(CONTEXT_DEFAULT),
            replies: AtomicU64::new(0),
        })
    }

    /// No two replies of any game on this computer share it.
    fn key(&self) -> String {
        let number = self.replies.fetch_add(1, Ordering::Relaxed);
        format!("MDH{}x{number}", std::process::id())
    }
}

impl Protocol for Generate {
    fn body(&self, ask: &Ask) -> Body {
        let mut stops: Vec<String> = ask.stop.clone();
        stops.extend([USER, ASSISTANT, SYSTEM].map(str::to_owned));
        let mut body = Map::new();
        body.insert("prompt".into(), prompt(ask).into());
        body.insert("max_context_length".into(), self.context_tokens.into());
        body.insert("max_length".into(), ask.max_tokens.into());
        body.insert("temperature".into(), rounded(ask.sampling.temperature));
        body.insert("min_p".into(), rounded(ask.sampling.min_p));
        body.insert("dry_multiplier".into(), rounded(ask.sampling.dry_multiplier));
        body.insert("sampler_seed".into(), seed_of(ask.sampling.seed));
        body.insert("stop_sequence".into(), stops.into());
        body.insert("trim_stop".into(), true.into());
        body.insert("replace_instruct_placeholders".into(), true.into());
        body.insert("genkey".into(), self.key().into());
        Value::Object(body).into()
    }

    fn call(&self, body: &Body) -> Result<Call, ModelError> {
        self.server.post(body)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(GenerateDecoder)
    }

    fn farewell(&self, body: &Body) -> Option<Call> {
        let mut url = self.server.url().clone();
        let path = url.path().replace("/api/extra/generate/stream", "/api/extra/abort");
        url.set_path(&path);
        self.server.post_to(url, &json!({"genkey": body.parameters["genkey"]}).into()).ok()
    }

    fn optional(&self) -> &'static [&'static str] {
        &["dry_multiplier", "min_p", "sampler_seed"]
    }
}

/// The chat as one text.
fn prompt(ask: &Ask) -> String {
    let mut prompt = String::new();
    for message in &ask.messages {
        let sign = match message.role {
            Role::System => SYSTEM,
            Role::User | Role::Tool => USER,
            Role::Assistant => ASSISTANT,
        };
        prompt.push_str(sign);
        // Nobody begins another message by writing the sign of one.
        prompt.push_str(&message.text.replace("{{[", "{ ["));
        for call in &message.calls {
            prompt.push_str(&format!("\nDoes: {} {}", call.name, call.arguments));
        }
    }
    prompt.push_str(ASSISTANT);
    prompt
}

struct GenerateDecoder;

impl Decoder for GenerateDecoder {
    fn frame(&mut self, _name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        if !frame["detail"].is_null() || !frame["error"].is_null() {
            return Err(Failure::Body(frame.clone()));
        }
        // Not streamed.
        let result = &frame["results"][0];
        let (text, reason) = match result["text"].as_str() {
            Some(text) => (Some(text), &result["finish_reason"]),
            None => (frame["token"].as_str(), &frame["finish_reason"]),
        };
        events.extend(text.filter(|text| !text.is_empty()).map(|text| Event::Text(text.to_owned())));
        match reason.as_str() {
            None | Some("" | "null") => {}
            Some("length") => events.push(Event::Stop(StopReason::Length)),
            Some("error") => {
                return Err(Failure::Kind(ErrorKind::Broken, "the reply broke off".into()));
            }
            Some(_) => events.push(Event::Stop(StopReason::End)),
        }
        Ok(())
    }
}
