//! Under which headings an entry can be found.
//!
//! Every question asked of a timeline is "the newest entries under this heading, seen from here", so
//! an adapter needs one index over headings and no other.

use meddah_engine::timeline::{Entry, EntryKind, EntryRole};

use crate::StateOf;

// Ids hold no control characters, so this cannot stand in one.
const SEPARATOR: &str = "\u{1f}";

/// All headings of an entry, sorted, each once.
pub(crate) fn of(entry: &Entry) -> Vec<String> {
    let character = || entry.character.as_deref().unwrap_or_default();
    let mut topics = match entry.kind.role() {
        EntryRole::Told => entry.perceivers().into_iter().map(told).collect(),
        EntryRole::Note => entry.perceivers().into_iter().map(note).collect(),
        EntryRole::Memory | EntryRole::State | EntryRole::Opaque => Vec::new(),
    };
    match &entry.kind {
        EntryKind::Turn(record) => {
            topics.push(turn(&record.turn));
            topics.extend(record.actions.iter().map(|action| call(&action.call_id)));
            if !record.req_id.is_empty() {
                topics.push(request(&record.req_id));
            }
        }
        EntryKind::Memory(_) => topics.extend(entry.perceivers().into_iter().map(memory)),
        EntryKind::Scene(_) => topics.push(state(&StateOf::Scene)),
        EntryKind::Emotion { .. } => topics.push(joined(&["emotion", character()])),
        EntryKind::Relationship { toward, .. } => topics.push(joined(&["relationship", character(), toward])),
        EntryKind::Goals(_) => topics.push(joined(&["goals", character()])),
        EntryKind::Lore(_) => topics.push(joined(&["lore", character()])),
        _ => {}
    }
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Turns and events that this being perceived.
pub(crate) fn told(being: &str) -> String {
    joined(&["told", being])
}

/// Notes on them.
pub(crate) fn note(being: &str) -> String {
    joined(&["note", being])
}

/// Memories of this character.
pub(crate) fn memory(character: &str) -> String {
    joined(&["memory", character])
}

/// The turn of this id.
fn turn(turn: &str) -> String {
    joined(&["turn", turn])
}

/// The turn that called this action.
fn call(call_id: &str) -> String {
    joined(&["call", call_id])
}

/// Where the turn stands that this note amends. Games report results by call, often without the turn.
pub(crate) fn amended(kind: &EntryKind) -> Option<String> {
    match kind {
        EntryKind::Heard { turn: id, .. } => Some(turn(id)),
        EntryKind::ActionResult { result, .. } => Some(call(&result.call_id)),
        _ => None,
    }
}

/// The turn that answered this request.
pub(crate) fn request(req_id: &str) -> String {
    joined(&["request", req_id])
}

/// The values of a state.
pub(crate) fn state(state: &StateOf) -> String {
    match state {
        StateOf::Scene => joined(&["scene"]),
        StateOf::Emotion { character } => joined(&["emotion", character]),
        StateOf::Relationship { character, toward } => joined(&["relationship", character, toward]),
        StateOf::Goals { character } => joined(&["goals", character]),
        StateOf::Lore { character } => joined(&["lore", character]),
    }
}

fn joined(parts: &[&str]) -> String {
    parts.join(SEPARATOR)
}
