//! The characters and the knowledge that come with the Skyrim mod's relay (`Client/World/*.json`), read into a
//! world of ours.
//!
//! One file has `{"characters": […]}`, another `{"list": […]}` with what everybody knows. Any mod of the same
//! author may be read so, if its files have this shape.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_protocol::{WireError, check_id};
use serde_json::Value;

use super::cast::{Cast, Knowledge, RECORDS_MAX};
use super::notes::Notes;
use super::sheet::{self, Sheet};
use super::{json, skyrim};
use crate::wire::invalid;
use crate::worlds::Worlds;

/// The world that is read into unless another is named.
pub const WORLD: &str = skyrim::WORLD;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Files of one folder that are looked at.
const FILES_MAX: usize = 64;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Names of characters.
    pub characters: Vec<String>,
    /// Pieces of knowledge.
    pub records: usize,
    /// Files of another shape.
    pub skipped: Vec<PathBuf>,
}

/// Reads a file, or all `.json` files of a folder, into `world`. `data` is Meddah's data folder. Characters with
/// the same id are replaced. Nothing is changed unless every character can be read.
pub fn import(path: &Path, world: &str, worlds: Arc<Worlds>, data: &Path) -> Result<Imported, WireError> {
    check_id("world", world)?;
    let mut imported = Imported::default();
    let (mut sheets, mut records) = (Vec::new(), Vec::new());
    for file in files(path)? {
        let value = json::read(&read(&file)?).map_err(|error| WireError {
            message: format!("{}: {}", file.display(), error.message),
            ..error
        })?;
        match (value["characters"].as_array(), value["list"].as_array()) {
            (Some(characters), _) => {
                for character in characters {
                    sheets.push(read_character(&file, character)?);
                }
            }
            (None, Some(list)) => records.extend(list.iter().flat_map(knowledge)),
            (None, None) => imported.skipped.push(file),
        }
    }
    if sheets.is_empty() && records.is_empty() {
        return Err(invalid(
            format!("{} has no characters or knowledge of that kind", path.display()),
            "Give the files of the Skyrim mod's relay, `Client/World/*.json`. Character cards, lorebooks and tables \
             go into the folder of a world: `meddah import FILE --world DIR`.",
        ));
    }
    let world_name = if world == skyrim::WORLD { skyrim::WORLD_NAME } else { "a land of tales" };
    let cast = Cast::new(worlds, Notes::new(data), world_name);
    for sheet in &sheets {
        cast.keep(world, sheet, "the Dragonborn")?;
        imported.characters.push(sheet.name.clone());
    }
    if !records.is_empty() {
        records.truncate(RECORDS_MAX);
        imported.records = records.len();
        let mut known = cast.knowledge(world);
        known.0.insert("world".to_owned(), records);
        cast.keep_knowledge(world, &Knowledge(known.0))?;
    }
    Ok(imported)
}

/// Whether a file, or one of a folder, has this shape.
pub fn is_relay(path: &Path) -> bool {
    let is_one = |file: &PathBuf| {
        let is_json = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        let value = read(file).ok().filter(|_| is_json).and_then(|bytes| json::read(&bytes).ok());
        value.is_some_and(|value| value["characters"].is_array() || value["list"].is_array())
    };
    files(path).is_ok_and(|files| files.iter().any(is_one))
}

fn read_character(file: &Path, value: &Value) -> Result<Sheet, WireError> {
    let path = sheet::text(&value["name"]).unwrap_or_default();
    let id = path.rsplit('/').next().unwrap_or_default().trim().to_lowercase();
    check_id("name", &id).map_err(|error| {
        invalid(
            format!("{}: a character has no usable `name`", file.display()),
            format!("{} It ends in the id, as in workspaces/mine/characters/aela.", error.help),
        )
    })?;
    Ok(Sheet::from_file(&id, value))
}

/// The records of one entry; its description is one of them.
fn knowledge(entry: &Value) -> Vec<String> {
    let described = sheet::text(&entry["description"]);
    described.into_iter().chain(sheet::list(&entry["memoryRecords"]).unwrap_or_default()).collect()
}

fn files(path: &Path) -> Result<Vec<PathBuf>, WireError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")));
    files.sort();
    if files.len() > FILES_MAX {
        return Err(invalid(
            format!("{} has more than {FILES_MAX} files", path.display()),
            "Give the folder `Client/World` of the mod, or one file.",
        ));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>, WireError> {
    let length = std::fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if length > FILE_BYTES_MAX {
        let message = format!("{} has {length} bytes, {FILE_BYTES_MAX} are allowed", file.display());
        return Err(invalid(message, "Give a file with characters, not with sound or pictures."));
    }
    std::fs::read(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> WireError {
    invalid(format!("{} cannot be read: {error}", path.display()), "Check the path.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn write(folder: &Path, name: &str, value: &Value) {
        std::fs::write(folder.join(name), value.to_string()).unwrap();
    }

    fn anwen() -> Value {
        json!({
            "name": "workspaces/{WORKSPACE}/characters/anwen_the_smith",
            "defaultCharacterDescription": {
                "givenName": "Anwen the Smith", "description": "She forges.", "pronoun": "PRONOUN_FEMALE",
                "nicknames": ["Hammer"], "motivation": "{Character} wants peace.", "flaws": "She is stubborn.",
                "exampleDialog": "{Player} A sword?\n{Character} Aye.\nHot work.", "characterRole": "smith",
                "exampleDialogStyle": "EXAMPLE_DIALOG_STYLE_CUSTOM", "personalityAdjectives": ["Loyal"],
                "lifeStage": "LIFE_STAGE_LATE_ADULTHOOD", "hobbyOrInterests": ["Iron"],
                "customDialogStyles": [{"isActive": true, "adjectives": ["short "], "colloquialism": "proverbs"}],
            },
            "facts": [{"uuid": "1", "text": ["{Character} once met {Player}."], "tags": []}],
            "personality": {"positive": 0, "peaceful": -25, "open": 0, "extravert": 0},
            "initialMood": {"joy": 0, "fear": 0, "trust": 70, "surprise": 0},
            "defaultCharacterAssets": {"voice": {"baseName": "x"}}, "meta": null,
        })
    }

    #[test]
    fn the_files_of_the_mod_become_characters_and_lore() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.json", &json!({"characters": [anwen()]}));
        let list = json!([{"displayName": "x", "description": "A land.", "memoryRecords": ["Rorikstead is small."]}]);
        write(folder.path(), "b.json", &json!({"list": list}));
        write(folder.path(), "package.json", &json!({"dependencies": {}}));
        let worlds = Arc::new(Worlds::new(Vec::new()));
        let data = tempfile::tempdir().unwrap();
        let imported = import(folder.path(), WORLD, worlds.clone(), data.path()).unwrap();
        assert_eq!((imported.characters.len(), imported.records, imported.skipped.len()), (1, 2, 1));
        let world = worlds.find("skyrim").unwrap();
        let anwen = &world.characters["anwen_the_smith"];
        assert_eq!((anwen.name.as_str(), anwen.pronouns.as_str()), ("Anwen the Smith", "she/her"));
        assert_eq!(anwen.knows, ["Anwen the Smith once met the Dragonborn."]);
        assert_eq!(anwen.speech.style, "Short, idiom: proverbs. Says for example: \"Hot work.\"");
        assert_eq!(anwen.speech.samples[0].reply, "Aye.");
        assert_eq!(anwen.personality, ["loyal", "quick to anger"]);
        assert!(
            anwen.description.ends_with("She is stubborn.") && anwen.description.contains("late adulthood")
        );
        assert!(world.lore.iter().any(|entry| entry.keys.contains(&"Rorikstead".into())));
    }

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let tried = |name: &str| {
            let worlds = Arc::new(Worlds::new(Vec::new()));
            import(&folder.path().join(name), WORLD, worlds, folder.path()).unwrap_err()
        };
        write(folder.path(), "card.json", &json!({"spec": "chara_card_v2"}));
        assert!(tried("card.json").help.contains("--world DIR"));
        assert!(!is_relay(folder.path()));
        std::fs::write(folder.path().join("broken.json"), "{\"characters\": [").unwrap();
        assert!(tried("broken.json").message.contains("broken.json: this is not JSON"));
        write(folder.path(), "nameless.json", &json!({"characters": [{"x": 1}]}));
        assert!(tried("nameless.json").message.contains("no usable `name`"));
        assert!(tried("missing.json").message.contains("cannot be read"));
    }
}
