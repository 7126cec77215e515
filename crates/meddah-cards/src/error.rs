//! What is wrong with a file that came from elsewhere, and what to do about it.

use std::fmt;

/// Why a file, or one character of it, cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CardError {
    /// The file's name.
    pub file: String,
    /// Where in it: "line 3, column 4", "row 12", "chunk `chara`". May be empty.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl CardError {
    /// An error of the file as a whole.
    pub fn new(file: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        CardError { file: file.into(), place: String::new(), message: message.into(), help: help.into() }
    }

    /// With its place in the file; the outer place comes first.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        let outer = place.into();
        self.place = match self.place.is_empty() || outer.is_empty() {
            true => outer + &self.place,
            false => format!("{outer}, {}", self.place),
        };
        self
    }
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if !self.place.is_empty() {
            write!(f, ", {}", self.place)?;
        }
        write!(f, ": {}\n  help: {}", self.message, self.help)
    }
}
