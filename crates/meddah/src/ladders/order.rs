//! In which order a turn asks: the player's word first, then the pack's suggestion, then the usual order.

use std::collections::BTreeMap;

use meddah_engine::world::{Character, World};
use meddah_inference::budget::Part;
use meddah_inference::providers;
use serde_json::{Map, Value};

use super::settings::{HOST, LOCAL, RungSettings, resolve};
use crate::config::Settings;
use crate::turn::{Cause, Turn};

/// A rung by name, and who says what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RungName {
    /// In the player's settings, or in the short form.
    Player(String),
    /// In a world pack, which may have come from the internet.
    Pack {
        /// The world's id.
        world: String,
        /// As the pack calls it.
        name: String,
        /// What the pack says of it, not read yet.
        settings: Map<String, Value>,
    },
}

impl RungName {
    /// What it is called in notices.
    pub fn shown(&self) -> &str {
        match self {
            RungName::Player(name) | RungName::Pack { name, .. } => name,
        }
    }

    /// Tells it from all others; a pack that changes its settings means another rung.
    pub fn key(&self) -> String {
        match self {
            RungName::Player(name) => format!("player {name}"),
            RungName::Pack { world, name, settings } => {
                format!("pack {world} {name} {}", Value::Object(settings.clone()))
            }
        }
    }

    fn is(&self, other: &str) -> bool {
        matches!(self, RungName::Player(name) if name == other)
    }
}

/// What a rung is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// The player waits for the answer.
    Talk,
    /// Remarks, and what characters say among themselves.
    Chatter,
    /// What characters make of their talks.
    Reflection,
}

impl Purpose {
    /// What it is paid for.
    pub fn part(self) -> Part {
        match self {
            Purpose::Talk => Part::Talk,
            Purpose::Chatter | Purpose::Reflection => Part::Background,
        }
    }

    /// How urgent it is to a host that serves many players.
    pub fn class(self) -> &'static str {
        match self {
            Purpose::Talk => "live",
            Purpose::Chatter => "ambient",
            Purpose::Reflection => "session",
        }
    }
}

/// The orders of the settings.
#[derive(Clone, Debug)]
pub(super) struct Order {
    usual: Vec<String>,
    background: Vec<String>,
    /// By `world` and `world/character`.
    own: BTreeMap<String, Vec<String>>,
    rungs: BTreeMap<String, RungSettings>,
    follow_packs: bool,
}

impl Order {
    pub fn new(settings: &Settings) -> Order {
        Order {
            usual: usual(settings),
            background: settings.background_ladder.clone(),
            own: settings.ladders.clone(),
            rungs: settings.rungs.clone(),
            follow_packs: settings.pack_ladders,
        }
    }

    /// Every rung that the settings name in some order.
    pub fn all(&self) -> Vec<RungName> {
        let own = self.own.values().flatten();
        let mut all = player(self.usual.iter().chain(&self.background).chain(own));
        all.sort_by_key(RungName::key);
        all.dedup();
        all
    }

    /// Without a world.
    pub fn usual(&self) -> Vec<RungName> {
        player(&self.usual)
    }

    /// Of a turn, and what it is for.
    pub fn of(&self, turn: &Turn) -> (Vec<RungName>, Purpose) {
        match purpose(&turn.cause, &turn.player.id) {
            Purpose::Chatter if !self.background.is_empty() => (player(&self.background), Purpose::Chatter),
            purpose => (self.of_character(&turn.world, &turn.character), purpose),
        }
    }

    /// Of what a character does when nobody waits for it.
    pub fn in_background(&self, world: &World, character: &Character) -> Vec<RungName> {
        match self.background.is_empty() {
            true => self.of_character(world, character),
            false => player(&self.background),
        }
    }

    fn of_character(&self, world: &World, character: &Character) -> Vec<RungName> {
        let own = self.own.get(&format!("{}/{}", world.id, character.id)).or_else(|| self.own.get(&world.id));
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            return player(own);
        }
        let suggested = if character.ladder.is_empty() { &world.ladder } else { &character.ladder };
        if !self.follow_packs || suggested.is_empty() {
            return self.usual();
        }
        // What the player calls so is the player's, whatever the pack means by it.
        let name = |name: &String| match world.rungs.get(name).filter(|_| !self.rungs.contains_key(name)) {
            Some(settings) => {
                RungName::Pack { world: world.id.clone(), name: name.clone(), settings: settings.clone() }
            }
            None => RungName::Player(name.clone()),
        };
        let mut names: Vec<RungName> = suggested.iter().map(name).collect();
        // A pack's models may be out of reach; the player's own are there for that.
        names.extend(self.usual().into_iter().filter(|usual| !suggested.iter().any(|name| usual.is(name))));
        names
    }
}

/// The hosts that the settings name in some order, with the names of their rungs.
pub fn hosts(settings: &Settings) -> Vec<(String, RungSettings)> {
    let order = Order::new(settings);
    let providers: Vec<&str> = providers::known().iter().map(|info| info.name).collect();
    let all = order.all().into_iter().filter_map(|rung| {
        let own = resolve(rung.shown(), &settings.rungs, &providers).ok()?;
        Some((rung.shown().to_owned(), own))
    });
    all.filter(|(_, rung)| rung.provider == HOST).collect()
}

/// The names of the usual ladder, whether it was written as one or not.
pub fn usual(settings: &Settings) -> Vec<String> {
    match (settings.ladder.is_empty(), settings.model.is_empty()) {
        (false, _) => settings.ladder.clone(),
        (true, false) => vec![settings.model.clone()],
        (true, true) => vec![LOCAL.to_owned()],
    }
}

fn player<'n>(names: impl IntoIterator<Item = &'n String>) -> Vec<RungName> {
    names.into_iter().map(|name| RungName::Player(name.clone())).collect()
}

/// Nobody waits for remarks, and for what characters say among themselves.
pub(super) fn purpose(cause: &Cause, player: &str) -> Purpose {
    match cause {
        Cause::Said { speaker, .. } if speaker == player => Purpose::Talk,
        Cause::Said { .. } | Cause::Happened { .. } => Purpose::Chatter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(toml: &str) -> Order {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("meddah.toml"), toml).unwrap();
        Order::new(&Settings::load(folder.path(), []).unwrap())
    }

    fn names(names: &[RungName]) -> Vec<String> {
        let text = |name: &RungName| match name {
            RungName::Player(name) => name.clone(),
            RungName::Pack { world, name, .. } => format!("{world}:{name}"),
        };
        names.iter().map(text).collect()
    }

    fn world() -> World {
        let mut world = World { id: "tavern".into(), ladder: vec!["cloud".into()], ..World::default() };
        world.rungs.insert("cloud".into(), serde_json::Map::new());
        for id in ["mira", "osk"] {
            world.characters.insert(id.into(), Character { id: id.into(), ..Character::default() });
        }
        world
    }

    fn of(order: &Order, character: &str) -> Vec<String> {
        let world = world();
        names(&order.of_character(&world, &world.characters[character]))
    }

    #[test]
    fn the_ladder_wins_over_the_model_and_without_both_it_is_the_local_one() {
        assert_eq!(names(&order("").usual()), ["local"]);
        assert_eq!(names(&order("model = \"tiny\"").usual()), ["tiny"]);
        assert_eq!(
            names(&order("model = \"tiny\"\nladder = [\"a:b\", \"local\"]").usual()),
            ["a:b", "local"]
        );
    }

    #[test]
    fn the_player_decides_before_the_pack_and_the_usual_rungs_come_below_the_packs() {
        let order = order("ladder = [\"local\"]\n[ladders]\n\"tavern/osk\" = [\"openai:x\"]");
        assert_eq!(of(&order, "mira"), ["tavern:cloud", "local"]);
        assert_eq!(of(&order, "osk"), ["openai:x"]);
    }

    #[test]
    fn a_name_that_the_player_knows_is_the_players() {
        let own = order("[rungs.cloud]\nprovider = \"ollama\"\nmodel = \"m\"");
        assert_eq!(of(&own, "mira"), ["cloud", "local"]);
        let alone = order("pack_ladders = false");
        assert_eq!(of(&alone, "mira"), ["local"]);
    }
}
