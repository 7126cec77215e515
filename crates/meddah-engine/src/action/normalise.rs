//! Puts right what models get nearly right, before the gate looks at it.
//!
//! "Rusty Key" for `rusty_key`, `"3"` for 3, arguments wrapped in another object: the meaning is plain and
//! only the form is off. What could mean two things is left as it is, and the gate refuses it.

use meddah_protocol::ActionDeclaration;
use serde_json::{Map, Number, Value, json};

use super::schema::{TARGET, allows, fill, properties};

/// Spellings that agree less than this (Jaro-Winkler, 0 to 1) mean different things.
const SIMILARITY_MIN: f64 = 0.88;
/// The best spelling must be better than the next by so much.
const SIMILARITY_LEAD: f64 = 0.03;
/// Shorter words are not guessed at: "ale" and "axe".
const GUESSED_CHARS_MIN: usize = 4;
/// Objects that models wrap arguments in.
const WRAPPERS: &[&str] = &["arguments", "parameters", "args", "params", "input"];

/// The arguments in the form that the declaration asks for, as far as their meaning is plain.
pub fn normalise(declaration: &ActionDeclaration, arguments: Value) -> Value {
    let Value::Object(given) = unwrap(declaration, arguments) else {
        return fill(declaration).unwrap_or(Value::Null);
    };
    let empty = json!({});
    let parameters = declaration.parameters.as_ref().unwrap_or(&empty);
    let declared = properties(parameters);
    let mut names: Vec<&str> = declared.keys().map(String::as_str).collect();
    if declaration.targets.is_some() {
        names.push(TARGET);
    }
    let mut arguments = Map::new();
    for (key, value) in given {
        let name = nearest(&key, &names).map_or(key.clone(), str::to_owned);
        let known = names.contains(&name.as_str());
        if value.is_null() || arguments.contains_key(&name) || !(known || allows(declaration, &name)) {
            continue;
        }
        let value = match (&declaration.targets, declared.get(&name)) {
            (Some(targets), None) if name == TARGET => snap_text(value, targets.iter().map(String::as_str)),
            (_, Some(property)) => normalise_value(property, value),
            (_, None) => value,
        };
        arguments.insert(name, value);
    }
    supply(declaration, declared, &mut arguments);
    Value::Object(arguments)
}

/// What has only one value is supplied.
fn supply(
    declaration: &ActionDeclaration,
    declared: &Map<String, Value>,
    arguments: &mut Map<String, Value>,
) {
    for (name, property) in declared {
        let only = property.get("const").or_else(|| match property.get("enum")?.as_array()?.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        if let (Some(value), false) = (only.or(property.get("default")), arguments.contains_key(name)) {
            arguments.insert(name.clone(), value.clone());
        }
    }
    if let (Some([only]), false) = (declaration.targets.as_deref(), arguments.contains_key(TARGET)) {
        arguments.insert(TARGET.to_owned(), json!(only));
    }
}

/// Arguments as text, or inside of another object.
fn unwrap(declaration: &ActionDeclaration, arguments: Value) -> Value {
    let arguments = match arguments {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    match arguments {
        Value::Object(mut map) if map.len() == 1 => {
            let wrapper = WRAPPERS.iter().find(|key| map.contains_key(**key) && !allows(declaration, key));
            match wrapper.and_then(|key| map.shift_remove(*key)) {
                Some(inner @ Value::Object(_)) => inner,
                Some(other) => json!({ WRAPPERS[0]: other }),
                None => Value::Object(map),
            }
        }
        // The only parameter, given without its name.
        Value::String(text) => {
            match declaration.parameters.as_ref().map(|schema| properties(schema).keys()) {
                Some(mut keys) if keys.len() == 1 => {
                    keys.next().map_or(Value::Null, |key| json!({ key: text }))
                }
                _ => Value::String(text),
            }
        }
        other => other,
    }
}

fn normalise_value(property: &Value, value: Value) -> Value {
    if let Some(options) = property.get("enum").and_then(Value::as_array) {
        return snap(value, options);
    }
    let kind = match property.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        _ => return value,
    };
    match (kind, value) {
        ("string", Value::String(text)) => Value::String(fit_text(property, &text)),
        ("string", Value::Number(number)) => Value::String(number.to_string()),
        ("string", Value::Bool(truth)) => Value::String(truth.to_string()),
        ("integer" | "number", Value::String(text)) => {
            parse_number(&text).map_or(Value::String(text), |number| whole(kind, number))
        }
        ("integer", Value::Number(number)) => whole(kind, number),
        ("boolean", Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "1" | "on" => Value::Bool(true),
            "false" | "no" | "0" | "off" => Value::Bool(false),
            _ => Value::String(text),
        },
        ("array", Value::Array(list)) => match property.get("items") {
            Some(items) => list.into_iter().map(|value| normalise_value(items, value)).collect(),
            None => Value::Array(list),
        },
        ("array", value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
            let items = property.get("items").cloned().unwrap_or(Value::Bool(true));
            json!([normalise_value(&items, value)])
        }
        ("object", Value::Object(map)) => {
            let declared = properties(property).clone();
            let inner = |(key, value): (String, Value)| match declared.get(&key) {
                Some(schema) => (key, normalise_value(schema, value)),
                None => (key, value),
            };
            Value::Object(map.into_iter().map(inner).collect())
        }
        (_, value) => value,
    }
}

/// White space at the ends is dropped, and what is too long is cut.
fn fit_text(property: &Value, text: &str) -> String {
    let text = text.trim();
    match property.get("maxLength").and_then(Value::as_u64).and_then(|max| usize::try_from(max).ok()) {
        Some(max) if text.chars().count() > max => {
            text.chars().take(max).collect::<String>().trim_end().to_owned()
        }
        _ => text.to_owned(),
    }
}

fn parse_number(text: &str) -> Option<Number> {
    let text = text.trim().replace('_', "");
    text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

/// 3.0 is 3 where a whole number is asked for.
fn whole(kind: &str, number: Number) -> Value {
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
    match float {
        Some(float) if kind == "integer" && number.is_f64() => json!(float as i64),
        _ => Value::Number(number),
    }
}

/// One of the options, if the value means one.
fn snap(value: Value, options: &[Value]) -> Value {
    if options.contains(&value) {
        return value;
    }
    let same = |option: &&Value| match (option, &value) {
        (Value::String(option), Value::Number(number)) => *option == number.to_string(),
        (Value::Number(option), Value::String(text)) => option.to_string() == text.trim(),
        (Value::Number(option), Value::Number(number)) => option.as_f64() == number.as_f64(),
        _ => false,
    };
    if let Some(option) = options.iter().find(same) {
        return option.clone();
    }
    snap_text(value, options.iter().filter_map(Value::as_str))
}

fn snap_text<'a>(value: Value, options: impl Iterator<Item = &'a str>) -> Value {
    let Value::String(text) = value else { return value };
    let options: Vec<&str> = options.collect();
    match nearest(&text, &options) {
        Some(option) => Value::String(option.to_owned()),
        None => Value::String(text),
    }
}

/// The option that the text means: the same but for case and signs, all of its words, or nearly spelt so.
/// `None` if it could be two of them, or none.
fn nearest<'a>(text: &str, options: &[&'a str]) -> Option<&'a str> {
    if let Some(exact) = options.iter().find(|option| **option == text) {
        return Some(exact);
    }
    let wanted = key(text);
    if wanted.is_empty() {
        return None;
    }
    if let Some(same) = only(options.iter().filter(|option| key(option) == wanted)) {
        return Some(same);
    }
    let contains = |whole: &str, part: &str| {
        let whole: Vec<&str> = whole.split('_').collect();
        part.split('_').all(|word| whole.contains(&word))
    };
    let related = |option: &&&str| contains(&wanted, &key(option)) || contains(&key(option), &wanted);
    if let Some(related) = only(options.iter().filter(related)) {
        return Some(related);
    }
    if wanted.chars().count() < GUESSED_CHARS_MIN {
        return None;
    }
    let mut scored: Vec<(f64, &str)> =
        options.iter().map(|option| (strsim::jaro_winkler(&wanted, &key(option)), *option)).collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    let (best, option) = *scored.first()?;
    let next = scored.get(1).map_or(0.0, |(score, _)| *score);
    (best >= SIMILARITY_MIN && best - next >= SIMILARITY_LEAD).then_some(option)
}

fn only<'a, 'b>(mut options: impl Iterator<Item = &'b &'a str>) -> Option<&'a str>
where
    'a: 'b,
{
    let first = options.next()?;
    options.next().is_none().then_some(*first)
}

/// Small letters, words joined by `_`, without articles.
fn key(text: &str) -> String {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !matches!(*word, "the" | "a" | "an")).collect();
    words.join("_")
}
