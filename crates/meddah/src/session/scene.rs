//! What follows from the scene: who answers, and which actions have which targets.

use meddah_engine::action::{ActionError, ActionSet};
use meddah_engine::condition::is_for_conditions;
use meddah_engine::world::World;
use meddah_protocol::{ActionDeclaration, ErrorCode, Scene, WireError};

/// In a world pack, this target stands for everybody who is present.
const TARGET_PRESENT: &str = "present";

/// The actions in force: the game's list, else the world's, with `present` replaced by who is there. A game
/// that sends no scene has at least the player there.
pub fn action_set(
    world: &World,
    declared: Option<&[ActionDeclaration]>,
    scene: &Scene,
    player: &str,
) -> Result<ActionSet, WireError> {
    let player = [player.to_owned()];
    let present = if scene.present.is_empty() { &player[..] } else { &scene.present };
    let mut list = declared.map_or_else(|| world.actions.clone(), <[_]>::to_vec);
    for action in &mut list {
        if let Some(targets) = &mut action.targets
            && let Some(place) = targets.iter().position(|target| target == TARGET_PRESENT)
        {
            targets.splice(place..=place, present.iter().cloned());
        }
    }
    // An action whose targets are all gone cannot be carried out now.
    list.retain(|action| action.targets.as_ref().is_none_or(|targets| !targets.is_empty()));
    ActionSet::new(list).map_err(|error: ActionError| {
        WireError::new(ErrorCode::InvalidRequest, error.to_string()).with_help(error.help())
    })
}

/// Who answers when the game leaves it open: the one whose name is said, else the one spoken to last, else
/// the first who is there. Only who can hear it answers, and nobody answers himself. A game that lists nobody
/// leaves it to the names and to who was spoken to last.
pub fn who_answers(
    world: &World,
    scene: &Scene,
    text: &str,
    speaker: &str,
    last: Option<&str>,
) -> Option<String> {
    let hears = |id: &&String| scene.hearing.is_empty() || scene.hearing.contains(*id);
    let answers = |id: &&String| **id != speaker && world.characters.contains_key(id.as_str());
    let open = scene.present.is_empty();
    let near: Vec<&String> = match open {
        true => world.characters.keys().filter(answers).collect(),
        false => scene.present.iter().filter(answers).filter(hears).collect(),
    };
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).filter(|w| !w.is_empty()).collect();
    let named = near.iter().find(|id| {
        let name = world.characters[id.as_str()].name.to_lowercase();
        name.split_whitespace().any(|part| words.iter().any(|word| word == part))
    });
    let last = near.iter().find(|id| last == Some(id.as_str()));
    let first = near.first().filter(|_| !open || near.len() == 1);
    named.or(last).or(first).map(|id| (*id).clone())
}

/// What is noticed when the scene changes: a text, and who notices it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// In words.
    pub text: String,
    /// Ids.
    pub witnesses: Vec<String>,
}

/// Who was there already notices what changed; who comes in sees the whole of it. `also` are in the scene
/// without being listed in it.
pub fn what_is_noticed(before: &Scene, after: &Scene, also: &[String]) -> Vec<Noticed> {
    let there = |scene: &Scene, id: &String| scene.present.contains(id);
    let mut here: Vec<String> = after.present.clone();
    here.extend(also.iter().filter(|id| !there(after, id)).cloned());
    let nothing_before = *before == Scene::default();
    let (new, old): (Vec<String>, Vec<String>) = here.into_iter().partition(|id| {
        nothing_before || (!before.present.is_empty() && there(after, id) && !there(before, id))
    });
    let noticed = [(describe(&Scene::default(), after), new), (describe(before, after), old)];
    let noticed = noticed.into_iter().map(|(text, witnesses)| Noticed { text, witnesses });
    noticed.filter(|noticed| !noticed.text.is_empty() && !noticed.witnesses.is_empty()).collect()
}

/// What is different, in words. What is for conditions alone, nobody says.
fn describe(before: &Scene, after: &Scene) -> String {
    let mut sentences = Vec::new();
    let changed = |new: &Option<String>, old: &Option<String>| new.clone().filter(|_| new != old);
    sentences.extend(changed(&after.place, &before.place).map(|place| format!("The place: {place}.")));
    sentences.extend(changed(&after.time, &before.time).map(|time| format!("The time: {time}.")));
    let new_facts = after.facts.iter().filter(|fact| !before.facts.contains(fact));
    sentences.extend(new_facts.filter(|fact| !is_for_conditions(fact)).cloned());
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(place: &str, present: &[&str], facts: &[&str]) -> Scene {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Scene { place: Some(place.into()), present: owned(present), facts: owned(facts), ..Scene::default() }
    }

    fn noticed(before: &Scene, after: &Scene, also: &[&str]) -> Vec<(String, String)> {
        let also: Vec<String> = also.iter().map(|&id| id.to_owned()).collect();
        let all = what_is_noticed(before, after, &also).into_iter();
        all.map(|Noticed { text, witnesses }| (text, witnesses.join(" "))).collect()
    }

    #[test]
    fn who_was_there_notices_the_change_and_who_comes_sees_it_all() {
        let before = scene("the inn", &["mira"], &["It rains."]);
        let after =
            scene("the inn", &["mira", "bram"], &["It rains.", "A dog barks.", "door_open", "gold = 40"]);
        let expected = [
            ("The place: the inn. It rains. A dog barks.".into(), "bram".into()),
            ("A dog barks.".into(), "mira".into()),
        ];
        assert_eq!(noticed(&before, &after, &[]), expected);
        assert_eq!(noticed(&after, &after, &["mira"]), []);
    }

    #[test]
    fn who_is_spoken_to_is_there_even_if_the_game_lists_nobody() {
        let after = scene("the harbour", &[], &[]);
        let expected = [("The place: the harbour.".to_owned(), "mira".to_owned())];
        assert_eq!(noticed(&Scene::default(), &after, &["mira"]), expected);
        assert_eq!(noticed(&after, &after, &["mira"]), []);
        assert_eq!(noticed(&Scene::default(), &after, &[]), []);
    }
}
