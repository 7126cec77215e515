//! SQLite's errors in words of the budget.

use crate::{StoreError, StoreErrorKind};

const DAMAGED: &str = "Move the file budget.sqlite3 in the data folder aside: a new one begins, which knows nothing of \
     what was spent before, today's share included.";

/// An error of the ledger's file.
pub(super) fn ours(error: rusqlite::Error) -> StoreError {
    reworded(StoreError::from(error))
}

/// The same for errors in words of the memory file, which is opened by the same code.
pub(super) fn reworded(error: StoreError) -> StoreError {
    let help = match error.kind {
        StoreErrorKind::Corrupt => DAMAGED.to_owned(),
        _ => error.help.replace("memory file", "budget file"),
    };
    StoreError { message: error.message.replace("memory file", "budget file"), help, ..error }
}
