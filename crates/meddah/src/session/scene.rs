//! What follows from the scene: who answers, and which actions have which targets.

use std::sync::Arc;

use meddah_engine::action::{ActionError, ActionSet};
use meddah_engine::condition::{GameState, is_for_conditions};
use meddah_engine::world::{Character, LoreQuery, LoreTimers, World, reminder};
use meddah_protocol::{ActionDeclaration, ErrorCode, Scene, WireError};

/// In a world pack, this target stands for everybody who is present.
const TARGET_PRESENT: &str = "present";

/// The actions in force: the game's list, else the world's, with `present` replaced by who is there. A game
/// that sends no scene has at least the player there. Those of `before` stay if nothing changed: many games send
/// the same list with each request, and to compile its schemas takes longer than all else of a command.
pub fn action_set(
    world: &World,
    declared: Option<&[ActionDeclaration]>,
    scene: &Scene,
    player: &str,
    before: &Arc<ActionSet>,
) -> Result<Arc<ActionSet>, WireError> {
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
    if before.is_of(&list) {
        return Ok(before.clone());
    }
    ActionSet::new(list).map(Arc::new).map_err(|error: ActionError| {
        WireError::new(ErrorCode::InvalidRequest, error.to_string()).with_help(error.help())
    })
}

/// Lore entries looked at for who alone knows of what is said: some are told always, to everybody.
const LORE_LOOKED_AT_MAX: usize = 16;
/// Characters that answer one line at most.
pub const ANSWERS_MAX: usize = 3;

/// Words that mean all who are there, by language; the first two letters of its code.
const EVERYBODY: [(&str, &[&str]); 6] = [
    (
        "en",
        &["everybody", "everyone", "you all", "all of you", "you two", "both of you", "anybody", "anyone"],
    ),
    ("de", &["alle", "ihr alle", "euch allen", "ihr beiden", "jemand"]),
    ("tr", &["herkes", "hepiniz", "ikiniz", "kimse"]),
    ("fr", &["tout le monde", "vous tous", "vous deux", "quelqu'un"]),
    ("es", &["todos", "todas", "ustedes", "vosotros", "alguien"]),
    ("it", &["tutti", "voi due", "qualcuno"]),
];

/// Who answers when the game leaves it open: the one whose name or role is said, else the one spoken to last, else
/// the one who alone knows what is talked about, else the first who is there, which games list by distance. Only who
/// can hear it answers, and nobody answers himself. A game that lists nobody leaves it to the names and to who was
/// spoken to last. "Good evening, everybody" is answered by several, in the order of the scene.
pub fn who_answers(
    world: &World,
    scene: &Scene,
    text: &str,
    speaker: &str,
    last: Option<&str>,
) -> Vec<String> {
    let hears = |id: &&String| scene.hearing.is_empty() || scene.hearing.contains(*id);
    let answers = |id: &&String| **id != speaker && world.characters.contains_key(id.as_str());
    let open = scene.present.is_empty();
    let near: Vec<&String> = match open {
        true => world.characters.keys().filter(answers).collect(),
        false => scene.present.iter().filter(answers).filter(hears).collect(),
    };
    if !open && near.len() > 1 && means_everybody(text, &world.language) {
        return near.into_iter().take(ANSWERS_MAX).cloned().collect();
    }
    let words = words_of(text);
    let named = near.iter().find(|id| is_named(world, id, &words));
    let by_role = || only(near.iter().filter(|id| has_role(&world.characters[id.as_str()].role, &words)));
    let last = near.iter().find(|id| last == Some(id.as_str()));
    let knows =
        || only(near.iter().filter(|id| knows_of(world, &world.characters[id.as_str()], text, scene)));
    let first = near.first().filter(|_| !open || near.len() == 1);
    let found = named.or_else(by_role).or(last).or_else(|| if open { None } else { knows() }).or(first);
    found.map(|id| (*id).clone()).into_iter().collect()
}

fn means_everybody(text: &str, language: &str) -> bool {
    let bare: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    let bare = format!(" {} ", bare.split_whitespace().collect::<Vec<_>>().join(" "));
    let said = |phrase: &&str| bare.contains(&format!(" {phrase} "));
    EVERYBODY
        .iter()
        .filter(|(code, _)| language.starts_with(code))
        .any(|(_, phrases)| phrases.iter().any(said))
}

/// In small letters.
fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).filter(|w| !w.is_empty()).collect()
}

/// A part of the character's name is among the words.
fn is_named(world: &World, id: &str, words: &[String]) -> bool {
    let name = world.characters.get(id).map(|character| character.name.to_lowercase()).unwrap_or_default();
    name.split_whitespace().any(|part| words.iter().any(|word| word == part))
}

/// "Guard!" means the guard of Reedwater: the first word of a role is said.
fn has_role(role: &str, words: &[String]) -> bool {
    const ROLE_CHARS_MIN: usize = 4;
    let first = role.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    first.chars().count() >= ROLE_CHARS_MIN && words.contains(&first.to_lowercase())
}

/// The talk touches something that the character knows and may tell. What the scene does not say, as trust, is taken
/// as not so.
fn knows_of(world: &World, character: &Character, text: &str, scene: &Scene) -> bool {
    let state = GameState::of(scene);
    let called_up = world.lore_for(&LoreQuery {
        said: &[text],
        character: &character.id,
        state: &state,
        told: &[],
        timers: &LoreTimers::default(),
        dice: 0,
        entries_max: LORE_LOOKED_AT_MAX,
        chars_max: usize::MAX,
    });
    let lore = called_up.entries.iter().any(|entry| entry.audience.contains(&character.id));
    lore || reminder(&character.as_open(&state), text).is_some()
}

/// The only one, if there is just one.
fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    found.next().filter(|_| found.next().is_none())
}

/// Who speaks next when characters talk among themselves: who is named, else who was answered, else the next in the
/// order of the scene.
pub fn who_goes_on<'s>(
    world: &World,
    there: &'s [String],
    speaker: &str,
    before: &str,
    said: &str,
) -> Option<&'s str> {
    let others: Vec<&String> = there.iter().filter(|id| *id != speaker).collect();
    let words = words_of(said);
    let named = others.iter().find(|id| is_named(world, id, &words)).copied();
    let partner = others.iter().find(|id| id.as_str() == before).copied();
    named.or(partner).or(others.first().copied()).map(String::as_str)
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

    fn inn() -> World {
        let character = |id: &str, name: &str, role: &str, knows: &str| {
            let character = Character {
                id: id.into(),
                name: name.into(),
                role: role.into(),
                knows: vec![knows.into(), "The river is wide.".into(), "The fog is thick.".into()],
                ..Character::default()
            };
            (id.to_owned(), character)
        };
        let characters = [
            character("mira", "Mira Holt", "innkeeper", "A bed costs two coppers."),
            character("bram", "Bram", "guard of Reedwater", "The footprint had a square heel."),
            character("osk", "Osk", "cook", "The stew is eel."),
        ];
        World { language: "en".into(), characters: characters.into(), ..World::default() }
    }

    fn answers(text: &str, last: Option<&str>) -> String {
        let scene = scene("the inn", &["osk", "mira", "bram", "player"], &[]);
        who_answers(&inn(), &scene, text, "player", last).join(" ")
    }

    #[test]
    fn who_is_meant_answers() {
        assert_eq!(answers("Mira, a word?", Some("bram")), "mira");
        assert_eq!(answers("Guard, come here!", Some("mira")), "bram");
        assert_eq!(answers("And then?", Some("bram")), "bram");
        assert_eq!(answers("Whose footprint is that?", None), "bram");
        assert_eq!(answers("Good evening.", None), "osk");
        assert_eq!(answers("Good evening, everybody!", Some("bram")), "osk mira bram");
        let deaf = Scene { hearing: vec!["mira".into()], ..scene("the inn", &["osk", "mira"], &[]) };
        assert_eq!(who_answers(&inn(), &deaf, "Hello, everyone.", "player", None), ["mira"]);
        assert_eq!(who_answers(&inn(), &Scene::default(), "Hello.", "player", None), Vec::<String>::new());
    }

    #[test]
    fn who_goes_on_is_named_or_was_answered() {
        let there = ["osk", "mira", "bram"].map(str::to_owned);
        assert_eq!(who_goes_on(&inn(), &there, "mira", "osk", "Ask Bram."), Some("bram"));
        assert_eq!(who_goes_on(&inn(), &there, "mira", "bram", "Is that so?"), Some("bram"));
        assert_eq!(who_goes_on(&inn(), &there, "mira", "", "Is that so?"), Some("osk"));
        assert_eq!(who_goes_on(&inn(), &there[..1], "osk", "", "Hm."), None);
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
