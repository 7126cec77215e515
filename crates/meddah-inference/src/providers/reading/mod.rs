//! From a provider's text and tool calls to the decisions and words of the turn. Never fails, and any
//! chunking of the same reply gives the same.

pub(super) mod arguments;
mod structured;
mod thinking;

use structured::{Found, Structured};
use thinking::Thinking;

use super::ActionStyle;
use super::ask::{TOOL, is_nothing};
use super::heads::{HeadEvent, HeadParser};
use crate::{Chunk, Decision};

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
    Heads(HeadParser),
    Json(Structured),
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
}

impl Reading {
    pub fn new(
        mood: Option<Decision>,
        action: Option<Decision>,
        names: Vec<(String, String)>,
        style: ActionStyle,
    ) -> Reading {
        let lines = style == ActionStyle::Lines;
        let acts = action.as_ref().is_some_and(|action| lines || action.name != TOOL);
        let form = match style {
            _ if mood.is_none() && !acts => Form::Plain,
            ActionStyle::Schema => Form::Json(Structured::new()),
            _ => Form::Heads(HeadParser::new()),
        };
        Reading {
            mood,
            action,
            names,
            thinking: Thinking::new(),
            form,
            calls: Vec::new(),
            text_calls: Vec::new(),
            text_acts: lines,
            acted: 0,
            over: false,
            finished: false,
            json_action: None,
        }
    }

    /// Nothing of what follows belongs to the reply.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Text of the model.
    pub fn text(&mut self, text: &str, chunks: &mut Vec<Chunk>) {
        let mut kept = String::new();
        self.thinking.push(text, &mut kept);
        self.unthought(&kept, chunks);
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
    pub fn finish(&mut self, chunks: &mut Vec<Chunk>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let mut kept = String::new();
        self.thinking.finish(&mut kept);
        self.unthought(&kept, chunks);
        match &mut self.form {
            Form::Plain => {}
            Form::Heads(parser) => {
                let mut events = Vec::new();
                parser.finish(&mut events);
                self.heads(events, chunks);
            }
            Form::Json(structured) => {
                let mut found = Vec::new();
                structured.finish(&mut found);
                self.found(found, chunks);
                // It may have turned out to be lines.
                if let Form::Heads(parser) = &mut self.form {
                    let mut events = Vec::new();
                    parser.finish(&mut events);
                    self.heads(events, chunks);
                }
            }
        }
        self.decide_mood(None, chunks);
        if let Some(name) = self.json_action.take() {
            self.act(&name, "", chunks);
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
                    if self.text_acts {
                        self.act(name, arguments, chunks);
                    } else if self.text_calls.len() < CALLS_MAX {
                        self.text_calls.push((name.to_owned(), arguments.to_owned()));
                    }
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
                    self.text_acts = true;
                    self.unthought(&text, chunks);
                }
            }
        }
    }

    fn member(&mut self, name: &str, value: serde_json::Value, chunks: &mut Vec<Chunk>) {
        match name {
            "mood" => self.decide_mood(value.as_str(), chunks),
            "action" => self.json_action = value.as_str().map(str::to_owned),
            "arguments" => {
                if let Some(action) = self.json_action.take() {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    self.act(&action, &text, chunks);
                }
            }
            _ => {}
        }
    }

    /// Settles the mood, once. A word that is none of the choices is the first.
    fn decide_mood(&mut self, value: Option<&str>, chunks: &mut Vec<Chunk>) {
        let Some(mood) = self.mood.take() else { return };
        let choice = value.and_then(|value| choice_of(&mood, value)).or(mood.choices.first().map(|c| &c.id));
        if let Some(choice) = choice.cloned() {
            chunks.push(Chunk::Decided { decision: mood.name.clone(), choice, arguments: None });
        }
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
