//! What is wrong with a world pack, said so that its author can mend it.
//!
//! The reader is somebody who edits text files and does not program. So each remark names the file, the
//! line and the key, says what stands there, and gives a line to type instead. All mistakes are reported
//! at once: being sent back for one typo after the other is what makes people give up.

use std::fmt;

use serde::Serialize;

/// How many mistakes are kept; a file of another kind would give thousands.
pub const ERRORS_MAX: usize = 200;
/// How many warnings are kept.
pub const WARNINGS_MAX: usize = 200;
/// How many mistakes are printed before the rest is only counted.
pub const ERRORS_SHOWN_MAX: usize = 30;

/// A place in a text file, as editors count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One mistake. The pack is not used until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct WorldError {
    /// The file within the pack, with `/` between folders.
    pub file: String,
    /// Where; absent for a mistake of the file as a whole, and for data that came as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Something that works and is probably not what the author wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The file within the pack.
    pub file: String,
    /// Where, if it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
    /// What was noticed.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// All mistakes of a pack, in the order of its files and lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct WorldErrors(pub Vec<WorldError>);

impl WorldError {
    /// A mistake of a file as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        WorldError { file: file.into(), at: None, message: message.into(), help: help.into() }
    }
}

impl From<WorldError> for WorldErrors {
    fn from(error: WorldError) -> Self {
        WorldErrors(vec![error])
    }
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_remark(f, &self.file, self.at, &self.message, &self.help)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_remark(f, &self.file, self.at, &self.message, &self.help)
    }
}

impl fmt::Display for WorldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(ERRORS_SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        if self.0.len() > ERRORS_SHOWN_MAX {
            write!(f, "\n… and {} more", self.0.len() - ERRORS_SHOWN_MAX)?;
        }
        Ok(())
    }
}

fn write_remark(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    at: Option<Position>,
    message: &str,
    help: &str,
) -> fmt::Result {
    write!(f, "{file}")?;
    if let Some(Position { line, column }) = at {
        write!(f, ", line {line}, column {column}")?;
    }
    write!(f, ": {message}")?;
    if !help.is_empty() {
        write!(f, "\n  help: {help}")?;
    }
    Ok(())
}
