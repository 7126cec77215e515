//! Changes a value of the section [budget] and leaves the rest as the player wrote it.

use std::path::Path;

use super::BudgetError;
use crate::settings_file;

/// Sets a value; the file is begun if there is none.
///
/// # Errors
/// The file cannot be read, understood or written; then it is as before.
pub fn set(data_dir: &Path, key: &str, text: &str) -> Result<(), BudgetError> {
    settings_file::set_text(data_dir, "budget", key, text).map_err(|error| BudgetError {
        message: error.to_string(),
        help: format!("Write `{key} = {text:?}` into the section [budget] of this file yourself."),
    })
}
