//! What authors get wrong, and what they are told. The messages are part of what is promised: they are
//! compared letter by letter.

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
              help: known here: `name`, `pronouns`, `role`, `description`, `personality`, `knows`, `does_not_know`, `goals`, `mood`, `fallback_lines`, `ladder`, `speech`, `relationships`, `voice`, `secrets`
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
    characters/mira.toml, line 2, column 33: entry 2 of `knows` must be text in quotes, but this is a number
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

#[test]
fn lore_without_a_heading() {
    check_file(
        "lore/town.toml",
        r#"id = "mill"
text = "The mill burned down."
keys = ["mill"]"#,
        expect![[r#"
            lore/town.toml, line 1, column 1: unknown key `id`
              help: `id` belongs in an entry: put it below a line `[[lore]]`
            lore/town.toml, line 2, column 1: unknown key `text`
              help: `text` belongs in an entry: put it below a line `[[lore]]`
            lore/town.toml, line 3, column 1: unknown key `keys`
              help: `keys` belongs in an entry: put it below a line `[[lore]]`
        "#]],
    );
}

#[test]
fn lore_without_keys() {
    check_file(
        "lore/town.toml",
        r#"[[lore]]
id = "mill"
text = "The mill burned down."
keys = []

[[lore]]
id = "well"
text = "The well is dry.""#,
        expect![[r#"
    lore/town.toml, line 4, column 8: `keys` in entry 1 of `lore` is an empty list
      help: write it like this: keys = ["mill", "fire"]
    lore/town.toml, line 6, column 1: `keys` is missing in entry 2 of `lore`
      help: add a line such as: keys = ["mill", "fire"]
"#]],
    );
}

#[test]
fn lore_for_nobody() {
    check_file(
        "lore/town.toml",
        r#"[[lore]]
id = "mill"
text = "The mill burned down."
keys = ["mill"]
audience = ["mira", "brahm"]"#,
        expect![[r#"
    lore/town.toml, line 5, column 21: there is no character `brahm`
      help: did you mean `bram`?
"#]],
    );
}

#[test]
fn a_short_lore_key() {
    check_file(
        "lore/town.toml",
        r#"[[lore]]
id = "mill"
text = "The mill burned down."
keys = ["mill", "it"]"#,
        expect![[r#"
    warning: lore/town.toml, line 4, column 17: the key "it" is so short that it turns up by accident
      help: use a longer word
"#]],
    );
}

#[test]
fn an_action_name_with_a_space() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "give item""#,
        expect![[r#"
    actions.toml, line 2, column 8: `name` in entry 1 of `action` cannot be "give item"
      help: write it like this: name = "give_item"
"#]],
    );
}

#[test]
fn two_actions_of_one_name() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "follow"

[[action]]
name = "follow""#,
        expect![[r#"
    actions.toml, line 5, column 8: there are two actions with the name `follow`
      help: give one of them another name, or delete it
"#]],
    );
}

#[test]
fn an_action_named_nothing() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "nothing""#,
        expect![[r#"
    actions.toml, line 2, column 8: an action cannot be named `nothing`
      help: doing nothing is always possible and need not be declared: delete this action
"#]],
    );
}

#[test]
fn a_parameter_of_an_unknown_kind() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "give"
parameters.item = "txt"
parameters.count = "three"
parameters.loud = true
parameters.colour = []
parameters.size = [1, 2]"#,
        expect![[r#"
    actions.toml, line 3, column 19: parameter `item` has an unknown kind "txt"
      help: did you mean "text"?
    actions.toml, line 4, column 20: parameter `count` has an unknown kind "three"
      help: write one of: "text", "number", "whole number", "yes or no", a list of choices such as ["key", "ale"], or a table with a JSON Schema; "text?" may be left out by the character
    actions.toml, line 5, column 19: parameter `loud` has neither a kind nor a list of choices
      help: write one of: "text", "number", "whole number", "yes or no", a list of choices such as ["key", "ale"], or a table with a JSON Schema; "text?" may be left out by the character
    actions.toml, line 6, column 21: parameter `colour` has an empty list of choices
      help: write one of: "text", "number", "whole number", "yes or no", a list of choices such as ["key", "ale"], or a table with a JSON Schema; "text?" may be left out by the character
    actions.toml, line 7, column 19: parameter `size` has a list of choices that are not all text in quotes
      help: write one of: "text", "number", "whole number", "yes or no", a list of choices such as ["key", "ale"], or a table with a JSON Schema; "text?" may be left out by the character
"#]],
    );
}

#[test]
fn a_parameter_with_a_broken_schema() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "give"
[action.parameters]
type = "object"
[action.parameters.properties.item]
type = "strin""#,
        expect![[r#"
    actions.toml, line 3, column 9: `parameters` is not a valid JSON Schema: "strin" is not valid under any of the schemas listed in the 'anyOf' keyword
      help: write one of: "text", "number", "whole number", "yes or no", a list of choices such as ["key", "ale"], or a table with a JSON Schema; "text?" may be left out by the character
"#]],
    );
}

#[test]
fn a_schema_that_points_elsewhere() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "give"
[action.parameters.item]
"$ref" = "https://example.com/schema.json""#,
        expect![[r#"
            actions.toml, line 3, column 9: `parameters` points to a schema in another place
              help: write the schema out here; a `$ref` can only begin with #
        "#]],
    );
}

#[test]
fn a_target_that_is_not_a_list() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "follow"
targets = "mira""#,
        expect![[r#"
    actions.toml, line 3, column 11: `targets` cannot be "mira"
      help: write targets = "present" for everybody who is there, or a list of ids: targets = ["mira"]
"#]],
    );
}

#[test]
fn targets_as_a_number() {
    check_file(
        "actions.toml",
        r#"[[action]]
name = "follow"
targets = 3"#,
        expect![[r#"
    actions.toml, line 3, column 11: `targets` in entry 1 of `action` must be text in quotes or a list of texts, but this is a number
      help: write it like this: targets = "present"
"#]],
    );
}

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
