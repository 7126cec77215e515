//! From a card to a character and lore of ours.
//!
//! The form takes what a small model can follow; all else stays in the kept original, or becomes lore that the
//! character's own talk calls up. The mapping follows from the card and the id alone: an export maps the original
//! once more to see what its author has changed since.

mod decorators;
mod description;
mod keys;
mod lore;
mod own;
mod rules;
mod samples;

use meddah_engine::world::{Character, LoreEntry, NAME_CHARS_MAX, PLAYER_ID};

pub(crate) use decorators::split as split_decorators;
pub(crate) use description::{describe, traits};
pub(crate) use keys::names_in;
pub(crate) use lore::{Origin, Piece, book};
pub(crate) use own::SELF;
pub(crate) use samples::example_text;

use crate::card::Card;
use crate::text::{Names, clip_chars, plain};

/// What `{{user}}` becomes: our form has no place for the player's name.
pub(crate) const PLAYER: &str = "the player";

/// A card in our form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapped {
    pub character: Character,
    pub lore: Vec<Piece>,
    /// What was left out, for the author.
    pub remarks: Vec<String>,
}

impl Mapped {
    /// The lore alone.
    pub fn entries(&self) -> Vec<LoreEntry> {
        self.lore.iter().map(|piece| piece.entry.clone()).collect()
    }
}

/// The names in a card. The nickname is what `{{char}}` stands for.
pub(crate) struct CardNames {
    pub name: String,
    pub called: String,
}

impl CardNames {
    /// None where the card has no name that is left after cleaning.
    pub fn of(card: &Card) -> Option<CardNames> {
        let nobody = Names { character: "", player: PLAYER };
        let clean = |key: &str| clip_chars(&plain(&card.text(key), &nobody), NAME_CHARS_MAX).fit;
        let name = Some(clean("name")).filter(|name| !name.is_empty())?;
        let called = Some(clean("nickname")).filter(|name| !name.is_empty()).unwrap_or_else(|| name.clone());
        Some(CardNames { name, called })
    }

    pub fn as_macros(&self) -> Names<'_> {
        Names { character: &self.called, player: PLAYER }
    }
}

/// The character of a card under an id. `known` tells which ids the world has: what is said of others is left out.
pub(crate) fn card(card: &Card, id: &str, known: &dyn Fn(&str) -> bool) -> Option<Mapped> {
    let names = CardNames::of(card)?;
    let macros = names.as_macros();
    let described = describe(card, &macros);
    let mut character = Character {
        id: id.to_owned(),
        name: names.name.clone(),
        mood: "neutral".to_owned(),
        description: described.text(),
        personality: traits(card, &macros).unwrap_or_default(),
        ..Character::default()
    };
    character.speech.samples = samples::samples(card, &names);
    let mut mapped = Mapped { character, ..Mapped::default() };
    let rest_facts = own::fields(&mut mapped, card, &macros);
    let known_here = |other: &str| other == PLAYER_ID || other == id || known(other);
    own::character(&mut mapped, card, &macros);
    mapped.character.relationships.retain(|other, _| other != id && known_here(other));
    lore::of_card(&mut mapped, card, &names, &known_here);
    match own::rest(card, id, &known_here, &macros) {
        Some(rest) => mapped.lore.extend(rest),
        None => lore::of_rest(&mut mapped, described.rest().chain(rest_facts), &names),
    }
    Some(mapped)
}
