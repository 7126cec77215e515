//! The characters and the knowledge that mods send, kept as worlds of ours.
//!
//! A character goes into the world as any character that a game creates. What it knows beyond what fits into a
//! prompt, and what everybody knows, becomes lore: it is called up by the names that are said. Lore is made anew
//! from the notes at each start, because a campaign has thousands of entries and a file each would be too many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use meddah_engine::world::{Character, LORE_MAX, LoreEntry, LoreKey, NAME_CHARS_MAX, World};
use meddah_protocol::WireError;
use serde::{Deserialize, Serialize};

use super::notes::Notes;
use super::portrait::{self, Portrait};
use super::sheet::Sheet;
use super::wording;
use crate::worlds::Worlds;

/// Records of one kind that are kept; the oldest make room.
pub(super) const RECORDS_MAX: usize = 1000;
/// Kinds of records.
pub(super) const KINDS_MAX: usize = 16;
/// A record, in characters.
const RECORD_CHARS_MAX: usize = 500;
/// Records about the place that everybody there knows without being asked, and their length.
const PLACE_RECORDS_MAX: usize = 8;
const PLACE_CHARS_MAX: usize = 300;
/// Words that call up an entry.
const KEYS_MAX: usize = 12;
/// Lore that the faces made begins so.
const RECORD: &str = "relay:record:";
const FACT: &str = "relay:fact:";
/// The notes of a world: its knowledge, and the folder with its characters.
const KNOWLEDGE: &str = "knowledge";
const CHARACTERS: &str = "characters";

/// What everybody knows, by kind: `war`, `scene`, `event`, … The oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Knowledge(pub BTreeMap<String, Vec<String>>);

/// Worlds and notes together.
#[derive(Clone)]
pub(super) struct Cast {
    pub worlds: Arc<Worlds>,
    pub notes: Notes,
    /// What a world is called that a mod begins.
    world_name: &'static str,
    /// What everybody in a world was told of the place: told anew, it goes, and what a pack says stays.
    places: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl Cast {
    pub fn new(worlds: Arc<Worlds>, notes: Notes, world_name: &'static str) -> Cast {
        Cast { worlds, notes, world_name, places: Arc::default() }
    }

    /// Puts what is kept in force again.
    pub fn wake(&self, world: &str) -> Result<(), WireError> {
        if self.worlds.find(world).is_err() {
            return Ok(()); // a world begins with its first character
        }
        let mut lore = Vec::new();
        for sheet in self.sheets(world) {
            lore.extend(facts(&sheet.id, &portrait::paint(&sheet, "the player").rest));
        }
        self.worlds.amend(world, |world| {
            self.name(world);
            world.lore.retain(|entry| !entry.id.starts_with(FACT));
            world.lore.extend(lore);
        })?;
        self.tell(world, &self.knowledge(world))
    }

    pub fn sheets(&self, world: &str) -> Vec<Sheet> {
        self.notes.read_all(&[world, CHARACTERS])
    }

    /// What is known of a character; none if the world has no such character.
    pub fn sheet(&self, world: &str, id: &str) -> Option<Sheet> {
        let character = self.character(world, id)?;
        Some(self.notes.read(&[world, CHARACTERS, id]).unwrap_or_else(|| Sheet::of(&character)))
    }

    pub fn character(&self, world: &str, id: &str) -> Option<Character> {
        self.worlds.find(world).ok().filter(|found| found.id == world)?.characters.get(id).cloned()
    }

    /// Keeps a character. `player` is what it calls the player.
    pub fn keep(&self, world: &str, sheet: &Sheet, player: &str) -> Result<(), WireError> {
        let Portrait { character, rest } = portrait::paint(sheet, player);
        let is_new_world = self.worlds.find(world).is_err();
        let before = self.character(world, &sheet.id).map(|character| character.to_json());
        let painted = Character::from_json(&sheet.id, character.clone()).ok().map(|c| c.to_json());
        if before.is_none() || before != painted {
            self.worlds.put_character(world, &sheet.id, character)?;
        }
        self.notes.write(&[world, CHARACTERS, &sheet.id], sheet)?;
        if is_new_world {
            self.worlds.amend(world, |world| self.name(world))?;
            self.tell(world, &self.knowledge(world))?;
        }
        let prefix = format!("{FACT}{}:", sheet.id);
        self.replace_lore(world, &prefix, facts(&sheet.id, &rest))
    }

    pub fn remove(&self, world: &str, id: &str) -> Result<(), WireError> {
        self.worlds.delete_character(world, id)?;
        self.notes.remove(&[world, CHARACTERS, id]);
        self.replace_lore(world, &format!("{FACT}{id}:"), Vec::new())
    }

    pub fn knowledge(&self, world: &str) -> Knowledge {
        self.notes.read(&[world, KNOWLEDGE]).unwrap_or_default()
    }

    /// Keeps what everybody knows.
    pub fn keep_knowledge(&self, world: &str, knowledge: &Knowledge) -> Result<(), WireError> {
        self.notes.write(&[world, KNOWLEDGE], knowledge)?;
        if self.worlds.find(world).is_err() {
            return Ok(()); // told when the first character is there to know it
        }
        self.tell(world, knowledge)
    }

    fn tell(&self, world: &str, knowledge: &Knowledge) -> Result<(), WireError> {
        let plain = |record: &String, chars_max: usize| {
            wording::cut(&wording::plain(record, "everybody", "the player"), chars_max)
        };
        let mut here = Vec::new();
        let mut lore = Vec::new();
        for (kind, records) in &knowledge.0 {
            if kind == "scene" {
                here = records.iter().take(PLACE_RECORDS_MAX).map(|r| plain(r, PLACE_CHARS_MAX)).collect();
                here.retain(|record: &String| !record.is_empty());
                continue;
            }
            // The newest first: of two that fit equally well it is told.
            let newest = records.iter().rev().map(|record| plain(record, RECORD_CHARS_MAX)).enumerate();
            lore.extend(newest.filter_map(|(place, record)| {
                entry(format!("{RECORD}{kind}:{place}"), record, kind, Vec::new())
            }));
        }
        let before = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.insert(world.to_owned(), here.clone()).unwrap_or_default()
        };
        if before != here {
            self.worlds.amend(world, |world| {
                world.everybody_knows.retain(|known| !before.contains(known));
                world.everybody_knows.extend(here);
            })?;
        }
        self.replace_lore(world, RECORD, lore)
    }

    fn replace_lore(&self, world: &str, prefix: &str, lore: Vec<LoreEntry>) -> Result<(), WireError> {
        let current = self.worlds.find(world)?;
        if lore.is_empty() && !current.lore.iter().any(|entry| entry.id.starts_with(prefix)) {
            return Ok(());
        }
        self.worlds.amend(world, |world| {
            world.lore.retain(|entry| !entry.id.starts_with(prefix));
            let room = LORE_MAX.saturating_sub(world.lore.len());
            world.lore.extend(lore.into_iter().take(room));
        })
    }

    /// A world that a mod began has its id for a name; and these mods show what is said, not what is done.
    fn name(&self, world: &mut World) {
        if world.name == world.id {
            world.name = self.world_name.to_owned();
            world.narration = false;
        }
    }
}

fn facts(id: &str, rest: &[String]) -> Vec<LoreEntry> {
    let entries = rest.iter().enumerate();
    let entry_of = |(place, fact): (usize, &String)| {
        entry(format!("{FACT}{id}:{place}"), fact.clone(), "", vec![id.to_owned()])
    };
    entries.filter_map(entry_of).collect()
}

/// An entry that its names call up, and the word for its kind.
fn entry(id: String, text: String, kind: &str, audience: Vec<String>) -> Option<LoreEntry> {
    let keys = keys(&text, kind);
    let keys: Vec<LoreKey> = keys.into_iter().map(LoreKey::from).collect();
    (!text.is_empty() && !keys.is_empty()).then(|| LoreEntry {
        id,
        text,
        keys,
        audience,
        ..LoreEntry::default()
    })
}

/// Names in a text: words that begin with a capital letter, and not only because a sentence does. A text
/// without names is called up by its long words.
fn keys(text: &str, kind: &str) -> Vec<String> {
    const LONG: usize = 6;
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-');
    let words: Vec<&str> =
        words.map(|word| word.trim_matches(['\'', '-'])).filter(|w| !w.is_empty()).collect();
    let names: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| word.starts_with(char::is_uppercase) && !is_small(word))
        .collect();
    let long = words.iter().copied().filter(|word| names.len() < 2 && word.chars().count() >= LONG);
    let mut keys: Vec<String> = Vec::new();
    for word in kind_words(kind).iter().copied().chain(names.iter().copied()).chain(long) {
        let known = keys.iter().any(|key| key.eq_ignore_ascii_case(word));
        if !known && keys.len() < KEYS_MAX && (3..=NAME_CHARS_MAX).contains(&word.chars().count()) {
            keys.push(word.to_owned());
        }
    }
    keys
}

/// Words that begin sentences and name nobody.
fn is_small(word: &str) -> bool {
    const SMALL: [&str; 24] = [
        "the",
        "this",
        "that",
        "there",
        "they",
        "and",
        "but",
        "his",
        "her",
        "she",
        "its",
        "are",
        "was",
        "has",
        "with",
        "from",
        "currently",
        "some",
        "only",
        "when",
        "while",
        "one",
        "you",
        "for",
    ];
    SMALL.contains(&word.to_lowercase().as_str())
}

/// What people say who ask for this kind of news.
fn kind_words(kind: &str) -> &'static [&'static str] {
    match kind {
        "war" => &["war", "peace", "enemy"],
        "event" => &["news", "battle", "siege"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_call_a_record_up() {
        assert_eq!(
            keys("Vlandia and Sturgia are at war", "war"),
            ["war", "peace", "enemy", "Vlandia", "Sturgia"]
        );
        assert_eq!(keys("The Jarl's men hate dragons.", ""), ["Jarl's", "dragons"]);
        assert!(keys("a b c", "").is_empty());
    }

    #[test]
    fn what_is_kept_is_in_force_again_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let worlds = Worlds::new(Vec::new()).with_overlay(folder.path().join("worlds")).unwrap();
            Cast::new(Arc::new(worlds), Notes::new(folder.path()), "Calradia")
        };
        let cast = open();
        let mut knowledge = Knowledge::default();
        knowledge.0.insert("war".into(), vec!["Vlandia and Sturgia are at war".into()]);
        knowledge.0.insert("scene".into(), vec!["We are in <b>Sargot</b>.".into()]);
        cast.keep_knowledge("bannerlord", &knowledge).unwrap();
        let facts = (0..40).map(|n| format!("Fact about Place{n}x.")).collect();
        let sheet = Sheet { id: "a-1".into(), name: "Ira".into(), facts, ..Sheet::default() };
        cast.keep("bannerlord", &sheet, "Ayla").unwrap();
        let check = |cast: &Cast| {
            let world = cast.worlds.find("bannerlord").unwrap();
            assert_eq!((world.name.as_str(), world.narration), ("Calradia", false));
            assert_eq!(world.everybody_knows, ["We are in Sargot."]);
            assert_eq!(world.lore.iter().filter(|entry| entry.audience.is_empty()).count(), 1);
            assert_eq!(world.lore.iter().filter(|entry| entry.audience == ["a-1"]).count(), 16);
            assert_eq!(world.characters["a-1"].knows.len(), 24);
        };
        check(&cast);
        let again = open();
        again.wake("bannerlord").unwrap();
        check(&again);
        assert_eq!(again.sheet("bannerlord", "a-1"), Some(sheet));
        again.remove("bannerlord", "a-1").unwrap();
        assert_eq!(again.worlds.find("bannerlord").unwrap().lore.len(), 1);
        assert_eq!(again.sheet("bannerlord", "a-1"), None);
    }

    #[test]
    fn what_a_pack_says_stays_when_the_place_changes() {
        let folder = tempfile::tempdir().unwrap();
        let pack = World {
            id: "bannerlord".into(),
            name: "My Calradia".into(),
            narration: true,
            everybody_knows: vec!["The year is 1084.".into()],
            ..World::default()
        };
        let cast = Cast::new(Arc::new(Worlds::new(vec![pack])), Notes::new(folder.path()), "Calradia");
        let at = |place: &str| Knowledge([("scene".to_owned(), vec![place.to_owned()])].into());
        for place in ["This is Sargot.", "This is Pravend."] {
            cast.keep_knowledge("bannerlord", &at(place)).unwrap();
            let world = cast.worlds.find("bannerlord").unwrap();
            assert_eq!(world.everybody_knows, ["The year is 1084.", place]);
            assert_eq!((world.name.as_str(), world.narration), ("My Calradia", true));
        }
        cast.wake("bannerlord").unwrap();
        assert_eq!(cast.worlds.find("bannerlord").unwrap().everybody_knows.len(), 2);
    }
}
