//! What holds at the moment, as conditions ask for it: what the game says, how the character stands to whom it
//! talks with, and what came of its goals. What anybody types is no part of it.

use meddah_engine::condition::{GameState, Value};
use meddah_engine::goal::GoalStates;
use meddah_engine::timeline::{EntryKind, TimelineKey};
use meddah_engine::world::Character;
use meddah_protocol::{Scene, WireError};
use meddah_store::{EntryFilter, StateOf, TimelineStore};

/// How far back is looked for talk with somebody.
const MET_ENTRIES_MAX: usize = 64;

/// What holds for one character.
pub(crate) struct Holds {
    /// For conditions; the facts of goals are among it.
    pub state: GameState,
    /// How far it is with its goals, as the timeline has it.
    pub goals: GoalStates,
}

/// Gathers what holds for `character` toward `partner`. `met` is whether they have talked before, if that is known.
pub(crate) async fn holds(
    store: &dyn TimelineStore,
    key: &TimelineKey,
    scene: &Scene,
    character: &Character,
    partner: &str,
    met: Option<bool>,
) -> Result<Holds, WireError> {
    let id = || character.id.clone();
    let newest = async |of: StateOf| {
        let found = store.recent(key, EntryFilter::State(of), 1, None).await?;
        Ok::<_, WireError>(found.into_iter().next().map(|stored| stored.entry.kind))
    };
    let mut state = GameState::of(scene);
    let mut goals = GoalStates::default();
    if !character.goal.is_empty()
        && let Some(EntryKind::Goals(kept)) = newest(StateOf::Goals { character: id() }).await?
    {
        kept.tell(&mut state);
        goals = kept;
    }
    let toward = StateOf::Relationship { character: id(), toward: partner.to_owned() };
    let mut axes = [0.0; 4];
    if let Some(EntryKind::Relationship { trust, respect, familiarity, affection, .. }) =
        newest(toward).await?
    {
        axes = [trust, respect, familiarity, affection];
    }
    for (name, axis) in ["trust", "respect", "familiarity", "affection"].into_iter().zip(axes) {
        state.set(name, Value::Number(f64::from((axis * 1000.0).round()) / 1000.0));
    }
    let mood = match newest(StateOf::Emotion { character: id() }).await? {
        Some(EntryKind::Emotion { label, .. }) => label,
        _ => character.mood.clone(),
    };
    state.set("mood", Value::text(&mood));
    let met = match met {
        Some(met) => met,
        None => has_met(store, key, &character.id, partner).await?,
    };
    state.set("met_player", Value::Flag(met));
    Ok(Holds { state, goals })
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
