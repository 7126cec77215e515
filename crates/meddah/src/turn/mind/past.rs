//! The recent turns.

use meddah_engine::prompt::Past;
use meddah_engine::timeline;
use meddah_protocol::WireError;
use meddah_store::EntryFilter;

use crate::turn::{Ports, Turn};

/// What the character remembers of late: only what it witnessed.
pub(super) async fn recent(turn: &Turn, ports: &Ports) -> Result<Past, WireError> {
    let id = &turn.character.id;
    let filter = EntryFilter::PerceivedBy(id.clone());
    let entries = ports.store.recent(&turn.key, filter, turn.settings.recent_turns_max, None).await?;
    let recalled = timeline::recall(entries.iter().map(|stored| &stored.entry), id);
    let name_of = |id: &str| turn.world.characters.get(id).map_or(id.to_owned(), |other| other.name.clone());
    Ok(Past::new(recalled, id, name_of))
}
