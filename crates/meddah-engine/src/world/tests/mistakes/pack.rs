//! Files and folders, and what does not fit together in a pack.

use expect_test::expect;

use super::*;

#[test]
fn a_folder_with_a_misspelt_name() {
    check_file(
        "character/tom.toml",
        r#"name = "Tom""#,
        expect![[r#"
        character/tom.toml: the file has no place in a world pack
          help: should it be characters/tom.toml?
    "#]],
    );
}

#[test]
fn a_file_with_a_misspelt_name() {
    check_file(
        "action.toml",
        r"",
        expect![[r#"
        action.toml: the file has no place in a world pack
          help: should it be actions.toml?
    "#]],
    );
}

#[test]
fn a_file_of_no_known_kind() {
    check_file(
        "notes/ideas.toml",
        r"",
        expect![[r#"
        notes/ideas.toml: the file has no place in a world pack
          help: a pack has world.toml, actions.toml, characters/NAME.toml and lore/NAME.toml
    "#]],
    );
}

#[test]
fn a_character_called_player() {
    check_file(
        "characters/player.toml",
        r#"name = "You""#,
        expect![[r#"
        characters/player.toml: no character can have the id `player`
          help: this id stands for the person who plays: rename the file
    "#]],
    );
}

#[test]
fn two_files_that_windows_takes_for_one() {
    check_file(
        "characters/Mira.toml",
        r#"name = "Mira the Second"
description = "Another.""#,
        expect![[r#"
    characters/mira.toml: the file's name differs from Mira.toml in capital letters only
      help: rename one of them: on Windows they are one file
"#]],
    );
}

#[test]
fn a_character_without_a_description() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira""#,
        expect![[r#"
        warning: characters/mira.toml, line 1, column 1: the character has no description
          help: add two or three sentences: description = "Mira runs the inn alone. She likes order."
    "#]],
    );
}

#[test]
fn a_very_long_description() {
    let text = format!("name = \"Mira\"\ndescription = \"{}\"", "She talks on and on. ".repeat(30));
    check_file(
        "characters/mira.toml",
        &text,
        expect![[r#"
        warning: characters/mira.toml, line 2, column 15: the description has 150 words; small models follow up to 120
          help: move what others may ask about into lore, and what only the character knows into `knows`
    "#]],
    );
}

#[test]
fn two_characters_of_one_name() {
    check_file(
        "characters/mira.toml",
        r#"name = "BRAM"
description = "Not the guard.""#,
        expect![[r#"
    warning: characters/mira.toml, line 1, column 8: characters/bram.toml has the same name
      help: give one of them another name, or players and models will mix them up
"#]],
    );
}

#[test]
fn a_sample_with_an_unknown_action_and_no_actions_file() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
description = "Runs the inn."
[[speech.samples]]
player = "Come!"
reply = "Coming."
action = "follow""#,
        expect![[r#"
    good
"#]],
    );
}

#[test]
fn a_pack_without_a_world_file() {
    check(
        &[("characters/mira.toml", "name = \"Mira\"")],
        expect![[r#"
        world.toml: the file is missing
          help: make a file world.toml in the pack's folder with one line: name = "The name of your world"
    "#]],
    );
}

#[test]
fn a_world_without_characters() {
    check(
        &[("world.toml", "name = \"Test\"")],
        expect![[r#"
        warning: characters: the world has no characters
          help: make a file characters/mira.toml with one line: name = "Mira"
    "#]],
    );
}

#[test]
fn a_lore_id_in_two_files() {
    let entry = "[[lore]]\nid = \"mill\"\ntext = \"It burned.\"\nkeys = [\"mill\"]";
    check(
        &[
            ("world.toml", "name = \"Test\""),
            ("characters/mira.toml", "name = \"Mira\"\ndescription = \"Runs the inn.\""),
            ("lore/a.toml", entry),
            ("lore/b.toml", entry),
        ],
        expect![[r#"
            lore/b.toml, line 2, column 6: lore/a.toml already has an entry with the id `mill`
              help: give one of them another id
        "#]],
    );
}

#[test]
fn a_sample_with_a_misspelt_action() {
    let mira = "name = \"Mira\"\ndescription = \"Runs the inn.\"\n\n[[speech.samples]]\nplayer = \"Come!\"\n\
                reply = \"Coming.\"\naction = \"folow\"";
    check(
        &[
            ("world.toml", "name = \"Test\""),
            ("characters/mira.toml", mira),
            ("actions.toml", "[[action]]\nname = \"follow\""),
        ],
        expect![[r#"
            warning: characters/mira.toml, line 7, column 10: actions.toml has no action `folow`
              help: did you mean `follow`?
        "#]],
    );
}

#[test]
fn a_mistake_in_one_file_is_not_reported_in_another() {
    check(
        &[
            ("world.toml", "name = \"Test\""),
            ("characters/mira.toml", "name = Mira"),
            ("characters/bram.toml", "name = \"Bram\"\n[relationships]\nmira = \"A friend.\""),
        ],
        expect![[r#"
            characters/mira.toml, line 1, column 8: text must stand in quotes
              help: write "Mira"
        "#]],
    );
}
