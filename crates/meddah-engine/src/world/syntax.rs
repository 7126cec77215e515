//! What is wrong when a file is not TOML at all.
//!
//! The TOML parser speaks to programmers. The same few slips make up nearly all of its errors in packs
//! (a forgotten quote, a line break inside quotes, a key given twice), so each is told in plain words.

use super::document::position_at;
use super::error::{Position, WorldError};
use super::wording::cut;

/// How many syntax mistakes of one file are told; after the first few they follow from each other.
const SYNTAX_ERRORS_MAX: usize = 5;
/// How many of the parser's errors are looked at; a file of another kind has one per letter.
const FAULTS_MAX: usize = 200;
/// How much of a line is repeated in a message, in characters.
const LINE_CHARS_MAX: usize = 40;

/// The parser's errors in plain words. One per line and one of each sort: the rest are its echoes.
pub(super) fn explain(file: &str, text: &str, mut faults: Vec<toml::de::Error>) -> Vec<WorldError> {
    let place = |fault: &toml::de::Error| fault.span().map_or(text.len(), |span| span.start);
    faults.sort_by_key(place);
    let mut errors: Vec<WorldError> = Vec::new();
    for fault in faults.iter().take(FAULTS_MAX) {
        let offset = place(fault);
        let at = position_at(text, offset);
        let (message, help) = plain(fault.message(), &Spot::new(text, offset));
        let echo = |error: &WorldError| {
            error.message == message || error.at.is_some_and(|Position { line, .. }| line == at.line)
        };
        if !errors.iter().any(echo) && errors.len() < SYNTAX_ERRORS_MAX {
            errors.push(WorldError { file: file.to_owned(), at: Some(at), message, help });
        }
    }
    errors
}

/// The line around a fault.
struct Spot<'a> {
    before: &'a str,
    rest: &'a str,
}

impl<'a> Spot<'a> {
    fn new(text: &'a str, offset: usize) -> Self {
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        Spot {
            before: before.rsplit('\n').next().unwrap_or(before),
            rest: after.lines().next().unwrap_or_default(),
        }
    }

    /// The rest of the line without a comment behind it.
    fn value(&self) -> &'a str {
        self.rest.split('#').next().unwrap_or_default().trim()
    }

    /// The code of a character that has no place in a text file.
    fn control_character(&self) -> Option<u32> {
        let first = self.rest.chars().next()?;
        (first.is_control() && first != '\r' && first != '\t').then_some(first as u32)
    }

    fn is_heading(&self) -> bool {
        self.before.trim_start().starts_with('[')
    }
}

fn plain(message: &str, spot: &Spot<'_>) -> (String, String) {
    let sort = message.split(", expected").next().unwrap_or(message);
    let (message, help): (String, String) = match sort {
        _ if spot.control_character().is_some() => (
            format!(
                "there is an invisible character (U+{:04X})",
                spot.control_character().unwrap_or_default()
            ),
            "delete it; if the file came from another program, save it as plain text (UTF-8)".into(),
        ),
        "string values must be quoted" => unquoted(spot),
        "invalid basic string" => (
            "a text has no closing quote".into(),
            "put a \" at its end; a text over several lines begins and ends with \"\"\"".into(),
        ),
        "invalid literal string" => (
            "a text has no closing quote".into(),
            "put a ' at its end, or use \" on both sides if there is a ' within it".into(),
        ),
        "invalid multi-line basic string" | "invalid multi-line literal string" => {
            ("a text of several lines has no end".into(), "put \"\"\" at its end".into())
        }
        "key with no value" | "invalid key-value pair" | "invalid unquoted key" => not_a_pair(spot),
        "unquoted keys cannot be empty" => {
            ("there is no key in front of `=`".into(), "write it like this: name = \"Mira\"".into())
        }
        "duplicate key" => twice(spot),
        "unexpected key or value" => trailing(spot),
        "missing comma between array elements" if !spot.value().contains('=') => (
            "there is no comma between two entries of a list".into(),
            "write it like this: [\"one\", \"two\"]".into(),
        ),
        "missing comma between array elements" | "unexpected `=` in array" | "unclosed array" => open_list(),
        "unclosed inline table" => ("a table in braces has no end".into(), "put a } at its end".into()),
        "unclosed table" => (
            "the heading has no closing bracket".into(),
            format!("write {}]", cut(spot.before.trim(), LINE_CHARS_MAX)),
        ),
        "missing escaped value" => (
            "a backslash in a text stands for a special character".into(),
            "write two of them, \\\\, or put the text in 'single quotes'".into(),
        ),
        "unexpected leading zero" => ("a number cannot begin with 0".into(), "leave the 0 out".into()),
        _ if sort.starts_with("cannot recurse") || sort == "recursion limit" => {
            ("lists or tables are nested too deep".into(), "a world pack needs three levels at most".into())
        }
        other => (
            other.to_owned(),
            "look at this line and at the one above it: a quote, a bracket or a comma may be missing".into(),
        ),
    };
    (message, help)
}

fn open_list() -> (String, String) {
    ("a list above this place has no closing bracket".into(), "put a ] at its end".into())
}

fn unquoted(spot: &Spot<'_>) -> (String, String) {
    let value = spot.value();
    if value.is_empty() {
        return ("there is no value after `=`".into(), "write a value, or delete the line".into());
    }
    if value.starts_with(['“', '”', '„', '‘', '’', '«', '»']) {
        return (
            "these are curly quotes, as word processors make them".into(),
            "use straight quotes: \"".into(),
        );
    }
    if value.contains('=') {
        return open_list();
    }
    let help = match value.to_lowercase().as_str() {
        "yes" | "on" | "true" => "write true, or put the word in quotes".to_owned(),
        "no" | "off" | "false" => "write false, or put the word in quotes".to_owned(),
        _ => format!("write \"{}\"", cut(value.trim_matches(['"', '\'', ',', ']']), LINE_CHARS_MAX)),
    };
    ("text must stand in quotes".into(), help)
}

fn not_a_pair(spot: &Spot<'_>) -> (String, String) {
    let line = format!("{}{}", spot.before, spot.rest);
    let key = line.split(['=', ':']).next().unwrap_or_default().trim();
    if line.trim_start().starts_with('{') {
        return ("this looks like JSON".into(), "a pack is written in TOML: name = \"Mira\"".into());
    }
    if spot.rest.starts_with(':') {
        let help = format!("write it like this: {} = \"…\"", cut(key, LINE_CHARS_MAX));
        return ("there must be a `=` behind the key, not a `:`".into(), help);
    }
    if line.contains('=') && key.contains(' ') {
        let help = format!("write {}", cut(&key.replace(' ', "_"), LINE_CHARS_MAX));
        return (format!("the key `{}` has a space in it", cut(key, LINE_CHARS_MAX)), help);
    }
    if line.contains('=') && !key.is_empty() {
        let message =
            format!("the key `{}` has a letter in it that keys cannot have", cut(key, LINE_CHARS_MAX));
        return (message, format!("put it in quotes: \"{}\"", cut(key, LINE_CHARS_MAX)));
    }
    if spot.rest.starts_with(['"', '\'']) {
        let help = format!("write {} = \"…\"", cut(spot.before.trim(), LINE_CHARS_MAX));
        return ("there is no `=` between key and value".into(), help);
    }
    (
        "this line is not of the form key = value".into(),
        "put a # in front of it if it is a note, or quotes around it if it belongs to a text".into(),
    )
}

fn twice(spot: &Spot<'_>) -> (String, String) {
    let key: String = spot.rest.chars().take_while(|c| !matches!(c, '=' | ']' | ' ')).collect();
    let key = cut(&key, LINE_CHARS_MAX);
    if spot.is_heading() {
        let help = "put the lines below it under the first heading, and delete this one";
        return (format!("`{key}` is begun a second time"), help.into());
    }
    (format!("`{key}` is there twice"), "delete one of the two, or join them".into())
}

fn trailing(spot: &Spot<'_>) -> (String, String) {
    let before = spot.before.trim_end();
    if spot.rest.starts_with(',') && before.ends_with(|c: char| c.is_ascii_digit()) {
        return ("a number has a comma in it".into(), "write a point in its place, as in 1.5".into());
    }
    if before.ends_with(['"', '\'']) {
        return (
            "there is something behind the closing quote of a text".into(),
            "for quotes within a text write \\\" or put the whole text in '…'; a new key needs a new line"
                .into(),
        );
    }
    ("there is something behind the end of the value".into(), "begin a new line for it, or delete it".into())
}
