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

use super::{Ports, Turn};
pub(super) use feelings::Feelings;
pub(super) use past::witnessed;
pub(crate) use state::holds_now;
use state::{Kept, holds};

/// What a character has in mind.
pub(super) struct Mind {
    /// The recent turns that it witnessed.
    pub past: Past,
    /// How it feels, and how it stands to whom it talks with.
    pub feelings: Feelings,
    /// What the moment calls to mind.
    pub on_mind: OnMind,
    /// The character without what may not be told now: prompts are composed from this one.
    pub character: Arc<Character>,
    /// How far the talk has come, if lore asks for it.
    pub lore_timers: Option<LoreTimers>,
}

impl Mind {
    /// Gathers it. The ladder tells how much there will be room for.
    pub async fn recall(turn: &Turn, ports: &Ports, ladder: &Ladder) -> Result<Mind, WireError> {
        let partner = turn.partner();
        // All that can be asked at once is: each wait for another thread costs more than what it reads.
        let found = async { Ok(memories::at_once(turn, ports).await) };
        let (witnessed, kept, found) = futures::try_join!(
            past::witnessed(turn, ports),
            Kept::read(&*ports.store, &turn.key, &turn.character, partner),
            found,
        )?;
        let mut past = past::recent(turn, &witnessed);
        let met = past.turns.iter().any(|turn| turn.speaker == partner);
        let memories = async { Ok(memories::called_up(turn, ports, &past, found).await) };
        let (timers, memories) = futures::try_join!(knowledge::timers(turn, ports, &past), memories)?;
        let feelings = feelings::before(turn, &kept, &witnessed);
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
        let on_mind = OnMind {
            knowledge: called_up.iter().map(|reason| reason.text.clone()).collect(),
            goals: goals::pursued(turn, &holds),
            feelings: feelings.told(&past),
            reasons: memories.iter().flat_map(Memory::reasons).chain(called_up).collect(),
            memories,
        };
        Ok(Mind { past, feelings, on_mind, character, lore_timers: timers.map(|_| after) })
    }
}
