//! Relay faces: the protocols of three published mods that talk to a program of their own on the player's
//! computer. That program spoke to a service that is gone; a face answers in its place.
//!
//! Each mod has a module; the rest is what they share: lenient reading ([`json`]), characters and knowledge as
//! worlds of ours ([`cast`]), and talks ([`conversation`]). What was decided and why stands in
//! `docs/decisions/0012-relay-faces.md`.

mod baldursgate;
mod bannerlord;
mod cast;
mod conversation;
mod http;
mod json;
mod notes;
mod portrait;
mod sheet;
mod skyrim;
mod socket;
mod wording;
pub mod world_files;

use std::sync::Arc;

use axum::Router;
use meddah_engine::world::{Character, World};

use crate::transport::App;

/// The routes of the Bannerlord mod's relay.
pub(super) fn bannerlord(app: &Arc<App>) -> Router<Arc<App>> {
    bannerlord::router(app)
}

/// The routes of the Skyrim mod's relay.
pub(super) fn skyrim(app: &Arc<App>) -> Router<Arc<App>> {
    skyrim::router(app)
}

/// The routes of the Baldur's Gate 3 mod's relay.
pub(super) fn baldursgate(app: &Arc<App>) -> Router<Arc<App>> {
    baldursgate::router(app)
}

/// The character that a name in the game means: its id or name, else the only one whose name is a part of it, as
/// in "Aela the Huntress" or "Whiterun Guard".
fn by_name<'w>(world: &'w World, wanted: &str) -> Option<&'w Character> {
    let wanted = folded(wanted);
    if wanted.is_empty() {
        return None;
    }
    let all = || world.characters.values();
    let exact = all().find(|one| folded(&one.id) == wanted || folded(&one.name) == wanted);
    let words = format!(" {wanted} ");
    let part = |one: &&Character| words.contains(&format!(" {} ", folded(&one.name)));
    // The longest says most: "General Tullius" before "General".
    exact.or_else(|| all().filter(part).max_by_key(|one| one.name.chars().count()))
}

/// Small letters and one blank between words; ids write `_` for it.
fn folded(name: &str) -> String {
    let name = name.to_lowercase().replace('_', " ");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_game_finds_its_character() {
        let character = |id: &str, name: &str| {
            (id.to_owned(), Character { id: id.into(), name: name.into(), ..Character::default() })
        };
        let world = World {
            characters: [
                character("aela", "Aela"),
                character("guard", "Guard"),
                character("general", "General"),
                character("general_tullius", "General Tullius"),
            ]
            .into(),
            ..World::default()
        };
        let found = |name: &str| by_name(&world, name).map(|one| one.id.as_str());
        assert_eq!(found("AELA the  Huntress"), Some("aela"));
        assert_eq!(found("Whiterun Guard"), Some("guard"));
        assert_eq!(found("general tullius the Old"), Some("general_tullius"));
        assert_eq!(found("Aelaria"), None);
        assert_eq!(found(" "), None);
    }
}
