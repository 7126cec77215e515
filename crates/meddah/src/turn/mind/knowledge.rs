//! Knowledge that the talk calls up.

use meddah_engine::condition::GameState;
use meddah_engine::prompt::{Past, PromptSize, Reason};
use meddah_engine::timeline::EntryKind;
use meddah_engine::world::{
    CalledUp, Character, LoreBudget, LoreEntry, LoreQuery, LoreTimers, SCAN_UTTERANCES, reminder,
};
use meddah_inference::ModelState;
use meddah_inference::ladder::{Ladder, Thinker};
use meddah_protocol::WireError;
use meddah_store::StateOf;

use super::state::newest;
use crate::turn::{Ports, Turn, form_for};

/// Turns in which something that was told need not be told again: it still stands there.
const TOLD_TURNS: usize = 4;

/// What lore may take, by the model that is asked first. Of one that is not loaded yet nothing is known.
pub(super) async fn lore_budget(turn: &Turn, ladder: &Ladder) -> LoreBudget {
    let Some(first) = ladder.rungs().iter().find(|rung| !rung.rests()) else { return LoreBudget::SMALL };
    match first.thinker() {
        Ok(Thinker::Model(model)) if model.state() == ModelState::Ready => match model.info().await {
            Ok(info) if form_for(turn.settings.prompt, &info).size > PromptSize::Small => {
                LoreBudget::of(info.context_tokens)
            }
            _ => LoreBudget::SMALL,
        },
        _ => LoreBudget::SMALL,
    }
}

/// What the character knows of what is said, secrets whose condition holds, and lore that the words call up.
/// What was told a moment ago comes last: whoever still reads it there is not told again (the prompt's business).
/// `open` is the character without what is closed.
pub(super) fn called_up(
    turn: &Turn,
    open: &Character,
    past: &Past<'_>,
    state: &GameState,
    timers: &LoreTimers,
    budget: LoreBudget,
) -> (Vec<Reason>, LoreTimers) {
    let reason = |text: &str, why: String| Reason { text: text.to_owned(), why };
    let known = reminder(open, turn.cause.text());
    let known = known.map(|text| reason(text, "the character knows it, and the words are about it".into()));
    let secrets = turn.character.secrets.iter().filter(|secret| secret.condition.holds(state));
    let secrets = secrets
        .map(|secret| reason(&secret.text, format!("a secret; `{}` holds", secret.condition.source())));
    let lore = lore(turn, past, state, timers, budget);
    let found = lore.entries.iter();
    let found = found.map(|entry| reason(&entry.text, format!("lore `{}`: the talk calls it up", entry.id)));
    (known.into_iter().chain(secrets).chain(found).collect(), lore.timers)
}

/// Lore that was not told of late, and behind it, as far as there is room, what was.
fn lore<'t>(
    turn: &'t Turn,
    past: &Past<'_>,
    state: &GameState,
    timers: &LoreTimers,
    budget: LoreBudget,
) -> CalledUp<'t> {
    if turn.world.lore.is_empty() {
        return CalledUp::default();
    }
    let said = said_of_late(turn, past);
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let told: Vec<&str> = past.turns.iter().rev().take(TOLD_TURNS).map(|turn| &*turn.told).collect();
    let query = LoreQuery {
        said: &said,
        character: &turn.character.id,
        state,
        told: &told,
        timers,
        dice: turn.dice(),
        entries_max: budget.entries_max,
        chars_max: budget.chars_max,
    };
    let mut new = turn.world.lore_for(&query);
    let room = budget.entries_max.saturating_sub(new.entries.len());
    if room == 0 || told.is_empty() {
        return new; // all lore is searched for it
    }
    let again = turn.world.lore_for(&LoreQuery { told: &[], ..query });
    let is_new = |entry: &&LoreEntry| !new.entries.iter().any(|known| known.id == entry.id);
    let again: Vec<&LoreEntry> = again.entries.into_iter().filter(is_new).take(room).collect();
    new.entries.extend(again);
    new
}

/// What was said to the character and by it, the newest last, as far back as the lore of this world is searched.
fn said_of_late(turn: &Turn, past: &Past<'_>) -> Vec<String> {
    let depth = turn.world.lore.iter().map(|entry| entry.scan).max().unwrap_or(SCAN_UTTERANCES) as usize;
    let mut said = vec![turn.cause.text().to_owned()];
    for turn in past.turns.iter().rev() {
        if said.len() >= depth {
            break;
        }
        said.extend(
            [turn.answer().into_owned(), turn.record.text.clone()]
                .into_iter()
                .filter(|text| !text.is_empty()),
        );
    }
    said.reverse();
    said
}

/// How far the talk has come, with what is said now. Only worlds with lore that asks for it keep count.
pub(super) async fn timers(
    turn: &Turn,
    ports: &Ports,
    past: &Past<'_>,
) -> Result<Option<LoreTimers>, WireError> {
    if !turn.world.lore.iter().any(|entry| entry.is_timed()) {
        return Ok(None);
    }
    let of = StateOf::Lore { character: turn.character.id.clone() };
    let newest = newest(&*ports.store, &turn.key, of).await?;
    let mut timers = match newest.map(|stored| stored.entry.kind.clone()) {
        Some(EntryKind::Lore(timers)) => timers,
        // The world was without such lore until now.
        _ => LoreTimers { utterances: 2 * past.turns.len() as u64, ..LoreTimers::default() },
    };
    timers.utterances += 1;
    Ok(Some(timers))
}
