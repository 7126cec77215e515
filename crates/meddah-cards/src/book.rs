//! A lorebook as it came, alone or in a card, and its entries whatever the program that wrote them.

use serde_json::{Map, Value};

/// A lorebook that is a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    pub(crate) json: Map<String, Value>,
    pub(crate) name: String,
}

impl Book {
    /// `file_name` gives it a name where it has none of its own.
    pub(crate) fn new(json: Map<String, Value>, file_name: &str) -> Book {
        let stem = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = stem.split('.').next().unwrap_or_default();
        let named = data(&json).get("name").or_else(|| json.get("name")).and_then(Value::as_str);
        let name = named.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(stem).to_owned();
        Book { json, name }
    }

    /// A kept original.
    pub fn from_json(json: Map<String, Value>, file_name: &str) -> Option<Book> {
        entries(data(&json)).is_some().then(|| Book::new(json, file_name))
    }

    /// The JSON as it came.
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn data(&self) -> &Map<String, Value> {
        data(&self.json)
    }
}

/// Where the entries are: under `data` in a `lorebook_v3`, else at the top.
fn data(json: &Map<String, Value>) -> &Map<String, Value> {
    json.get("data").and_then(Value::as_object).unwrap_or(json)
}

/// The entries with the key or number under which they stand; `None` where there are none to read.
pub(crate) fn entries(book: &Map<String, Value>) -> Option<Vec<(String, &Map<String, Value>)>> {
    match book.get("entries")? {
        Value::Array(list) => {
            let numbered = list.iter().enumerate();
            Some(numbered.filter_map(|(n, entry)| Some((n.to_string(), entry.as_object()?))).collect())
        }
        Value::Object(map) => {
            Some(map.iter().filter_map(|(key, entry)| Some((key.clone(), entry.as_object()?))).collect())
        }
        _ => None,
    }
}

/// An entry's field under either of its names: V2 and V3 write `keys`, SillyTavern's own files `key`.
pub(crate) fn strings(entry: &Map<String, Value>, names: [&str; 2]) -> Vec<String> {
    let found = names.iter().find_map(|name| entry.get(*name));
    match found {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => text.split(',').map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether the entry is to be used at all.
pub(crate) fn is_enabled(entry: &Map<String, Value>) -> bool {
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool);
    flag("enabled").unwrap_or(true) && !flag("disable").unwrap_or(false)
}

pub(crate) fn text<'e>(entry: &'e Map<String, Value>, key: &str) -> &'e str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}
