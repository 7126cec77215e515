//! Changes `meddah.toml` and leaves the rest as the player wrote it.

use std::io::Write as _;
use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use crate::config::FILE_NAME;

/// The file is as before. Says where it is and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotChanged(String);

/// Sets a text within a section; the file and the section are begun if there are none.
///
/// # Errors
/// The file cannot be read, understood or written.
pub fn set_text(data_dir: &Path, section: &str, key: &str, text: &str) -> Result<(), NotChanged> {
    change(data_dir, |document| {
        let table = document.entry(section).or_insert(Item::Table(Table::new())).as_table_like_mut();
        let table = table.ok_or_else(|| format!("`{section}` is not a section"))?;
        let mut new = value(text);
        keep_comment(table.get(key), &mut new);
        // In its place: inserted anew, a key loses the comment above it.
        match table.get_mut(key) {
            Some(old) => *old = new,
            None => drop(table.insert(key, new)),
        }
        Ok(())
    })
}

/// Puts a rung first in the ladder, once. A ladder that was not there begins with the usual one behind it.
///
/// # Errors
/// As [`set_text`].
pub fn put_first_in_ladder(data_dir: &Path, rung: &str, usual: &[String]) -> Result<(), NotChanged> {
    change(data_dir, |document| {
        let known = match document.get("ladder") {
            None => usual.to_vec(),
            Some(item) => {
                let list = item.as_array().ok_or("`ladder` is not a list")?;
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
        };
        let rest = known.iter().map(String::as_str).filter(|name| *name != rung);
        let mut new = value(std::iter::once(rung).chain(rest).collect::<Array>());
        keep_comment(document.get("ladder"), &mut new);
        match document.get_mut("ladder") {
            Some(old) => *old = new,
            None => drop(document.insert("ladder", new)),
        }
        Ok(())
    })
}

/// The comment behind the value stays.
fn keep_comment(old: Option<&Item>, new: &mut Item) {
    if let (Some(old), Some(new)) = (old.and_then(Item::as_value), new.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
}

/// Reads the file, changes it and replaces it at once.
fn change(
    data_dir: &Path,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
) -> Result<(), NotChanged> {
    let place = data_dir.join(FILE_NAME);
    let fail = |message: String| NotChanged(format!("{}: {message}", place.display()));
    let old = match std::fs::read_to_string(&place) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fail(error.to_string())),
    };
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| fail(error.to_string().trim_end().to_owned()))?;
    edit(&mut document).map_err(fail)?;
    replace(&place, &document.to_string()).map_err(|error| fail(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_goes_first_once_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let text = || std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        put_first_in_ladder(folder.path(), "host:a", &["local".into()]).unwrap();
        assert_eq!(text(), "ladder = [\"host:a\", \"local\"]\n");
        let own = "# mine\nladder = [\"local\", \"host:a\"] # my order\nport = 1\n\n[local]\nthreads = 2\n";
        std::fs::write(folder.path().join(FILE_NAME), own).unwrap();
        put_first_in_ladder(folder.path(), "host:a", &[]).unwrap();
        put_first_in_ladder(folder.path(), "host:b", &[]).unwrap();
        assert_eq!(text(), own.replace("\"local\", \"host:a\"", "\"host:b\", \"host:a\", \"local\""));
        std::fs::write(folder.path().join(FILE_NAME), "ladder = 3\n").unwrap();
        let error = put_first_in_ladder(folder.path(), "host:b", &[]).unwrap_err().to_string();
        assert!(error.contains("`ladder` is not a list"), "{error}");
    }
}
