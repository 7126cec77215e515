//! One JSON object of mood, action, arguments and words, read while it grows: words are heard before it is
//! whole.

use serde_json::Value;

/// A longer name or value that is not words is dropped, in bytes.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// An object whose first name is longer is none, in bytes.
const FIRST_NAME_BYTES_MAX: usize = 48;
/// What models call the words. The first is what they were asked for.
const SAYS: [&str; 11] =
    ["says", "say", "speech", "speak", "said", "dialogue", "line", "reply", "response", "message", "text"];

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// A piece of the words: of the string `says`, or what a model called it instead.
    Words(String),
    /// Any other member, whole.
    Member(String, Value),
    /// The text is no JSON object: this much of it was held.
    NoObject(String),
    /// Text behind the object.
    Behind(String),
}

#[derive(Debug)]
enum Place {
    /// Before the opening bracket.
    Before,
    /// Between members.
    Between,
    /// Within the name of a member.
    Name(StringReader),
    /// Between the name and the value.
    Colon,
    /// Within the words.
    Words(StringReader),
    /// Within a value that is kept whole: its text, depth, and whether a string is open or a sign escaped.
    Value { text: String, depth: usize, in_string: bool, escaped: bool },
    /// Behind the end, where brackets and fences are closed.
    Behind,
    /// In text behind the end.
    After,
}

/// Reads one reply.
#[derive(Debug)]
pub(super) struct Structured {
    place: Place,
    name: String,
    /// All that came, until it is certain that this is an object.
    doubt: Option<String>,
}

impl Structured {
    pub fn new() -> Structured {
        Structured { place: Place::Before, name: String::new(), doubt: Some(String::new()) }
    }

    /// Takes text.
    pub fn push(&mut self, text: &str, found: &mut Vec<Found>) {
        for (place, c) in text.char_indices() {
            if let Some(held) = self.step(c, found) {
                let rest = &text[place + c.len_utf8()..];
                found.push(Found::NoObject(format!("{held}{rest}")));
                self.place = Place::Behind;
                return;
            }
        }
    }

    /// Nothing more will come; words that were cut off count as far as they came.
    pub fn finish(&mut self, found: &mut Vec<Found>) {
        let place = std::mem::replace(&mut self.place, Place::Behind);
        match (self.doubt.take().filter(|held| !held.is_empty()), place) {
            (Some(held), _) => found.push(Found::NoObject(held)),
            (None, Place::Value { text, .. }) => self.member(&text, found),
            (None, _) => {}
        }
    }

    /// One character further; gives back what was held if this is no object.
    fn step(&mut self, c: char, found: &mut Vec<Found>) -> Option<String> {
        if let Some(held) = &mut self.doubt {
            held.push(c);
            let is_object = match self.place {
                Place::Before => c == '{' || may_precede(held),
                Place::Between => c == '"' || c == '}' || c.is_whitespace(),
                Place::Name(_) => self.name.len() <= FIRST_NAME_BYTES_MAX,
                _ => c == ':' || c.is_whitespace(),
            };
            if !is_object {
                return self.doubt.take();
            }
        }
        match &mut self.place {
            Place::Before => {
                if c == '{' {
                    self.place = Place::Between;
                }
            }
            Place::Between => match c {
                '"' => self.place = Place::Name(StringReader::default()),
                '}' => self.end(),
                _ => {}
            },
            Place::Name(reader) => {
                if reader.push(c, &mut self.name) || self.name.len() > VALUE_BYTES_MAX {
                    self.place = Place::Colon;
                }
            }
            Place::Colon => match c {
                ':' => self.doubt = None,
                c if c.is_whitespace() => {}
                '"' if SAYS.iter().any(|name| name.eq_ignore_ascii_case(&self.name)) => {
                    self.name.clear();
                    self.place = Place::Words(StringReader::default());
                }
                c => {
                    let depth = usize::from(matches!(c, '{' | '['));
                    self.place =
                        Place::Value { text: c.to_string(), depth, in_string: c == '"', escaped: false };
                }
            },
            Place::Words(reader) => {
                let mut piece = String::new();
                let ended = reader.push(c, &mut piece);
                if !piece.is_empty() {
                    match found.last_mut() {
                        Some(Found::Words(words)) => words.push_str(&piece),
                        _ => found.push(Found::Words(piece)),
                    }
                }
                if ended {
                    self.place = Place::Between;
                }
            }
            Place::Value { .. } => self.in_value(c, found),
            Place::Behind if c.is_whitespace() || matches!(c, '`' | ']') => {}
            Place::Behind | Place::After => {
                self.place = Place::After;
                match found.last_mut() {
                    Some(Found::Behind(text)) => text.push(c),
                    _ => found.push(Found::Behind(c.to_string())),
                }
            }
        }
        None
    }

    fn in_value(&mut self, c: char, found: &mut Vec<Found>) {
        let Place::Value { text, depth, in_string, escaped } = &mut self.place else { return };
        let ends = match c {
            _ if *escaped => {
                *escaped = false;
                false
            }
            '\\' if *in_string => {
                *escaped = true;
                false
            }
            '"' => {
                *in_string = !*in_string;
                false
            }
            _ if *in_string => false,
            '{' | '[' => {
                *depth += 1;
                false
            }
            ',' => *depth == 0,
            '}' | ']' if *depth == 0 => true,
            '}' | ']' => {
                *depth -= 1;
                false
            }
            _ => false,
        };
        if !ends {
            if text.len() < VALUE_BYTES_MAX {
                text.push(c);
            }
            return;
        }
        let text = std::mem::take(text);
        if c == ',' {
            self.place = Place::Between;
        } else {
            self.end();
        }
        self.member(&text, found);
    }

    fn end(&mut self) {
        self.doubt = None;
        self.place = Place::Behind;
    }

    fn member(&mut self, text: &str, found: &mut Vec<Found>) {
        let name = std::mem::take(&mut self.name);
        let value = serde_json::from_str(text.trim()).ok().or_else(|| super::arguments::read(text));
        found.extend(value.map(|value| Found::Member(name, value)));
    }
}

/// White space, or the first line of a block of code.
fn may_precede(held: &str) -> bool {
    let bare = held.trim_start();
    "```json\n".starts_with(bare.trim_end_matches('\r'))
        || matches!(bare.trim_end().trim_end_matches('[').trim_end(), "```json" | "```" | "")
}

/// Undoes the escapes of a JSON string. Half a surrogate pair becomes U+FFFD.
#[derive(Debug, Default)]
struct StringReader {
    escape: String,
    high: Option<u16>,
}

impl StringReader {
    /// Takes a character; tells whether the string ended with it.
    fn push(&mut self, c: char, text: &mut String) -> bool {
        if self.escape.is_empty() {
            match c {
                '"' => {
                    self.flush(text);
                    return true;
                }
                '\\' => self.escape.push(c),
                c => {
                    self.flush(text);
                    text.push(c);
                }
            }
            return false;
        }
        self.escape.push(c);
        let plain = match &self.escape[1..] {
            "n" => '\n',
            "t" => '\t',
            "r" | "b" | "f" => ' ',
            escape if escape.starts_with('u') => {
                if escape.len() >= 5 {
                    let unit = escape.get(1..5).and_then(|digits| u16::from_str_radix(digits, 16).ok());
                    self.escape.clear();
                    self.unit(unit.unwrap_or(0xFFFD), text);
                }
                return false;
            }
            _ => c,
        };
        self.escape.clear();
        self.flush(text);
        text.push(plain);
        false
    }

    fn unit(&mut self, unit: u16, text: &mut String) {
        match self.high.take() {
            Some(high) if (0xDC00..0xE000).contains(&unit) => {
                text.extend(char::decode_utf16([high, unit]).map(|c| c.unwrap_or('\u{FFFD}')));
            }
            high => {
                if high.is_some() {
                    text.push('\u{FFFD}');
                }
                if (0xD800..0xDC00).contains(&unit) {
                    self.high = Some(unit);
                } else {
                    text.extend(char::decode_utf16([unit]).map(|c| c.unwrap_or('\u{FFFD}')));
                }
            }
        }
    }

    fn flush(&mut self, text: &mut String) {
        if self.high.take().is_some() {
            text.push('\u{FFFD}');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str, size: usize) -> (String, Vec<(String, Value)>, String) {
        let (mut structured, mut found) = (Structured::new(), Vec::new());
        for piece in text.chars().collect::<Vec<_>>().chunks(size) {
            structured.push(&piece.iter().collect::<String>(), &mut found);
        }
        structured.finish(&mut found);
        let (mut words, mut members, mut other) = (String::new(), Vec::new(), String::new());
        for found in found {
            match found {
                Found::Words(piece) => words.push_str(&piece),
                Found::Member(name, value) => members.push((name, value)),
                Found::NoObject(text) => other.push_str(&text),
                Found::Behind(_) => {}
            }
        }
        (words, members, other)
    }

    fn check(text: &str, words: &str, members: &[(&str, Value)]) {
        let members: Vec<_> =
            members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        for size in [1, 2, 5, 1000] {
            assert_eq!(found(text, size), (words.to_owned(), members.clone(), String::new()), "{text}");
        }
    }

    #[test]
    fn members_and_words_are_found() {
        check(
            r#" {"mood": "calm", "action":"give","arguments":{"a":"}\"","b":[1,{}]},"says":"Here\n\"you\" are."}"#,
            "Here\n\"you\" are.",
            &[
                ("mood", json!("calm")),
                ("action", json!("give")),
                ("arguments", json!({"a": "}\"", "b": [1, {}]})),
            ],
        );
        check("```json\n{\"says\":\"a\",\"n\":1}\n```", "a", &[("n", json!(1))]);
    }

    #[test]
    fn escapes_and_surrogates_are_undone() {
        check(r#"{"says":"\u00fc \ud83c\udf7a \ud83c x \/ \\ "}"#, "ü 🍺 \u{FFFD} x / \\ ", &[]);
    }

    #[test]
    fn words_that_are_cut_off_count_and_arguments_do_not() {
        check(r#"{"mood":"calm","says":"Half a wor"#, "Half a wor", &[("mood", json!("calm"))]);
        check(r#"{"says":"x \ud83"#, "x ", &[]);
        check(r#"{"says":"x","arguments":{"item":"ale"#, "x", &[]);
    }

    #[test]
    fn what_is_no_object_is_given_back() {
        for size in [1, 4, 1000] {
            let (words, members, other) = found("Mood: calm\nSays: {x}", size);
            assert_eq!((words.as_str(), members.len()), ("", 0));
            assert!("Mood: calm\nSays: {x}".starts_with(&other) && !other.is_empty());
        }
    }
}
