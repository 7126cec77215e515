//! JSON as these mods send it: joined from pieces of text, so that what the game or the player wrote may break
//! it.
//!
//! Strict reading comes first and is all that well-formed messages meet. What it refuses is mended where only
//! one meaning is possible, and read strictly again: line breaks and tabs inside a string, a backslash that
//! escapes nothing, a comma before a closing bracket, and quotes inside a string. Libraries that repair JSON
//! make a document of any text; here a text that is no message has to stay one.

use meddah_protocol::{WireError, tidy};
use serde_json::Value;

use crate::wire::invalid;

/// Reads a message, mended if need be.
pub(super) fn read(bytes: &[u8]) -> Result<Value, WireError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(
            format!("the text is not UTF-8 from byte {} on", error.valid_up_to()),
            "Send all text as UTF-8.",
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // Windows likes to put a mark first
    let value = serde_json::from_str::<Value>(text).or_else(|error| {
        serde_json::from_str(&mend(text)).map_err(|_| error) // the first mistake is the one to tell
    });
    value.map(tidy).map_err(|error| {
        invalid(
            format!("this is not JSON: {error}"),
            "Quotes, backslashes and line breaks inside of text have to be escaped.",
        )
    })
}

/// As [`read`], but it has to be an object: the only form that messages of these mods have.
pub(super) fn read_object(bytes: &[u8]) -> Result<Value, WireError> {
    let value = read(bytes)?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(invalid("the message is no object", "Send it as {\"…\": …}.")),
    }
}

/// One pass over the text. Whatever comes out is only used if it is JSON.
fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut in_string = false;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match (in_string, next) {
            (false, '"') => {
                in_string = true;
                mended.push('"');
            }
            (false, ',') if rest.as_str().trim_start().starts_with(['}', ']']) => {}
            (true, '"') if ends_string(rest.as_str()) => {
                in_string = false;
                mended.push('"');
            }
            (true, '"') => mended.push_str("\\\""),
            (true, '\\') => {
                mended.push('\\');
                if is_escape(rest.as_str()) {
                    mended.extend(rest.next()); // what it escapes is no end of the string
                } else {
                    mended.push('\\');
                }
            }
            (true, control) if control < ' ' => {
                mended.push_str(match control {
                    '\n' => "\\n",
                    '\t' => "\\t",
                    _ => " ",
                });
            }
            (_, other) => mended.push(other),
        }
    }
    mended
}

/// Whether what follows a quote shows that the string ends there.
fn ends_string(rest: &str) -> bool {
    let rest = rest.trim_start();
    match rest.chars().next() {
        None | Some('}' | ']' | ':') => true,
        // A comma may stand in a sentence; what follows it tells.
        Some(',') => rest[1..].trim_start().starts_with(['"', '{', '[', '}', ']']),
        Some(_) => false,
    }
}

/// Whether a backslash before this text escapes something.
fn is_escape(rest: &str) -> bool {
    let mut letters = rest.chars();
    match letters.next() {
        Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => true,
        Some('u') => {
            rest.len() > 4 && rest.as_bytes().iter().skip(1).take(4).all(|byte| byte.is_ascii_hexdigit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(read(text.as_bytes()).map_err(|error| error.message), Ok(expected), "{text}");
    }

    #[test]
    fn what_has_one_meaning_is_mended() {
        check("{\"a\": \"one\ntwo\tthree\u{1}\"}", json!({"a": "one\ntwo\tthree "}));
        check(
            r#"{"a": "C:\Games\Mod", "b": "\d \u00e9 \u12"}"#,
            json!({"a": "C:\\Games\\Mod", "b": "\\d é \\u12"}),
        );
        check(r#"{"facts": ["a", "b",], "n": 1,}"#, json!({"facts": ["a", "b"], "n": 1}));
        check(
            r#"{"type": "chat","message": "He said "hi" to me"}"#,
            json!({"type": "chat", "message": "He said \"hi\" to me"}),
        );
        check(r#"{"m": "so "yes", I said", "n": 2}"#, json!({"m": "so \"yes\", I said", "n": 2}));
        check("\u{feff}{\"a\": 1.0, \"b\": null}", json!({"a": 1}));
    }

    #[test]
    fn what_has_none_is_refused_with_its_place() {
        for text in ["", "{", "hello there", "{\"a\" 1}", "{\"a\": \"x", "[1,,2]"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(
                error.message.starts_with("this is not JSON") && !error.help.is_empty(),
                "{text}: {error:?}"
            );
        }
        assert!(read(b"{\"a\": \"\xff\"}").unwrap_err().message.contains("byte 7"));
        assert!(read_object(b"[1]").is_err());
        assert!(read("[".repeat(200_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn json_stays_as_it_is_and_no_text_breaks_the_reader(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let written = json!({"message": text, "list": [text, text]}).to_string();
            prop_assert_eq!(mend(&written), written);
            read(&bytes).ok();
        }

        #[test]
        fn text_put_between_quotes_as_it_is_comes_back(text in "[a-zA-Z ,.!?\n\téğ]{0,40}") {
            let sent = format!("{{\"type\": \"chat\",\"message\": \"{text}\"}}");
            let value = read(sent.as_bytes()).unwrap();
            prop_assert_eq!(value["message"].as_str(), Some(text.as_str()));
        }
    }
}
