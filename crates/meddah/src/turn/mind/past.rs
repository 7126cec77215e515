//! The recent turns.

use meddah_engine::prompt::Past;
use meddah_engine::timeline;
use meddah_protocol::WireError;
use meddah_store::StoredEntry;

use super::state::Kept;
use crate::turn::{Ports, Turn};

/// What the character perceived of late, oldest first, and the states that came of it.
pub(in crate::turn) async fn read(turn: &Turn, ports: &Ports) -> Result<(Vec<StoredEntry>, Kept), WireError> {
    let (character, partner) = (&turn.character, turn.partner());
    Kept::read(&*ports.store, &turn.key, character, partner, turn.settings.recent_turns_max).await
}

/// What the character remembers of late: only what it witnessed.
pub(super) fn recent<'e>(turn: &Turn, witnessed: &'e [StoredEntry]) -> Past<'e> {
    let id = &turn.character.id;
    let recalled = timeline::recall(witnessed.iter().map(|stored| &*stored.entry), id);
    Past::new(recalled, id, |id| turn.world.name_of(id).to_owned())
}
