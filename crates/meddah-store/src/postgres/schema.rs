//! The tables: whose they are, and bringing them up to date.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::connection::connect;
use super::error::Failed;
use super::settings::PostgresSettings;
use crate::{StoreError, StoreErrorKind};

/// Each brings the tables one version further; their version is how many they have seen. A host of the version before
/// may still be at work when the next brings them up to date, so a migration only adds.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/001_timelines.sql")];
/// Who brings the tables of a schema up to date holds this lock, together with the schema. "MdTL".
const LOCK: i32 = 0x4d64_544c;
/// The longest that a step of it may take, or wait for others who do it.
const STEP_MAX: Duration = Duration::from_secs(60);

/// Makes the tables, or brings them up to date. Nothing is changed of a schema that is refused.
pub(super) async fn prepare(settings: &PostgresSettings) -> Result<(), Failed> {
    let (client, _driver) = connect(settings).await?;
    let encoding = one(&client, "SHOW server_encoding").await?;
    if encoding.as_deref() != Some("UTF8") {
        let message = "the memory database does not keep every character".to_owned();
        return Err(refused(StoreErrorKind::Invalid, message, "Make a database with the encoding UTF8."));
    }
    // A program that fails in between leaves the transaction behind with its connection: nothing is kept.
    let (limit, schema) = (STEP_MAX.as_millis(), &settings.schema);
    client
        .batch_execute(&format!(
            "BEGIN;
             SET LOCAL statement_timeout = {limit};
             SET LOCAL lock_timeout = {limit};
             SELECT pg_advisory_xact_lock({LOCK}, hashtext('{schema}'))"
        ))
        .await?;
    let version = version(&client, schema).await?;
    if version > MIGRATIONS.len() {
        let message = format!(
            "the memory database was written by a newer version (its format is {version}, this knows {})",
            MIGRATIONS.len()
        );
        let help = "Update Meddah on this machine, or name another schema. The database was left as it is.";
        return Err(refused(StoreErrorKind::Invalid, message, help));
    }
    if version == 0 {
        // One that was made beforehand, for a user who may make none, is taken as it is.
        let there = format!("SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'");
        if one(&client, &there).await?.is_none() {
            client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
        }
        client.batch_execute("CREATE TABLE version (version BIGINT NOT NULL)").await?;
        client.batch_execute("INSERT INTO version VALUES (0)").await?;
    }
    for migration in MIGRATIONS.iter().skip(version) {
        client.batch_execute(migration).await?;
    }
    if version < MIGRATIONS.len() {
        client.batch_execute(&format!("UPDATE version SET version = {}", MIGRATIONS.len())).await?;
    }
    Ok(client.batch_execute("COMMIT").await?)
}

/// The version of the tables, 0 if there are none. A schema that holds something else is refused.
async fn version(client: &Client, schema: &str) -> Result<usize, Failed> {
    let count = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
    let tables = one(client, &count).await?;
    if tables.as_deref() == Some("0") {
        return Ok(0);
    }
    if one(client, &format!("{count} AND tablename IN ('version', 'timeline', 'entry')")).await?.as_deref()
        != Some("3")
    {
        let message = format!("the schema {schema:?} of the memory database belongs to something else");
        let help = "Name a schema of its own for Meddah. The database was left as it is.";
        return Err(refused(StoreErrorKind::Corrupt, message, help));
    }
    let version = one(client, "SELECT version FROM version").await?;
    version.and_then(|version| version.parse().ok()).ok_or_else(|| Failed::corrupt("it has no version"))
}

/// The one value that this gives, as text.
async fn one(client: &Client, sql: &str) -> Result<Option<String>, Failed> {
    let answer = client.simple_query(sql).await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(row.and_then(|row| row.get(0)).map(str::to_owned))
}

fn refused(kind: StoreErrorKind, message: String, help: &str) -> Failed {
    StoreError::new(kind, message).with_help(help).into()
}
