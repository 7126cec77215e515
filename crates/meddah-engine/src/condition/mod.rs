//! Conditions: when a secret may be told, a piece of lore is known, a goal is pursued.
//!
//! An author writes `bell_found and gold >= 40`; what holds is decided by the game alone, by what it says of
//! the scene, and by what the program itself knows of a character (how it stands to the player). What a
//! player types is no part of it, so no words can bring a condition about.

mod parse;
mod state;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use state::{GameState, STATE_NAMES, Value, is_for_conditions};

/// How deep brackets may be nested.
pub const NESTING_MAX: usize = 16;
/// The longest condition, in characters.
pub const CONDITION_CHARS_MAX: usize = 500;

/// A condition as its author wrote it, ready to be asked.
///
/// One that cannot be understood never holds: a secret stays a secret. [`Condition::problem`] says what is
/// wrong with it, and the check of a world pack tells its author.
#[derive(Clone)]
pub struct Condition {
    source: String,
    parsed: Result<Arc<Expression>, ConditionError>,
}

/// Why a condition cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    /// The fact is told, or the value is neither zero nor "no".
    Holds(String),
    Compare(String, Comparison, Value),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Contains,
}

impl Condition {
    /// Reads it; never fails, see [`Condition::problem`].
    pub fn new(source: impl Into<String>) -> Condition {
        let source = source.into();
        let parsed = parse::parse(&source).map(Arc::new);
        Condition { source, parsed }
    }

    /// Whether it holds.
    pub fn holds(&self, state: &GameState) -> bool {
        self.parsed.as_ref().is_ok_and(|expression| expression.holds(state))
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<&ConditionError> {
        self.parsed.as_ref().err()
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of facts and values that it asks for.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        if let Ok(expression) = &self.parsed {
            expression.collect_names(&mut names);
        }
        names
    }
}

impl Expression {
    fn holds(&self, state: &GameState) -> bool {
        match self {
            Expression::Holds(name) => state.holds(name),
            Expression::Compare(name, comparison, value) => state.compares(name, *comparison, value),
            Expression::Not(inner) => !inner.holds(state),
            Expression::All(parts) => parts.iter().all(|part| part.holds(state)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(state)),
        }
    }

    fn collect_names<'e>(&'e self, names: &mut BTreeSet<&'e str>) {
        match self {
            Expression::Holds(name) | Expression::Compare(name, _, _) => {
                names.insert(name);
            }
            Expression::Not(inner) => inner.collect_names(names),
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().for_each(|part| part.collect_names(names));
            }
        }
    }
}

impl From<&str> for Condition {
    fn from(source: &str) -> Self {
        Condition::new(source)
    }
}

impl From<String> for Condition {
    fn from(source: String) -> Self {
        Condition::new(source)
    }
}

/// A condition that nobody wrote never holds.
impl Default for Condition {
    fn default() -> Self {
        Condition::new("")
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(formatter)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Condition::new)
    }
}

/// In a file it is a text.
impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
