//! How the character felt before.

use std::time::Duration;

use meddah_engine::emotion::{Emotion, Pad};
use meddah_engine::timeline::{Entry, EntryKind};
use meddah_protocol::WireError;
use meddah_store::{EntryFilter, StateOf};

use crate::turn::{Ports, Turn, now_ms};

/// How the character felt when it last spoke, and how long ago that was.
pub(super) async fn before(turn: &Turn, ports: &Ports) -> Result<(Emotion, Duration), WireError> {
    let filter = EntryFilter::State(StateOf::Emotion { character: turn.character.id.clone() });
    let newest = ports.store.recent(&turn.key, filter, 1, None).await?;
    let usual = (usual_emotion(turn), Duration::ZERO);
    Ok(newest.first().and_then(|stored| emotion_of(&stored.entry)).unwrap_or(usual))
}

/// How the character's file says that it feels.
pub(in crate::turn) fn usual_emotion(turn: &Turn) -> Emotion {
    Emotion::usual(turn.character.mood.parse().unwrap_or_default())
}

fn emotion_of(entry: &Entry) -> Option<(Emotion, Duration)> {
    let EntryKind::Emotion { label, intensity, pleasure, arousal, dominance } = &entry.kind else {
        return None;
    };
    let mood = Pad { pleasure: *pleasure, arousal: *arousal, dominance: *dominance };
    let emotion = Emotion { label: label.parse().ok()?, intensity: *intensity, mood };
    let elapsed_ms = u64::try_from(now_ms() - entry.wall_time_ms).unwrap_or(0);
    Some((emotion, Duration::from_millis(elapsed_ms)))
}
