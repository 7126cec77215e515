//! What follows from the scene: who answers, and which actions have which targets.

use meddah_engine::action::{ActionError, ActionSet};
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
/// the first who is present and can hear.
pub fn who_answers(world: &World, scene: &Scene, text: &str, last: Option<&str>) -> Option<String> {
    let near: Vec<&String> =
        scene.present.iter().filter(|id| world.characters.contains_key(id.as_str())).collect();
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).filter(|w| !w.is_empty()).collect();
    let named = near.iter().find(|id| {
        let name = world.characters[id.as_str()].name.to_lowercase();
        name.split_whitespace().any(|part| words.iter().any(|word| word == part))
    });
    let last = last.filter(|last| near.is_empty() || near.iter().any(|id| id == last));
    let only = || match world.characters.len() {
        1 => world.characters.keys().next(),
        _ => None,
    };
    named.copied().cloned().or(last.map(str::to_owned)).or(near.first().copied().cloned()).or(only().cloned())
}

/// What those who are present notice when the scene changes, in words. Empty: nothing worth a word.
pub fn what_changed(before: &Scene, after: &Scene) -> String {
    let mut sentences = Vec::new();
    if after.place.is_some() && after.place != before.place {
        sentences.push(format!("The place: {}.", after.place.as_deref().unwrap_or_default()));
    }
    if after.time.is_some() && after.time != before.time {
        sentences.push(format!("The time: {}.", after.time.as_deref().unwrap_or_default()));
    }
    sentences.extend(after.facts.iter().filter(|fact| !before.facts.contains(fact)).cloned());
    sentences.join(" ")
}
