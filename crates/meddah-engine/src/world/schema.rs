//! One schema per kind of file, made from the types that read it.
//!
//! The same schema completes in an editor, checks a file and is published in `docs/reference/schema/`.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::World;
use super::action::ActionsFile;
use super::character::Character;
use super::check::{Finding, check};
use super::document::Document;
use super::error::{WorldError, WorldErrors};
use super::lore::{LoreEntry, LoreFile};
use super::wording::Form;

/// A kind of file: what it may hold.
pub(super) struct FileSchema {
    value: Value,
    validator: jsonschema::Validator,
}

/// The published schemas: file name and content.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("world.json", world().value.clone()),
        ("character.json", character().value.clone()),
        ("lore.json", lore_file().value.clone()),
        ("actions.json", actions_file().value.clone()),
    ]
}

macro_rules! file_schema {
    ($name:ident, $type:ty) => {
        pub(super) fn $name() -> &'static FileSchema {
            static SCHEMA: LazyLock<FileSchema> = LazyLock::new(FileSchema::of::<$type>);
            &SCHEMA
        }
    };
}
file_schema!(world, World);
file_schema!(character, Character);
file_schema!(lore_file, LoreFile);
file_schema!(lore_entry, LoreEntry);
file_schema!(actions_file, ActionsFile);

impl FileSchema {
    fn of<T: JsonSchema>() -> Self {
        // Inlined, because a path within the schema then leads from any mistake to what was expected.
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let value = settings.into_generator().into_root_schema_for::<T>().to_value();
        let validator = jsonschema::validator_for(&value).expect("schemars makes valid schemas of our types");
        FileSchema { value, validator }
    }

    /// Reads a file of a pack, or says all that is wrong with it.
    pub fn read_file<T: DeserializeOwned>(&self, document: &Document<'_>) -> Result<T, Vec<WorldError>> {
        match self.read(document.value.clone(), Form::Toml) {
            Ok(value) => Ok(value),
            Err(findings) => Err(findings.into_iter().map(|finding| locate(document, finding)).collect()),
        }
    }

    /// Reads data that came as JSON; `name` stands where a file name would.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T, WorldErrors> {
        self.read(value, Form::Json).map_err(|findings| {
            let errors = findings.into_iter();
            WorldErrors(
                errors.map(|finding| WorldError::of_file(name, finding.message, finding.help)).collect(),
            )
        })
    }

    fn read<T: DeserializeOwned>(&self, value: Value, form: Form) -> Result<T, Vec<Finding>> {
        let findings = check(&self.value, &self.validator, &value, form);
        if !findings.is_empty() {
            return Err(findings);
        }
        serde_json::from_value(value).map_err(|error| vec![Finding::value("", error.to_string(), "")])
    }
}

/// A finding with its line.
pub(super) fn locate(document: &Document<'_>, finding: Finding) -> WorldError {
    WorldError {
        file: document.file.to_owned(),
        at: Some(document.position(&finding.pointer, finding.part)),
        message: finding.message,
        help: finding.help,
    }
}

/// Takes `id` out of data that was sent to the address of `id`.
pub(super) fn take_id(name: &str, id: &str, mut value: Value) -> Result<Value, WorldErrors> {
    if let Err(error) = meddah_protocol::check_id("id", id) {
        return Err(WorldError::of_file(name, error.message, error.help).into());
    }
    let inside = value.as_object_mut().and_then(|fields| fields.shift_remove("id"));
    match inside {
        Some(inside) if inside != id => Err(WorldError::of_file(
            name,
            format!("the data has the id {inside}, but it was sent to `{id}`"),
            "leave `id` out, or make both the same",
        )
        .into()),
        _ => Ok(value),
    }
}

/// The value as JSON with its `id` first.
pub(super) fn with_id(id: &str, value: &impl Serialize) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), id.into());
    if let Ok(Value::Object(rest)) = serde_json::to_value(value) {
        fields.extend(rest.into_iter().filter(|(key, _)| key != "id"));
    }
    Value::Object(fields)
}
