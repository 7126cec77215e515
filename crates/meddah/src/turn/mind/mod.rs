//! What a character has in mind when it answers: gathered before anybody thinks, from the store and the world.

mod feelings;
mod goals;
mod knowledge;
mod past;
mod state;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use meddah_engine::emotion::Emotion;
use meddah_engine::prompt::{OnMind, Past};
use meddah_engine::world::{Character, LoreBudget, LoreTimers};
use meddah_protocol::WireError;

use super::{Ports, Turn};
pub(super) use feelings::usual_emotion;
pub(crate) use state::holds;

/// What a character has in mind.
pub(super) struct Mind {
    /// The recent turns that it witnessed.
    pub past: Past,
    /// How it felt when it last spoke, and how long ago that was.
    pub felt: (Emotion, Duration),
    /// What the moment calls to mind.
    pub on_mind: OnMind,
    /// The character without what may not be told now: prompts are composed from this one.
    pub character: Arc<Character>,
    /// How far the talk has come, if lore asks for it.
    pub lore_timers: Option<LoreTimers>,
}

impl Mind {
    /// Gathers it.
    pub async fn recall(turn: &Turn, ports: &Ports) -> Result<Mind, WireError> {
        let past = past::recent(turn, ports).await?;
        let felt = feelings::before(turn, ports).await?;
        let holds = holds(&*ports.store, &turn.key, &turn.scene, &turn.character, turn.partner()).await?;
        let character = match turn.character.as_open(&holds.state) {
            Cow::Borrowed(_) => turn.character.clone(),
            Cow::Owned(open) => Arc::new(open),
        };
        let timers = knowledge::timers(turn, ports, &past).await?;
        let (knowledge, after) = {
            let before = timers.clone().unwrap_or_default();
            let budget = LoreBudget::SMALL; // which model will answer is not yet known
            knowledge::called_up(turn, &character, &past, &holds.state, &before, budget)
        };
        let goals = goals::pursued(turn, &past, &holds);
        let on_mind = OnMind { knowledge, goals, ..OnMind::default() };
        Ok(Mind { past, felt, on_mind, character, lore_timers: timers.map(|_| after) })
    }
}
