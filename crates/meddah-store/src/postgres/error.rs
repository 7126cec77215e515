//! Postgres' errors, sorted by what the caller does about them.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

use crate::{StoreError, StoreErrorKind as Kind};

/// A failed call, and what may be done about it in here.
#[derive(Debug)]
pub(super) struct Failed {
    pub error: StoreError,
    /// The connection is of no more use.
    pub lost: bool,
    /// Nothing of the call was carried out, so it may be tried once more on another connection.
    pub again: bool,
}

pub(super) const DAMAGED: &str = "The database of memories is damaged or was changed by hand. Stop the hosts and put \
     back a backup.";
const UNREACHABLE: &str =
    "Check that the database server runs, and that its address, user and password are right.";

impl Failed {
    /// A row that must be there is not, or holds what it cannot.
    pub fn corrupt(what: &str) -> Self {
        StoreError::new(Kind::Corrupt, format!("memory database: {what}")).with_help(DAMAGED).into()
    }

    /// It took too long; what became of it is unknown.
    pub fn too_slow() -> Self {
        let error = StoreError::new(Kind::Unavailable, "the memory database did not answer in time")
            .with_help("Check the load of the database server and the network to it.");
        Failed { error, lost: true, again: false }
    }

    /// The same error, met after the commit was sent: nobody knows whether it arrived.
    pub fn while_committing(self) -> Self {
        let Failed { mut error, lost, again } = self;
        if lost {
            error.message.push_str("; what was to be written may be written or not");
        }
        Failed { error, lost, again: again && !lost }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Failed { error, lost: false, again: false }
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(reported) = error.as_db_error() {
            let (kind, help, lost) = sorted(reported.code());
            // Not its details: they may hold what a player said.
            let message = format!("memory database: {} ({})", reported.message(), reported.code().code());
            let error = StoreError::new(kind, message).with_help(help);
            return Failed { error, lost, again: lost };
        }
        let lost = error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>());
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        let error = StoreError::new(Kind::Unavailable, format!("memory database: {error}{cause}"))
            .with_help(UNREACHABLE);
        Failed { error, lost, again: lost }
    }
}

/// The kind, the help, and whether the server has ended the connection.
fn sorted(code: &SqlState) -> (Kind, &'static str, bool) {
    match *code {
        SqlState::DISK_FULL => {
            (Kind::Full, "The database server's disk is full. Make room on it; nothing is lost.", false)
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => (Kind::Corrupt, DAMAGED, false),
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            (Kind::Corrupt, DAMAGED, false)
        }
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => {
            (Kind::Unavailable, "The database server is overloaded, or somebody holds a lock in it.", false)
        }
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::IDLE_SESSION_TIMEOUT => {
            (Kind::Unavailable, "The database server is being restarted. Try again in a moment.", true)
        }
        SqlState::TOO_MANY_CONNECTIONS => (
            Kind::Unavailable,
            "Give each host fewer connections, or raise `max_connections` of the database server.",
            true,
        ),
        SqlState::READ_ONLY_SQL_TRANSACTION => (
            Kind::Unavailable,
            "The database server takes no writes; it may be a standby. Connect to the primary.",
            false,
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => {
            (Kind::Unavailable, "Give the database user the right to create and use its schema.", false)
        }
        SqlState::INVALID_PASSWORD
        | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        | SqlState::INVALID_CATALOG_NAME => (Kind::Unavailable, UNREACHABLE, true),
        _ => (Kind::Unavailable, "", code.code().starts_with("08")),
    }
}
