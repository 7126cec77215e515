//! The hash that ties an entry to everything before it.
//!
//! Each hash covers its predecessor's, so the eight bytes in a cursor speak for the whole past of a
//! place. Eight bytes tell accidents apart; they are no defence against forgery, and need not be:
//! whoever can write the file can write anything.

use meddah_engine::timeline::{EntryHash, TimelineId};
use sha2::{Digest, Sha256};

/// The hash of the beginning of a timeline.
pub(crate) fn beginning(timeline: TimelineId) -> EntryHash {
    shortened(Sha256::new().chain_update(b"meddah timeline 1").chain_update(timeline.bits().to_be_bytes()))
}

/// The hash of the place after an entry with this stored text.
pub(crate) fn after(before: EntryHash, text: &str) -> EntryHash {
    shortened(Sha256::new().chain_update(before.0).chain_update(text.as_bytes()))
}

fn shortened(hasher: Sha256) -> EntryHash {
    let digest = hasher.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    EntryHash(bytes)
}
