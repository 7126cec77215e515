//! How a model is asked for the mood, the action and the words of a turn.
//!
//! The caller's request says what is to be decided. Here it becomes a prompt that this provider's model can
//! answer: tools and one line for the mood, one JSON value, or lines. Past answers in the prompt are brought
//! into the same form, because models follow examples more than rules.

use serde_json::{Value, json};

use super::ActionStyle;
use super::heads::{self, Head};
use super::online::is_called_a_thinker;
use super::reading::{Begin, Reading};
use crate::model_table::ModelFacts;
use crate::{ChatRequest, Choice, Decision, Message, Role, Sampling};

/// Tokens added to the caller's limit for the mood and the labels.
const HEAD_TOKENS: u32 = 24;
/// Tokens added for an action and its arguments.
const ACTION_TOKENS: u32 = 96;
/// Tokens added for models that reason although they were asked not to.
const REASONING_TOKENS: u32 = 1024;
/// The most that an adapter adds to a request's `max_tokens` for a model of this name, of which this is known.
pub fn output_tokens_extra(facts: &ModelFacts, model: &str) -> u32 {
    // A model that nobody knows may turn out to reason.
    let may_reason =
        facts.reasoning || facts.guessed || facts.thinks == Some(true) || is_called_a_thinker(model);
    HEAD_TOKENS + ACTION_TOKENS + if may_reason { REASONING_TOKENS } else { 0 }
}

/// Where the caller has no limit.
const REPLY_TOKENS_DEFAULT: u32 = 512;
/// Providers take four.
const STOPS_MAX: usize = 4;
/// Longer names of tools are refused by providers.
const TOOL_NAME_CHARS_MAX: usize = 64;
/// The first choice of an action decision, and of a tool decision that may call none.
pub const NOTHING: &str = "nothing";
/// Name of the decision on the mood.
pub(super) const EMOTION: &str = "emotion";
/// Name of the decision on the action.
pub(super) const ACTION: &str = "action";
/// Name of the decision on a caller's own tools.
pub(super) const TOOL: &str = "tool";

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    /// As providers allow it.
    pub name: String,
    pub description: String,
    pub parameters: Value,
}

/// What a model is asked, in no provider's terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ask {
    pub conversation: String,
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    /// It has to call one.
    pub must_call: bool,
    pub schema: Option<Value>,
    /// The schema is one that providers can hold a model to.
    pub strict: bool,
    pub max_tokens: u32,
    pub stop: Vec<String>,
    pub sampling: Sampling,
}

/// What the ways to ask depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    pub style: ActionStyle,
    pub tools: bool,
    pub schema: bool,
    /// Prefers one JSON value to tool calls: servers of one's own hold small models to it with a grammar.
    pub prefers_schema: bool,
    /// Takes only schemas without free-form objects.
    pub strict: bool,
    pub reasoning: bool,
    /// How likely a reply begins within a block of thinking.
    pub begin: Begin,
}

impl Abilities {
    fn style_for(&self, request: &ChatRequest) -> ActionStyle {
        let has = |name: &str| request.decisions.iter().any(|decision| decision.name == name);
        let (tools, acts) = (has(TOOL), has(ACTION));
        let style = match self.style {
            ActionStyle::Auto if tools => ActionStyle::Tools,
            ActionStyle::Auto if !acts => ActionStyle::Lines,
            ActionStyle::Auto if self.schema && (self.prefers_schema || !self.tools) => ActionStyle::Schema,
            ActionStyle::Auto => ActionStyle::Tools,
            style => style,
        };
        match style {
            ActionStyle::Tools if !self.tools => ActionStyle::Lines,
            ActionStyle::Schema if !self.schema || tools => ActionStyle::Lines,
            style => style,
        }
    }
}

/// The question, and how its answer is to be read.
pub(super) fn make(request: &ChatRequest, abilities: &Abilities) -> (Ask, Reading) {
    let decision = |name: &str| request.decisions.iter().find(|decision| decision.name == name);
    let (mood, action) = (decision(EMOTION), decision(ACTION).or_else(|| decision(TOOL)));
    let mut ask = Ask {
        conversation: request.conversation.clone(),
        messages: request.messages.clone(),
        schema: request.json_schema.clone(),
        max_tokens: if request.max_tokens == 0 { REPLY_TOKENS_DEFAULT } else { request.max_tokens },
        stop: request.stop.clone(),
        sampling: request.sampling.clone(),
        ..Ask::default()
    };
    if abilities.reasoning {
        ask.max_tokens = ask.max_tokens.saturating_add(REASONING_TOKENS);
    }
    let names = action.map(tool_names).unwrap_or_default();
    let style = abilities.style_for(request);
    let reading = Reading::new(mood.cloned(), action.cloned(), names.clone(), style, abilities.begin);
    if mood.is_none() && action.is_none() {
        ask.stop.truncate(STOPS_MAX);
        return (ask, reading);
    }
    ask.max_tokens = ask.max_tokens.saturating_add(HEAD_TOKENS);
    if action.is_some() {
        ask.max_tokens = ask.max_tokens.saturating_add(ACTION_TOKENS);
    }
    let leads: Vec<&str> = request.decisions.iter().map(|decision| decision.lead.trim()).collect();
    // They would end the reply right after its first head.
    ask.stop.retain(|stop| stop.trim() != request.speech_lead.trim() && !leads.contains(&stop.trim()));
    ask.stop.truncate(STOPS_MAX);
    match style {
        ActionStyle::Tools | ActionStyle::Auto => as_tools(&mut ask, mood, action, &names),
        ActionStyle::Schema => as_schema(&mut ask, mood, action, abilities.strict),
        ActionStyle::Lines => as_lines(&mut ask, mood, action),
    }
    (ask, reading)
}

fn as_tools(ask: &mut Ask, mood: Option<&Decision>, action: Option<&Decision>, names: &[(String, String)]) {
    let choices = action.map(real_choices).unwrap_or_default();
    ask.must_call = action.is_some_and(|action| action.name == TOOL && choices.len() == action.choices.len());
    ask.tools = choices
        .iter()
        .filter_map(|choice| {
            let (name, _) = names.iter().find(|(_, id)| *id == choice.id)?;
            let parameters = choice.arguments.clone().unwrap_or_else(no_arguments);
            Some(Tool { name: name.clone(), description: choice.description.clone(), parameters })
        })
        .collect();
    // A caller's own prompt stays as it is.
    if mood.is_none() && action.is_none_or(|action| action.name == TOOL) {
        return;
    }
    let mut rule = match mood {
        Some(mood) => format!("{} Then write a line that begins with", mood_rule(mood)),
        None => "Begin every reply with".to_owned(),
    };
    rule.push_str(" \"Says:\", and after it what you say aloud.");
    if !ask.tools.is_empty() {
        // Many models say nothing when they call a tool, and the player would hear nothing.
        rule.push_str(
            " To do something as well, call its tool after that; most of the time you call none. Always speak, \
             also when you call a tool, and never about tools.",
        );
    }
    add_rule(&mut ask.messages, &rule);
    rewrite_past(&mut ask.messages, |head| match head.mood {
        Some(mood) => ["Mood: ", &*mood, "\nSays: ", &*head.words].concat(),
        None => ["Says: ", &*head.words].concat(),
    });
}

fn as_lines(ask: &mut Ask, mood: Option<&Decision>, action: Option<&Decision>) {
    flatten_calls(&mut ask.messages);
    let mut rule = mood.map(mood_rule).unwrap_or_default();
    if action.is_some() {
        let start = if mood.is_some() { " Then write" } else { "Begin every reply with" };
        rule.push_str(&format!(
            "{start} a line that begins with \"Does:\" and names what you do, with its arguments as JSON if it \
             has any; most of the time it is \"Does: nothing\".",
        ));
    }
    rule.push_str(" Then write a line that begins with \"Says:\", and after it what you say aloud.");
    add_rule(&mut ask.messages, &rule);
    note_choices(&mut ask.messages, action);
}

fn as_schema(ask: &mut Ask, mood: Option<&Decision>, action: Option<&Decision>, strict: bool) {
    let mut properties = serde_json::Map::new();
    let mut parts = Vec::new();
    if let Some(mood) = mood {
        let words: Vec<&str> = mood.choices.iter().map(|choice| choice.text.trim()).collect();
        properties.insert("mood".into(), json!({"type": "string", "enum": words}));
        parts.push("\"mood\" (how you feel)");
    }
    if let Some(action) = action {
        let ids: Vec<&str> = action.choices.iter().map(|choice| choice.id.as_str()).collect();
        properties.insert("action".into(), json!({"type": "string", "enum": ids}));
        parts.push("\"action\" (what you do, most of the time nothing)");
        let arguments: Vec<&Value> =
            action.choices.iter().filter_map(|choice| choice.arguments.as_ref()).collect();
        if !arguments.is_empty() {
            let schema = if strict {
                json!({"type": "string", "description": "The action's arguments, as JSON."})
            } else {
                let none = no_arguments();
                json!({"anyOf": arguments.into_iter().chain([&none]).collect::<Vec<_>>()})
            };
            properties.insert("arguments".into(), schema);
            parts.push("\"arguments\" (of the action)");
        }
    }
    properties.insert("says".into(), json!({"type": "string"}));
    parts.push("\"says\" (what you say aloud)");
    let required: Vec<&String> = properties.keys().collect();
    ask.schema = Some(json!({
        "type": "object", "required": required, "additionalProperties": false, "properties": properties,
    }));
    ask.strict = strict;
    // Lines are escaped in JSON, so no stop could be found.
    ask.stop.clear();
    add_rule(&mut ask.messages, &format!("Answer with one JSON object: {}.", parts.join(", ")));
    note_choices(&mut ask.messages, action);
    let shows_action = action.is_some();
    rewrite_past(&mut ask.messages, |head| {
        let mut past = serde_json::Map::new();
        past.extend(head.mood.map(|mood| ("mood".to_owned(), mood.into())));
        if shows_action {
            let name = head.does.as_deref().and_then(|does| does.split_whitespace().next());
            past.insert("action".into(), name.unwrap_or(NOTHING).into());
        }
        past.insert("says".into(), head.words.into());
        Value::Object(past).to_string()
    });
}

fn mood_rule(mood: &Decision) -> String {
    let words: Vec<&str> = mood.choices.iter().map(|choice| choice.text.trim()).collect();
    format!("Begin every reply with the line \"Mood:\" and one of these words: {}.", words.join(", "))
}

/// The choices that are not "nothing".
fn real_choices(action: &Decision) -> &[Choice] {
    match action.choices.first() {
        Some(first) if action.name == ACTION || is_nothing(&first.id) => &action.choices[1..],
        _ => &action.choices,
    }
}

/// Whether this id means that nothing is done.
pub(super) fn is_nothing(id: &str) -> bool {
    id.is_empty() || id.eq_ignore_ascii_case(NOTHING)
}

/// Names that providers take, with the ids for which they stand.
fn tool_names(action: &Decision) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = Vec::new();
    for choice in real_choices(action) {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
        let mut name: String = choice.id.chars().map(plain).take(TOOL_NAME_CHARS_MAX).collect();
        while names.iter().any(|(taken, _)| *taken == name) {
            name.truncate(TOOL_NAME_CHARS_MAX - 3);
            name.push_str(&format!("_{}", names.len() % 100));
        }
        names.push((name, choice.id.clone()));
    }
    names
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

/// Puts a rule behind the opening rules, where it stays the same from turn to turn.
fn add_rule(messages: &mut Vec<Message>, rule: &str) {
    let opening = messages.iter().take_while(|message| message.role == Role::System).count();
    match opening.checked_sub(1).and_then(|last| messages.get_mut(last)) {
        Some(last) => last.text.push_str(&format!("\n\n{rule}")),
        None => messages.insert(0, Message::new(Role::System, rule)),
    }
}

/// What can be done changes from turn to turn, so it stands at the end.
fn note_choices(messages: &mut [Message], action: Option<&Decision>) {
    let Some(action) = action else { return };
    let sketches: Vec<String> = action.choices.iter().map(sketch).collect();
    let note = format!("\n[What you can do now: {}.]", sketches.join("; "));
    if let Some(last) = messages.iter_mut().rev().find(|message| message.role == Role::User) {
        last.text.push_str(&note);
    }
}

/// `give {"item": "ale"|"bread", "count": integer}`.
fn sketch(choice: &Choice) -> String {
    let properties = choice.arguments.as_ref().and_then(|schema| schema["properties"].as_object());
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return choice.id.clone();
    };
    let one = |(name, schema): (&String, &Value)| {
        let values = schema["enum"]
            .as_array()
            .map(|values| values.iter().map(Value::to_string).collect::<Vec<_>>().join("|"));
        let kind = values.unwrap_or_else(|| schema["type"].as_str().unwrap_or("any").to_owned());
        format!("\"{name}\": {kind}")
    };
    format!("{} {{{}}}", choice.id, properties.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Earlier calls and what came of them as text, for models that know no tools.
fn flatten_calls(messages: &mut [Message]) {
    for message in messages {
        for call in std::mem::take(&mut message.calls) {
            message.text.push_str(&format!("\nDoes: {} {}", call.name, call.arguments));
        }
        message.text = message.text.trim_start().to_owned();
        if message.role == Role::Tool {
            *message = Message::new(Role::User, format!("[What came of it: {}]", message.text));
        }
    }
}

/// Past answers in the form that is asked for now.
fn rewrite_past(messages: &mut [Message], form: impl Fn(Head<'_>) -> String) {
    for message in messages.iter_mut().filter(|message| message.role == Role::Assistant) {
        if let Some(head) = heads::past(&message.text) {
            message.text = form(head);
        }
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
