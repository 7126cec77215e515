//! What a character has in mind when it answers: gathered before anybody thinks, from the store and the world.

mod feelings;
mod knowledge;
mod past;

use meddah_engine::prompt::{OnMind, Past};
use meddah_protocol::WireError;

use super::{Ports, Turn};
pub(super) use feelings::Feelings;

/// What a character has in mind.
pub(super) struct Mind {
    /// The recent turns that it witnessed.
    pub past: Past,
    /// How it feels, and how it stands to whom it talks with.
    pub feelings: Feelings,
    /// What the moment calls to mind.
    pub on_mind: OnMind,
}

impl Mind {
    /// Gathers it.
    pub async fn recall(turn: &Turn, ports: &Ports) -> Result<Mind, WireError> {
        let witnessed = past::witnessed(turn, ports).await?;
        let past = past::recent(turn, &witnessed);
        let feelings = feelings::before(turn, ports, &witnessed).await?;
        let on_mind = OnMind {
            knowledge: knowledge::called_up(turn, &past),
            feelings: feelings.told(&past),
            ..OnMind::default()
        };
        Ok(Mind { past, feelings, on_mind })
    }
}
