//! What a character keeps of the past in words of its own: summaries, facts, and what others told it.
//!
//! A memory is derived: it names the stretch of the timeline that it was made from, and is written behind
//! it, so that it is seen only where all of that stretch is. It never replaces what it was made from.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Cursor, Entry, EntryKind};

/// The longest text of a memory, in bytes.
pub const MEMORY_BYTES_MAX: usize = 4_000;
/// The most that one memory is about, and that it replaces.
pub const MEMORY_LIST_MAX: usize = 32;

/// One memory of the entry's character, who alone perceives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryRecord {
    /// What kind of memory it is.
    pub kind: MemoryKind,
    /// In whole sentences, as the character would put it.
    pub text: String,
    /// Who and what it is about: ids where there are ids, else names. Of a fact the first is its subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// Of a fact what it says of its subject: `name`, `home`, `likes`, `promised` …; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub relation: String,
    /// Where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the character felt, one of the engine's labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emotion: Option<String>,
    /// How much it matters to the character, 0 to 1.
    #[serde(default)]
    pub importance: f32,
    /// How sure the character is of it, 0 to 1; what was only heard of is less sure.
    #[serde(default = "certain", skip_serializing_if = "is_certain")]
    pub confidence: f32,
    /// What it was made from; absent if it was told as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRange>,
    /// Who told it, of hearsay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// Ids of the entries with memories that hold no more since this one was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

/// What kind of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// What happened over a stretch of time.
    #[default]
    Summary,
    /// One thing that is so, or was promised, or is feared.
    Fact,
    /// What somebody else told, without having been there.
    Hearsay,
}

/// A stretch of a timeline, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRange {
    /// The place of its first entry.
    pub from: Cursor,
    /// The place of its last entry, not before that of the first.
    pub to: Cursor,
}

fn certain() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_certain(confidence: &f32) -> bool {
    *confidence >= 1.0
}

impl Default for MemoryRecord {
    fn default() -> Self {
        MemoryRecord {
            kind: MemoryKind::default(),
            text: String::new(),
            about: Vec::new(),
            relation: String::new(),
            place: None,
            emotion: None,
            importance: 0.0,
            confidence: certain(),
            source: None,
            told_by: None,
            replaces: Vec::new(),
        }
    }
}

impl MemoryRecord {
    /// Whether its texts and lists are in bounds.
    pub(super) fn in_bounds(&self) -> bool {
        self.text.len() <= MEMORY_BYTES_MAX
            && self.about.len() <= MEMORY_LIST_MAX
            && self.replaces.len() <= MEMORY_LIST_MAX
    }
}

impl Entry {
    /// The memory that it is, if it is one.
    pub fn memory(&self) -> Option<&MemoryRecord> {
        match &self.kind {
            EntryKind::Memory(record) => Some(record),
            _ => None,
        }
    }
}

/// The memories among these entries that still hold: those that none of the others replaces. All entries must
/// be of one line of time, as a store gives them.
pub fn valid_memories<'a>(
    entries: impl IntoIterator<Item = &'a Entry> + Clone,
) -> impl Iterator<Item = (&'a Entry, &'a MemoryRecord)> {
    let with_record = |entry: &'a Entry| entry.memory().map(|record| (entry, record));
    let replaced: HashSet<&str> = entries
        .clone()
        .into_iter()
        .filter_map(with_record)
        .flat_map(|(_, record)| record.replaces.iter().map(String::as_str))
        .collect();
    entries
        .into_iter()
        .filter_map(with_record)
        .filter(move |(entry, _)| !replaced.contains(entry.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(id: &str, text: &str, replaces: &[&str]) -> Entry {
        let record = MemoryRecord {
            kind: MemoryKind::Fact,
            text: text.into(),
            about: vec!["ann".into()],
            replaces: replaces.iter().map(|&id| id.into()).collect(),
            ..MemoryRecord::default()
        };
        Entry {
            id: id.into(),
            kind: EntryKind::Memory(record),
            character: Some("mira".into()),
            witnesses: Vec::new(),
            game_time: None,
            wall_time_ms: 0,
        }
    }

    #[test]
    fn what_a_later_memory_replaces_holds_no_more() {
        let entries = [
            fact("m1", "Ann lives in Oren.", &[]),
            fact("m2", "Ann lives at the mill.", &["m1"]),
            fact("m3", "Ann likes ale.", &[]),
        ];
        let valid = |entries: &[Entry]| {
            valid_memories(entries).map(|(entry, _)| entry.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(valid(&entries), ["m2", "m3"]);
        assert_eq!(valid(&entries[..1]), ["m1"], "as seen from before the change it holds");
    }

    #[test]
    fn a_memory_is_its_characters_alone() {
        let mut memory = fact("m1", "Ann lives in Oren.", &[]);
        memory.witnesses = vec!["bert".into()];
        assert!(memory.perceived_by("mira") && !memory.perceived_by("bert") && !memory.perceived_by("ann"));
        assert_eq!(memory.perceivers(), ["mira"]);
    }

    #[test]
    fn the_stored_form_is_short_and_old_forms_read() {
        let text = serde_json::to_string(&fact("m1", "Ann lives in Oren.", &[]).kind).expect("serialises");
        let expected =
            r#"{"type":"memory","kind":"fact","text":"Ann lives in Oren.","about":["ann"],"importance":0.0}"#;
        assert_eq!(text, expected);
        let least: EntryKind =
            serde_json::from_str(r#"{"type":"memory","kind":"hearsay","text":"x"}"#).expect("readable");
        let EntryKind::Memory(record) = least else { panic!("not a memory") };
        assert_eq!((record.kind, record.confidence, record.importance), (MemoryKind::Hearsay, 1.0, 0.0));
    }

    #[test]
    fn a_memory_out_of_bounds_is_refused() {
        let bad = |change: fn(&mut Entry, &mut MemoryRecord)| {
            let mut entry = fact("m1", "Ann lives in Oren.", &[]);
            assert_eq!(entry.check(), Ok(()));
            let mut record = entry.memory().cloned().expect("a memory");
            change(&mut entry, &mut record);
            entry.kind = EntryKind::Memory(record);
            assert!(entry.check().is_err());
        };
        bad(|entry, _| entry.character = None);
        bad(|_, record| record.importance = f32::NAN);
        bad(|_, record| record.text = "x".repeat(MEMORY_BYTES_MAX + 1));
        bad(|_, record| record.about = vec!["x".into(); MEMORY_LIST_MAX + 1]);
    }
}
