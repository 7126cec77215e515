//! A character of ours as a card again: everything that came in, with what its author has changed since on top.

mod apply;
mod archive;
mod picture;
mod spec;

use meddah_engine::world::{Character, LoreEntry};
use serde::Deserialize;

use crate::card::ContainerKind;
use crate::error::CardError;
use crate::import::pretty;
use crate::{Book, Card};

/// The form in which a card is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, version 2: what most programs read.
    V2,
    /// JSON, version 3.
    V3,
    /// A picture with both versions in it.
    Png,
    /// A CHARX archive.
    Charx,
}

/// A character as a world has it now.
#[derive(Clone, Copy)]
pub struct Current<'a> {
    /// `characters/ID.toml`.
    pub character: &'a Character,
    /// `lore/ID.card.toml` and its continuations; `None` where there is no such file.
    pub lore: Option<&'a [LoreEntry]>,
    /// The kept original.
    pub original: Option<&'a Card>,
    /// Which ids the world has.
    pub known: &'a dyn Fn(&str) -> bool,
}

/// The bytes of the card. `picture` is a PNG to put it in; without it the one that it came in is taken, else a
/// plain one.
pub fn export(current: &Current<'_>, form: Form, picture: Option<&[u8]>) -> Result<Vec<u8>, CardError> {
    let file = &current.character.id;
    let (json, is_changed) = apply::changed(current);
    let container = current.original.and_then(Card::container);
    let as_it_came = container.filter(|_| !is_changed && picture.is_none());
    match form {
        Form::V2 => Ok(pretty(&spec::to_v2(json))),
        Form::V3 => Ok(pretty(&spec::to_v3(json))),
        Form::Png => match as_it_came.filter(|container| container.kind == ContainerKind::Png) {
            Some(container) => Ok(container.bytes.clone()),
            None => picture::write(file, json, container, picture),
        },
        Form::Charx => match as_it_came.filter(|container| container.kind == ContainerKind::Charx) {
            Some(container) => Ok(container.bytes.clone()),
            None => archive::write(file, json, container, picture),
        },
    }
}

/// A lorebook in the form in which it came, with the changes on top.
pub fn export_book(original: &Book, id: &str, lore: &[LoreEntry], known: &dyn Fn(&str) -> bool) -> Vec<u8> {
    pretty(&apply::changed_book(original, id, lore, known))
}

/// The entries in the text of a lore file.
pub fn lore_entries(file: &str, text: &str) -> Result<Vec<LoreEntry>, CardError> {
    #[derive(Deserialize)]
    struct LoreFile {
        #[serde(default)]
        lore: Vec<LoreEntry>,
    }
    let read: Result<LoreFile, _> = toml::from_str(text);
    read.map(|file| file.lore).map_err(|error| {
        CardError::new(file, error.message(), "mend the file; `meddah talk --world DIR` shows the place")
    })
}
