//! What every adapter checks, and what it says when it refuses: a caller cannot tell one from the other.

use std::time::{SystemTime, UNIX_EPOCH};

use meddah_engine::timeline::{Cursor, Entry, EntryHash, TimelineId, TimelineKey};
use meddah_protocol::check_id;

use crate::place::Place;
use crate::{
    ENTRIES_PER_APPEND_MAX, ENTRY_BYTES_MAX, StoreError, StoreErrorKind, VECTOR_BYTES_MAX, VectorKey,
};

/// The most notes that come along with each entry that a being perceived, on average.
pub(crate) const NOTES_PER_ENTRY_MAX: usize = 32;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn checked_id(field: &str, id: &str) -> Result<(), StoreError> {
    check_id(field, id)
        .map_err(|error| StoreError::new(StoreErrorKind::Invalid, error.message).with_help(error.help))
}

/// Checks a key before a timeline is begun under it.
pub(crate) fn check_key(key: &TimelineKey) -> Result<(), StoreError> {
    checked_id("world", &key.world)?;
    checked_id("player", &key.player)
}

/// Checks the name of a save.
pub(crate) fn check_save_name(name: Option<&str>) -> Result<(), StoreError> {
    name.map_or(Ok(()), |name| checked_id("name", name))
}

/// Checks the entries of an append.
pub(crate) fn check_entries(entries: &[Entry]) -> Result<(), StoreError> {
    if entries.len() > ENTRIES_PER_APPEND_MAX {
        let message =
            format!("an append has at most {ENTRIES_PER_APPEND_MAX} entries, this has {}", entries.len());
        return Err(
            StoreError::new(StoreErrorKind::Invalid, message).with_help("Append them in several goes.")
        );
    }
    Ok(entries.iter().try_for_each(Entry::check)?)
}

/// The stored form of an entry, and the entry as it will be read back.
pub(crate) fn body_of(entry: &Entry) -> Result<(String, Entry), StoreError> {
    let refused = |message: String| {
        StoreError::new(StoreErrorKind::Invalid, message)
            .with_help("Send shorter texts or simpler action arguments.")
    };
    let body = serde_json::to_string(entry).map_err(|_| refused("an entry cannot be written".to_owned()))?;
    if body.len() > ENTRY_BYTES_MAX {
        let message = format!("an entry has at most {ENTRY_BYTES_MAX} bytes, this has {}", body.len());
        return Err(refused(message));
    }
    // Arguments may be nested deeper than a reader goes. What cannot be read back would make every
    // later recall fail, so it is not written.
    let read =
        serde_json::from_str(&body).map_err(|_| refused("an entry is nested too deeply".to_owned()))?;
    Ok((body, read))
}

/// An entry from its stored form.
pub(crate) fn parsed(place: Place, body: &str, damaged: &str) -> Result<Entry, StoreError> {
    serde_json::from_str(body).map_err(|error| {
        // Only the place: the error's text may hold what a player said.
        let message =
            format!("entry {}.{} cannot be read (column {})", place.branch, place.seq, error.column());
        StoreError::new(StoreErrorKind::Corrupt, message).with_help(damaged)
    })
}

/// The place that a cursor names, if it is one of this timeline's: `stored` is the hash at the place of its
/// numbers, if there is such a place.
pub(crate) fn check_cursor(
    cursor: Cursor,
    timeline: TimelineId,
    stored: Option<EntryHash>,
) -> Result<Place, StoreError> {
    let refused = |kind, message: &str, help: &str| Err(StoreError::new(kind, message).with_help(help));
    if cursor.timeline != timeline {
        return refused(
            StoreErrorKind::Invalid,
            "the cursor belongs to another timeline",
            "Load it with the player and the world that it was saved with.",
        );
    }
    match stored {
        Some(hash) if hash == cursor.hash => Ok(Place { branch: cursor.branch.0, seq: cursor.seq }),
        Some(_) => refused(
            StoreErrorKind::Invalid,
            "the cursor does not match what is stored",
            "The save belongs to another memory file, or one of the two was changed by hand.",
        ),
        None => refused(
            StoreErrorKind::NotFound,
            "the cursor names a moment that is not stored",
            "The save is newer than this memory file. Put back the memory file that belongs to it.",
        ),
    }
}

/// Checks how many things a call names.
pub(crate) fn check_count(of: &str, count: usize, max: usize) -> Result<(), StoreError> {
    if count <= max {
        return Ok(());
    }
    let message = format!("a call has at most {max} {of}, this has {count}");
    Err(StoreError::new(StoreErrorKind::Invalid, message).with_help("Ask in several goes."))
}

/// Checks a vector before it is kept.
pub(crate) fn check_vector((_, bytes): &(VectorKey, Vec<u8>)) -> Result<(), StoreError> {
    if bytes.len() <= VECTOR_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a vector has at most {VECTOR_BYTES_MAX} bytes, this has {}", bytes.len());
    Err(StoreError::new(StoreErrorKind::Invalid, message)
        .with_help("Embed shorter texts; nothing of this call was written."))
}

/// Nobody has begun this timeline.
pub(crate) fn no_timeline(key: &TimelineKey) -> StoreError {
    let message = format!("player {:?} has no timeline in world {:?}", key.player, key.world);
    StoreError::new(StoreErrorKind::NotFound, message).with_help("Open a session with `hello` first.")
}

/// Nothing was saved under this name.
pub(crate) fn no_save(name: &str) -> StoreError {
    let shown: String = name.chars().take(40).collect();
    StoreError::new(StoreErrorKind::NotFound, format!("no save is named {shown:?}"))
        .with_help("Give `load` a name that was given to `save` before, or the cursor of a `saved` event.")
}

/// Nothing can be found by the game's clock.
pub(crate) fn no_game_time() -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, "no moment of this timeline has a game time")
        .with_help("Send `game_time` with the scene, or load by the cursor of a `saved` event.")
}

/// What was to be written belongs to another line of time.
pub(crate) fn superseded() -> StoreError {
    StoreError::new(StoreErrorKind::Superseded, "a save was loaded since this was begun")
}
