//! Where the database is, and how much of it may be used.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;

use crate::{StoreError, StoreErrorKind};

/// The schema that holds the tables, unless another is named.
const SCHEMA: &str = "meddah_timelines";
/// Connections of a store, unless another number is given. Each costs the server some MB; a turn uses one for about
/// a millisecond at a time.
const CONNECTIONS: usize = 8;
/// The most connections of a store.
const CONNECTIONS_MAX: usize = 64;
/// The longest name of a schema in bytes; the server would cut a longer one.
const SCHEMA_BYTES_MAX: usize = 63;
/// How long one address may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// When a connection that is silent is asked whether it still stands.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// How long sent bytes may stay unacknowledged before the connection counts as lost.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// Where the database is, and how much of it may be used. Prints nothing of the address or password.
#[derive(Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) connections: usize,
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (schema, connections) = (&self.schema, self.connections);
        f.debug_struct("PostgresSettings").field("schema", schema).field("connections", &connections).finish()
    }
}

impl PostgresSettings {
    /// From an address: `postgresql://user:password@server/database`, or `host=… user=… password=… dbname=…`.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        // What the parser says could quote the password.
        let mut config: Config = address.parse().map_err(|_| {
            invalid("the address of the memory database cannot be read")
                .with_help("Write it as postgresql://user:password@server/database.")
        })?;
        if config.get_application_name().is_none() {
            config.application_name("meddah");
        }
        config.connect_timeout(CONNECT_MAX);
        config.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(UNACKNOWLEDGED_MAX);
        Ok(PostgresSettings { config, schema: SCHEMA.to_owned(), connections: CONNECTIONS })
    }

    /// Keeps the tables in this schema: several independent stores may share a database.
    pub fn with_schema(mut self, schema: &str) -> Result<Self, StoreError> {
        let plain = schema.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let reserved = schema.starts_with("pg_") || schema.starts_with(|first: char| first.is_ascii_digit());
        if schema.is_empty() || schema.len() > SCHEMA_BYTES_MAX || !plain || reserved {
            return Err(invalid("the schema of the memory database has no usable name").with_help(
                "Use small letters, digits and underscores, at most 63, beginning with a letter.",
            ));
        }
        schema.clone_into(&mut self.schema);
        Ok(self)
    }

    /// Holds at most so many connections, 1 to 64.
    pub fn with_connections(mut self, connections: usize) -> Result<Self, StoreError> {
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            let message = format!("a memory database is used over 1 to {CONNECTIONS_MAX} connections");
            return Err(invalid(message).with_help("Start with 8; more help only if turns wait for them."));
        }
        self.connections = connections;
        Ok(self)
    }
}

fn invalid(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, message)
}
