//! The recent turns.

use meddah_engine::prompt::Past;
use meddah_engine::timeline;
use meddah_protocol::WireError;
use meddah_store::{EntryFilter, StoredEntry};

use crate::turn::{Ports, Turn};

/// What the character perceived of late, oldest first.
pub(in crate::turn) async fn witnessed(turn: &Turn, ports: &Ports) -> Result<Vec<StoredEntry>, WireError> {
    let filter = EntryFilter::PerceivedBy(turn.character.id.clone());
    Ok(ports.store.recent(&turn.key, filter, turn.settings.recent_turns_max, None).await?)
}

/// What the character remembers of late: only what it witnessed.
pub(super) fn recent(turn: &Turn, witnessed: &[StoredEntry]) -> Past {
    let id = &turn.character.id;
    let recalled = timeline::recall(witnessed.iter().map(|stored| &*stored.entry), id);
    Past::new(recalled, id, |id| turn.world.name_of(id).to_owned())
}
