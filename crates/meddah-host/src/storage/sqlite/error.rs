//! SQLite's errors, sorted by what the caller does about them.

use rusqlite::ErrorCode as Code;

use crate::storage::{StorageError, StorageErrorKind as Kind};

const DAMAGED: &str =
    "The host's database is damaged. Stop the host, move the file aside and put back a backup.";

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let (kind, help) = match &error {
            E::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
            {
                (Kind::NotFound, "There is no such player (any more).")
            }
            E::SqliteFailure(failure, _) => sorted(failure.code),
            E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
                (Kind::Unusable, DAMAGED)
            }
            _ => (Kind::Unavailable, "Look into the log of the host."),
        };
        StorageError::new(kind, format!("the host's database: {error}"), help)
    }
}

fn sorted(code: Code) -> (Kind, &'static str) {
    match code {
        Code::DatabaseCorrupt | Code::NotADatabase => (Kind::Unusable, DAMAGED),
        Code::DiskFull => {
            (Kind::Full, "The disk is full. Make room on it; nothing that was written is lost.")
        }
        Code::DatabaseBusy | Code::DatabaseLocked => {
            (Kind::Unavailable, "Another program holds the host's database. Close it and try again.")
        }
        Code::ConstraintViolation => (Kind::Taken, "It is there already. Choose another name or id."),
        Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied => {
            (Kind::Unavailable, "Check that the host's database and its folder exist and may be written to.")
        }
        Code::SystemIoFailure => (
            Kind::Unavailable,
            "The disk reported an error. Check its health and that it is still plugged in.",
        ),
        _ => (Kind::Unavailable, "Look into the log of the host."),
    }
}
