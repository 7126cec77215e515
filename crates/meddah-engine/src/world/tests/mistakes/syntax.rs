//! What is no TOML at all.

use expect_test::expect;

use super::*;

#[test]
fn no_closing_quote() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira
role = "innkeeper""#,
        expect![[r#"
    characters/mira.toml, line 1, column 13: a text has no closing quote
      help: put a " at its end; a text over several lines begins and ends with """
"#]],
    );
}

#[test]
fn no_closing_quote_on_windows() {
    check_file(
        "characters/mira.toml",
        "name = \"Mira\r\nrole = \"innkeeper\"\r\n",
        expect![[r#"
        characters/mira.toml, line 1, column 13: a text has no closing quote
          help: put a " at its end; a text over several lines begins and ends with """
    "#]],
    );
}

#[test]
fn no_closing_single_quote() {
    check_file(
        "characters/mira.toml",
        r"name = 'Mira",
        expect![[r#"
        characters/mira.toml, line 1, column 13: a text has no closing quote
          help: put a ' at its end, or use " on both sides if there is a ' within it
    "#]],
    );
}

#[test]
fn no_quotes() {
    check_file(
        "characters/mira.toml",
        r"name = Mira Oakhand # the innkeeper",
        expect![[r#"
        characters/mira.toml, line 1, column 8: text must stand in quotes
          help: write "Mira Oakhand"
    "#]],
    );
}

#[test]
fn curly_quotes() {
    check_file(
        "characters/mira.toml",
        r"name = “Mira”",
        expect![[r#"
        characters/mira.toml, line 1, column 8: these are curly quotes, as word processors make them
          help: use straight quotes: "
    "#]],
    );
}

#[test]
fn a_colon_for_an_equals_sign() {
    check_file(
        "characters/mira.toml",
        r#"name: "Mira""#,
        expect![[r#"
        characters/mira.toml, line 1, column 5: there must be a `=` behind the key, not a `:`
          help: write it like this: name = "…"
    "#]],
    );
}

#[test]
fn no_equals_sign() {
    check_file(
        "characters/mira.toml",
        r#"name "Mira""#,
        expect![[r#"
        characters/mira.toml, line 1, column 6: there is no `=` between key and value
          help: write name = "…"
    "#]],
    );
}

#[test]
fn a_line_of_prose() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
She runs the inn."#,
        expect![[r#"
    characters/mira.toml, line 2, column 5: this line is not of the form key = value
      help: put a # in front of it if it is a note, or quotes around it if it belongs to a text
"#]],
    );
}

#[test]
fn json_instead_of_toml() {
    check_file(
        "characters/mira.toml",
        r#"{"name": "Mira"}"#,
        expect![[r#"
        characters/mira.toml, line 1, column 1: this looks like JSON
          help: a pack is written in TOML: name = "Mira"
    "#]],
    );
}

#[test]
fn a_key_with_a_space() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
fallback lines = []"#,
        expect![[r#"
    characters/mira.toml, line 2, column 10: the key `fallback lines` has a space in it
      help: write fallback_lines
"#]],
    );
}

#[test]
fn a_key_with_a_foreign_letter() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
[relationships]
ömer = "A friend.""#,
        expect![[r#"
            characters/mira.toml, line 3, column 1: the key `ömer` has a letter in it that keys cannot have
              help: put it in quotes: "ömer"
        "#]],
    );
}

#[test]
fn a_key_twice() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
role = "cook"
role = "innkeeper""#,
        expect![[r#"
    characters/mira.toml, line 3, column 1: `role` is there twice
      help: delete one of the two, or join them
"#]],
    );
}

#[test]
fn a_heading_twice() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
[voice]
speed = 1
[voice]
name = "joe""#,
        expect![[r#"
    characters/mira.toml, line 4, column 2: `voice` is begun a second time
      help: put the lines below it under the first heading, and delete this one
"#]],
    );
}

#[test]
fn a_heading_without_its_bracket() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
[voice
speed = 1"#,
        expect![[r#"
    characters/mira.toml, line 2, column 7: the heading has no closing bracket
      help: write [voice]
"#]],
    );
}

#[test]
fn no_comma_in_a_list() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
knows = ["one" "two"]"#,
        expect![[r#"
    characters/mira.toml, line 2, column 16: there is no comma between two entries of a list
      help: write it like this: ["one", "two"]
"#]],
    );
}

#[test]
fn no_end_of_a_list() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
knows = [
  "one",
  "two",
goals = ["peace"]"#,
        expect![[r#"
    characters/mira.toml, line 5, column 1: a list above this place has no closing bracket
      help: put a ] at its end
"#]],
    );
}

#[test]
fn quotes_within_quotes() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
role = "says "hello" to all""#,
        expect![[r#"
    characters/mira.toml, line 2, column 15: there is something behind the closing quote of a text
      help: for quotes within a text write \" or put the whole text in '…'; a new key needs a new line
"#]],
    );
}

#[test]
fn a_comma_in_a_number() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
voice.speed = 0,9"#,
        expect![[r#"
            characters/mira.toml, line 2, column 16: a number has a comma in it
              help: write a point in its place, as in 1.5
        "#]],
    );
}

#[test]
fn a_backslash() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
role = "C:\games""#,
        expect![[r#"
    characters/mira.toml, line 2, column 12: a backslash in a text stands for a special character
      help: write two of them, \\, or put the text in 'single quotes'
"#]],
    );
}

#[test]
fn no_value() {
    check_file(
        "characters/mira.toml",
        r"name =",
        expect![[r#"
        characters/mira.toml, line 1, column 7: there is no value after `=`
          help: write a value, or delete the line
    "#]],
    );
}

#[test]
fn yes_instead_of_true() {
    check_file(
        "world.toml",
        r#"name = "Test"
narration = yes"#,
        expect![[r#"
    world.toml, line 2, column 13: text must stand in quotes
      help: write true, or put the word in quotes
"#]],
    );
}
