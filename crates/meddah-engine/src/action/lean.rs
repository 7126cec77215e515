//! How a character's heart leans what it does: one who is fond gives more readily, one who is angry refuses.
//!
//! Of an action only its name and description are known, so only plain words for harm and for help are looked
//! for there, and the lean is small: it settles what the words leave open, and overrules no plain request.

use std::cmp::Reverse;

use meddah_protocol::ActionDeclaration;

use super::language::words;
use super::{ActionSet, Offer};

/// The lean of a heart that is as warm or as cold as can be, in log-odds. A request that names an action plainly
/// gives it 4.
const LEAN_MAX: f32 = 1.0;

/// Stems of words for what harms or turns away,
const HARM: [&str; 24] = [
    "attack", "fight", "strike", "hit", "kill", "arrest", "seiz", "threaten", "refus", "deni", "insult",
    "punish", "guard", "expel", "banish", "hostil", "shoot", "stab", "poison", "punch", "eject", "alarm",
    "report", "dismiss",
];
/// and for what helps.
const HELP: [&str; 22] = [
    "give",
    "gift",
    "hand",
    "offer",
    "heal",
    "help",
    "follow",
    "accompani",
    "join",
    "share",
    "teach",
    "lend",
    "repair",
    "protect",
    "defend",
    "escort",
    "serv",
    "hug",
    "kiss",
    "comfort",
    "pour",
    "guid",
];

/// What an action does to whom it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Harm,
    Help,
}

impl Offer {
    /// Leans the offer by how the character feels toward whom it talks with: `warmth` is -1 (hatred, rage) to
    /// 1 (love); 0 changes nothing.
    pub fn lean(&mut self, actions: &ActionSet, warmth: f32) {
        let warmth = if warmth.is_finite() { warmth.clamp(-1.0, 1.0) } else { 0.0 };
        for ranked in &mut self.ranked {
            let side = actions.at(ranked.index).and_then(side);
            ranked.bias += match side {
                Some(Side::Help) => LEAN_MAX * warmth,
                Some(Side::Harm) => -LEAN_MAX * warmth,
                None => 0.0,
            };
        }
        // The order of equals stays the game's.
        self.ranked.sort_by_key(|ranked| Reverse((ranked.bias * 1000.0) as i32));
    }
}

/// By the words of the name; only if they say nothing, by the first of the description, a verb in most.
fn side(action: &ActionDeclaration) -> Option<Side> {
    let of = |stem: &str| match (HARM.contains(&stem), HELP.contains(&stem)) {
        (true, _) => Some(Side::Harm),
        (_, true) => Some(Side::Help),
        _ => None,
    };
    let name = words(&action.name.replace(['_', '-', '.'], " "));
    let described = words(&action.description).into_iter().take(1);
    name.into_iter().chain(described).find_map(|word| of(&word.stem))
}

#[cfg(test)]
mod tests {
    use meddah_protocol::Scene;
    use serde_json::json;

    use super::*;

    fn actions() -> ActionSet {
        let list = json!([
            {"name": "give_item", "description": "Hand an item to somebody."},
            {"name": "refuse", "description": "Firmly turn down an improper demand."},
            {"name": "call_guard", "description": "Shout for the guard."},
            {"name": "sit_down", "description": "Take a seat at the table."},
        ]);
        ActionSet::new(serde_json::from_value(list).unwrap()).unwrap()
    }

    fn biases(warmth: f32, text: &str) -> Vec<(String, f32)> {
        let actions = actions();
        let mut offer = Offer::rank(&actions, text, &Scene::default());
        offer.lean(&actions, warmth);
        let mut all: Vec<(String, f32)> = offer
            .ranked
            .iter()
            .map(|ranked| (actions.at(ranked.index).unwrap().name.clone(), ranked.bias))
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    #[test]
    fn an_angry_one_refuses_sooner_and_gives_later_and_sits_as_ever() {
        let (angry, calm) = (biases(-1.0, "Well, here we are."), biases(0.0, "Well, here we are."));
        let moved: Vec<(&str, f32)> = calm
            .iter()
            .zip(&angry)
            .map(|((name, before), (_, after))| (name.as_str(), after - before))
            .collect();
        assert_eq!(moved, [("call_guard", 1.0), ("give_item", -1.0), ("refuse", 1.0), ("sit_down", 0.0)]);
    }

    #[test]
    fn a_plain_request_still_wins() {
        let actions = actions();
        let mut offer = Offer::rank(&actions, "Please sit down.", &Scene::default());
        offer.lean(&actions, -1.0);
        assert_eq!(offer.likeliest().map(|index| actions.at(index).unwrap().name.as_str()), Some("sit_down"));
        let mut offer = Offer::rank(&actions, "Give me that item.", &Scene::default());
        offer.lean(&actions, -1.0);
        assert_eq!(
            offer.likeliest().map(|index| actions.at(index).unwrap().name.as_str()),
            Some("give_item")
        );
    }

    #[test]
    fn a_calm_heart_changes_nothing() {
        let actions = actions();
        let before = Offer::rank(&actions, "Give me an ale.", &Scene::default());
        for warmth in [0.0, f32::NAN] {
            let mut after = before.clone();
            after.lean(&actions, warmth);
            assert_eq!(after, before);
        }
    }
}
