//! Changes one value of `meddah.toml` and leaves the rest as the player wrote it.

use std::io::Write as _;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, value};

use super::BudgetError;
use crate::config::FILE_NAME;

/// Sets a value of `[budget]`; the file is begun if there is none. The whole file is replaced at once.
///
/// # Errors
/// The file cannot be read, understood or written; then it is as before.
pub fn set(data_dir: &Path, key: &str, text: &str) -> Result<(), BudgetError> {
    let place = data_dir.join(FILE_NAME);
    let fail = |message: String| BudgetError {
        message: format!("{}: {message}", place.display()),
        help: format!("Write `{key} = {text:?}` into the section [budget] of this file yourself."),
    };
    let old = match std::fs::read_to_string(&place) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fail(error.to_string())),
    };
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| fail(error.to_string().trim_end().to_owned()))?;
    change(&mut document, key, text).ok_or_else(|| fail("`budget` is not a section".into()))?;
    replace(&place, &document.to_string()).map_err(|error| fail(error.to_string()))
}

fn change(document: &mut DocumentMut, key: &str, text: &str) -> Option<()> {
    let budget = document.entry("budget").or_insert(Item::Table(Table::new())).as_table_like_mut()?;
    let mut new = value(text);
    if let Some(old) = budget.get(key).and_then(Item::as_value)
        && let Some(new) = new.as_value_mut()
    {
        // The comment behind the value stays.
        *new.decor_mut() = old.decor().clone();
    }
    match budget.get_mut(key) {
        Some(slot) => *slot = new,
        None => {
            budget.insert(key, new);
        }
    }
    Some(())
}

fn replace(place: &Path, text: &str) -> std::io::Result<()> {
    // A link stays a link.
    let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let folder = place.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(text.as_bytes())?;
    if let Ok(old) = std::fs::metadata(&place) {
        draft.as_file().set_permissions(old.permissions())?;
    }
    draft.as_file().sync_all()?;
    draft.persist(&place).map(|_| ()).map_err(|error| error.error)
}
