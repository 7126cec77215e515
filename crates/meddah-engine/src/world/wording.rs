//! How values, places and suggestions are put into words.
//!
//! Authors of files are shown a line to type; programs that send data are shown JSON.

use serde_json::Value;

/// How alike two words must be (0 to 1, Jaro-Winkler) for one to be meant by the other.
const ALIKE_MIN: f64 = 0.8;
/// How much of a wrong value is repeated in a message, in characters.
const QUOTE_CHARS_MAX: usize = 40;
/// How much of a wrong key is repeated in a message, in characters.
pub(super) const KEY_CHARS_MAX: usize = 60;

/// What the data came as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Toml,
    Json,
}

impl Form {
    /// A kind of value, by its JSON Schema type.
    pub fn noun(self, json_type: &str, schema: &Value) -> &'static str {
        match json_type {
            "string" if self == Form::Toml => "text in quotes",
            "string" => "a string",
            "number" => "a number",
            "integer" => "a whole number",
            "boolean" => "true or false",
            "array" if takes_text(&schema["items"]) => "a list of texts",
            "array" => "a list of entries",
            _ if self == Form::Toml => "a section",
            _ => "an object",
        }
    }

    /// What a value is instead.
    pub fn found(self, value: &Value) -> &'static str {
        match value {
            Value::Null if self == Form::Json => "null",
            Value::Null => "no usable number",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) if self == Form::Json => "an object",
            Value::Object(_) => "a section",
        }
    }

    /// The line that sets a key.
    pub fn line(self, key: &str, value: &Value) -> String {
        match self {
            Form::Toml => {
                let value =
                    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |v| v.to_string());
                format!("{key} = {value}")
            }
            Form::Json => format!("\"{key}\": {value}"),
        }
    }

    /// How to write the value that a schema asks for at a place.
    pub fn example_help(self, schema: &Value, pointer: &str) -> String {
        let key = pointer.rsplit('/').next().unwrap_or_default();
        let heading = pointer.trim_start_matches('/').replace('/', ".");
        match (example(schema), schema["type"].as_str()) {
            (Some(example), _) => format!("write it like this: {}", self.line(key, example)),
            (None, _) if takes_text(schema) && key.parse::<usize>().is_ok() => {
                "put each entry in quotes, with commas between: [\"one\", \"two\"]".to_owned()
            }
            (None, Some("array")) if self == Form::Toml => {
                format!("begin each entry with a line [[{heading}]]")
            }
            (None, Some("object")) if self == Form::Toml => format!("begin it with a line [{heading}]"),
            _ => String::new(),
        }
    }
}

/// Whether a text is one of the forms that a schema takes.
fn takes_text(schema: &Value) -> bool {
    let text = Value::from("string");
    schema["type"] == text || schema["type"].as_array().is_some_and(|types| types.contains(&text))
}

/// The first example of a schema.
pub(super) fn example(schema: &Value) -> Option<&Value> {
    schema["examples"].get(0)
}

/// A pointer in words: `reply` in entry 2 of `speech.samples`.
pub(super) fn spoken(pointer: &str) -> String {
    let mut spoken = String::new();
    let mut keys = Vec::new();
    for step in pointer.split('/').skip(1) {
        if let Ok(index) = step.parse::<usize>() {
            let list = if keys.is_empty() { spoken } else { wrap(&keys, &spoken) };
            spoken = format!("entry {} of {list}", index + 1);
            keys.clear();
        } else {
            keys.push(cut(&step.replace("~1", "/").replace("~0", "~"), KEY_CHARS_MAX));
        }
    }
    match (keys.is_empty(), spoken.is_empty()) {
        (true, true) => "all of it".to_owned(),
        (true, false) => spoken,
        _ => wrap(&keys, &spoken),
    }
}

/// ` in entry 2 of `lore``; nothing for the whole of a file.
pub(super) fn inside(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" in {}", spoken(pointer)) }
}

fn wrap(keys: &[String], outer: &str) -> String {
    let path = format!("`{}`", keys.join("."));
    if outer.is_empty() { path } else { format!("{path} in {outer}") }
}

/// The word among `known` that `word` is probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    // Comparing costs the product of the lengths, and no known word is long.
    if word.len() > KEY_CHARS_MAX {
        return None;
    }
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known));
    let best = scored.filter(|(score, _)| *score >= ALIKE_MIN).max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(best.1)
}

/// A wrong value as it is repeated in a message.
pub(super) fn quote(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", cut(text, QUOTE_CHARS_MAX)),
        other => cut(&other.to_string(), QUOTE_CHARS_MAX),
    }
}

/// A key as a step of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The beginning of a text, on one line: what a hostile file holds must not fill a screen.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let mut cut: String = text.chars().take(chars_max).collect::<String>().escape_debug().collect();
    cut = cut.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().nth(chars_max).is_some() {
        cut.push('…');
    }
    cut
}
