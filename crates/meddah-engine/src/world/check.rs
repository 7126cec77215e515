//! Data against the schema of its file, in plain sentences.
//!
//! The schema that an editor completes from is the one that checks: one source, so they cannot differ.
//! A general validator finds the mistakes; this turns each into words for an author, with the nearest
//! known key or a line to type.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::document::Part;
use super::error::ERRORS_MAX;
use super::wording::{Form, KEY_CHARS_MAX, cut, escape, example, inside, nearest, quote, spoken};
use crate::emotion::EmotionLabel;

const DID_YOU_MEAN: &str = "did you mean ";

/// A mistake, at a JSON pointer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub pointer: String,
    pub part: Part,
    pub message: String,
    pub help: String,
}

impl Finding {
    pub fn value(pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Finding { pointer: pointer.into(), part: Part::Value, message: message.into(), help: help.into() }
    }

    pub fn key(pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Finding { part: Part::Key, ..Finding::value(pointer, message, help) }
    }
}

/// Everything in `value` that the schema does not allow.
pub(super) fn check(
    schema: &Value,
    validator: &jsonschema::Validator,
    value: &Value,
    form: Form,
) -> Vec<Finding> {
    let explainer = Explainer { root: schema, form };
    let errors = validator.iter_errors(value).take(ERRORS_MAX);
    let mut findings: Vec<Finding> =
        errors.flat_map(|error| explainer.explain(&error)).take(ERRORS_MAX).collect();
    // A misspelt key is also a missing one; the suggestion says it all.
    let suggested: Vec<(String, String)> = findings.iter().filter_map(suggestion).collect();
    findings.retain(|finding| {
        !suggested.iter().any(|(place, key)| finding.pointer == *place && finding.message.starts_with(key))
    });
    findings
}

/// Where a key is missing, and the message's beginning, if this finding suggests to write that key.
fn suggestion(finding: &Finding) -> Option<(String, String)> {
    let key = finding.help.strip_prefix(DID_YOU_MEAN)?.strip_suffix('?')?;
    let (place, _) = finding.pointer.rsplit_once('/')?;
    (finding.part == Part::Key).then(|| (place.to_owned(), format!("{key} is missing")))
}

struct Explainer<'s> {
    root: &'s Value,
    form: Form,
}

impl Explainer<'_> {
    fn explain(&self, error: &ValidationError<'_>) -> Vec<Finding> {
        let pointer = error.instance_path().as_str();
        let schema_path = error.schema_path().as_str();
        let parent = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let schema = self.root.pointer(parent).unwrap_or(&Value::Null);
        let instance = error.instance();
        let (complaint, help) = match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                let keys = unexpected.iter().take(ERRORS_MAX);
                return keys.map(|key| self.unknown_key(schema, pointer, key)).collect();
            }
            Kind::Required { property } => return vec![self.missing_key(schema, pointer, property)],
            Kind::Type { .. } => (self.wrong_type(schema, instance), self.form.example_help(schema, pointer)),
            Kind::Enum { options } => {
                (format!("cannot be {}", quote(instance)), choices_help(instance, options))
            }
            Kind::MaxLength { limit } => {
                let chars = instance.as_str().map_or(0, |text| text.chars().count());
                (format!("is too long: {chars} characters, at most {limit}"), "shorten it".to_owned())
            }
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => (
                format!("has too many entries, at most {limit}"),
                "keep the ones that matter most".to_owned(),
            ),
            kind => {
                let complaint = match kind {
                    Kind::MinLength { .. } => "is empty".to_owned(),
                    Kind::MinItems { .. } => "is an empty list".to_owned(),
                    Kind::Minimum { limit } => {
                        format!("must be at least {limit}, but this is {}", quote(instance))
                    }
                    Kind::Maximum { limit } => {
                        format!("must be at most {limit}, but this is {}", quote(instance))
                    }
                    _ => format!("cannot be {}", quote(instance)),
                };
                (complaint, self.form.example_help(schema, pointer))
            }
        };
        vec![Finding::value(pointer, format!("{} {complaint}", spoken(pointer)), help)]
    }

    fn unknown_key(&self, schema: &Value, pointer: &str, key: &str) -> Finding {
        let help = self.other_place(pointer, key).or_else(|| {
            let near = nearest(key, keys(schema))?;
            Some(format!("{DID_YOU_MEAN}`{near}`?"))
        });
        let help = help.unwrap_or_else(|| {
            let known: Vec<String> = keys(schema).map(|known| format!("`{known}`")).collect();
            format!("known here: {}", known.join(", "))
        });
        let message = match (self.form, pointer) {
            // JSON has no lines to point at.
            (Form::Json, place) if !place.is_empty() => {
                format!("unknown key `{}` in {}", cut(key, KEY_CHARS_MAX), spoken(place))
            }
            _ => format!("unknown key `{}`", cut(key, KEY_CHARS_MAX)),
        };
        Finding::key(format!("{pointer}/{}", escape(key)), message, help)
    }

    /// A key that is known and stands in the wrong place: the usual slip with TOML's sections.
    fn other_place(&self, pointer: &str, key: &str) -> Option<String> {
        let has = |schema: &Value| keys(schema).any(|known| known == key);
        if !pointer.is_empty() {
            return (has(self.root) && self.form == Form::Toml).then(|| {
                format!("`{key}` belongs at the top of the file: move it above the first line in [brackets]")
            });
        }
        let inner = |name: &str| &self.root["properties"][name];
        if let Some(section) = keys(self.root).find(|section| has(inner(section))) {
            return Some(match self.form {
                Form::Toml => format!("`{key}` belongs in a section: put it below a line `[{section}]`"),
                Form::Json => format!("`{key}` belongs in `{section}`"),
            });
        }
        let is_named_by_file = key == "id" && keys(self.root).any(|known| known == "name");
        let list = keys(self.root).find(|list| has(&inner(list)["items"]));
        if let Some(list) = list.filter(|_| !is_named_by_file) {
            return Some(match self.form {
                Form::Toml => format!("`{key}` belongs in an entry: put it below a line `[[{list}]]`"),
                Form::Json => format!("`{key}` belongs in an entry of `{list}`"),
            });
        }
        (key == "id").then(|| {
            "the id is the name of the file: delete this line, and rename the file to change the id"
                .to_owned()
        })
    }

    fn missing_key(&self, schema: &Value, pointer: &str, key: &Value) -> Finding {
        let key = key.as_str().unwrap_or_default();
        let place = inside(pointer);
        let line = example(&schema["properties"][key]).map(|example| self.form.line(key, example));
        let help = match (line, self.form) {
            (Some(line), Form::Toml) => format!("add a line such as: {line}"),
            (Some(line), Form::Json) => format!("add it, for example: {line}"),
            (None, _) => String::new(),
        };
        Finding::value(pointer, format!("`{key}` is missing{place}"), help)
    }

    fn wrong_type(&self, schema: &Value, instance: &Value) -> String {
        let types = match &schema["type"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => vec![one.as_str().unwrap_or_default()],
        };
        let wanted: Vec<&str> = types.into_iter().map(|one| self.form.noun(one, schema)).collect();
        format!("must be {}, but this is {}", wanted.join(" or "), self.form.found(instance))
    }
}

fn choices_help(instance: &Value, options: &Value) -> String {
    let words = || options.as_array().into_iter().flatten().filter_map(Value::as_str);
    let near = instance.as_str().and_then(|word| {
        // "happy" is no mood of ours, but the emotions know it for joy.
        let label = word.parse::<EmotionLabel>().ok().map(EmotionLabel::name);
        label.filter(|label| words().any(|known| known == *label)).or_else(|| nearest(word, words()))
    });
    let all: Vec<String> = words().map(|word| format!("\"{word}\"")).collect();
    match near {
        Some(near) => format!("{DID_YOU_MEAN}\"{near}\"? Possible are: {}", all.join(", ")),
        None => format!("possible are: {}", all.join(", ")),
    }
}

fn keys(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}
