//! Values of the wrong kind, too long, or out of range.

use expect_test::expect;

use super::*;

#[test]
fn a_missing_name() {
    check_file(
        "characters/mira.toml",
        r#"role = "innkeeper""#,
        expect![[r#"
        characters/mira.toml, line 1, column 1: `name` is missing
          help: add a line such as: name = "Mira"
    "#]],
    );
}

#[test]
fn an_empty_name() {
    check_file(
        "characters/mira.toml",
        r#"name = """#,
        expect![[r#"
        characters/mira.toml, line 1, column 8: `name` is empty
          help: write it like this: name = "Mira"
    "#]],
    );
}

#[test]
fn a_long_name() {
    check_file(
        "characters/mira.toml",
        r#"name = "MiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMiraMira""#,
        expect![[r#"
            characters/mira.toml, line 1, column 8: `name` is too long: 84 characters, at most 80
              help: shorten it
        "#]],
    );
}

#[test]
fn a_text_where_a_list_belongs() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
knows = "The cellar is damp.""#,
        expect![[r#"
    characters/mira.toml, line 2, column 9: `knows` must be a list of texts, but this is text
      help: write it like this: knows = ["The cellar door sticks in wet weather."]
"#]],
    );
}

#[test]
fn a_number_where_a_text_belongs() {
    check_file(
        "characters/mira.toml",
        r"name = 7",
        expect![[r#"
        characters/mira.toml, line 1, column 8: `name` must be text in quotes, but this is a number
          help: write it like this: name = "Mira"
    "#]],
    );
}

#[test]
fn a_number_in_a_list_of_texts() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
knows = ["The cellar is damp.", 5]"#,
        expect![[r#"
    characters/mira.toml, line 2, column 33: entry 2 of `knows` must be text in quotes or a section, but this is a number
      help: put each entry in quotes, with commas between: ["one", "two"]
"#]],
    );
}

#[test]
fn a_text_where_a_section_belongs() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
speech = "short""#,
        expect![[r#"
            characters/mira.toml, line 2, column 10: `speech` must be a section, but this is text
              help: begin it with a line [speech]
        "#]],
    );
}

#[test]
fn one_pair_of_brackets_too_few() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[speech.samples]
player = "Hi."
reply = "Hello.""#,
        expect![[r#"
            characters/mira.toml, line 3, column 1: `speech.samples` must be a list of entries, but this is a section
              help: begin each entry with a line [[speech.samples]]
        "#]],
    );
}

#[test]
fn a_text_where_a_number_belongs() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
voice.speed = "fast""#,
        expect![[r#"
    characters/mira.toml, line 2, column 15: `voice.speed` must be a number, but this is text
      help: write it like this: speed = 1.0
"#]],
    );
}

#[test]
fn a_number_out_of_range() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
voice.speed = 9"#,
        expect![[r#"
    characters/mira.toml, line 2, column 15: `voice.speed` must be at most 2.0, but this is 9
      help: write it like this: speed = 1.0
"#]],
    );
}

#[test]
fn a_number_that_is_none() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
voice.speed = nan"#,
        expect![[r#"
            characters/mira.toml, line 2, column 15: `voice.speed` must be a number, but this is no usable number
              help: write it like this: speed = 1.0
        "#]],
    );
}

#[test]
fn a_fraction_of_words() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
speech.words_max = 12.5"#,
        expect![[r#"
            characters/mira.toml, line 2, column 20: `speech.words_max` must be a whole number, but this is a number
              help: write it like this: words_max = 40
        "#]],
    );
}

#[test]
fn an_unknown_mood() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
mood = "angr""#,
        expect![[r#"
    characters/mira.toml, line 2, column 8: `mood` cannot be "angr"
      help: did you mean "anger"? Possible are: "neutral", "joy", "affection", "curiosity", "surprise", "sadness", "fear", "anger", "disgust", "contempt"
"#]],
    );
}

#[test]
fn a_mood_by_another_name() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
mood = "amusement""#,
        expect![[r#"
    characters/mira.toml, line 2, column 8: `mood` cannot be "amusement"
      help: did you mean "joy"? Possible are: "neutral", "joy", "affection", "curiosity", "surprise", "sadness", "fear", "anger", "disgust", "contempt"
"#]],
    );
}

#[test]
fn a_mood_that_is_none() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"
mood = "blue-ish""#,
        expect![[r#"
    characters/mira.toml, line 2, column 8: `mood` cannot be "blue-ish"
      help: possible are: "neutral", "joy", "affection", "curiosity", "surprise", "sadness", "fear", "anger", "disgust", "contempt"
"#]],
    );
}

#[test]
fn a_secret_without_a_condition() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[[secrets]]
text = "The key is under the stone.""#,
        expect![[r#"
    characters/mira.toml, line 3, column 1: `condition` is missing in entry 1 of `secrets`
      help: add a line such as: condition = "helped_mira"
"#]],
    );
}

#[test]
fn a_relationship_with_nobody() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[relationships]
bran = "Her brother."
zorg = "An enemy."
player = "A guest.""#,
        expect![[r#"
    characters/mira.toml, line 4, column 1: there is no character `bran`
      help: did you mean `bram`?
    characters/mira.toml, line 5, column 1: there is no character `zorg`
      help: make a file characters/zorg.toml, or delete it here
"#]],
    );
}

#[test]
fn a_relationship_with_wrong_numbers() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[relationships]
player = { text = "A guest.", turst = 0.4, affection = 3 }
bram = { trust = 0.4 }"#,
        expect![[r#"
            characters/mira.toml, line 4, column 31: unknown key `turst`
              help: did you mean `trust`?
            characters/mira.toml, line 4, column 56: `relationships.player.affection` must be at most 1, but this is 3
              help: write it like this: affection = 0.4
            characters/mira.toml, line 5, column 8: `text` is missing in `relationships.bram`
              help: add a line such as: text = "An honest man. She is fond of him."
        "#]],
    );
}

#[test]
fn a_relationship_with_oneself() {
    check_file(
        "characters/mira.toml",
        r#"name = "Mira"

[relationships]
mira = "Herself.""#,
        expect![[r#"
    characters/mira.toml, line 4, column 1: `mira` is this character
      help: delete the line
"#]],
    );
}

#[test]
fn several_mistakes_at_once() {
    check_file(
        "characters/mira.toml",
        r#"nmae = "Mira"
knows = "much"
mood = "angr"

[voice]
speed = 9
sped = 1"#,
        expect![[r#"
            characters/mira.toml, line 1, column 1: unknown key `nmae`
              help: did you mean `name`?
            characters/mira.toml, line 2, column 9: `knows` must be a list of texts, but this is text
              help: write it like this: knows = ["The cellar door sticks in wet weather."]
            characters/mira.toml, line 3, column 8: `mood` cannot be "angr"
              help: did you mean "anger"? Possible are: "neutral", "joy", "affection", "curiosity", "surprise", "sadness", "fear", "anger", "disgust", "contempt"
            characters/mira.toml, line 6, column 9: `voice.speed` must be at most 2.0, but this is 9
              help: write it like this: speed = 1.0
            characters/mira.toml, line 7, column 1: unknown key `sped`
              help: did you mean `speed`?
        "#]],
    );
}

#[test]
fn an_unknown_rating() {
    check_file(
        "world.toml",
        r#"name = "Test"
rating = "teens""#,
        expect![[r#"
            world.toml, line 2, column 10: `rating` cannot be "teens"
              help: did you mean "teen"? Possible are: "everyone", "teen", "mature"
        "#]],
    );
}

#[test]
fn a_language_by_its_name() {
    check_file(
        "world.toml",
        r#"name = "Test"
language = "English, please""#,
        expect![[r#"
    world.toml, line 2, column 12: `language` cannot be "English, please"
      help: write it like this: language = "en"
"#]],
    );
}

#[test]
fn a_date_for_a_name_is_taken_as_text() {
    check_file(
        "world.toml",
        r"name = 1984-01-01",
        expect![[r#"
        good
    "#]],
    );
}
