use meddah_protocol::ErrorCode;
use serde_json::json;

use super::*;

fn mira() -> Value {
    json!({"name": "Mira", "role": "innkeeper"})
}

fn tavern() -> World {
    let character = Character::from_json("mira", mira()).unwrap();
    World {
        id: "tavern".into(),
        name: "The Lantern".into(),
        characters: [("mira".to_owned(), character)].into(),
        ..World::default()
    }
}

#[test]
fn the_only_world_needs_no_name_and_an_unknown_one_lists_those_there_are() {
    let worlds = Worlds::new(vec![tavern()]);
    assert_eq!(worlds.find("").unwrap().id, "tavern");
    let error = worlds.find("taverne").unwrap_err();
    assert_eq!(
        (error.code, error.help.as_str()),
        (ErrorCode::UnknownWorld, "Worlds that are loaded: tavern.")
    );
    worlds.put_character("harbour", "jon", json!({"name": "Jon"})).unwrap();
    assert_eq!(worlds.find("").unwrap().id, "tavern", "a world that a game created does not count here");
    let packs = Worlds::new(vec![tavern(), World { id: "harbour".into(), ..tavern() }]);
    assert_eq!(packs.find("").unwrap_err().help, "Worlds that are loaded: harbour, tavern.");
    assert_eq!(Worlds::new(Vec::new()).find("").unwrap_err().message, "no world is loaded");
}

#[test]
fn changes_of_a_pack_wait_for_that_pack() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = Worlds::new(vec![tavern()]).with_overlay(folder.path().to_owned()).unwrap();
    worlds.put_character("tavern", "jon", json!({"name": "Jon"})).unwrap();
    let without = Worlds::new(Vec::new()).with_overlay(folder.path().to_owned()).unwrap();
    assert!(without.list().is_empty());
}

#[test]
fn a_turn_keeps_the_world_it_began_with() {
    let worlds = Worlds::new(vec![tavern()]);
    let before = worlds.find("tavern").unwrap();
    worlds.put_character("tavern", "mira", json!({"name": "Old Mira"})).unwrap();
    assert_eq!(before.characters["mira"].name, "Mira");
    assert_eq!(worlds.find("tavern").unwrap().characters["mira"].name, "Old Mira");
}

#[test]
fn a_mistake_says_what_to_do_and_changes_nothing() {
    let worlds = Worlds::new(vec![tavern()]);
    let error = worlds.put_character("tavern", "mira", json!({"name": "Mira", "rolle": "x"})).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.message.contains("rolle") && error.help.contains("role"), "{error:?}");
    assert_eq!(worlds.get_character("tavern", "mira").unwrap()["role"], "innkeeper");
    assert!(worlds.put_character("tavern", "player", mira()).is_err());
    assert!(worlds.put_character("tavern", "", mira()).is_err());
    assert!(worlds.put_character(&"w".repeat(129), "mira", mira()).is_err());
    assert!(worlds.delete_lore("nowhere", "x").is_err());
}

#[test]
fn changes_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Worlds::new(vec![tavern()]).with_overlay(folder.path().join("worlds")).unwrap();
    let worlds = start();
    worlds.put_character("tavern", "Borin ../x", json!({"name": "Borin"})).unwrap();
    worlds.put_lore("tavern", "mill", json!({"text": "It burned.", "keys": ["mill"]})).unwrap();
    worlds.put_character("harbour", "jon", json!({"name": "Jon"})).unwrap();
    worlds.delete_character("tavern", "mira").unwrap();

    let worlds = start();
    assert_eq!(worlds.get_character("tavern", "Borin ../x").unwrap()["name"], "Borin");
    assert_eq!(worlds.get_lore("tavern", "mill").unwrap()["text"], "It burned.");
    assert_eq!(worlds.get_character("harbour", "jon").unwrap()["name"], "Jon");
    assert_eq!(worlds.get_character("tavern", "mira").unwrap_err().code, ErrorCode::UnknownCharacter);

    worlds.delete_character("harbour", "jon").unwrap();
    assert!(
        !folder.path().join("worlds/harbour/characters/jon.json").exists(),
        "no mark where no pack has it"
    );
    worlds.put_character("tavern", "mira", mira()).unwrap();
    assert_eq!(start().get_character("tavern", "mira").unwrap()["name"], "Mira");
}

#[test]
fn a_broken_file_costs_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = Worlds::new(vec![tavern()]).with_overlay(folder.path().to_owned()).unwrap();
    worlds.put_character("tavern", "jon", json!({"name": "Jon"})).unwrap();
    let characters = folder.path().join("tavern/characters");
    std::fs::write(characters.join("bad.json"), "{").unwrap();
    std::fs::write(characters.join("note.txt"), "mine").unwrap();
    std::fs::copy(characters.join("jon.json"), characters.join("copy.json")).unwrap();
    let worlds = Worlds::new(vec![tavern()]).with_overlay(folder.path().to_owned()).unwrap();
    let world = worlds.find("tavern").unwrap();
    assert_eq!(world.characters.keys().collect::<Vec<_>>(), ["jon", "mira"]);
}
