//! A place in a timeline, short enough for a game to keep inside its own save file.
//!
//! A cursor names its timeline and carries a hash over everything up to its entry, so that a cursor
//! of another playthrough, another machine or a damaged file is noticed instead of bringing back
//! somebody else's memories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest cursor in bytes; all of it is ASCII.
pub const CURSOR_BYTES_MAX: usize = 64;
/// What this form of cursor begins with; another form will begin with another word.
const FORM: &str = "m1";
const TIMELINE_BITS: u32 = 48;

/// One playthrough: whose memories these are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimelineKey {
    /// The world pack.
    pub world: String,
    /// The player's id.
    pub player: String,
}

impl TimelineKey {
    /// The playthrough of this player in this world.
    pub fn new(world: impl Into<String>, player: impl Into<String>) -> Self {
        TimelineKey { world: world.into(), player: player.into() }
    }
}

/// The name of a timeline inside cursors: 48 random bits, written as 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimelineId(u64);

impl TimelineId {
    /// From random bits; those above the 48th are dropped.
    pub fn from_bits(bits: u64) -> Self {
        TimelineId(bits & ((1 << TIMELINE_BITS) - 1))
    }

    /// The 48 bits.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TimelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A branch of a timeline: 0 is the first telling, each later one was split off by a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BranchId(pub u32);

impl fmt::Display for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A hash over an entry and all that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryHash(pub [u8; 8]);

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A place in a timeline: just after the entry number `seq` of its branch.
///
/// Written `m1.<timeline>.<branch>.<seq>.<hash>`, at most [`CURSOR_BYTES_MAX`] ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The timeline.
    pub timeline: TimelineId,
    /// The branch that holds the entry.
    pub branch: BranchId,
    /// How many entries lie behind this place, those of parent branches among them; 0 is the beginning.
    pub seq: u64,
    /// Hash of the entry and all before it.
    pub hash: EntryHash,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}.{}.{}.{}.{}", self.timeline, self.branch, self.seq, self.hash)
    }
}

/// A text that is no cursor. The text itself is not repeated: it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Longer than any cursor.
    #[error("a cursor has at most {CURSOR_BYTES_MAX} characters, this has {0} bytes")]
    TooLong(usize),
    /// It does not begin as a cursor does.
    #[error("a cursor begins with \"{FORM}.\"; this is none, or one of a newer version")]
    Form,
    /// Not five parts.
    #[error("a cursor has five parts joined by dots")]
    Parts,
    /// One part cannot be read.
    #[error("the {0} of the cursor cannot be read")]
    Part(&'static str),
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > CURSOR_BYTES_MAX {
            return Err(CursorError::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.split('.').collect();
        if parts.first() != Some(&FORM) {
            return Err(CursorError::Form);
        }
        let [_, timeline, branch, seq, hash] = parts[..] else { return Err(CursorError::Parts) };
        let timeline = TimelineId(hexadecimal(timeline, 12).ok_or(CursorError::Part("timeline"))?);
        let branch =
            decimal(branch).and_then(|n| u32::try_from(n).ok()).ok_or(CursorError::Part("branch"))?;
        let seq = decimal(seq).ok_or(CursorError::Part("sequence number"))?;
        let hash = hexadecimal(hash, 16).ok_or(CursorError::Part("hash"))?;
        Ok(Cursor { timeline, branch: BranchId(branch), seq, hash: EntryHash(hash.to_be_bytes()) })
    }
}

/// Only the form that `Display` writes, so that a cursor has one spelling.
fn hexadecimal(text: &str, digits: usize) -> Option<u64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() == digits && plain { u64::from_str_radix(text, 16).ok() } else { None }
}

fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if plain && !padded { text.parse().ok() } else { None }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        (any::<u64>(), any::<u32>(), any::<u64>(), any::<[u8; 8]>()).prop_map(
            |(timeline, branch, seq, hash)| Cursor {
                timeline: TimelineId::from_bits(timeline),
                branch: BranchId(branch),
                seq,
                hash: EntryHash(hash),
            },
        )
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_form(cursor in any_cursor()) {
            let text = cursor.to_string();
            prop_assert!(text.is_ascii() && text.len() <= CURSOR_BYTES_MAX);
            prop_assert_eq!(text.parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn whatever_parses_is_the_one_spelling(text in "(m1)?[m.0-9a-fA-F+ ]{0,70}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            prop_assert!(text.parse::<Cursor>().is_err());
        }
    }

    #[test]
    fn the_largest_cursor_fits() {
        let cursor = Cursor {
            timeline: TimelineId::from_bits(u64::MAX),
            branch: BranchId(u32::MAX),
            seq: u64::MAX,
            hash: EntryHash([0xff; 8]),
        };
        assert_eq!(cursor.to_string().len(), CURSOR_BYTES_MAX);
    }

    #[test]
    fn errors_name_the_part() {
        let check = |text: &str| text.parse::<Cursor>().map_err(|error| error.to_string());
        let good = "m1.00000000002a.3.17.00000000000000ff";
        assert!(check(good).is_ok());
        let refused = [
            ("", "a cursor begins with"),
            ("m2.00000000002a.3.17.00000000000000ff", "a cursor begins with"),
            ("m1.00000000002a.3.17", "five parts"),
            ("m1.00000000002A.3.17.00000000000000ff", "the timeline"),
            ("m1.00000000002a.-3.17.00000000000000ff", "the branch"),
            ("m1.00000000002a.4294967296.17.00000000000000ff", "the branch"),
            ("m1.00000000002a.3.+17.00000000000000ff", "the sequence number"),
            ("m1.00000000002a.3.017.00000000000000ff", "the sequence number"),
            ("m1.00000000002a.3.99999999999999999999.00000000000000ff", "the sequence number"),
            ("m1.00000000002a.3.17.ff", "the hash"),
        ];
        for (text, expected) in refused {
            let message = check(text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(check(&"m".repeat(100_000)).expect_err("too long").contains("100000 bytes"));
    }
}
