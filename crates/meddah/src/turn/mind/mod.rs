//! What a character has in mind when it answers: gathered before anybody thinks, from the store and the world.

mod feelings;
mod knowledge;
mod past;

use std::time::Duration;

use meddah_engine::emotion::Emotion;
use meddah_engine::prompt::{OnMind, Past};
use meddah_protocol::WireError;

use super::{Ports, Turn};
pub(super) use feelings::usual_emotion;

/// What a character has in mind.
pub(super) struct Mind {
    /// The recent turns that it witnessed.
    pub past: Past,
    /// How it felt when it last spoke, and how long ago that was.
    pub felt: (Emotion, Duration),
    /// What the moment calls to mind.
    pub on_mind: OnMind,
}

impl Mind {
    /// Gathers it.
    pub async fn recall(turn: &Turn, ports: &Ports) -> Result<Mind, WireError> {
        let past = past::recent(turn, ports).await?;
        let felt = feelings::before(turn, ports).await?;
        let called_up = knowledge::called_up(turn);
        let knowledge = called_up.iter().map(|reason| reason.text.clone()).collect();
        let on_mind = OnMind { knowledge, reasons: called_up, ..OnMind::default() };
        Ok(Mind { past, felt, on_mind })
    }
}
