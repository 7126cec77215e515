//! What all protocols have in common: a request goes out, frames come back and mean events.

use serde_json::Value;

use super::ask::Ask;
use crate::http::Call;
use crate::{ErrorKind, ModelError, Notice, StopReason, TokenUsage};

/// What a frame means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// Words, heads among them.
    Text(String),
    /// Reasoning of so many bytes, which nobody hears.
    Thought(usize),
    /// A piece of a tool call; calls are told apart by their slot.
    Call { slot: usize, name: String, arguments: String },
    /// What it cost so far; what is not said stays as it was.
    Usage(Cost),
    /// Something that the player should know.
    Remark(Notice),
    /// The model is done, for this reason. Usage may follow.
    Stop(StopReason),
    /// Nothing will follow.
    End,
}

/// What a provider says of the cost, as far as it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub prompt: Option<u64>,
    pub cached: Option<u64>,
    pub cache_write: Option<u64>,
    pub completion: Option<u64>,
    pub charged_micro: Option<u64>,
}

impl Cost {
    /// What is known now, on top of what was known before.
    pub fn add_to(self, usage: &mut TokenUsage) {
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let set = |place: &mut u32, count: Option<u64>| *place = count.map_or(*place, narrow);
        set(&mut usage.prompt_tokens, self.prompt);
        set(&mut usage.cached_tokens, self.cached);
        set(&mut usage.cache_write_tokens, self.cache_write);
        set(&mut usage.completion_tokens, self.completion);
        usage.charged_micro = self.charged_micro.or(usage.charged_micro);
    }
}

/// How frames stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON value per line.
    Lines,
}

/// Takes the frames of one reply apart.
pub(super) trait Decoder: Send {
    /// What this frame means is added to `events`. Frames that mean nothing are passed over.
    ///
    /// # Errors
    /// The provider's own error, in the middle of a reply.
    fn frame(&mut self, name: &str, frame: &Value, events: &mut Vec<Event>) -> Result<(), Failure>;

    /// What a comment between frames means; mostly nothing.
    fn comment(&mut self, _text: &str) -> Option<Event> {
        None
    }
}

/// An error that a provider reported inside a reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// Its body, to be classified like that of a refused request.
    Body(Value),
    /// Already clear.
    Kind(ErrorKind, String),
}

impl Failure {
    /// A filter stopped the request or the reply.
    pub fn refused(why: &str) -> Failure {
        Failure::Kind(ErrorKind::Refused, format!("the reply was stopped ({why})"))
    }
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    /// A JSON object of everything else.
    pub parameters: Value,
    /// The parameter that is the talk, and its JSON: a hundred messages, written straight to text where a protocol
    /// takes them as they are.
    pub talk: Option<(&'static str, String)>,
}

impl From<Value> for Body {
    fn from(parameters: Value) -> Body {
        Body { parameters, talk: None }
    }
}

impl Body {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        let parameters = self.parameters.to_string();
        let Some((name, talk)) = &self.talk else { return parameters };
        let rest = parameters.strip_prefix('{').unwrap_or("}");
        let comma = if rest == "}" { "" } else { "," };
        format!("{{\"{name}\":{talk}{comma}{rest}")
    }
}

/// How one kind of provider is spoken to.
pub(super) trait Protocol: Send + Sync {
    /// The body of a request.
    fn body(&self, ask: &Ask) -> Body;

    /// The address and the headers.
    fn call(&self, body: &Body) -> Result<Call, ModelError>;

    /// For one reply.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// How its frames stand in the body.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// What tells the server that nobody wants the rest of this request's reply, if closing does not.
    fn farewell(&self, _body: &Body) -> Option<Call> {
        None
    }

    /// What asks the server which models it has, if it is worth asking.
    fn models(&self) -> Option<Call> {
        None
    }

    /// Parameters of the body that a server may not know, and that a request can do without.
    fn optional(&self) -> &'static [&'static str];
}

/// A number, also as a text, and also as a float without a fraction.
pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_talk_that_is_written_already_is_one_of_the_parameters() {
        let talk = Some(("messages", r#"[{"role":"user"}]"#.to_owned()));
        for parameters in [json!({}), json!({"model": "m", "seed": 1})] {
            let mut expected = parameters.clone();
            expected["messages"] = json!([{"role": "user"}]);
            let sent: Value =
                serde_json::from_str(&Body { parameters, talk: talk.clone() }.to_json()).unwrap();
            assert_eq!(sent, expected);
        }
        assert_eq!(Body::from(json!({"model": "m"})).to_json(), r#"{"model":"m"}"#);
    }
}
