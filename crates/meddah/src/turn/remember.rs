//! What a turn leaves behind in the timeline.

use meddah_engine::timeline::EntryKind;
use meddah_protocol::Finish;
use meddah_store::StoreErrorKind;
use tracing::debug;

use super::heart::{Felt, Moved};
use super::mind::read_past;
use super::record::{record, witnesses};
use super::reply::Reply;
use super::{Ports, Turn, TurnEvents, entry};
use crate::wire::notice;

/// Reads what a turn added, right behind its end: the next one of this character asks for nearly the same again, and
/// somebody waits for that one.
pub(crate) async fn read_back(turn: &Turn, ports: &Ports) {
    if let Err(error) = read_past(turn, ports).await {
        debug!(turn = turn.id, error = error.message, "what was written is not read back");
    }
    ports.memories.prepare(&turn.key, &turn.world, &turn.player);
}

/// Writes the turn, the feeling and the bond to the timeline. A save that was loaded meanwhile makes the turn part of
/// a time that never was: it is dropped, and nobody misses it.
pub(super) async fn write(turn: &Turn, ports: &Ports, events: &TurnEvents, reply: &Reply, finish: Finish) {
    let mut entries = vec![entry(record(turn, reply, finish), Some(&turn.character.id), witnesses(turn))];
    let bond = reply.moved.as_ref().and_then(Moved::entry);
    for state in reply.felt.as_ref().map(Felt::entry).into_iter().chain(bond) {
        entries.push(entry(state, Some(&turn.character.id), vec![turn.character.id.clone()]));
    }
    if let Some(mut timers) = reply.lore_timers.clone() {
        timers.utterances += u64::from(!reply.lines.is_empty());
        let witnesses = vec![turn.character.id.clone()];
        entries.push(entry(EntryKind::Lore(timers), Some(&turn.character.id), witnesses));
    }
    for entry in &mut entries {
        entry.game_time = turn.scene.game_time;
    }
    match ports.store.append_since(&turn.key, turn.loads, entries).await {
        Ok(_) => {}
        Err(error) if error.kind == StoreErrorKind::Superseded => {
            debug!(turn = turn.id, "a save was loaded while the turn ran");
        }
        Err(error) => {
            events.push(notice("not_remembered", error.into()));
        }
    }
}
