//! What a fake plays: a transcript, and the faults on top of it.

use std::time::Duration;

use crate::{Dialect, Transcript, transcript};

/// Ways to break any transcript.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The body comes in pieces of so many bytes, with this pause after each.
    pub drip: Option<(usize, Duration)>,
    /// The body comes in pieces of sizes drawn from this seed, each in a write of its own.
    pub rechunk: Option<u64>,
    /// The connection breaks after so many bytes of the body.
    pub cut_after: Option<usize>,
    /// Silence after so many bytes of the body.
    pub hang_after: Option<usize>,
    /// Silence before the status line.
    pub hang_before_head: bool,
    /// So many bytes of nonsense before the body.
    pub garbage: usize,
    /// This is sent over and over after the body, for ever.
    pub endless: Option<Vec<u8>>,
}

/// What a fake does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// Who it pretends to be; checks the request accordingly.
    pub dialect: Dialect,
    /// What it sends.
    pub transcript: Transcript,
    /// What goes wrong.
    pub faults: Faults,
}

impl Play {
    /// A transcript by name.
    ///
    /// # Panics
    /// If there is none.
    pub fn case(dialect: Dialect, case: &str) -> Play {
        Play::new(dialect, transcript(dialect.name(), case))
    }

    /// Any transcript.
    pub fn new(dialect: Dialect, transcript: Transcript) -> Play {
        Play { dialect, transcript, faults: Faults::default() }
    }

    /// A short answer.
    pub fn answer(dialect: Dialect, status: &str, headers: &[(&str, &str)], body: &str) -> Play {
        Play::new(dialect, Transcript::answer(status, headers, body))
    }

    /// A redirect.
    pub fn redirect(dialect: Dialect, to: &str) -> Play {
        Play::answer(dialect, "307 Temporary Redirect", &[("location", to)], "")
    }

    /// With these faults.
    pub fn with(mut self, change: impl FnOnce(&mut Faults)) -> Play {
        change(&mut self.faults);
        self
    }
}
