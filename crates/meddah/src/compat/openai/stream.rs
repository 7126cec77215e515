//! Chat completions as they are answered: whole, or in chunks.

use std::time::{SystemTime, UNIX_EPOCH};

use meddah_inference::{TokenUsage, ToolCall};
use meddah_protocol::{TalkEmotion, WireError};
use serde_json::{Map, Value, json};

use super::error;
use super::request::Form;
use crate::compat::reply::{Piece, Trouble, Whole, Why, rounded};
use crate::compat::streaming::Writer;

/// Which of the two old families of answers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Text,
}

/// What stands in every chunk of an answer.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub id: String,
    pub model: String,
    pub created: u64,
    pub kind: Kind,
}

impl Head {
    pub fn new(kind: Kind, model: String) -> Head {
        let id = ulid::Ulid::new().to_string().to_lowercase();
        let prefix = if kind == Kind::Chat { "chatcmpl" } else { "cmpl" };
        Head { id: format!("{prefix}-{id}"), model, created: now_s(), kind }
    }

    fn object(&self, object: &str, choices: Value) -> Map<String, Value> {
        let head = [
            ("id", json!(self.id)),
            ("object", json!(object)),
            ("created", json!(self.created)),
            ("model", json!(self.model)),
            ("choices", choices),
        ];
        head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The whole answer.
    pub fn whole(&self, whole: &Whole) -> Value {
        let finish = finish(whole.why);
        let (object, choice) = match self.kind {
            Kind::Chat => {
                let message = message(whole);
                (
                    "chat.completion",
                    json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish}),
                )
            }
            Kind::Text => (
                "text_completion",
                json!({"index": 0, "text": whole.text, "logprobs": null, "finish_reason": finish}),
            ),
        };
        let mut object = self.object(object, json!([choice]));
        object.insert("usage".to_owned(), usage(&whole.usage));
        Value::Object(object)
    }
}

fn message(whole: &Whole) -> Value {
    let content =
        if whole.text.is_empty() && !whole.calls.is_empty() { Value::Null } else { json!(whole.text) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !whole.calls.is_empty() {
        message["tool_calls"] = whole.calls.iter().map(call).collect();
    }
    if let Some(extra) = extra(whole.feeling.as_ref(), whole.trouble.as_ref()) {
        message["meddah"] = extra;
    }
    message
}

fn call(call: &ToolCall) -> Value {
    json!({"id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": call.arguments.to_string()}})
}

/// What no other program has: how the character feels, and what went wrong although it answers.
fn extra(feeling: Option<&TalkEmotion>, trouble: Option<&Trouble>) -> Option<Value> {
    let mut extra = json!({});
    if let Some(feeling) = feeling {
        extra = json!({"emotion": feeling.label, "intensity": rounded(feeling.intensity),
            "pleasure": rounded(feeling.pleasure), "arousal": rounded(feeling.arousal),
            "dominance": rounded(feeling.dominance)});
    }
    trouble.iter().for_each(|trouble| trouble.tell(&mut extra));
    (feeling.is_some() || trouble.is_some()).then_some(extra)
}

pub(super) fn usage(usage: &TokenUsage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens.saturating_add(usage.completion_tokens),
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

fn finish(why: Why) -> &'static str {
    match why {
        Why::Stop => "stop",
        Why::Length => "length",
        Why::Calls => "tool_calls",
    }
}

pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Writes chunks.
pub(super) struct Chunks {
    head: Head,
    form: Form,
    /// A JSON object a line, instead of server-sent events.
    lines: bool,
    calls: usize,
    feeling: Option<TalkEmotion>,
    trouble: Option<Trouble>,
}

impl Chunks {
    pub fn new(head: Head, form: Form, lines: bool) -> Chunks {
        Chunks { head, form, lines, calls: 0, feeling: None, trouble: None }
    }

    fn write(&self, value: &Value, out: &mut Vec<u8>) {
        let text = if self.lines { format!("{value}\n") } else { format!("data: {value}\n\n") };
        out.extend_from_slice(text.as_bytes());
    }

    fn chunk(&self, choices: Value, out: &mut Vec<u8>) {
        let object = if self.head.kind == Kind::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut chunk = self.head.object(object, choices);
        if self.form.include_usage {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        self.write(&Value::Object(chunk), out);
    }

    fn delta(&self, delta: &Value, finish: Option<&str>, out: &mut Vec<u8>) {
        self.chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), out);
    }

    fn text(&self, text: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        match (self.head.kind, finish) {
            (Kind::Chat, None) => self.delta(&json!({"content": text}), None, out),
            (Kind::Chat, Some(_)) => {
                let extra = extra(self.feeling.as_ref(), self.trouble.as_ref());
                let delta = extra.map_or_else(|| json!({}), |extra| json!({"meddah": extra}));
                self.delta(&delta, finish, out);
            }
            (Kind::Text, _) => {
                self.chunk(
                    json!([{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]),
                    out,
                );
            }
        }
    }

    fn end(&self, why: Why, cost: &TokenUsage, out: &mut Vec<u8>) {
        self.text("", Some(finish(why)), out);
        if self.form.include_usage {
            let object =
                if self.head.kind == Kind::Chat { "chat.completion.chunk" } else { "text_completion" };
            let mut chunk = self.head.object(object, json!([]));
            chunk.insert("usage".to_owned(), usage(cost));
            self.write(&Value::Object(chunk), out);
        }
        if !self.lines {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }
}

impl Writer for Chunks {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.head.kind == Kind::Chat {
            self.delta(&json!({"role": "assistant", "content": "", "refusal": null}), None, out);
        }
    }

    fn piece(&mut self, piece: Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Feeling(feeling) => self.feeling = Some(feeling),
            Piece::Trouble(trouble) => self.trouble = Some(trouble),
            Piece::Text(text) => self.text(&text, None, out),
            // Whole in one chunk: some clients want a name in every chunk of a call, and all take this.
            Piece::Call(one) => {
                let mut call = call(&one);
                call["index"] = json!(self.calls);
                self.calls += 1;
                self.delta(&json!({"tool_calls": [call]}), None, out);
            }
            Piece::End { why, usage } => self.end(why, &usage, out),
        }
    }

    fn failed(&mut self, error: &WireError, out: &mut Vec<u8>) {
        self.write(&error::body(error), out);
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        if !self.lines {
            out.extend_from_slice(b": still here\n\n");
        }
    }
}
