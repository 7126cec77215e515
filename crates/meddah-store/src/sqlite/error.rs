//! SQLite's errors, sorted by what the caller does about them.

use rusqlite::ErrorCode as Code;

use crate::{StoreError, StoreErrorKind as Kind};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let (kind, help) = match &error {
            E::SqliteFailure(failure, _) => sorted(failure.code),
            E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
                (Kind::Corrupt, DAMAGED)
            }
            // A row that must be there is not.
            E::QueryReturnedNoRows => (Kind::Corrupt, DAMAGED),
            _ => (Kind::Unavailable, ""),
        };
        StoreError::new(kind, format!("memory file: {error}")).with_help(help)
    }
}

pub(super) const DAMAGED: &str = "The memory file is damaged. Close the game, move the file aside (its data stays \
     in it) and start again, or put back a copy.";

fn sorted(code: Code) -> (Kind, &'static str) {
    match code {
        Code::DatabaseCorrupt | Code::NotADatabase => (Kind::Corrupt, DAMAGED),
        Code::DiskFull => (Kind::Full, "The disk is full. Make room on it; nothing that was saved is lost."),
        Code::DatabaseBusy | Code::DatabaseLocked => {
            (Kind::Unavailable, "Another program holds the memory file. Close it and try again.")
        }
        Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied => {
            (Kind::Unavailable, "Check that the memory file and its folder exist and may be written to.")
        }
        Code::SystemIoFailure => (
            Kind::Unavailable,
            "The disk reported an error. Check its health and that it is still plugged in.",
        ),
        _ => (Kind::Unavailable, ""),
    }
}
