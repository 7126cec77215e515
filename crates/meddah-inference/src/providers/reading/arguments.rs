//! Arguments of actions, as models really write them.

use serde_json::{Map, Value};

/// Deeper nesting is not repaired.
const DEPTH_MAX: usize = 64;

/// Reads arguments: an object, a string with JSON in it, nothing at all. Cut-off JSON is closed where that
/// makes sense of it. `None` if it makes none: the caller's gate then decides.
pub fn read(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() || text == "null" {
        return Some(Value::Object(Map::new()));
    }
    let value = serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&closed(text)?).ok())?;
    unwrapped(value)
}

/// As [`read`], for a value that is JSON already.
pub fn unwrapped(value: Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value),
        Value::Null => Some(Value::Object(Map::new())),
        Value::String(inner) => match serde_json::from_str(&inner) {
            Ok(value @ Value::Object(_)) => Some(value),
            _ if inner.trim().is_empty() => Some(Value::Object(Map::new())),
            _ => closed(&inner).and_then(|text| serde_json::from_str(&text).ok()).filter(Value::is_object),
        },
        _ => None,
    }
}

/// Splits `name {json}`, `name({json})`, `name(key=value)` and `name`.
pub fn split_call(text: &str) -> (&str, &str) {
    let wrapping = |c: char| c.is_whitespace() || matches!(c, '*' | '`' | '"' | '.' | ',' | '[' | ']' | '|');
    let text = text.trim_matches(wrapping);
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '{' | '(' | ':' | ',' | '*' | '`' | '"'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let arguments = rest.find('{').map_or("", |start| &rest[start..]);
    // Behind a whole object may stand the bracket of a call, or a remark.
    let end = balanced_end(arguments).unwrap_or(arguments.len());
    (name, &arguments[..end])
}

/// Whether every bracket that was opened is closed.
pub fn is_whole(text: &str) -> bool {
    open_brackets(text).is_some_and(|(open, in_string)| open.is_empty() && !in_string)
}

/// Where the first bracket is closed again.
fn balanced_end(text: &str) -> Option<usize> {
    let ends = text.char_indices().filter(|(_, c)| *c == '}').map(|(place, _)| place + 1);
    ends.take(DEPTH_MAX).find(|end| is_whole(&text[..*end]))
}

/// The brackets that are still open, and whether a string is. `None` if they do not fit together.
fn open_brackets(text: &str) -> Option<(Vec<char>, bool)> {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '(' => open.push(')'),
            '}' | ']' | ')' if open.pop() != Some(c) => return None,
            _ => {}
        }
        if open.len() > DEPTH_MAX {
            return None;
        }
    }
    Some((open, in_string))
}

/// Cut-off JSON with its strings and brackets closed, back to the last place where that gives JSON.
fn closed(text: &str) -> Option<String> {
    let start = text.find('{')?;
    let text = text[start..].trim_end();
    let ends = text.char_indices().rev().filter(|(_, c)| matches!(c, ',' | '{')).map(|(place, _)| place);
    let mut candidates = std::iter::once(text.len()).chain(ends.take(DEPTH_MAX));
    candidates.find_map(|end| {
        let part = &text[..end];
        // A `{` is kept, a comma is not.
        let part = if text[end..].starts_with('{') { &text[..=end] } else { part };
        let (open, in_string) = open_brackets(part)?;
        let mut whole = part.to_owned();
        if in_string {
            whole.push('"');
        }
        whole.extend(open.iter().rev());
        serde_json::from_str::<Value>(&whole).ok().map(|_| whole)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_read_in_every_form() {
        let ale = Some(json!({"item": "ale"}));
        assert_eq!(read(r#"{"item":"ale"}"#), ale);
        assert_eq!(read(r#""{\"item\":\"ale\"}""#), ale);
        assert_eq!(read(""), Some(json!({})));
        assert_eq!(read("null"), Some(json!({})));
        assert_eq!(read(r#"{"item":"ale"#), ale);
        assert_eq!(read(r#"{"item":"ale","to":"#), ale);
        assert_eq!(read(r#"{"item":"ale","#), ale);
        assert_eq!(read(r#"{"a":{"b":[1,2"#), Some(json!({"a": {"b": [1, 2]}})));
        assert_eq!(read("[1]"), None);
        assert_eq!(read("ale"), None);
        assert_eq!(read("}{"), Some(json!({})));
    }

    #[test]
    fn calls_in_text_are_split() {
        assert_eq!(split_call(r#" give {"item": "a}b"} gladly"#), ("give", r#"{"item": "a}b"}"#));
        assert_eq!(split_call(r#"give({"item": "ale"})"#), ("give", r#"{"item": "ale"}"#));
        assert_eq!(split_call("**nothing**."), ("nothing", ""));
        assert_eq!(split_call("`wave`"), ("wave", ""));
        assert_eq!(split_call(r#"give {"item": "al"#), ("give", r#"{"item": "al"#));
    }
}
