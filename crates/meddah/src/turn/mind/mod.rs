//! What a character has in mind when it answers: gathered before anybody thinks, from the store and the world.

mod feelings;
mod goals;
mod knowledge;
mod memories;
mod past;
mod state;

use std::borrow::Cow;
use std::sync::Arc;

use meddah_engine::prompt::{Memory, OnMind, Past};
use meddah_engine::world::{Character, LoreTimers};
use meddah_inference::ladder::Ladder;
use meddah_protocol::WireError;
use meddah_store::StoredEntry;

use super::{Ports, Turn};
pub(super) use feelings::Feelings;
pub(super) use past::read as read_past;
pub(crate) use state::holds_now;
use state::{Kept, holds};

/// What a character has in mind. The past is that of the entries that were read.
pub(super) struct Mind<'e> {
    /// The recent turns that it witnessed.
    pub past: Past<'e>,
    /// How it feels, and how it stands to whom it talks with.
    pub feelings: Feelings,
    /// What the moment calls to mind.
    pub on_mind: OnMind,
    /// The character without what may not be told now: prompts are composed from this one.
    pub character: Arc<Character>,
    /// How far the talk has come, if lore asks for it.
    pub lore_timers: Option<LoreTimers>,
}

/// What was read for a mind, beside the entries that it witnessed.
pub(super) struct Asked {
    kept: Kept,
    found: memories::Search,
}

/// What the character witnessed of late, and what the words themselves call to mind.
pub(super) async fn read(turn: &Turn, ports: &Ports) -> Result<(Vec<StoredEntry>, Asked), WireError> {
    let (witnessed, kept) = past::read(turn, ports).await?;
    let found = memories::at_once(turn, ports, kept.head).await;
    Ok((witnessed, Asked { kept, found }))
}

impl<'e> Mind<'e> {
    /// Makes it of what was read. The ladder tells how much there will be room for.
    pub async fn recall(
        turn: &Turn,
        ports: &Ports,
        ladder: &Ladder,
        witnessed: &'e [StoredEntry],
        Asked { kept, found }: Asked,
    ) -> Result<Mind<'e>, WireError> {
        let mut past = past::recent(turn, witnessed);
        let met = past.turns.iter().any(|past| past.record.speaker == turn.partner());
        let memories = async { Ok(memories::called_up(turn, ports, &past, found).await) };
        let (timers, memories) = futures::try_join!(knowledge::timers(turn, ports, &past), memories)?;
        let feelings = feelings::before(turn, &kept, witnessed);
        let holds = holds(&kept, &turn.scene, &turn.character, met);
        past.untell(turn.character.closed(&holds.state));
        let character = match turn.character.as_open(&holds.state) {
            Cow::Borrowed(_) => turn.character.clone(),
            Cow::Owned(open) => Arc::new(open),
        };
        let (called_up, after) = {
            let before = timers.clone().unwrap_or_default();
            let budget = knowledge::lore_budget(turn, ladder).await;
            knowledge::called_up(turn, &character, &past, &holds.state, &before, budget)
        };
        let knowledge = called_up.iter().map(|reason| reason.text.clone()).collect();
        let reasons = match &turn.settings.explain {
            Some(_) => memories.iter().flat_map(Memory::reasons).chain(called_up).collect(),
            None => Vec::new(), // nobody reads them
        };
        let on_mind = OnMind {
            knowledge,
            goals: goals::pursued(turn, &holds),
            feelings: feelings.told(&past),
            reasons,
            memories,
        };
        Ok(Mind { past, feelings, on_mind, character, lore_timers: timers.map(|_| after) })
    }
}
