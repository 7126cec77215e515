//! A TOML file as data that still knows its lines.
//!
//! The checks work on JSON values, the same for a file and for a character sent over HTTP, and speak of
//! places by JSON pointer. This is where a pointer becomes a line and a column.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Position, WorldError};
use super::syntax;

/// The largest file of a pack in bytes. A long character is 4 KB.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// A file that is well-formed TOML.
pub(super) struct Document<'text> {
    /// The path within the pack.
    pub file: &'text str,
    /// What the file says.
    pub value: Value,
    text: &'text str,
    root: Spanned<DeTable<'text>>,
}

/// Which part of a `key = value` pair a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl<'text> Document<'text> {
    /// Parses a file, or says all that is wrong with its syntax.
    pub fn parse(file: &'text str, text: &'text str) -> Result<Self, Vec<WorldError>> {
        if text.len() > FILE_BYTES_MAX {
            return Err(vec![too_large(file, text.len())]);
        }
        // Windows editors like to put a byte order mark first; it means nothing in UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, faults) = DeTable::parse_recoverable(text);
        if !faults.is_empty() {
            return Err(syntax::explain(file, text, faults));
        }
        let value = table_to_json(root.get_ref());
        Ok(Document { file, value, text, root })
    }

    /// The place of a JSON pointer; of the nearest thing around it where the pointer leads nowhere.
    pub fn position(&self, pointer: &str, part: Part) -> Position {
        position_at(self.text, self.offset(pointer, part))
    }

    fn offset(&self, pointer: &str, part: Part) -> usize {
        let mut offset = self.root.span().start;
        let mut table = Some(self.root.get_ref());
        let mut list = None;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let (key_offset, value) = if let Some(table) = table {
                let Some((key, value)) = table.get_key_value(step.as_str()) else { break };
                (key.span().start, value)
            } else {
                let items: Option<&toml::de::DeArray<'_>> = list;
                let item = step.parse().ok().and_then(|index: usize| items?.get(index));
                let Some(value) = item else { break };
                (value.span().start, value)
            };
            offset = if part == Part::Key { key_offset } else { value.span().start };
            table = value.get_ref().as_table();
            list = value.get_ref().as_array();
        }
        offset
    }
}

pub(super) fn too_large(file: &str, bytes: usize) -> WorldError {
    WorldError::of_file(
        file,
        format!("the file is too large: {} KB, at most {} KB", bytes / 1024, FILE_BYTES_MAX / 1024),
        "a character needs a page or two of text; split lore over several files",
    )
}

/// The line and column of a byte offset.
pub(super) fn position_at(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

fn table_to_json(table: &DeTable<'_>) -> Value {
    let pairs = table.iter().map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        // TOML has `inf` and `nan`, which no field of a pack can mean: they arrive as "no value".
        DeValue::Float(number) => {
            number.as_str().parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        // `name = 1984-01-01` without quotes can only be meant as text.
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect()),
        DeValue::Table(table) => table_to_json(table),
    }
}
