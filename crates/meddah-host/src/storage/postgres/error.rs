//! Postgres' errors, sorted by what the caller does about them.

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

use crate::storage::{StorageError, StorageErrorKind as Kind};

const AWAY: &str = "Check that the Postgres server runs and can be reached at the address of the settings.";

const ENCRYPTION: &str = "Look at `ssl` and the certificate of the Postgres server. With `sslmode=verify-full` it must be for the \
     name in the address, from an authority that this system trusts or that `sslrootcert=FILE` names.";

/// The package tells it by words only.
fn is_about_encryption(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => of_server(error),
            None if is_about_encryption(&error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                StorageError::new(
                    Kind::Unavailable,
                    format!("Postgres: no encrypted connection: {why}"),
                    ENCRYPTION,
                )
            }
            // Neither the error nor its source holds the address' password.
            None => StorageError::new(Kind::Unavailable, format!("Postgres: {error}"), AWAY),
        }
    }
}

/// A server's message without its details, which hold values of rows.
fn of_server(error: &DbError) -> StorageError {
    let (kind, help) = match *error.code() {
        SqlState::UNIQUE_VIOLATION => (Kind::Taken, "It is there already. Choose another name or id."),
        SqlState::FOREIGN_KEY_VIOLATION => (Kind::NotFound, "There is no such player (any more)."),
        SqlState::DISK_FULL => (Kind::Full, "The disk of the Postgres server is full. Make room on it."),
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (Kind::Unavailable, "Check name and password in the address of the settings.")
        }
        SqlState::INVALID_CATALOG_NAME => {
            (Kind::Unavailable, "Create the database with `createdb`, or name another one in the settings.")
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            (Kind::Unusable, "Make the role of the settings the owner of the database.")
        }
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::DATA_CORRUPTED => {
            (Kind::Unusable, "The database was changed by somebody else. Put back a backup.")
        }
        _ => (Kind::Unavailable, AWAY),
    };
    StorageError::new(kind, format!("Postgres: {} ({})", error.message(), error.code().code()), help)
}

impl From<PoolError> for StorageError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            error => StorageError::new(Kind::Unavailable, format!("Postgres: {error}"), AWAY),
        }
    }
}

pub(super) fn too_slow() -> StorageError {
    StorageError::new(
        Kind::Unavailable,
        "Postgres does not answer in time",
        "Look at the load of the Postgres server and the network to it.",
    )
}

pub(super) fn bad_address(reason: &str) -> StorageError {
    StorageError::new(
        Kind::Unusable,
        format!("the address of the Postgres server cannot be read: {reason}"),
        "Write it as postgres://name:password@machine/database?sslmode=verify-full. Modes are disable, prefer, require \
         and verify-full; `sslrootcert` may name a file of PEM certificates.",
    )
}

pub(super) fn strange(what: &str) -> StorageError {
    StorageError::new(
        Kind::Unusable,
        format!("Postgres: {what} is nothing that this version knows"),
        "Update Meddah, or put back a backup.",
    )
}
