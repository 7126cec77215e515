//! Programs that come, go and are found gone; and what becomes too old.
//!
//! A program is gone when its beat stood still while somebody else watched it for long enough. Nobody's clock
//! is asked, and a time in which the database was away does not count, because then nobody could beat.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use deadpool_postgres::Client;

use super::post::{lock_windows, write_entries};
use super::rows::{self, Done, execute, get, integer, query, query_opt, unsigned};
use crate::quota::{Period, Whose, Window};
use crate::storage::posting::{expelled, lost};
use crate::storage::{CLAIM_MS, HostId, ServerState};

/// Two looks that lie further apart do not prove that a beat stood still between them.
const LOOK_GAP_MAX: Duration = Duration::from_secs(5);
/// The most old keys that are dropped at once, so that nobody waits for it.
const CLAIMS_DROPPED_MAX: i64 = 1_000;

/// What is known of other programs' beats.
#[derive(Default)]
pub(super) struct Watch {
    looked: Option<Instant>,
    beats: HashMap<HostId, (i64, Instant)>,
}

impl Watch {
    /// Those that stood still for so long, with the beat that they stand at.
    pub fn look(&mut self, beats: &[(HostId, i64)], patience: Duration, now: Instant) -> Vec<(HostId, i64)> {
        if self.looked.is_none_or(|looked| now.duration_since(looked) > LOOK_GAP_MAX) {
            self.beats.clear();
        }
        self.looked = Some(now);
        self.beats.retain(|host, _| beats.iter().any(|(there, _)| there == host));
        let stands_still = |(host, beat): &&(HostId, i64)| {
            let seen = self.beats.entry(*host).or_insert((*beat, now));
            if seen.0 != *beat {
                *seen = (*beat, now);
            }
            now.duration_since(seen.1) >= patience
        };
        beats.iter().filter(stands_still).copied().collect()
    }
}

pub(super) async fn join(client: &Client, now_ms: u64) -> Done<HostId> {
    let host = HostId::new();
    let sql = "INSERT INTO host (id, batch, beat, joined_ms) VALUES ($1, 0, 0, $2)";
    execute(client, sql, &[&host.to_string(), &integer(now_ms)]).await?;
    Ok(host)
}

/// Its leases go with it.
pub(super) async fn leave(client: &Client, host: HostId) -> Done<()> {
    execute(client, "DELETE FROM host WHERE id = $1", &[&host.to_string()]).await.map(|_| ())
}

/// A beat of this program, and those of the others.
pub(super) async fn beat(client: &Client, host: HostId) -> Done<(ServerState, Vec<(HostId, i64)>)> {
    let id = host.to_string();
    let sql = "UPDATE host SET beat = beat + 1 WHERE id = $1 RETURNING (SELECT state FROM server)";
    let state = query_opt(client, sql, &[&id]).await?.ok_or_else(expelled)?;
    let others = query(client, "SELECT id, beat FROM host WHERE id <> $1", &[&id]).await?;
    let others = others.iter().map(|row| Ok((rows::parsed(row, 0, |id| id.parse().ok())?, get(row, 1)?)));
    Ok((rows::state(&state)?, others.collect::<Done<_>>()?))
}

/// Gives its leases back, but for the server's money; keys of requests that it never finished may be used
/// again.
pub(super) async fn take_from_the_gone(client: &mut Client, gone: (HostId, i64), now_ms: u64) -> Done<()> {
    let (id, beat) = (gone.0.to_string(), gone.1);
    let transaction = client.transaction().await?;
    let sql = "SELECT 1 FROM host WHERE id = $1 AND beat = $2 FOR UPDATE";
    if query_opt(&transaction, sql, &[&id, &beat]).await?.is_none() {
        return Ok(()); // it lives, or somebody else was faster
    }
    let sql = "SELECT key, lease.micro FROM lease JOIN usage_window ON key = usage_window \
               WHERE host = $1 AND player IS NULL";
    let mut leased: Vec<(Period, u64)> = Vec::new();
    for row in query(&transaction, sql, &[&id]).await? {
        if let Ok(period) = get::<&str>(&row, 0)?.parse() {
            leased.push((period, unsigned(&row, 1)?));
        }
    }
    tracing::warn!(host = %gone.0, "a program is gone that had leases; they are given back");
    let entries = lost(&leased, now_ms);
    let windows: Vec<Window> = entries.iter().flat_map(crate::storage::Entry::windows).collect();
    debug_assert!(windows.iter().all(|window| window.whose == Whose::Server));
    let mut used = lock_windows(&transaction, &windows).await?;
    write_entries(&transaction, &entries, &mut used).await?;
    let forget = "DELETE FROM claim WHERE host = $1 AND NOT EXISTS \
                  (SELECT 1 FROM ledger WHERE ledger.request = claim.request)";
    execute(&transaction, forget, &[&id]).await?;
    execute(&transaction, "DELETE FROM host WHERE id = $1", &[&id]).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn drop_old_claims(client: &Client, now_ms: u64) -> Done<()> {
    let sql = "DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE at_ms < $1 LIMIT $2)";
    execute(client, sql, &[&integer(now_ms.saturating_sub(CLAIM_MS)), &CLAIMS_DROPPED_MAX]).await.map(|_| ())
}

pub(super) async fn forget_before(client: &Client, ms: u64) -> Done<u64> {
    let lines = execute(client, "DELETE FROM ledger WHERE at_ms < $1", &[&integer(ms)]).await?;
    // Keys are sorted by time; the rest of a player's key sorts behind the period.
    let sql = "DELETE FROM usage_window WHERE (key >= 'd' AND key < $1 OR key >= 'm' AND key < $2) \
               AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.usage_window = usage_window.key)";
    let (day, month) = (Period::day_of(ms).to_string(), Period::month_of(ms).to_string());
    execute(client, sql, &[&day, &month]).await?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_beat_that_stands_still_is_found_out() {
        let (mut watch, begun, host) = (Watch::default(), Instant::now(), HostId::new());
        let mut look = |second: u64, beat: i64| {
            watch.look(&[(host, beat)], PATIENCE, begun + Duration::from_secs(second))
        };
        for second in 0..40 {
            assert_eq!(look(second, second as i64), []);
        }
        // Its last beat was seen in second 39.
        for second in 40..69 {
            assert_eq!(look(second, 39), []);
        }
        assert_eq!(look(69, 39), [(host, 39)]);
        assert_eq!(look(70, 40), [], "it lives after all");
    }

    #[test]
    fn a_time_without_the_database_proves_nothing() {
        let (mut watch, begun, host) = (Watch::default(), Instant::now(), HostId::new());
        let mut look =
            |second: u64| watch.look(&[(host, 1)], PATIENCE, begun + Duration::from_secs(second)).len();
        assert_eq!([look(0), look(5), look(600), look(605)], [0, 0, 0, 0]);
    }
}
