//! What goes wrong, switched while the engine runs.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// A way in which an engine fails. Counts of events are those of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Chats get no status line.
    HangBeforeHead,
    /// Nothing gets an answer, questions for its health neither.
    Frozen,
    /// Chats go silent after so many events.
    HangAfter(usize),
    /// Chats come in pieces of so many bytes, with this pause after each.
    Drip(usize, Duration),
    /// The last event tells of so many tokens of prompt and of answer.
    Usage(u64, u64),
    /// The event after the first word tells of so many tokens of prompt and of answer; the last one tells the truth.
    UsageTwice(u64, u64),
    /// The last event tells the truth, and that so many dollars were charged.
    Charged(u64),
    /// No event tells of usage.
    NoUsage,
    /// Answers that nobody reads any more are worked on to their end.
    IgnoresCancel,
    /// Chats are answered with this status.
    Status(u16),
    /// The connection breaks after so many events.
    CutAfter(usize),
    /// After so many events the connection breaks in the middle of a letter.
    CutInLetter(usize),
    /// An error as an event after so many.
    ErrorAfter(usize),
    /// Answers do not end.
    Endless,
    /// One event of so many bytes.
    Oversized(usize),
    /// After so many events comes one whose line does not end.
    EndlessLine(usize),
    /// Events that are no JSON.
    Garbage,
    /// Bytes that are no events.
    Noise,
    /// Chats are sent elsewhere.
    Redirect,
}

impl Fault {
    /// Reads a name and its numbers, as in `hang_after 3`, `drip 2 100` (bytes, ms) or `status 500`.
    pub fn parse(text: &str) -> Option<Fault> {
        let mut words = text.split_whitespace();
        let name = words.next()?;
        let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let small = |place: usize| numbers.get(place).and_then(|number| usize::try_from(*number).ok());
        Some(match name {
            "hang_before_head" => Fault::HangBeforeHead,
            "frozen" => Fault::Frozen,
            "hang_after" => Fault::HangAfter(small(0)?),
            "drip" => Fault::Drip(small(0)?, Duration::from_millis(*numbers.get(1)?)),
            "usage" => Fault::Usage(*numbers.first()?, *numbers.get(1)?),
            "usage_twice" => Fault::UsageTwice(*numbers.first()?, *numbers.get(1)?),
            "charged" => Fault::Charged(*numbers.first()?),
            "no_usage" => Fault::NoUsage,
            "ignores_cancel" => Fault::IgnoresCancel,
            "status" => Fault::Status(u16::try_from(*numbers.first()?).ok()?),
            "cut_after" => Fault::CutAfter(small(0)?),
            "cut_in_letter" => Fault::CutInLetter(small(0)?),
            "error_after" => Fault::ErrorAfter(small(0)?),
            "endless" => Fault::Endless,
            "oversized" => Fault::Oversized(small(0)?),
            "endless_line" => Fault::EndlessLine(small(0)?),
            "garbage" => Fault::Garbage,
            "noise" => Fault::Noise,
            "redirect" => Fault::Redirect,
            _ => return None,
        })
    }
}

/// The fault that is on.
#[derive(Debug, Default)]
pub(crate) struct Switch(RwLock<Option<Fault>>);

impl Switch {
    pub fn get(&self) -> Option<Fault> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, fault: Option<Fault>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_with_their_numbers_and_not_without() {
        assert_eq!(Fault::parse("status 503"), Some(Fault::Status(503)));
        assert_eq!(Fault::parse(" drip 2 100 "), Some(Fault::Drip(2, Duration::from_millis(100))));
        assert_eq!(Fault::parse("usage_twice 7 9"), Some(Fault::UsageTwice(7, 9)));
        assert_eq!(Fault::parse("ignores_cancel"), Some(Fault::IgnoresCancel));
        for nonsense in ["", "status", "status x", "status 70000", "drip 2", "hang"] {
            assert_eq!(Fault::parse(nonsense), None, "{nonsense}");
        }
    }
}
