//! Arguments of actions, as models really write them.

use serde_json::{Map, Value};

/// Deeper nesting is not looked into.
const DEPTH_MAX: usize = 64;

/// Reads arguments: an object, a string with JSON in it, nothing at all. `None` if it makes no sense: the
/// caller's gate then decides. What was cut off is never completed: a hundred coins of which the model got to
/// say "1" are no one coin.
pub fn read(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() || text == "null" {
        return Some(Value::Object(Map::new()));
    }
    unwrapped(serde_json::from_str(text).ok()?)
}

/// As [`read`], for a value that is JSON already.
pub fn unwrapped(value: Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value),
        Value::Null => Some(Value::Object(Map::new())),
        Value::String(inner) => match serde_json::from_str(&inner) {
            Ok(value @ Value::Object(_)) => Some(value),
            _ if inner.trim().is_empty() => Some(Value::Object(Map::new())),
            _ => None,
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

/// Whether the text is one object and nothing else.
pub fn is_one_object(text: &str) -> bool {
    text.starts_with('{') && balanced_end(text) == Some(text.len())
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
        for cut in [r#"{"item":"al"#, r#"{"item":"ale","to":"#, r#"{"item":"ale","#, r#"{"a":{"b":[1,2"#] {
            assert_eq!(read(cut), None, "{cut}");
        }
        assert_eq!(read("[1]"), None);
        assert_eq!(read("ale"), None);
        assert_eq!(read("}{"), None);
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
