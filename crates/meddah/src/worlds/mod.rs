//! The worlds that are loaded, changeable while games run.
//!
//! A turn holds the world it began with; a change makes a new one beside it, so nothing is ever half
//! changed. Packs on disk stay as their authors wrote them: what a game changes is kept in an overlay of
//! small JSON files, applied again at the next start.

mod overlay;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use meddah_engine::world::{CHARACTERS_MAX, Character, LORE_MAX, LoreEntry, PLAYER_ID, World, WorldErrors};
use meddah_protocol::{ErrorCode, WireError, check_id};
use serde_json::Value;
use tracing::warn;

use overlay::Overlay;

use crate::wire::invalid;
pub use overlay::OverlayError;
pub(crate) use overlay::file_stem;

/// Worlds loaded at once; games can create them by name.
pub const WORLDS_MAX: usize = 256;
/// Names of worlds and characters that an error lists.
const NAMED_MAX: usize = 20;

/// All worlds.
pub struct Worlds {
    worlds: RwLock<BTreeMap<String, Arc<World>>>,
    /// As the packs have them: only what is in a pack needs a mark that it was deleted.
    packs: BTreeMap<String, Arc<World>>,
    overlay: Option<Overlay>,
    /// Held while a change is checked, written and put in force. Readers do not wait for it.
    changing: Mutex<()>,
}

/// The two kinds of things that can be changed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Character,
    Lore,
}

/// A new value, or none: deleted.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    world: String,
    part: Part,
    id: String,
    value: Option<Value>,
}

impl Worlds {
    /// The worlds of the packs.
    pub fn new(worlds: Vec<World>) -> Worlds {
        Worlds::shared(worlds.into_iter().map(Arc::new))
    }

    /// The worlds of packs that others have, too: what is changed here is changed for nobody else.
    pub fn shared(worlds: impl IntoIterator<Item = Arc<World>>) -> Worlds {
        let packs: BTreeMap<String, Arc<World>> =
            worlds.into_iter().map(|world| (world.id.clone(), world)).collect();
        Worlds { worlds: RwLock::new(packs.clone()), packs, overlay: None, changing: Mutex::default() }
    }

    /// Applies the changes kept in this folder, and keeps further ones there. A file that cannot be used
    /// costs a warning and not the start: one broken character must not silence all others.
    pub fn with_overlay(mut self, folder: PathBuf) -> Result<Worlds, OverlayError> {
        let overlay = Overlay::new(folder);
        for (change, of_pack) in overlay.read()? {
            if of_pack && !self.packs.contains_key(&change.world) {
                continue; // that pack is not loaded this time; half of it would be worse than none
            }
            if let Err(error) = self.apply(&change, &mut |_| Ok(())) {
                warn!(world = change.world, id = change.id, %error, "a kept change cannot be used");
            }
        }
        self.overlay = Some(overlay);
        Ok(self)
    }

    /// A world by id. Without an id: the only one, or the only pack, so that a world which one game
    /// created takes nothing from another game that names none.
    pub fn find(&self, id: &str) -> Result<Arc<World>, WireError> {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(id) {
            return Ok(world.clone());
        }
        let only = if self.packs.len() == 1 { self.packs.keys().next() } else { worlds.keys().next() };
        if let Some(only) = only.filter(|_| id.is_empty() && (worlds.len() == 1 || self.packs.len() == 1))
            && let Some(world) = worlds.get(only)
        {
            return Ok(world.clone());
        }
        let message = match (id.is_empty(), worlds.len()) {
            (true, 0) => "no world is loaded".to_owned(),
            (true, count) => format!("{count} worlds are loaded, and the request names none"),
            (false, _) => format!("there is no world {:?}", shown(id)),
        };
        let help = match worlds.is_empty() {
            true => "Start with `--world DIR`, or create a character with `PUT`.".to_owned(),
            false => format!("Worlds that are loaded: {}.", named(worlds.keys())),
        };
        Err(WireError::new(ErrorCode::UnknownWorld, message).with_help(help))
    }

    /// All of them, by id.
    pub fn list(&self) -> Vec<Arc<World>> {
        self.worlds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A character as data.
    pub fn get_character(&self, world: &str, id: &str) -> Result<Value, WireError> {
        let world = self.find(world)?;
        let character = world.characters.get(id).ok_or_else(|| unknown(&world, Part::Character, id))?;
        Ok(character.to_json())
    }

    /// Creates or replaces a character and returns it as kept. An unknown world is created.
    pub fn put_character(&self, world: &str, id: &str, value: Value) -> Result<Value, WireError> {
        self.change(Part::Character, world, id, Some(value))?;
        self.get_character(world, id)
    }

    /// Deletes a character.
    pub fn delete_character(&self, world: &str, id: &str) -> Result<(), WireError> {
        self.change(Part::Character, world, id, None)
    }

    /// A lore entry as data.
    pub fn get_lore(&self, world: &str, id: &str) -> Result<Value, WireError> {
        let world = self.find(world)?;
        let entry = world.lore.iter().find(|entry| entry.id == id);
        entry.map(LoreEntry::to_json).ok_or_else(|| unknown(&world, Part::Lore, id))
    }

    /// Creates or replaces a lore entry and returns it as kept. An unknown world is created.
    pub fn put_lore(&self, world: &str, id: &str, value: Value) -> Result<Value, WireError> {
        self.change(Part::Lore, world, id, Some(value))?;
        self.get_lore(world, id)
    }

    /// Deletes a lore entry.
    pub fn delete_lore(&self, world: &str, id: &str) -> Result<(), WireError> {
        self.change(Part::Lore, world, id, None)
    }

    /// Changes a world for as long as the program runs; whoever asks for it keeps what it is made of, and asks
    /// again after the next start. An unknown world is created.
    pub(crate) fn amend(&self, world: &str, change: impl FnOnce(&mut World)) -> Result<(), WireError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.worlds.read().unwrap_or_else(PoisonError::into_inner).get(world).cloned();
        let mut changed = current.map_or_else(|| self.new_world(world), |world| Ok(World::clone(&world)))?;
        change(&mut changed);
        changed.lore.truncate(LORE_MAX);
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        worlds.insert(world.to_owned(), Arc::new(changed));
        Ok(())
    }

    fn change(&self, part: Part, world: &str, id: &str, value: Option<Value>) -> Result<(), WireError> {
        check_id("world", world)?;
        check_id("id", id)?;
        let change = Change { world: world.to_owned(), part, id: id.to_owned(), value };
        self.apply(&change, &mut |changed| {
            let Some(overlay) = &self.overlay else { return Ok(()) };
            let pack = self.packs.get(&change.world);
            if change.value.is_none() && !pack.is_some_and(|pack| has(pack, part, id)) {
                return overlay.remove(&change);
            }
            // Written as it was understood, not as it was sent.
            let value = change.value.as_ref().and_then(|_| as_json(changed, part, id));
            overlay.write(&Change { value, ..change.clone() }, pack.is_some())
        })
    }

    /// Checks a change, has it kept, and only then puts it in force.
    fn apply(
        &self,
        change: &Change,
        keep: &mut dyn FnMut(&World) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.worlds.read().unwrap_or_else(PoisonError::into_inner).get(&change.world).cloned();
        let mut world = match (current, &change.value) {
            (Some(world), _) => World::clone(&world),
            (None, Some(_)) => self.new_world(&change.world)?,
            (None, None) => return self.find(&change.world).map(|_| ()),
        };
        match (&change.value, change.part) {
            (None, part) => remove(&mut world, part, &change.id)?,
            (Some(value), Part::Character) => set_character(&mut world, &change.id, value.clone())?,
            (Some(value), Part::Lore) => set_lore(&mut world, &change.id, value.clone())?,
        }
        keep(&world)?;
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        worlds.insert(change.world.clone(), Arc::new(world));
        Ok(())
    }

    fn new_world(&self, id: &str) -> Result<World, WireError> {
        check_id("world", id)?;
        if self.list().len() >= WORLDS_MAX {
            return Err(WireError::new(ErrorCode::Busy, format!("{WORLDS_MAX} worlds are loaded already"))
                .with_help("Use one world for all characters of a game."));
        }
        Ok(World {
            id: id.to_owned(),
            name: id.to_owned(),
            language: "en".to_owned(),
            narration: true,
            ..World::default()
        })
    }
}

fn set_character(world: &mut World, id: &str, value: Value) -> Result<(), WireError> {
    if id == PLAYER_ID {
        return Err(invalid(
            format!("no character can have the id `{PLAYER_ID}`"),
            "It stands for the person who plays.",
        ));
    }
    let character = Character::from_json(id, value).map_err(|errors| world_errors(&errors))?;
    if world.characters.len() >= CHARACTERS_MAX && !world.characters.contains_key(id) {
        return Err(full("characters", CHARACTERS_MAX));
    }
    world.characters.insert(id.to_owned(), character);
    Ok(())
}

fn set_lore(world: &mut World, id: &str, value: Value) -> Result<(), WireError> {
    let entry = LoreEntry::from_json(id, value).map_err(|errors| world_errors(&errors))?;
    match world.lore.iter().position(|known| known.id == id) {
        Some(place) => world.lore[place] = entry,
        None if world.lore.len() >= LORE_MAX => return Err(full("lore entries", LORE_MAX)),
        None => world.lore.push(entry),
    }
    Ok(())
}

fn remove(world: &mut World, part: Part, id: &str) -> Result<(), WireError> {
    if !has(world, part, id) {
        return Err(unknown(world, part, id));
    }
    match part {
        Part::Character => {
            world.characters.remove(id);
        }
        Part::Lore => world.lore.retain(|entry| entry.id != id),
    }
    Ok(())
}

fn has(world: &World, part: Part, id: &str) -> bool {
    match part {
        Part::Character => world.characters.contains_key(id),
        Part::Lore => world.lore.iter().any(|entry| entry.id == id),
    }
}

fn as_json(world: &World, part: Part, id: &str) -> Option<Value> {
    match part {
        Part::Character => world.characters.get(id).map(Character::to_json),
        Part::Lore => world.lore.iter().find(|entry| entry.id == id).map(LoreEntry::to_json),
    }
}

fn unknown(world: &World, part: Part, id: &str) -> WireError {
    let (code, kind, known) = match part {
        Part::Character => (ErrorCode::UnknownCharacter, "character", named(world.characters.keys())),
        Part::Lore => (ErrorCode::NotFound, "lore entry", named(world.lore.iter().map(|entry| &entry.id))),
    };
    let help = match known.is_empty() {
        true => format!("This world has no {kind} yet; create one with `PUT`."),
        false => format!("Known: {known}."),
    };
    WireError::new(code, format!("there is no {kind} {:?} in world {:?}", shown(id), world.id))
        .with_help(help)
}

/// All mistakes at once, so that an author is not sent back for one after the other.
fn world_errors(errors: &WorldErrors) -> WireError {
    let joined = |pick: fn(&meddah_engine::world::WorldError) -> &str| {
        let mut texts: Vec<&str> = errors.0.iter().map(pick).filter(|text| !text.is_empty()).collect();
        texts.dedup();
        texts.truncate(NAMED_MAX);
        texts.join("; ")
    };
    let help = joined(|error| &error.help);
    let help = if help.is_empty() { "Correct the fields named in the message.".to_owned() } else { help };
    invalid(joined(|error| &error.message), help)
}

fn full(what: &str, limit: usize) -> WireError {
    WireError::new(ErrorCode::TooLarge, format!("the world has {limit} {what} already"))
        .with_help("Delete some that are not needed, or use a second world.")
}

fn named<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let more = if names.len() > NAMED_MAX { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(NAMED_MAX)].join(", "))
}

/// An id as an error shows it: callers send anything.
fn shown(id: &str) -> String {
    id.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
