//! Lore and actions.

use expect_test::expect;

use super::*;

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
keys = []"#,
        expect![[r#"
    lore/town.toml, line 4, column 8: `keys` in entry 1 of `lore` is an empty list
      help: write it like this: keys = ["mill", "fire"]
"#]],
    );
    check_file(
        "lore/town.toml",
        r#"[[lore]]
id = "mill"
text = "The mill burned down."
always = true

[[lore]]
id = "well"
text = "The well is dry.""#,
        expect![[r#"
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
