//! Programs that come, go and are found gone; and what becomes too old.

use std::path::Path;
use std::str::FromStr as _;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::count;
use super::hosts::is_gone;
use super::post::write_entries;
use super::rows;
use crate::quota::Period;
use crate::storage::posting::{expelled, lost};
use crate::storage::{CLAIM_MS, HostId, ServerState, StorageError};

/// The most old keys that are dropped at once, so that nobody waits for it.
const CLAIMS_DROPPED_MAX: u32 = 1_000;

pub(super) fn join(connection: &Connection, host: HostId, now_ms: u64) -> Result<(), StorageError> {
    let mut insert = connection.prepare_cached("INSERT INTO host (id, batch, joined_ms) VALUES (?, 0, ?)")?;
    insert.execute(params![host.to_string(), now_ms])?;
    Ok(())
}

/// Its leases go with it.
pub(super) fn leave(connection: &Connection, host: HostId) -> Result<(), StorageError> {
    connection.execute("DELETE FROM host WHERE id = ?", [host.to_string()])?;
    Ok(())
}

/// What [`upkeep`] has to do, found without the writer's lock.
pub(super) struct Due {
    pub state: ServerState,
    gone: Vec<HostId>,
    old_claims: bool,
    uncounted: bool,
}

impl Due {
    pub fn is_nothing(&self) -> bool {
        self.gone.is_empty() && !self.old_claims && !self.uncounted
    }
}

pub(super) fn look(
    connection: &Connection,
    path: &Path,
    host: HostId,
    now_ms: u64,
) -> Result<Due, StorageError> {
    let state = connection.prepare_cached("SELECT state FROM server")?.query_row([], rows::state)?;
    let mut hosts = connection.prepare_cached("SELECT id FROM host")?;
    let hosts = hosts.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let hosts: Vec<HostId> = hosts.iter().filter_map(|id| HostId::from_str(id).ok()).collect();
    if !hosts.contains(&host) {
        return Err(expelled());
    }
    let gone = hosts.into_iter().filter(|other| *other != host && is_gone(path, *other)).collect();
    let mut old = connection.prepare_cached("SELECT 1 FROM claim WHERE at_ms < ? LIMIT 1")?;
    let old_claims = old.exists([now_ms.saturating_sub(CLAIM_MS)])?;
    let uncounted = count::uncounted(connection)? > 0;
    Ok(Due { state, gone, old_claims, uncounted })
}

pub(super) fn upkeep(connection: &Connection, due: &Due, now_ms: u64) -> Result<(), StorageError> {
    for host in &due.gone {
        take_from_the_gone(connection, *host, now_ms)?;
    }
    let mut drop = connection
        .prepare_cached("DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE at_ms < ? LIMIT ?)")?;
    drop.execute(params![now_ms.saturating_sub(CLAIM_MS), CLAIMS_DROPPED_MAX])?;
    count::count(connection)
}

/// Gives its leases back, but for the server's money; keys of requests that it never finished may be used
/// again.
pub(super) fn take_from_the_gone(
    connection: &Connection,
    host: HostId,
    now_ms: u64,
) -> Result<(), StorageError> {
    let id = host.to_string();
    let there = connection.query_row("SELECT 1 FROM host WHERE id = ?", [&id], |_| Ok(())).optional()?;
    if there.is_none() {
        return Ok(()); // somebody else was faster
    }
    let mut leases = connection.prepare_cached(
        "SELECT key, lease.micro FROM lease JOIN usage_window ON key = usage_window \
         WHERE host = ? AND player IS NULL",
    )?;
    let leases = leases.query_map([&id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let leases = leases.collect::<Result<Vec<(String, u64)>, _>>()?;
    let leases: Vec<(Period, u64)> =
        leases.iter().filter_map(|(key, micro)| Some((key.parse().ok()?, *micro))).collect();
    tracing::warn!(%host, "a program is gone that had leases; they are given back");
    write_entries(connection, &lost(&leases, now_ms))?;
    connection.execute(
        "DELETE FROM claim WHERE host = ? AND NOT EXISTS \
         (SELECT 1 FROM ledger WHERE ledger.request = claim.request)",
        [&id],
    )?;
    leave(connection, host)
}

pub(super) fn forget_before(connection: &Connection, ms: u64) -> Result<u64, StorageError> {
    let lines = count::forget_before(connection, ms)?;
    // Keys are sorted by time; the rest of a player's key sorts behind the period.
    connection.execute(
        "DELETE FROM usage_window WHERE (key >= 'd' AND key < ?1 OR key >= 'm' AND key < ?2) \
         AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.usage_window = usage_window.key)",
        [Period::day_of(ms).to_string(), Period::month_of(ms).to_string()],
    )?;
    Ok(lines)
}
