//! Knowledge that the talk calls up.

use meddah_engine::prompt::Reason;
use meddah_engine::world::{LoreQuery, reminder};

use crate::turn::Turn;

/// Pieces of knowledge that one turn calls up, and their characters in sum: a small model gets lost in more.
const LORE_ENTRIES_MAX: usize = 2;
const LORE_CHARS_MAX: usize = 500;

/// What the character knows of what is said, knowledge that the words call up, and secrets whose condition
/// holds.
pub(super) fn called_up(turn: &Turn) -> Vec<Reason> {
    let conditions_met = &turn.scene.facts;
    let query = LoreQuery {
        recent_text: turn.cause.text(),
        character: &turn.character.id,
        conditions_met,
        entries_max: LORE_ENTRIES_MAX,
        chars_max: LORE_CHARS_MAX,
    };
    let reason = |text: &str, why: String| Reason { text: text.to_owned(), why };
    let open = turn.character.secrets.iter().filter(|secret| conditions_met.contains(&secret.condition));
    let open = open.map(|secret| reason(&secret.text, format!("a secret; `{}` holds", secret.condition)));
    let found = turn.world.lore_for(&query).into_iter();
    let found =
        found.map(|entry| reason(&entry.text, format!("lore `{}`: one of its keys was said", entry.id)));
    let known = reminder(&turn.character, turn.cause.text());
    let known = known.map(|text| reason(text, "the character knows it, and the words are about it".into()));
    known.into_iter().chain(open).chain(found).collect()
}
