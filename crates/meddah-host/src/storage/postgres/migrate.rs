//! Bringing a database up to date.

use deadpool_postgres::Client;

use super::rows::{Done, get};
use crate::storage::{StorageError, StorageErrorKind};

/// Each brings a database one version further; its version is how many it has seen.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("migrations/001_host.sql"), include_str!("migrations/002_people.sql")];
/// Programs that start together do it one after the other. "MdHost" as a number.
const LOCK: i64 = 0x4d64_486f_7374;

pub(super) async fn migrate(client: &mut Client, migrations: &[&str]) -> Done<()> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    transaction.batch_execute("CREATE TABLE IF NOT EXISTS meddah_host (version bigint NOT NULL)").await?;
    let row = transaction.query_opt("SELECT version FROM meddah_host", &[]).await?;
    let version = row.as_ref().map(|row| get::<i64>(row, 0)).transpose()?;
    let known = migrations.len() as i64;
    match version {
        Some(version) if version > known => return Err(newer(version, known)),
        Some(_) => {}
        None => transaction.batch_execute("INSERT INTO meddah_host VALUES (0)").await?,
    }
    let seen = usize::try_from(version.unwrap_or(0)).unwrap_or(0);
    for migration in &migrations[seen..] {
        transaction.batch_execute(migration).await?;
    }
    transaction.execute("UPDATE meddah_host SET version = $1", &[&known]).await?;
    Ok(transaction.commit().await?)
}

fn newer(version: i64, known: i64) -> StorageError {
    StorageError::new(
        StorageErrorKind::Unusable,
        format!("the database was written by a newer version (its format is {version}, this knows {known})"),
        "Update Meddah on this machine. The database was left as it is.",
    )
}
