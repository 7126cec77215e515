//! What holds at the moment, as conditions ask for it: what the game says, how the character stands to whom it
//! talks with, and what came of its goals. What anybody types is no part of it.

use meddah_engine::condition::{GameState, Value};
use meddah_engine::goal::GoalStates;
use meddah_engine::timeline::{Cursor, EntryKind, TimelineKey};
use meddah_engine::world::Character;
use meddah_protocol::{Scene, WireError};
use meddah_store::{EntryFilter, Recent, StateOf, StoredEntry, TimelineStore};

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
    /// Where the timeline was then.
    pub head: Option<Cursor>,
}

impl Kept {
    /// What `character` perceived of late (oldest first, up to the limit), and its states toward `partner`, all of
    /// one moment.
    pub async fn read(
        store: &dyn TimelineStore,
        key: &TimelineKey,
        character: &Character,
        partner: &str,
        perceived_max: usize,
    ) -> Result<(Vec<StoredEntry>, Kept), WireError> {
        let id = || character.id.clone();
        let state = |of| (EntryFilter::State(of), 1);
        let mut questions = vec![
            (EntryFilter::PerceivedBy(id()), perceived_max),
            state(StateOf::Emotion { character: id() }),
            state(StateOf::Relationship { character: id(), toward: partner.to_owned() }),
        ];
        if !character.goal.is_empty() {
            questions.push(state(StateOf::Goals { character: id() }));
        }
        let Recent { head, answers } = store.recent_each(key, questions).await?;
        let mut answers = answers.into_iter();
        let perceived = answers.next().unwrap_or_default();
        let mut newest = || answers.next().and_then(|mut found| found.pop());
        Ok((perceived, Kept { emotion: newest(), bond: newest(), goals: newest(), head: Some(head) }))
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
    let (recent, kept) = Kept::read(store, key, character, partner, MET_ENTRIES_MAX).await?;
    let met = recent.iter().any(|stored| {
        let by_it = stored.entry.character.as_ref() == Some(&character.id);
        by_it && matches!(&stored.entry.kind, EntryKind::Turn(turn) if turn.speaker == partner)
    });
    Ok(holds(&kept, scene, character, met))
}
