//! Characters and lore as data, over HTTP; actions in their short form.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;

fn check_character(value: Value, expect: Expect) {
    let told = match Character::from_json("mira", value) {
        Ok(character) => format!("{}\n", character.to_json()),
        Err(errors) => format!("{errors}\n"),
    };
    expect.assert_eq(&told);
}

fn check_action(text: &str, expect: Expect) {
    let world = world(&[("world.toml", "name = \"Test\""), ("actions.toml", text)]);
    let actions: Vec<String> =
        world.actions.iter().map(|action| serde_json::to_string_pretty(action).unwrap() + "\n").collect();
    expect.assert_eq(&actions.concat());
}

fn full_character() -> Value {
    json!({
        "id": "mira",
        "name": "Mira",
        "pronouns": "she/her",
        "role": "innkeeper",
        "description": "Runs the inn.\nLikes \"order\".",
        "personality": ["warm"],
        "knows": ["The cellar is damp."],
        "does_not_know": ["who stole the bell"],
        "goals": ["peace"],
        "mood": "joy",
        "fallback_lines": ["One moment."],
        "speech": {
            "style": "Short.",
            "words_max": 40,
            "samples": [{"player": "Hi.", "reply": "Hello.", "emotion": "joy", "action": "wave"}],
        },
        "relationships": {"bram": "A friend.", "player": "A guest."},
        "voice": {"name": "joe", "speaker": 3, "speed": 1.1, "services": {"elevenlabs": "Rachel"}},
        "secrets": [{"text": "The key is under the stone.", "condition": "helped_mira"}],
    })
}

#[test]
fn a_character_comes_back_as_it_was_sent() {
    let sent = full_character();
    let character = Character::from_json("mira", sent.clone()).unwrap();
    assert_eq!(character.to_json(), sent);
}

#[test]
fn a_character_written_as_toml_reads_the_same() {
    let character = Character::from_json("mira", full_character()).unwrap();
    let text = character.to_toml();
    let world = world(&[
        ("world.toml", "name = \"Test\""),
        ("characters/bram.toml", "name = \"Bram\""),
        ("characters/mira.toml", &text),
    ]);
    assert_eq!(world.characters["mira"], character);
}

#[test]
fn a_short_character_stays_short() {
    check_character(
        json!({"name": "Mira"}),
        expect![[r#"
        {"id":"mira","name":"Mira"}
    "#]],
    );
}

#[test]
fn mistakes_in_data_name_their_place() {
    check_character(
        json!({"name": 7, "speech": {"stile": "Short."}, "voice": null, "secrets": [{"text": ""}]}),
        expect![[r#"
            character `mira`: `name` must be a string, but this is a number
              help: write it like this: "name": "Mira"
            character `mira`: unknown key `stile` in `speech`
              help: did you mean `style`?
            character `mira`: `voice` must be an object, but this is null
            character `mira`: `condition` is missing in entry 1 of `secrets`
              help: add it, for example: "condition": "helped_mira"
            character `mira`: `text` in entry 1 of `secrets` is empty
              help: write it like this: "text": "The key is under the third stone."
        "#]],
    );
}

#[test]
fn data_that_is_no_object_is_refused() {
    check_character(
        json!([1, 2]),
        expect![[r#"
            character `mira`: all of it must be an object, but this is a list
        "#]],
    );
}

#[test]
fn data_sent_to_another_address_is_refused() {
    check_character(
        json!({"id": "bram", "name": "Bram"}),
        expect![[r#"
        character `mira`: the data has the id "bram", but it was sent to `mira`
          help: leave `id` out, or make both the same
    "#]],
    );
}

#[test]
fn an_id_that_is_too_long_is_refused() {
    let errors = Character::from_json(&"m".repeat(129), json!({"name": "Mira"})).unwrap_err();
    assert_eq!(errors.0[0].message, "`id` must be 1 to 128 bytes without control characters");
}

#[test]
fn lore_comes_back_as_it_was_sent() {
    let sent = json!({
        "id": "mill", "text": "It burned.", "keys": ["mill"], "audience": ["mira"], "condition": "asked_twice",
    });
    let entry = LoreEntry::from_json("mill", sent.clone()).unwrap();
    assert_eq!(entry.to_json(), sent);
    let entry = LoreEntry::from_json("mill", json!({"text": "It burned.", "keys": ["mill"]})).unwrap();
    assert_eq!(entry.id, "mill");
    let errors = LoreEntry::from_json("mill", json!({"text": "It burned."})).unwrap_err();
    expect![[r#"
        lore `mill`: `keys` is missing
          help: add it, for example: "keys": ["mill","fire"]
    "#]]
    .assert_eq(&format!("{errors}\n"));
}

#[test]
fn short_parameters_become_json_schema() {
    let text = r#"
        [[action]]
        name = "give_item"
        description = "Hand an item over."
        targets = "present"
        needs_result = true
        parameters.item = ["key", "ale"]
        parameters.count = "whole number"
        parameters.price = "number?"
        parameters.gift = "yes or no"
        parameters.note = "text"
        parameters.angle = { type = "integer", minimum = 0, maximum = 359 }
    "#;
    check_action(
        text,
        expect![[r#"
            {
              "name": "give_item",
              "description": "Hand an item over.",
              "parameters": {
                "type": "object",
                "properties": {
                  "item": {
                    "type": "string",
                    "enum": [
                      "key",
                      "ale"
                    ]
                  },
                  "count": {
                    "type": "integer"
                  },
                  "price": {
                    "type": "number"
                  },
                  "gift": {
                    "type": "boolean"
                  },
                  "note": {
                    "type": "string"
                  },
                  "angle": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 359
                  }
                },
                "required": [
                  "item",
                  "count",
                  "gift",
                  "note",
                  "angle"
                ],
                "additionalProperties": false
              },
              "targets": [
                "present"
              ],
              "needs_result": true
            }
        "#]],
    );
}

#[test]
fn a_parameter_may_be_called_type() {
    check_action(
        "[[action]]\nname = \"order\"\nparameters.type = [\"ale\", \"stew\"]",
        expect![[r#"
        {
          "name": "order",
          "parameters": {
            "type": "object",
            "properties": {
              "type": {
                "type": "string",
                "enum": [
                  "ale",
                  "stew"
                ]
              }
            },
            "required": [
              "type"
            ],
            "additionalProperties": false
          },
          "needs_result": false
        }
    "#]],
    );
}

#[test]
fn a_full_schema_is_taken_as_it_is() {
    let text = r#"
        [[action]]
        name = "walk"
        targets = ["door", "bar"]
        [action.parameters]
        type = "object"
        required = ["speed"]
        [action.parameters.properties.speed]
        type = "number"
        maximum = 3
    "#;
    check_action(
        text,
        expect![[r#"
            {
              "name": "walk",
              "parameters": {
                "type": "object",
                "required": [
                  "speed"
                ],
                "properties": {
                  "speed": {
                    "type": "number",
                    "maximum": 3
                  }
                }
              },
              "targets": [
                "door",
                "bar"
              ],
              "needs_result": false
            }
        "#]],
    );
}

#[test]
fn an_action_may_have_nothing_to_choose() {
    check_action(
        "[[action]]\nname = \"refuse\"",
        expect![[r#"
        {
          "name": "refuse",
          "needs_result": false
        }
    "#]],
    );
}
