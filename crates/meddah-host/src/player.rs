//! Who plays, and how urgent what they ask is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A player of this host. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PlayerId(pub Arc<str>);

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for PlayerId {
    fn from(id: String) -> Self {
        PlayerId(Arc::from(id))
    }
}

impl From<PlayerId> for String {
    fn from(id: PlayerId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl From<&str> for PlayerId {
    fn from(id: &str) -> Self {
        PlayerId(Arc::from(id))
    }
}

/// How urgent a request is. Earlier ones go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A player waits for the answer.
    #[default]
    Live,
    /// A session needs it soon: a summary, a memory.
    Session,
    /// Talk among characters. Worthless when it comes late.
    Ambient,
}

impl Class {
    /// All of them, the most urgent first.
    pub const ALL: [Class; 3] = [Class::Live, Class::Session, Class::Ambient];

    /// As in headers, settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Class::Live => "live",
            Class::Session => "session",
            Class::Ambient => "ambient",
        }
    }
}
