//! Whether the files of a pack agree with each other, and what in them will disappoint.

use std::collections::{BTreeSet, HashMap};

use meddah_protocol::check_id;

use super::Character;
use super::action::ActionsFile;
use super::check::Finding;
use super::error::{Warning, WorldError};
use super::limits::*;
use super::pack::{Parts, Remarks};
use super::wording::{Form, cut, escape, nearest};

/// The id that stands for the player in `relationships`.
pub const PLAYER_ID: &str = "player";

/// Ids are compared exactly by games, but files that differ in capitals only are one on Windows.
pub(super) fn check_ids(ids: &BTreeSet<&str>, remarks: &mut Remarks) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for id in ids {
        let file = format!("characters/{}.toml", cut(id, NAME_CHARS_MAX));
        if let Err(error) = check_id("id", id) {
            let help = "give the file a short name of letters and digits, such as mira.toml";
            remarks.error(WorldError::of_file(
                file.clone(),
                format!("bad file name: {}", error.message),
                help,
            ));
        }
        if let Some(other) = seen.insert(id.to_lowercase(), id) {
            let message = format!("the file's name differs from {other}.toml in capital letters only");
            remarks.error(WorldError::of_file(
                file,
                message,
                "rename one of them: on Windows they are one file",
            ));
        }
    }
    if ids.contains(PLAYER_ID) {
        remarks.error(WorldError::of_file(
            format!("characters/{PLAYER_ID}.toml"),
            format!("no character can have the id `{PLAYER_ID}`"),
            "this id stands for the person who plays: rename the file",
        ));
    }
    if ids.len() > CHARACTERS_MAX {
        let message = format!("there are {} characters, at most {CHARACTERS_MAX}", ids.len());
        remarks.error(WorldError::of_file("characters", message, "split the pack into several worlds"));
    }
    if ids.is_empty() {
        remarks.warning(Warning {
            file: "characters".into(),
            at: None,
            message: "the world has no characters".into(),
            help: "make a file characters/mira.toml with one line: name = \"Mira\"".into(),
        });
    }
}

pub(super) fn check_characters(parts: &Parts<'_>, remarks: &mut Remarks) {
    let actions = parts.actions.as_ref().map(|read| &read.content);
    let mut names: HashMap<String, &str> = HashMap::new();
    for read in &parts.characters {
        let (document, character) = (&read.document, &read.content);
        for other in character.relationships.keys() {
            let pointer = format!("/relationships/{}", escape(other));
            if *other == character.id {
                let message = format!("`{other}` is this character");
                remarks.error_at(document, Finding::key(pointer, message, "delete the line"));
            } else if remarks.errors_full() {
                return;
            } else if other != PLAYER_ID && !parts.character_ids.contains(other.as_str()) {
                let finding = unknown_character(pointer, other, &parts.character_ids);
                remarks.error_at(document, finding);
            }
        }
        if let Some(other) = names.insert(character.name.to_lowercase(), document.file) {
            let message = format!("{other} has the same name");
            let help = "give one of them another name, or players and models will mix them up";
            remarks.warning_at(document, Finding::value("/name", message, help));
        }
        for finding in character.findings() {
            remarks.error_at(document, finding);
        }
        for advice in description_advice(character).into_iter().chain(sample_advice(character, actions)) {
            remarks.warning_at(document, advice);
        }
    }
}

pub(super) fn check_lore(parts: &Parts<'_>, remarks: &mut Remarks) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let entries = parts.lore.iter().flat_map(|read| {
        read.content.lore.iter().enumerate().map(|(index, entry)| (&read.document, index, entry))
    });
    for (document, index, entry) in entries {
        let pointer = format!("/lore/{index}");
        if let Some(other) = seen.insert(&entry.id, document.file) {
            let message = format!("{other} already has an entry with the id `{}`", entry.id);
            let finding = Finding::value(format!("{pointer}/id"), message, "give one of them another id");
            remarks.error_at(document, finding);
        }
        for (place, id) in entry.named_ids() {
            if !remarks.errors_full() && !parts.character_ids.contains(id) {
                let pointer = format!("{pointer}{place}");
                remarks.error_at(document, unknown_character(pointer, id, &parts.character_ids));
            }
        }
        for finding in entry.findings(&pointer, Form::Toml) {
            remarks.error_at(document, finding);
        }
        for (place, key) in entry.keys.iter().enumerate().filter(|(_, key)| !key.is_pattern()) {
            if let Some(advice) = key_advice(format!("{pointer}/keys/{place}"), key.as_str()) {
                remarks.warning_at(document, advice);
            }
        }
    }
    if seen.len() > LORE_MAX {
        let message = format!("there are {} lore entries, at most {LORE_MAX}", seen.len());
        remarks.error(WorldError::of_file("lore", message, "split the pack into several worlds"));
    }
}

fn unknown_character(pointer: String, id: &str, known: &BTreeSet<&str>) -> Finding {
    let help = match nearest(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("make a file characters/{}.toml, or delete it here", cut(id, NAME_CHARS_MAX)),
    };
    Finding::key(pointer, format!("there is no character `{}`", cut(id, NAME_CHARS_MAX)), help)
}

fn description_advice(character: &Character) -> Option<Finding> {
    let words = character.description.split_whitespace().count();
    if words == 0 {
        return Some(Finding::value(
            "",
            "the character has no description",
            "add two or three sentences: description = \"Mira runs the inn alone. She likes order.\"",
        ));
    }
    (words > DESCRIPTION_WORDS_ADVISED).then(|| {
        Finding::value(
            "/description",
            format!(
                "the description has {words} words; small models follow up to {DESCRIPTION_WORDS_ADVISED}"
            ),
            "move what others may ask about into lore, and what only the character knows into `knows`",
        )
    })
}

fn sample_advice(character: &Character, actions: Option<&ActionsFile>) -> Vec<Finding> {
    let Some(actions) = actions else { return Vec::new() };
    let names = || actions.action.iter().map(|action| action.name.as_str());
    let samples = character.speech.samples.iter().enumerate();
    let named = samples.filter_map(|(index, sample)| Some((index, sample.action.as_deref()?)));
    named
        .filter(|(_, action)| !names().any(|name| name == *action))
        .map(|(index, action)| {
            let help = match nearest(action, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "the game must declare it while it runs, or the sample is shown without it".to_owned()
                }
            };
            let message = format!("actions.toml has no action `{}`", cut(action, NAME_CHARS_MAX));
            Finding::value(format!("/speech/samples/{index}/action"), message, help)
        })
        .collect()
}

fn key_advice(pointer: String, key: &str) -> Option<Finding> {
    let letters = key.chars().filter(|c| c.is_alphanumeric()).count();
    // One sign may be a whole word in Chinese.
    let short = key.is_ascii() && letters < KEY_LETTERS_ADVISED;
    short.then(|| {
        let message =
            format!("the key \"{}\" is so short that it turns up by accident", cut(key, NAME_CHARS_MAX));
        Finding::value(pointer, message, "use a longer word")
    })
}
