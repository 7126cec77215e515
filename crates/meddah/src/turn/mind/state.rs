//! What holds at the moment, as conditions ask for it: what the game says, how the character stands to whom it
//! talks with, and what came of its goals. What anybody types is no part of it.

use meddah_engine::condition::{GameState, Value};
use meddah_engine::goal::GoalStates;
use meddah_engine::timeline::{EntryKind, TimelineKey};
use meddah_engine::world::Character;
use meddah_protocol::{Scene, WireError};
use meddah_store::{EntryFilter, StateOf, StoredEntry, TimelineStore};

/// How far back is looked for talk with somebody.
const MET_ENTRIES_MAX: usize = 64;

/// What holds for one character.
pub(crate) struct Holds {
    /// For conditions; the facts of goals are among it.
    pub state: GameState,
    /// How far it is with its goals, as the timeline has it.
    pub goals: GoalStates,
}

/// The states of one character that stand in the timeline.
#[derive(Default)]
pub(crate) struct Kept {
    /// How it felt last.
    pub emotion: Option<StoredEntry>,
    /// How it stood to its partner last.
    pub bond: Option<StoredEntry>,
    /// How far it is with its goals; looked up only if it has any.
    pub goals: Option<StoredEntry>,
}

impl Kept {
    /// Of `character`, toward `partner`.
    pub async fn read(
        store: &dyn TimelineStore,
        key: &TimelineKey,
        character: &Character,
        partner: &str,
    ) -> Result<Kept, WireError> {
        let id = || character.id.clone();
        let goals = async {
            match character.goal.is_empty() {
                true => Ok(None),
                false => newest(store, key, StateOf::Goals { character: id() }).await,
            }
        };
        let toward = StateOf::Relationship { character: id(), toward: partner.to_owned() };
        let (emotion, bond, goals) = futures::try_join!(
            newest(store, key, StateOf::Emotion { character: id() }),
            newest(store, key, toward),
            goals,
        )?;
        Ok(Kept { emotion, bond, goals })
    }
}

/// The value of a state that holds.
pub(super) async fn newest(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    of: StateOf,
) -> Result<Option<StoredEntry>, WireError> {
    Ok(store.recent(key, EntryFilter::State(of), 1, None).await?.pop())
}

/// What holds for `character`; `met` is whether it has talked with its partner before.
pub(crate) fn holds(kept: &Kept, scene: &Scene, character: &Character, met: bool) -> Holds {
    let kind = |stored: &Option<StoredEntry>| stored.as_ref().map(|stored| stored.entry.kind.clone());
    let mut state = GameState::of(scene);
    let mut goals = GoalStates::default();
    if let Some(EntryKind::Goals(kept)) = kind(&kept.goals) {
        kept.tell(&mut state);
        goals = kept;
    }
    let mut axes = [0.0; 4];
    if let Some(EntryKind::Relationship { trust, respect, familiarity, affection, .. }) = kind(&kept.bond) {
        axes = [trust, respect, familiarity, affection];
    }
    for (name, axis) in ["trust", "respect", "familiarity", "affection"].into_iter().zip(axes) {
        state.set(name, Value::Number(f64::from((axis * 1000.0).round()) / 1000.0));
    }
    let mood = match kind(&kept.emotion) {
        Some(EntryKind::Emotion { label, .. }) => label,
        _ => character.mood.clone(),
    };
    state.set("mood", Value::text(&mood));
    state.set("met_player", Value::Flag(met));
    Holds { state, goals }
}

/// What holds for `character` toward `partner` between turns.
pub(crate) async fn holds_now(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    scene: &Scene,
    character: &Character,
    partner: &str,
) -> Result<Holds, WireError> {
    let kept = Kept::read(store, key, character, partner).await?;
    let met = has_met(store, key, &character.id, partner).await?;
    Ok(holds(&kept, scene, character, met))
}

async fn has_met(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    character: &str,
    partner: &str,
) -> Result<bool, WireError> {
    let filter = EntryFilter::PerceivedBy(character.to_owned());
    let recent = store.recent(key, filter, MET_ENTRIES_MAX, None).await?;
    Ok(recent.iter().any(|stored| {
        let by_it = stored.entry.character.as_deref() == Some(character);
        by_it && matches!(&stored.entry.kind, EntryKind::Turn(turn) if turn.speaker == partner)
    }))
}
