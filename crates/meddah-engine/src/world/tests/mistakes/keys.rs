//! Keys that nobody knows, and keys in the wrong place.

use expect_test::expect;

use super::*;

#[test]
fn a_misspelt_key() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
roll = "innkeeper"
description = "Runs the inn.""#,
        expect![[r#"
    characters/mira.toml, line 2, column 1: unknown key `roll`
      help: did you mean `role`?
"#]],
    );
}

#[test]
fn a_misspelt_section() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[voise]
name = "joe""#,
        expect![[r#"
    characters/mira.toml, line 3, column 2: unknown key `voise`
      help: did you mean `voice`?
"#]],
    );
}

#[test]
fn a_key_that_nothing_resembles() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
hitpoints = 12"#,
        expect![[r#"
            characters/mira.toml, line 2, column 1: unknown key `hitpoints`
              help: known here: `name`, `pronouns`, `role`, `description`, `personality`, `knows`, `does_not_know`, `goals`, `mood`, `fallback_lines`, `ladder`, `speech`, `relationships`, `voice`, `secrets`, `goal`
        "#]],
    );
}

#[test]
fn a_key_below_the_wrong_heading() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[speech]
style = "Short."
goals = ["peace"]"#,
        expect![[r#"
            characters/mira.toml, line 5, column 1: unknown key `goals`
              help: `goals` belongs at the top of the file: move it above the first line in [brackets]
        "#]],
    );
}

#[test]
fn a_key_above_its_heading() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
speed = 0.9"#,
        expect![[r#"
            characters/mira.toml, line 2, column 1: unknown key `speed`
              help: `speed` belongs in a section: put it below a line `[voice]`
        "#]],
    );
}

#[test]
fn an_id_in_a_character_file() {
    check_file(
        "characters/mira.toml",
        r#"id = "mira"
name = "Mira""#,
        expect![[r#"
    characters/mira.toml, line 1, column 1: unknown key `id`
      help: the id is the name of the file: delete this line, and rename the file to change the id
"#]],
    );
}

#[test]
fn a_misspelt_key_in_a_sample() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[[speech.samples]]
player = "Hi."
reply = "Hello."

[[speech.samples]]
player = "Bye."
replay = "Farewell.""#,
        expect![[r#"
            characters/mira.toml, line 9, column 1: unknown key `replay`
              help: did you mean `reply`?
        "#]],
    );
}
