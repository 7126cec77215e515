//! `actions.toml`: what characters can do in the game, written so that no JSON Schema need be known.
//!
//! `parameters.item = ["key", "ale"]` is enough; here it becomes the JSON Schema that the contract asks
//! for. A full schema is taken as it is.

use meddah_protocol::ActionDeclaration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::check::Finding;
use super::limits::*;
use super::wording::{escape, nearest};

/// A target that stands for all who are present when the action is offered.
pub const TARGET_PRESENT: &str = "present";
/// The name that means no action; no action may be called so.
const RESERVED_NAME: &str = "nothing";
/// The short forms of a parameter, and their JSON Schema types.
const SHORT_FORMS: [(&str, &str); 4] =
    [("text", "string"), ("number", "number"), ("whole number", "integer"), ("yes or no", "boolean")];
const SHORT_FORM_HELP: &str = "write one of: \"text\", \"number\", \"whole number\", \"yes or no\", a list \
                               of choices such as [\"key\", \"ale\"], or a table with a JSON Schema; \
                               \"text?\" may be left out by the character";

/// The file `actions.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionsFile {
    /// The actions, each under a line `[[action]]`.
    #[serde(default)]
    #[schemars(length(max = ACTIONS_MAX))]
    pub action: Vec<ActionEntry>,
}

/// Something that characters can do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionEntry {
    /// The name that the game knows it by: letters, digits and underscores.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_-]+$"), example = &"give_item")]
    pub name: String,
    /// What it does, in one plain sentence.
    #[serde(default)]
    #[schemars(length(max = SENTENCE_CHARS_MAX), example = "Hand an item over.")]
    pub description: String,
    /// Whom or what it can be done to: a list of ids, or "present" for everybody who is there.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "targets_schema")]
    pub targets: Value,
    /// Whether the character waits to hear from the game how it went.
    #[serde(default)]
    #[schemars(example = true)]
    pub needs_result: bool,
    /// What else the character has to choose: a name and a kind for each.
    #[serde(default)]
    #[schemars(example = json!({"item": ["key", "ale"]}))]
    pub parameters: Map<String, Value>,
}

fn targets_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["string", "array"],
        "items": { "type": "string", "minLength": 1, "maxLength": meddah_protocol::ID_BYTES_MAX },
        "maxItems": LIST_MAX,
        "examples": [TARGET_PRESENT, ["door_cellar"]],
    })
}

/// The declarations of the file, and what is wrong with them beyond their shape.
pub(super) fn declarations(file: ActionsFile) -> (Vec<ActionDeclaration>, Vec<Finding>) {
    let mut declarations: Vec<ActionDeclaration> = Vec::new();
    let mut findings = Vec::new();
    for (index, entry) in file.action.into_iter().enumerate() {
        let pointer = format!("/action/{index}");
        if declarations.iter().any(|other| other.name == entry.name) {
            findings.push(Finding::value(
                format!("{pointer}/name"),
                format!("there are two actions with the name `{}`", entry.name),
                "give one of them another name, or delete it",
            ));
        }
        if entry.name == RESERVED_NAME {
            findings.push(Finding::value(
                format!("{pointer}/name"),
                format!("an action cannot be named `{RESERVED_NAME}`"),
                "doing nothing is always possible and need not be declared: delete this action",
            ));
        }
        let targets = targets(&pointer, entry.targets, &mut findings);
        let parameters = parameters(&pointer, entry.parameters, &mut findings);
        declarations.push(ActionDeclaration {
            name: entry.name,
            description: entry.description,
            parameters,
            targets,
            needs_result: entry.needs_result,
        });
    }
    (declarations, findings)
}

fn targets(pointer: &str, targets: Value, findings: &mut Vec<Finding>) -> Option<Vec<String>> {
    match targets {
        Value::String(word) if word == TARGET_PRESENT => Some(vec![word]),
        Value::String(word) => {
            findings.push(Finding::value(
                format!("{pointer}/targets"),
                format!("`targets` cannot be \"{word}\""),
                format!(
                    "write targets = \"{TARGET_PRESENT}\" for everybody who is there, or a list of ids: \
                     targets = [\"{word}\"]"
                ),
            ));
            None
        }
        Value::Array(ids) => Some(ids.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

fn parameters(pointer: &str, given: Map<String, Value>, findings: &mut Vec<Finding>) -> Option<Value> {
    if given.is_empty() {
        return None;
    }
    let before = findings.len();
    let schema = if is_json_schema(&given) {
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.extend(given);
        Value::Object(schema)
    } else {
        expand(pointer, given, findings)
    };
    if points_elsewhere(&schema) {
        findings.push(Finding::key(
            format!("{pointer}/parameters"),
            "`parameters` points to a schema in another place",
            "write the schema out here; a `$ref` can only begin with #",
        ));
    } else if findings.len() == before
        && let Err(error) = jsonschema::validator_for(&schema)
    {
        findings.push(Finding::key(
            format!("{pointer}/parameters"),
            format!("`parameters` is not a valid JSON Schema: {error}"),
            SHORT_FORM_HELP,
        ));
    }
    Some(schema)
}

fn points_elsewhere(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.iter().any(|(key, value)| {
            let reference = key == "$ref" && value.as_str().is_some_and(|place| !place.starts_with('#'));
            reference || points_elsewhere(value)
        }),
        Value::Array(items) => items.iter().any(points_elsewhere),
        _ => false,
    }
}

/// A full schema says so by `properties`; a parameter of that name would not be a table of tables.
fn is_json_schema(given: &Map<String, Value>) -> bool {
    let tables = |value: &Value| value.as_object().is_some_and(|map| map.values().all(Value::is_object));
    given.get("properties").is_some_and(tables) || given.get("type").is_some_and(|kind| kind == "object")
}

fn expand(pointer: &str, given: Map<String, Value>, findings: &mut Vec<Finding>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, form) in given {
        let pointer = format!("{pointer}/parameters/{}", escape(&name));
        match property(&form) {
            Ok((schema, optional)) => {
                if !optional {
                    required.push(Value::from(name.clone()));
                }
                properties.insert(name, schema);
            }
            Err(message) => {
                let near = form.as_str().and_then(|word| nearest(word, SHORT_FORMS.map(|(form, _)| form)));
                let help =
                    near.map_or(SHORT_FORM_HELP.to_owned(), |near| format!("did you mean \"{near}\"?"));
                findings.push(Finding::value(pointer, format!("parameter `{name}` {message}"), help));
            }
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of one parameter, and whether it may be left out.
fn property(form: &Value) -> Result<(Value, bool), String> {
    match form {
        Value::String(word) => {
            let (word, optional) = word.strip_suffix('?').map_or((word.as_str(), false), |word| (word, true));
            let known = SHORT_FORMS.iter().find(|(form, _)| *form == word.trim());
            let (_, json_type) = known.ok_or_else(|| format!("has an unknown kind \"{word}\""))?;
            Ok((json!({ "type": json_type }), optional))
        }
        Value::Array(choices) if choices.is_empty() => Err("has an empty list of choices".into()),
        Value::Array(choices) if choices.iter().all(Value::is_string) => {
            Ok((json!({ "type": "string", "enum": choices }), false))
        }
        Value::Array(_) => Err("has a list of choices that are not all text in quotes".into()),
        Value::Object(schema) => Ok((Value::Object(schema.clone()), false)),
        _ => Err("has neither a kind nor a list of choices".into()),
    }
}
