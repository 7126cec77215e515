//! From a provider's text and tool calls to the decisions and words of the turn. Never fails, and any
//! chunking of the same reply gives the same.

pub(super) mod arguments;
mod structured;
mod thinking;

use serde_json::Value;
use structured::{Found, Structured};
pub(super) use thinking::Begin;
use thinking::{Piece, Thinking};

use super::ActionStyle;
use super::ask::{TOOL, is_nothing};
use super::heads::{HeadEvent, HeadParser, begins_as_asked};
use crate::{Chunk, Decision, StopReason};

/// Actions of one reply; further ones are dropped.
pub(super) const CALLS_MAX: usize = 4;
/// Longer arguments are cut, in bytes.
const ARGUMENT_BYTES_MAX: usize = 64 << 10;
/// Calls that are collected at most, wanted or not.
const SLOTS_MAX: usize = 16;

/// How the text of the reply is read.
#[derive(Debug)]
enum Form {
    /// As it is.
    Plain,
    /// One JSON value, or whatever it turns out to be: models answer in JSON unasked, and in lines though
    /// JSON was asked for.
    Json(Structured),
    Heads(HeadParser),
}

/// A call as it comes.
#[derive(Debug, Default)]
struct Call {
    slot: usize,
    name: String,
    arguments: String,
}

/// Reads one reply.
#[derive(Debug)]
pub(super) struct Reading {
    mood: Option<Decision>,
    action: Option<Decision>,
    /// What tools are called at the provider, and the ids for which they stand.
    names: Vec<(String, String)>,
    thinking: Thinking,
    form: Form,
    calls: Vec<Call>,
    /// Calls that stood in the text; count only if there are no others.
    text_calls: Vec<(String, String)>,
    /// Text calls are acted on as they come.
    text_acts: bool,
    acted: usize,
    over: bool,
    finished: bool,
    /// The action of a JSON value, until its arguments are there.
    json_action: Option<String>,
    /// Of a JSON value, the longest text that nobody asked for: better than silence.
    json_text: String,
    spoke: bool,
    began_inside: bool,
}

impl Reading {
    pub fn new(
        mood: Option<Decision>,
        action: Option<Decision>,
        names: Vec<(String, String)>,
        style: ActionStyle,
        begin: Begin,
    ) -> Reading {
        let lines = style == ActionStyle::Lines;
        let acts = action.as_ref().is_some_and(|action| lines || action.name != TOOL);
        let plain = mood.is_none() && !acts;
        let form = if plain { Form::Plain } else { Form::Json(Structured::new()) };
        let is_reply = if plain { |text: &str| Some(text.starts_with('{')) } else { begins_as_asked };
        Reading {
            mood,
            action,
            names,
            thinking: Thinking::new(begin, is_reply),
            form,
            calls: Vec::new(),
            text_calls: Vec::new(),
            // A model that was given tools uses them; what stands in its text counts if it did not.
            text_acts: style != ActionStyle::Tools,
            acted: 0,
            over: false,
            finished: false,
            json_action: None,
            json_text: String::new(),
            spoke: false,
            began_inside: false,
        }
    }

    /// The reply began within a block of thinking that it only ended.
    pub fn began_inside(&self) -> bool {
        self.began_inside
    }

    /// The provider sends thinking apart from the words.
    pub fn thinking_comes_apart(&mut self) {
        self.thinking.comes_apart();
    }

    /// Nothing of what follows belongs to the reply.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Text of the model.
    pub fn text(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        let mut pieces = Vec::new();
        self.thinking.push(text, &mut pieces);
        self.pieces(pieces, chunks);
    }

    fn pieces(&mut self, pieces: Vec<Piece>, chunks: &mut Vec<Chunk>) {
        for piece in pieces {
            match piece {
                Piece::Kept(text) => self.unthought(&text, chunks),
                Piece::LoneEnd => self.begin_again(),
            }
        }
    }

    /// What was read until here was thinking. What of it went out stands; the reply begins now.
    fn begin_again(&mut self) {
        self.began_inside = true;
        self.over = false;
        if !matches!(self.form, Form::Plain) {
            self.form = Form::Json(Structured::new());
        }
        self.text_calls.clear();
        self.json_action = None;
        self.json_text.clear();
    }

    fn unthought(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        if text.is_empty() || self.over {
            return;
        }
        match &mut self.form {
            Form::Plain => self.words(text, chunks),
            Form::Heads(parser) => {
                let mut events = Vec::new();
                parser.push(text, &mut events);
                self.heads(events, chunks);
            }
            Form::Json(structured) => {
                let mut found = Vec::new();
                structured.push(text, &mut found);
                self.found(found, chunks);
            }
        }
    }

    /// A piece of a tool call.
    pub fn call(&mut self, slot: usize, name: &str, arguments: &str) {
        let place = self.calls.iter().position(|call| call.slot == slot);
        let place = place.unwrap_or_else(|| {
            self.calls.push(Call { slot, ..Call::default() });
            self.calls.len() - 1
        });
        if place >= SLOTS_MAX {
            self.calls.truncate(SLOTS_MAX);
            return;
        }
        let call = &mut self.calls[place];
        if call.name.is_empty() {
            call.name.push_str(name);
        }
        if call.arguments.len() + arguments.len() <= ARGUMENT_BYTES_MAX {
            call.arguments.push_str(arguments);
        }
    }

    /// The calls that came so far are whole.
    pub fn settle_calls(&mut self, chunks: &mut Vec<Chunk>) {
        for call in std::mem::take(&mut self.calls) {
            self.act(&call.name, &call.arguments, chunks);
        }
    }

    /// Nothing more will come: what was held is let go, and what was not decided is decided now.
    pub fn finish(&mut self, stop: StopReason, chunks: &mut Vec<Chunk>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let mut pieces = Vec::new();
        self.thinking.finish(stop == StopReason::Length, &mut pieces);
        self.pieces(pieces, chunks);
        if let Form::Json(structured) = &mut self.form {
            let mut found = Vec::new();
            structured.finish(&mut found);
            self.found(found, chunks);
        }
        // It may have turned out to be lines just now.
        if let Form::Heads(parser) = &mut self.form {
            let mut events = Vec::new();
            parser.finish(&mut events);
            self.heads(events, chunks);
        }
        if !self.spoke && !self.json_text.is_empty() {
            let text = std::mem::take(&mut self.json_text);
            self.words(&text, chunks);
        }
        self.decide_mood(None, chunks);
        if let Some(name) = self.json_action.take() {
            self.text_act(&name, "", chunks);
        }
        self.settle_calls(chunks);
        if self.acted == 0 {
            for (name, arguments) in std::mem::take(&mut self.text_calls) {
                self.act(&name, &arguments, chunks);
            }
        }
        self.decide_nothing(chunks);
    }

    fn words(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        self.decide_mood(None, chunks);
        self.spoke |= !text.trim().is_empty();
        match chunks.last_mut() {
            Some(Chunk::Text(words)) => words.push_str(text),
            _ => chunks.push(Chunk::Text(text.to_owned())),
        }
    }

    fn heads(&mut self, events: Vec<HeadEvent>, chunks: &mut Vec<Chunk>) {
        for event in events {
            match event {
                HeadEvent::Mood(value) => self.decide_mood(Some(&value), chunks),
                HeadEvent::Does(value) => {
                    let (name, arguments) = arguments::split_call(&value);
                    self.text_act(name, arguments, chunks);
                }
                HeadEvent::Words(text) => self.words(&text, chunks),
                HeadEvent::Over => self.over = true,
            }
        }
    }

    fn found(&mut self, found: Vec<Found>, chunks: &mut Vec<Chunk>) {
        for found in found {
            match found {
                Found::Words(text) => self.words(&text, chunks),
                Found::Member(name, value) => self.member(&name, value, chunks),
                Found::NoObject(text) => {
                    self.form = Form::Heads(HeadParser::new());
                    self.unthought(&text, chunks);
                }
                // Words behind a value that had none.
                Found::Behind(text) if !self.spoke && self.json_text.is_empty() => {
                    self.form = Form::Heads(HeadParser::new());
                    self.unthought(&text, chunks);
                }
                Found::Behind(_) => {}
            }
        }
    }

    fn member(&mut self, name: &str, value: Value, chunks: &mut Vec<Chunk>) {
        match (name.to_ascii_lowercase().as_str(), value) {
            ("mood" | "emotion" | "feeling", value) => self.decide_mood(value.as_str(), chunks),
            // It may as well be the character's own.
            ("name", _) if self.json_action.is_some() => {}
            ("action" | "does" | "tool" | "name" | "function", value) => self.json_call(value, chunks),
            ("actions" | "tool_calls", Value::Array(calls)) => {
                calls.into_iter().take(CALLS_MAX).for_each(|call| self.json_call(call, chunks));
            }
            ("arguments" | "args" | "parameters" | "params", value) => {
                if let Some(action) = self.json_action.take() {
                    self.text_act(&action, &as_text(value), chunks);
                }
            }
            (_, Value::String(text)) if text.len() > self.json_text.len() && text.contains(' ') => {
                self.json_text = text;
            }
            _ => {}
        }
    }

    /// `"give"`, whose arguments may follow, or `{"name": "give", "arguments": {}}`.
    fn json_call(&mut self, value: Value, chunks: &mut Vec<Chunk>) {
        match value {
            Value::String(text) => {
                let (name, arguments) = arguments::split_call(&text);
                match arguments {
                    "" => self.json_action = Some(name.to_owned()),
                    arguments => self.text_act(name, arguments, chunks),
                }
            }
            Value::Object(mut call) => {
                if call.get("function").is_some_and(Value::is_object) {
                    return self.json_call(call["function"].take(), chunks);
                }
                let mut member = |names: &[&str]| names.iter().find_map(|name| call.remove(*name));
                let name = member(&["name", "action", "function", "type"]);
                let arguments = member(&["arguments", "args", "parameters", "params"]);
                if let Some(Value::String(name)) = name {
                    self.text_act(&name, &arguments.map(as_text).unwrap_or_default(), chunks);
                }
            }
            _ => {}
        }
    }

    /// An action that stands in the text.
    fn text_act(&mut self, name: &str, arguments: &str, chunks: &mut Vec<Chunk>) {
        if self.text_acts {
            self.act(name, arguments, chunks);
        } else if self.text_calls.len() < CALLS_MAX {
            self.text_calls.push((name.to_owned(), arguments.to_owned()));
        }
    }

    /// Settles the mood, once. A word that is none of the choices goes on as it is written, and as nothing if there
    /// is none: what nobody chose must not pass for the neutral choice.
    fn decide_mood(&mut self, value: Option<&str>, chunks: &mut Vec<Chunk>) {
        let Some(mood) = self.mood.take() else { return };
        let value = value.unwrap_or_default().trim();
        let choice = choice_of(&mood, value).cloned().unwrap_or_else(|| value.to_owned());
        chunks.push(Chunk::Decided { decision: mood.name, choice, arguments: None });
    }

    /// An action, if it is one of the choices.
    fn act(&mut self, name: &str, arguments: &str, chunks: &mut Vec<Chunk>) {
        let Some(action) = &self.action else { return };
        if self.acted >= CALLS_MAX || is_nothing(name.trim()) {
            return;
        }
        let named = self.names.iter().find(|(wire, id)| {
            wire.eq_ignore_ascii_case(name.trim()) || id.eq_ignore_ascii_case(name.trim())
        });
        let Some((_, id)) = named else { return };
        self.acted += 1;
        let (decision, choice) = (action.name.clone(), id.clone());
        self.decide_mood(None, chunks);
        chunks.push(Chunk::Decided { decision, choice, arguments: arguments::read(arguments) });
    }

    /// No action was called.
    fn decide_nothing(&mut self, chunks: &mut Vec<Chunk>) {
        let Some(action) = self.action.take().filter(|_| self.acted == 0) else { return };
        let Some(first) = action.choices.first() else { return };
        // Where the caller's own tools have no "none" among them, none is invented.
        if action.name != TOOL || is_nothing(&first.id) {
            let choice = first.id.clone();
            chunks.push(Chunk::Decided { decision: action.name, choice, arguments: None });
        }
    }
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// The choice with the longest text that this value begins with.
fn choice_of<'d>(decision: &'d Decision, value: &str) -> Option<&'d String> {
    let value = value.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let begins = |text: &str| {
        let text = text.trim().to_lowercase();
        let rest = value.strip_prefix(&text)?;
        (!text.is_empty() && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
            .then_some(text.len())
    };
    let fitting = decision
        .choices
        .iter()
        .filter_map(|choice| Some((begins(&choice.text).max(begins(&choice.id))?, &choice.id)));
    fitting.max_by_key(|(length, _)| *length).map(|(_, id)| id)
}

#[cfg(test)]
mod tests;
