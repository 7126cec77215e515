//! A table of biographies, one character a row.
//!
//! Which column means what, `columns.toml` says; columns it does not know are kept with the character.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Found, check_count};
use crate::card::{Card, OWN};
use crate::error::CardError;
use crate::limits::{CELL_BYTES_MAX, COLUMNS_MAX};

/// What columns mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    /// Fields of a card, with the headers that mean them, the better first.
    card: Map<String, Value>,
    /// Fields of our form.
    character: Map<String, Value>,
    /// Details told in the description as "Race: Nord".
    details: Map<String, Value>,
    /// Words for pronouns.
    pronouns: Map<String, Value>,
}

static COLUMNS: LazyLock<Columns> =
    LazyLock::new(|| toml::from_str(include_str!("columns.toml")).expect("a test reads columns.toml"));

/// The rows as cards.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Result<Found, CardError>>, CardError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut rows = reader.records();
    let headers = match rows.next() {
        Some(Ok(headers)) => headers,
        Some(Err(error)) => return Err(CardError::new(name, error.to_string(), SAVE_AGAIN).at("row 1")),
        None => return Err(CardError::new(name, "the table is empty", SAVE_AGAIN)),
    };
    let headers: Vec<String> = headers.iter().map(|header| header.trim().to_owned()).collect();
    check_headers(name, &headers)?;
    let mut found = Vec::new();
    for (number, row) in rows.enumerate() {
        check_count(name, number + 1)?;
        let row_name = format!("row {}", number + 2);
        let row = row.map_err(|error| CardError::new(name, error.to_string(), SAVE_AGAIN));
        match row.and_then(|row| self::row(name, &headers, &row, &row_name)) {
            Ok(Some(card)) => found.push(Ok(Found::Card(Box::new(card)))),
            Ok(None) => {}
            Err(error) => found.push(Err(error.at(row_name))),
        }
    }
    Ok(found)
}

const SAVE_AGAIN: &str =
    "save the table again as CSV (UTF-8), with the names of the columns in the first row";

fn check_headers(name: &str, headers: &[String]) -> Result<(), CardError> {
    if headers.len() > COLUMNS_MAX {
        let message = format!("the table has {} columns, at most {COLUMNS_MAX} are read", headers.len());
        return Err(CardError::new(name, message, SAVE_AGAIN).at("row 1"));
    }
    let has = |field: &str| column(headers, &COLUMNS.card[field]).is_some();
    if has("name") {
        return Ok(());
    }
    let shown: Vec<String> =
        headers.iter().take(12).map(|header| header.chars().take(40).collect()).collect();
    let message = format!("no column holds the names; the columns are: {}", shown.join(", "));
    Err(CardError::new(
        name,
        message,
        "call the column with the characters' names `name`, and the one with their story `bio`",
    )
    .at("row 1"))
}

/// The card of a row; none for an empty row.
fn row(
    name: &str,
    headers: &[String],
    row: &csv::StringRecord,
    place: &str,
) -> Result<Option<Card>, CardError> {
    if row.iter().all(|cell| cell.trim().is_empty()) {
        return Ok(None);
    }
    let largest = row.iter().map(str::len).max().unwrap_or(0);
    if row.len() > COLUMNS_MAX || largest > CELL_BYTES_MAX {
        let message = format!("a cell has {largest} bytes, or the row {} columns", row.len());
        return Err(CardError::new(
            name,
            message,
            "a closing quote is probably missing in this row or the one before",
        ));
    }
    let cell = |headings: &Value| {
        column(headers, headings).and_then(|at| row.get(at)).map(str::trim).filter(|cell| !cell.is_empty())
    };
    let mut data: Map<String, Value> = COLUMNS
        .card
        .iter()
        .filter_map(|(field, headings)| Some((field.clone(), cell(headings)?.into())))
        .collect();
    if !data.contains_key("name") {
        return Err(CardError::new(name, "the row has no name", "write a name into it, or delete the row"));
    }
    let details: Vec<String> = COLUMNS
        .details
        .iter()
        .filter_map(|(label, headings)| Some(format!("{label}: {}.", cell(headings)?.trim_end_matches('.'))))
        .collect();
    if !details.is_empty() {
        let told = data.get("description").and_then(Value::as_str).unwrap_or_default();
        // Short and sure, so they stand before a story that may be cut.
        data.insert("description".into(), [details.join(" ").as_str(), told].join("\n").trim().into());
    }
    let own = COLUMNS
        .character
        .iter()
        .filter_map(|(field, headings)| Some((field.clone(), own_value(field, cell(headings)?)?)));
    let own: Map<String, Value> = own.collect();
    let columns: Map<String, Value> = row
        .iter()
        .enumerate()
        .map(|(at, cell)| {
            let header = headers.get(at).filter(|header| !header.is_empty()).cloned();
            (header.unwrap_or_else(|| format!("column {}", at + 1)), cell.into())
        })
        .collect();
    data.insert("extensions".into(), json!({OWN: {"fields": own, "columns": columns}}));
    Ok(Some(Card::made(Value::Object(data), place.to_owned())))
}

/// The value that a field of our form gets from a cell.
fn own_value(field: &str, cell: &str) -> Option<Value> {
    match field {
        "pronouns" => COLUMNS.pronouns.get(&cell.to_lowercase()).cloned(),
        "speech" => Some(json!({"style": cell})),
        "goals" | "knows" => {
            let items = cell.split(['\n', ';']).map(str::trim).filter(|item| !item.is_empty());
            Some(items.map(Value::from).collect())
        }
        _ => Some(cell.into()),
    }
}

/// The first column with one of the headings, in the order of the headings.
fn column(headers: &[String], headings: &Value) -> Option<usize> {
    let mut headings = headings.as_array()?.iter().filter_map(Value::as_str);
    headings.find_map(|heading| headers.iter().position(|header| folded(header) == heading))
}

/// `NPC Name`, `npc_name` and `npcName` are one.
fn folded(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What separates the columns: the sign that stands most often in the first line, outside of quotes.
fn delimiter(text: &str) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if !quoted => {
                counts.iter_mut().filter(|(sign, _)| *sign == byte).for_each(|(_, count)| *count += 1)
            }
            _ => {}
        }
    }
    // The comma where nothing else is more frequent.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(sign, _)| *sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_toml_can_be_read_and_names_are_folded() {
        for table in [&COLUMNS.card, &COLUMNS.character, &COLUMNS.details] {
            for heading in table.values().flat_map(|headings| headings.as_array().unwrap()) {
                assert_eq!(folded(heading.as_str().unwrap()), heading.as_str().unwrap());
            }
        }
        assert_eq!(folded("NPC_Name "), "npcname");
    }

    #[test]
    fn the_separator_is_found() {
        assert_eq!(delimiter("name;bio\n1,2,3,4"), b';');
        assert_eq!(delimiter("\"a;b;c;d\",bio\n"), b',');
        assert_eq!(delimiter("name\tbio"), b'\t');
        assert_eq!(delimiter("name"), b',');
    }
}
