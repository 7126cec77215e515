use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn action(name: &str, parameters: Value, targets: Option<&[&str]>) -> ActionDeclaration {
    ActionDeclaration {
        name: name.into(),
        description: String::new(),
        parameters: (!parameters.is_null()).then_some(parameters),
        targets: targets.map(|targets| targets.iter().map(|target| (*target).to_owned()).collect()),
        needs_result: false,
    }
}

fn give() -> ActionDeclaration {
    let parameters = json!({
        "type": "object",
        "properties": {
            "item": { "type": "string", "enum": ["ale", "rusty_key", "gold_key"] },
            "count": { "type": "integer", "minimum": 1, "maximum": 5 },
        },
        "required": ["item"],
    });
    action("give_item", parameters, Some(&["ana", "tom"]))
}

fn declare(actions: Vec<ActionDeclaration>, expected: Expect) {
    let shown = match ActionSet::new(actions) {
        Ok(set) => format!("{} actions", set.len()),
        Err(error) => format!("{error}\n{}", error.help()),
    };
    expected.assert_eq(&shown);
}

fn call(arguments: Value, expected: Expect) {
    let set = ActionSet::new(vec![give(), action("wave", Value::Null, None)]).unwrap();
    let shown = match set.admit("give_item", Some(arguments)) {
        Ok(action) => format!("{} {} {:?}", action.name, Value::Object(action.arguments), action.target),
        Err(refusal) => refusal.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn wrong_declarations_name_the_action_and_the_fix() {
    declare(
        vec![give(), give()],
        expect![[r#"
        action "give_item": is declared twice
        Give each action a name of its own, or leave one of them out."#]],
    );
    declare(
        vec![action("give item", Value::Null, None)],
        expect![[r#"
        action "give item": the name must be 1 to 64 letters, digits, `_` or `-`
        Use a short name such as `give_item`; models read it."#]],
    );
    declare(
        vec![action("nothing", Value::Null, None)],
        expect![[r#"
        action "nothing": the name is taken
        Doing nothing is always possible; leave this action out."#]],
    );
    declare(
        vec![action("", Value::Null, None)],
        expect![[r#"
        action "": the name must be 1 to 64 letters, digits, `_` or `-`
        Use a short name such as `give_item`; models read it."#]],
    );
    declare(
        vec![action("a", json!("text"), None)],
        expect![[r#"
        action "a": `parameters` is not an object
        Write { "type": "object", "properties": { "item": { "type": "string" } }, "required": ["item"] }."#]],
    );
    declare(
        vec![action("a", json!({ "item": "string" }), None)],
        expect![[r#"
        action "a": `parameters` does not describe an object
        Write { "type": "object", "properties": { "item": { "type": "string" } }, "required": ["item"] }."#]],
    );
    declare(
        vec![action("a", json!({ "type": "string" }), None)],
        expect![[r#"
        action "a": `parameters` does not describe an object
        Write { "type": "object", "properties": { "item": { "type": "string" } }, "required": ["item"] }."#]],
    );
    declare(
        vec![action("a", json!({ "type": "object", "properties": { "x": { "type": "int" } } }), None)],
        expect![[r#"
            action "a": `parameters` is not a valid JSON Schema: "int" is not valid under any of the schemas listed in the 'anyOf' keyword
            Look at `parameters/properties/x/type`. A `type` is one of string, integer, number, boolean, array, object; a pattern cannot use look-around."#]],
    );
    declare(
        vec![action("a", json!({ "type": "object", "required": ["x"] }), None)],
        expect![[r#"
        action "a": the parameter "x" is required but not declared
        Add it to `properties`, or take it out of `required`."#]],
    );
    declare(
        vec![action("a", json!({ "properties": { "target": {} } }), Some(&["x"]))],
        expect![[r#"
        action "a": a parameter is called `target` though targets are listed
        Rename the parameter, or drop `targets` and list the ids in the parameter's `enum`."#]],
    );
    declare(
        vec![action("a", json!({ "properties": { "x": { "$ref": "http://a.b/c" } } }), None)],
        expect![[r##"
            action "a": `$ref` to "http://a.b/c" is not supported
            Refer to a definition in the same schema, such as "#/$defs/item"."##]],
    );
    declare(
        vec![action("a", json!({ "properties": { "x": { "$ref": "#" } } }), None)],
        expect![[r##"
        action "a": `$ref` to "#" is not supported
        Refer to a definition in the same schema, such as "#/$defs/item"."##]],
    );
    let circle =
        json!({ "properties": { "x": { "$ref": "#/$defs/x" } }, "$defs": { "x": { "$ref": "#/$defs/x" } } });
    declare(
        vec![action("a", circle, None)],
        expect![[r##"
        action "a": `$ref` to "#/$defs/x" goes in a circle
        Write out what is meant."##]],
    );
    declare(
        vec![action("a", json!({ "$id": "x", "properties": {} }), None)],
        expect![[r#"
        action "a": `$id` is not supported
        Take it out; use `$defs` and `$ref`."#]],
    );
    declare(
        vec![action("a", json!({ "properties": { "x": { "pattern": "(?=a)b" } } }), None)],
        expect![[r#"
            action "a": `parameters` is not a valid JSON Schema: "(?=a)b" is not a "regex"
            Look at `parameters/properties/x/pattern`. A `type` is one of string, integer, number, boolean, array, object; a pattern cannot use look-around."#]],
    );
    declare(
        vec![action("a", json!({ "properties": { "x": { "const": "y".repeat(SCHEMA_BYTES_MAX) } } }), None)],
        expect![[r#"
            action "a": `parameters` is larger than 16384 bytes or nested deeper than 24
            Declare fewer or simpler parameters."#]],
    );
    declare(
        vec![action("a", Value::Null, Some(&[""]))],
        expect![[r#"
        action "a": `target` must be 1 to 128 bytes without control characters
        Give `target` a short name such as "mira"."#]],
    );
    declare(
        (0..=ACTIONS_MAX).map(|n| action(&format!("a{n}"), Value::Null, None)).collect(),
        expect![[r#"
        action "a64": more than 64 actions are declared
        Declare at most 64 at a time: only those that make sense in this scene."#]],
    );
}

#[test]
fn references_that_multiply_are_refused() {
    let mut defs = Map::new();
    for level in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs.insert(format!("d{level}"), json!({ "allOf": [next, next] }));
    }
    defs.insert("d20".into(), json!({ "type": "string" }));
    let parameters = json!({ "properties": { "x": { "$ref": "#/$defs/d0" } }, "$defs": defs });
    declare(
        vec![action("a", parameters, None)],
        expect![[r#"
        action "a": the references of `parameters` multiply without end
        Use fewer `$ref`s."#]],
    );
}

#[test]
fn good_declarations_are_taken() {
    let with_defs = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": { "x": { "$ref": "#/$defs/name" }, "y": { "enum": [{ "$ref": "data" }] } },
        "$defs": { "name": { "type": "string" } },
    });
    declare(
        vec![
            give(),
            action("wave", Value::Null, None),
            action("a", json!({}), None),
            action("b", with_defs, None),
        ],
        expect!["4 actions"],
    );
    declare(vec![], expect!["0 actions"]);
}

#[test]
fn only_what_was_declared_is_admitted() {
    call(json!({ "item": "ale", "target": "tom" }), expect![[r#"give_item {"item":"ale"} Some("tom")"#]]);
    call(
        json!({ "target": "ana", "count": 5, "item": "rusty_key" }),
        expect![[r#"give_item {"count":5,"item":"rusty_key"} Some("ana")"#]],
    );
    call(json!({ "item": "ale" }), expect![[r#""give_item" needs a target"#]]);
    call(
        json!({ "item": "ale", "target": "eve" }),
        expect![[r#""eve" is not among the targets of "give_item""#]],
    );
    call(
        json!({ "item": "ale", "target": ["tom"] }),
        expect![[r#""[\"tom\"]" is not among the targets of "give_item""#]],
    );
    call(
        json!({ "item": "Ale", "target": "tom" }),
        expect![[
            r#"the arguments of "give_item" are not valid at "/item": "Ale" is not one of "ale", "rusty_key" or "gold_key""#
        ]],
    );
    call(
        json!({ "target": "tom" }),
        expect![[r#"the arguments of "give_item" are not valid at "": "item" is a required property"#]],
    );
    call(
        json!({ "item": "ale", "count": 6, "target": "tom" }),
        expect![[
            r#"the arguments of "give_item" are not valid at "/count": 6 is greater than the maximum of 5"#
        ]],
    );
    call(
        json!({ "item": "ale", "count": "2", "target": "tom" }),
        expect![[r#"the arguments of "give_item" are not valid at "/count": "2" is not of type "integer""#]],
    );
    call(
        json!({ "item": "ale", "target": "tom", "spell": "fireball" }),
        expect![[r#""give_item" has no argument "spell""#]],
    );
    call(json!("ale"), expect![[r#"the arguments of "give_item" are not an object"#]]);
    call(
        json!({ "item": "x".repeat(ARGUMENTS_BYTES_MAX), "target": "tom" }),
        expect![[r#"the arguments of "give_item" are too large"#]],
    );
}

#[test]
fn an_action_without_choices_needs_no_arguments() {
    let set = ActionSet::new(vec![
        action("wave", Value::Null, None),
        action("follow", Value::Null, Some(&["ana"])),
        action(
            "unlock",
            json!({ "properties": { "door": { "enum": ["cellar"] } }, "required": ["door"] }),
            None,
        ),
        action("attack", Value::Null, Some(&[])),
        give(),
    ])
    .unwrap();
    assert_eq!(set.admit("wave", None).unwrap().arguments, Map::new());
    assert!(set.admit("wave", Some(json!({ "target": "ana" }))).is_err());
    assert_eq!(set.admit("follow", None).unwrap().target.as_deref(), Some("ana"));
    assert_eq!(set.admit("unlock", None).unwrap().arguments["door"], "cellar");
    assert_eq!(set.admit("give_item", None), Err(Refusal::NoArguments { name: "give_item".into() }));
    assert!(set.admit("attack", None).is_err());
    assert!(set.admit("attack", Some(json!({ "target": "ana" }))).is_err());
    assert_eq!(set.admit("dance", None), Err(Refusal::Undeclared { name: "dance".into() }));
    for name in ["wave", "follow", "unlock", "attack"] {
        assert_eq!(arguments_schema(set.get(name).unwrap()), None, "{name}");
    }
}

#[test]
fn the_schema_for_the_model_is_closed_and_bounded() {
    let free = json!({
        "type": "object",
        "properties": {
            "message": { "type": "string" },
            "list": { "type": "array", "items": { "type": "string", "maxLength": 500 } },
            "amount": { "type": "integer", "minimum": 1 },
            "place": { "type": "object", "properties": { "x": { "type": "number" } } },
        },
    });
    let schema = arguments_schema(&action("tell", free, Some(&["ana", "tom"]))).unwrap();
    expect![[r#"
        {
          "type": "object",
          "properties": {
            "message": {
              "type": "string",
              "maxLength": 120
            },
            "list": {
              "type": "array",
              "items": {
                "type": "string",
                "maxLength": 120
              },
              "maxItems": 8
            },
            "amount": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000
            },
            "place": {
              "type": "object",
              "properties": {
                "x": {
                  "type": "number",
                  "minimum": -1000000,
                  "maximum": 1000000
                }
              },
              "additionalProperties": false
            },
            "target": {
              "type": "string",
              "enum": [
                "ana",
                "tom"
              ]
            }
          },
          "additionalProperties": false,
          "required": [
            "target"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&schema).unwrap());
}

#[test]
fn nearly_right_arguments_are_put_right() {
    let check = |arguments: Value, expected: Value| {
        assert_eq!(normalise(&give(), arguments.clone()), expected, "{arguments}");
    };
    check(json!({ "item": "ALE", "target": "Tom" }), json!({ "item": "ale", "target": "tom" }));
    check(json!({ "Item": " the rusty key ", "to": "x" }), json!({ "item": "rusty_key" }));
    check(json!({ "item": "rustykey", "target": "tmo" }), json!({ "item": "rusty_key", "target": "tmo" }));
    check(json!({ "item": "key" }), json!({ "item": "key" }));
    check(json!({ "item": "ale", "count": "3" }), json!({ "item": "ale", "count": 3 }));
    check(json!({ "item": "ale", "count": 3.0 }), json!({ "item": "ale", "count": 3 }));
    check(json!({ "item": "ale", "count": 3.5, "x": null }), json!({ "item": "ale", "count": 3.5 }));
    check(json!({ "arguments": { "item": "ale" } }), json!({ "item": "ale" }));
    check(json!("{\"item\": \"ale\"}"), json!({ "item": "ale" }));
    check(json!({ "items": "ale" }), json!({ "item": "ale" }));
    let follow = action("follow", Value::Null, Some(&["ana"]));
    assert_eq!(normalise(&follow, Value::Null), json!({ "target": "ana" }));
    assert_eq!(normalise(&follow, json!({})), json!({ "target": "ana" }));
    let flags = json!({ "properties": {
        "loud": { "type": "boolean" }, "words": { "type": "array", "items": { "enum": ["hello"] } },
        "text": { "type": "string", "maxLength": 4 },
    } });
    let flags = action("say", flags, None);
    assert_eq!(
        normalise(&flags, json!({ "loud": "yes", "words": "Hello", "text": " abcdefg " })),
        json!({ "loud": true, "words": ["hello"], "text": "abcd" })
    );
    assert_eq!(normalise(&flags, json!({ "text": 5 })), json!({ "text": "5" }));
}
