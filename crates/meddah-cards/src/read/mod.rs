//! From the bytes of a file to cards and lorebooks. What a file is, its first bytes say; its name is only
//! asked for a table.

mod charx;
mod json;
mod picture;
mod relay;
mod table;

use serde_json::{Map, Value};

pub(crate) use charx::{Archive, CARD, Entry, is_inside};

use crate::book::{self, Book};
use crate::card::{Card, ContainerKind};
use crate::error::CardError;
use crate::limits::*;
use crate::png_chunks;

/// Something that a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A character.
    Card(Box<Card>),
    /// Knowledge without a character.
    Book(Book),
}

/// All that is in a file. One bad character among many is an error of its own, and the others are read.
/// `name` is the file's name: it stands in errors, and its ending tells tables.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Result<Found, CardError>>, CardError> {
    if bytes.len() > FILE_BYTES_MAX {
        let message =
            format!("the file has {} MB, at most {} are read", bytes.len() >> 20, FILE_BYTES_MAX >> 20);
        return Err(CardError::new(name, message, "give a card, not a backup or a collection of pictures"));
    }
    if bytes.starts_with(&png_chunks::SIGNATURE) {
        let json = picture::card_json(name, bytes)?;
        return Ok(vec![Ok(contained(name, json, ContainerKind::Png, bytes)?)]);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        let json = Archive::open(name, bytes)?.card_json()?;
        return Ok(vec![Ok(contained(name, json, ContainerKind::Charx, bytes)?)]);
    }
    if let Some(kind) = other_kind(bytes) {
        let message = format!("this is {kind}, and no character is read from those");
        return Err(CardError::new(
            name,
            message,
            "cards are .png, .json or .charx files; download the card again, not a preview of it",
        ));
    }
    let text = json::decode(name, bytes)?;
    let is_table = [".csv", ".tsv", ".tab"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    match text.trim_start().as_bytes().first() {
        _ if is_table => table::read(name, text),
        Some(b'{' | b'[') => from_json(name, json::parse(name, text)?),
        Some(_) if name.to_ascii_lowercase().ends_with(".txt") => table::read(name, text),
        Some(_) => Err(CardError::new(name, "this is no character card", KNOWN_KINDS)),
        None => Err(CardError::new(name, "the file is empty", "download or export it again")),
    }
}

const KNOWN_KINDS: &str = "what can be read: cards (.png, .json, .charx), lorebooks (.json), tables (.csv)";

fn contained(
    name: &str,
    json: Map<String, Value>,
    kind: ContainerKind,
    bytes: &[u8],
) -> Result<Found, CardError> {
    let card = Card::from_json(json).ok_or_else(|| {
        CardError::new(name, "the JSON in this file is no character card", "export the card again")
    })?;
    Ok(Found::Card(Box::new(card.with_container(kind, bytes.to_vec()))))
}

/// Files that are often taken for a card.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 5] = [
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"RIFF", "a WebP picture or a sound"),
        (b"GIF8", "a GIF picture"),
        (b"%PDF", "a PDF"),
        (b"\x1f\x8b", "a packed file (.gz)"),
    ];
    kinds.into_iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| kind)
}

fn from_json(name: &str, value: Value) -> Result<Vec<Result<Found, CardError>>, CardError> {
    match value {
        Value::Array(items) => {
            check_count(name, items.len())?;
            let numbered = items.into_iter().enumerate();
            Ok(numbered.map(|(n, item)| one(name, item, format!("entry {}", n + 1))).collect())
        }
        Value::Object(mut fields) if relay::is_relay(&fields) => {
            relay::check(name, &fields)?;
            Ok(relay::read(name, &mut fields))
        }
        value => Ok(vec![Ok(one(name, value, String::new())?)]),
    }
}

fn check_count(name: &str, count: usize) -> Result<(), CardError> {
    if count <= ITEMS_MAX {
        return Ok(());
    }
    let message = format!("the file has {count} characters, at most {ITEMS_MAX} are read");
    Err(CardError::new(name, message, "split it into several files, one for each world"))
}

fn one(name: &str, value: Value, place: String) -> Result<Found, CardError> {
    let Value::Object(fields) = value else {
        return Err(CardError::new(name, "this is no character card", KNOWN_KINDS).at(place));
    };
    let spec = fields.get("spec").and_then(Value::as_str).unwrap_or_default();
    let is_book = spec.starts_with("lorebook") || (!spec.starts_with("chara_card") && holds_entries(&fields));
    if is_book && let Some(book) = Book::from_json(fields.clone(), name) {
        return Ok(Found::Book(book));
    }
    let keys = fields.keys().take(8).map(|key| key.chars().take(40).collect::<String>());
    let keys = keys.collect::<Vec<_>>().join(", ");
    let Some(mut card) = Card::from_json(fields) else {
        let message = format!("the JSON is neither a character card nor a lorebook; it has: {keys}");
        return Err(CardError::new(name, message, KNOWN_KINDS).at(place));
    };
    card.place = place;
    Ok(Found::Card(Box::new(card)))
}

fn holds_entries(fields: &Map<String, Value>) -> bool {
    let data = fields.get("data").and_then(Value::as_object).unwrap_or(fields);
    book::entries(data).is_some()
}
