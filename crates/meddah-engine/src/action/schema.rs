//! What a game may declare as parameters, and the schema that a model fills in.
//!
//! The two differ. The declared schema is the game's and is what the gate checks against. The model's is
//! narrower: flat, closed, with the target as one more field and with bounds everywhere, because a small
//! model that may write a string of any length writes one.

use meddah_protocol::ActionDeclaration;
use serde_json::{Map, Value, json};

use super::{ActionError, SCHEMA_BYTES_MAX};

/// The argument that names the target.
pub const TARGET: &str = "target";
/// The longest free text that a model may write, in characters.
const TEXT_CHARS_MAX: u64 = 120;
/// The longest list that a model may write.
const LIST_ITEMS_MAX: u64 = 8;
/// Whole and decimal numbers that a model may write lie between this and its negative.
const NUMBER_MAX: i64 = 1_000_000;
/// Parameters of one action.
const PARAMETERS_MAX: usize = 24;
/// Nesting of a schema or of arguments.
const DEPTH_MAX: usize = 24;
/// Steps of following a schema and its references.
const STEPS_MAX: usize = 4096;

/// Keys that combine schemas; with one of these, the properties listed are not all there are.
const COMBINING: &[&str] =
    &["allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "patternProperties", "$ref"];
/// Keys whose value is data and not a schema.
const DATA: &[&str] = &["enum", "const", "default", "examples", "required", "dependentRequired"];
/// Keys that make one place stand for another in ways that a model cannot be held to.
const REFUSED: &[&str] =
    &["$id", "id", "$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor", "$recursiveAnchor"];

/// Checks a declared schema beyond what a validator would: its size, its references, its form.
pub(super) fn check(declaration: &ActionDeclaration, parameters: &Value) -> Result<(), ActionError> {
    let error = |message: String, help: &str| Err(ActionError::new(&declaration.name, message, help));
    if !is_within(parameters, SCHEMA_BYTES_MAX) {
        return error(
            format!("`parameters` is larger than {SCHEMA_BYTES_MAX} bytes or nested deeper than {DEPTH_MAX}"),
            "Declare fewer or simpler parameters.",
        );
    }
    let form = r#"Write { "type": "object", "properties": { "item": { "type": "string" } }, "required": ["item"] }."#;
    let Some(schema) = parameters.as_object() else {
        return error("`parameters` is not an object".into(), form);
    };
    let is_object = schema.get("type").map(|kind| kind == "object");
    let is_empty = schema.keys().all(|key| key == "$schema");
    if is_object == Some(false) || (is_object.is_none() && !schema.contains_key("properties") && !is_empty) {
        return error("`parameters` does not describe an object".into(), form);
    }
    let properties = properties(parameters);
    if properties.len() > PARAMETERS_MAX {
        return error(format!("more than {PARAMETERS_MAX} parameters"), "Declare fewer parameters.");
    }
    if declaration.targets.is_some() && properties.contains_key(TARGET) {
        return error(
            format!("a parameter is called `{TARGET}` though targets are listed"),
            "Rename the parameter, or drop `targets` and list the ids in the parameter's `enum`.",
        );
    }
    let missing = required(parameters).find(|name| !allows(declaration, name));
    if let Some(missing) = missing {
        return error(
            format!("the parameter {missing:?} is required but not declared"),
            "Add it to `properties`, or take it out of `required`.",
        );
    }
    Walk { declaration, root: parameters, steps: 0 }.visit(parameters, &mut Vec::new())
}

/// Follows a schema along its references: only its own `$defs`, and never in a circle.
struct Walk<'a> {
    declaration: &'a ActionDeclaration,
    root: &'a Value,
    steps: usize,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, schema: &'a Value, path: &mut Vec<&'a str>) -> Result<(), ActionError> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return self.error("the references of `parameters` multiply without end", "Use fewer `$ref`s.");
        }
        match schema {
            Value::Array(list) => list.iter().try_for_each(|inner| self.visit(inner, path)),
            Value::Object(map) => map.iter().try_for_each(|(key, inner)| self.visit_key(key, inner, path)),
            _ => Ok(()),
        }
    }

    fn visit_key(&mut self, key: &str, inner: &'a Value, path: &mut Vec<&'a str>) -> Result<(), ActionError> {
        if DATA.contains(&key) {
            return Ok(());
        }
        if REFUSED.contains(&key) && inner.is_string() {
            return self.error(&format!("`{key}` is not supported"), "Take it out; use `$defs` and `$ref`.");
        }
        match inner {
            Value::String(pointer) if key == "$ref" => self.follow(pointer, path),
            _ => self.visit(inner, path),
        }
    }

    fn follow(&mut self, pointer: &'a str, path: &mut Vec<&'a str>) -> Result<(), ActionError> {
        let local = pointer.strip_prefix("#/").and_then(|_| self.root.pointer(&pointer[1..]));
        let Some(schema) = local else {
            return self.error(
                &format!("`$ref` to {pointer:?} is not supported"),
                "Refer to a definition in the same schema, such as \"#/$defs/item\".",
            );
        };
        if path.contains(&pointer) {
            return self
                .error(&format!("`$ref` to {pointer:?} goes in a circle"), "Write out what is meant.");
        }
        path.push(pointer);
        let visited = self.visit(schema, path);
        path.pop();
        visited
    }

    fn error(&self, message: &str, help: &str) -> Result<(), ActionError> {
        Err(ActionError::new(&self.declaration.name, message, help))
    }
}

/// Whether a value is nested no deeper than [`DEPTH_MAX`] and no longer than so many bytes of JSON.
pub(super) fn is_within(value: &Value, bytes_max: usize) -> bool {
    fn depth_within(value: &Value, left: usize) -> bool {
        left > 0
            && match value {
                Value::Array(list) => list.iter().all(|inner| depth_within(inner, left - 1)),
                Value::Object(map) => map.values().all(|inner| depth_within(inner, left - 1)),
                _ => true,
            }
    }
    depth_within(value, DEPTH_MAX) && serde_json::to_vec(value).is_ok_and(|text| text.len() <= bytes_max)
}

static NO_PROPERTIES: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

pub(super) fn properties(parameters: &Value) -> &Map<String, Value> {
    parameters.get("properties").and_then(Value::as_object).unwrap_or(&NO_PROPERTIES)
}

fn required(parameters: &Value) -> impl Iterator<Item = &str> {
    parameters.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the game declared an argument of this name. Stricter than JSON Schema, where anything goes that
/// is not ruled out: a game is not given what it did not ask for.
pub(super) fn allows(declaration: &ActionDeclaration, argument: &str) -> bool {
    let Some(parameters) = &declaration.parameters else { return false };
    if properties(parameters).contains_key(argument) {
        return true;
    }
    let opened = parameters.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    opened || COMBINING.iter().any(|key| parameters.get(key).is_some())
}

/// The arguments of an action that leaves nothing to choose: no parameters, or only such as have a single
/// value, and no or a single target. `None` if there is something to choose, or no target at the moment.
pub fn fill(declaration: &ActionDeclaration) -> Option<Value> {
    let mut arguments = Map::new();
    if let Some(parameters) = &declaration.parameters {
        let required: Vec<&str> = required(parameters).collect();
        let plain = !COMBINING.iter().any(|key| parameters.get(key).is_some());
        let all_required = properties(parameters).keys().all(|name| required.contains(&name.as_str()));
        if !plain || !all_required {
            return None;
        }
        for (name, property) in properties(parameters) {
            arguments.insert(name.clone(), only_value(property)?.clone());
        }
    }
    match declaration.targets.as_deref() {
        None => {}
        Some([only]) => {
            arguments.insert(TARGET.to_owned(), Value::String(only.clone()));
        }
        Some(_) => return None,
    }
    Some(Value::Object(arguments))
}

fn only_value(property: &Value) -> Option<&Value> {
    if let Some(value) = property.get("const") {
        return Some(value);
    }
    match property.get("enum")?.as_array()?.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// The schema that a model fills in: the declared parameters and, where targets are listed, a required
/// `target`. `None` when there is nothing to choose; then [`fill`] gives the arguments.
pub fn arguments_schema(declaration: &ActionDeclaration) -> Option<Value> {
    if fill(declaration).is_some() || declaration.targets.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let mut schema = declaration.parameters.clone().unwrap_or_else(|| json!({}));
    let object = schema.as_object_mut()?;
    object.shift_remove("$schema");
    object.insert("type".into(), json!("object"));
    object.entry("properties").or_insert_with(|| json!({}));
    bound(&mut schema, true);
    if let Some(targets) = &declaration.targets {
        schema["properties"][TARGET] = json!({ "type": "string", "enum": targets });
        let required = schema.as_object_mut()?.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut()?.push(json!(TARGET));
    }
    Some(schema)
}

/// Bounds a schema and those within it. `closed`: undeclared properties are ruled out, which would break a
/// schema that is combined with others.
fn bound(schema: &mut Value, closed: bool) {
    let Some(map) = schema.as_object_mut() else { return };
    let combined = COMBINING.iter().any(|key| map.contains_key(*key));
    bound_here(map, closed && !combined);
    for (key, inner) in map.iter_mut() {
        match key.as_str() {
            "properties" | "$defs" | "definitions" => {
                // A definition may be used as one part of several.
                let closed = key == "properties";
                inner.as_object_mut().into_iter().flatten().for_each(|(_, schema)| bound(schema, closed));
            }
            "items" | "additionalItems" => bound(inner, true),
            "prefixItems" => {
                inner.as_array_mut().into_iter().flatten().for_each(|schema| bound(schema, true))
            }
            "anyOf" | "oneOf" | "allOf" => {
                inner.as_array_mut().into_iter().flatten().for_each(|schema| bound(schema, false));
            }
            _ => {}
        }
    }
}

fn bound_here(map: &mut Map<String, Value>, closed: bool) {
    if map.contains_key("enum") || map.contains_key("const") {
        return;
    }
    let is = |map: &Map<String, Value>, kind: &str| match map.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => false,
    };
    if is(map, "string") {
        lower_to(map, "maxLength", "minLength", TEXT_CHARS_MAX);
    }
    if is(map, "array") {
        lower_to(map, "maxItems", "minItems", LIST_ITEMS_MAX);
    }
    if is(map, "integer") || is(map, "number") {
        bound_number(map);
    }
    if closed && is(map, "object") {
        map.insert("additionalProperties".into(), json!(false));
    }
}

/// Sets an upper bound, unless the schema has a lower one or asks for more than it.
fn lower_to(map: &mut Map<String, Value>, upper: &str, lower: &str, bound: u64) {
    let least = map.get(lower).and_then(Value::as_u64).unwrap_or(0);
    let most = map.get(upper).and_then(Value::as_u64).unwrap_or(u64::MAX);
    if most > bound {
        map.insert(upper.to_owned(), json!(bound.max(least)));
    }
}

fn bound_number(map: &mut Map<String, Value>) {
    let number = |key: &str| map.get(key).and_then(Value::as_f64);
    let (least, most) =
        (number("minimum").or(number("exclusiveMinimum")), number("maximum").or(number("exclusiveMaximum")));
    let limit = NUMBER_MAX as f64;
    if least.is_none() && most.is_none_or(|most| most > -limit) {
        map.insert("minimum".into(), json!(-NUMBER_MAX));
    }
    if most.is_none() && least.is_none_or(|least| least < limit) {
        map.insert("maximum".into(), json!(NUMBER_MAX));
    }
}
