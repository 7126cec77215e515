//! JSON of strangers: bounded, with the place of what is wrong.

use serde_json::Value;

use crate::error::CardError;
use crate::limits::JSON_BYTES_MAX;

/// The bytes as text, without a byte order mark.
pub(super) fn decode<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, CardError> {
    const HELP: &str = "save it again as UTF-8 (in Notepad: Save as, Encoding: UTF-8; in Excel: CSV UTF-8)";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(CardError::new(name, "the file is saved as UTF-16", HELP));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        CardError::new(name, "from here on the file is not UTF-8 text", HELP).at(format!("line {line}"))
    })
}

/// The value. A text nested deeper than 128 levels is refused.
pub(crate) fn parse(name: &str, text: &str) -> Result<Value, CardError> {
    if text.len() > JSON_BYTES_MAX {
        let message =
            format!("there are {} MB of JSON, at most {} are read", text.len() >> 20, JSON_BYTES_MAX >> 20);
        return Err(CardError::new(
            name,
            message,
            "move pictures out of the card, or split a file of many cards",
        ));
    }
    serde_json::from_str(text).map_err(|error| {
        let help = match error.classify() {
            serde_json::error::Category::Eof => "the file ends too early: download or export it again",
            _ => "export it again from the program that made it, or mend this place in a text editor",
        };
        // The library's own message ends in the place.
        let told = error.to_string();
        let message = told.rsplit_once(" at line ").map_or(told.as_str(), |(message, _)| message);
        let place = format!("line {}, column {}", error.line(), error.column());
        CardError::new(name, format!("this is not JSON: {message}"), help).at(place)
    })
}
