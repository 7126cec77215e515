//! One batch, in one transaction. Rows of windows are locked in the order of their keys, so that programs
//! wait for each other and never in a circle. Statements that do not need each other's results are sent
//! together.

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::{Client, Transaction};
use futures::try_join;

use super::rows::{self, Done, Params, execute, get, integer, query, query_opt};
use crate::quota::room::Room;
use crate::quota::{Amounts, Window};
use crate::storage::posting::{SUM_MAX, decide, expelled, too_late};
use crate::storage::{Batch, CLAIM_MS, ClaimKey, Decision, Ended, Entry, HostId, Leased, Posted, Repeat};

pub(super) async fn post(client: &mut Client, host: HostId, batch: &Batch) -> Done<Posted> {
    let host = host.to_string();
    let transaction = client.transaction().await?;
    let unclaim: Vec<String> = batch.unclaim.iter().map(ToString::to_string).collect();
    let windows = batch.entries.iter().flat_map(Entry::windows);
    let windows: Vec<Window> = windows.chain(batch.leases.iter().map(|ask| ask.window.clone())).collect();
    let number: Params<'_> = &[&host, &integer(batch.number)];
    let (number, mut used, ()) = try_join!(
        execute(&transaction, include_str!("sql/take_number.sql"), number),
        lock_windows(&transaction, &windows),
        forget_claims(&transaction, &unclaim),
    )?;
    if number == 0 {
        let there = query_opt(&transaction, "SELECT 1 FROM host WHERE id = $1", &[&host]).await?;
        return Err(if there.is_some() { too_late() } else { expelled() });
    }
    write_entries(&transaction, &batch.entries, &mut used).await?;
    let (mut rooms, known) =
        try_join!(rooms(&transaction, &host, batch, &used), known_claims(&transaction, batch))?;
    let mut decisions = decide(&mut rooms, &batch.wants, &known);
    let holds: Vec<Amounts> =
        rooms.iter().zip(&batch.leases).map(|(room, ask)| room.lease(ask.keep, ask.ahead)).collect();
    let (state, (), ()) = try_join!(
        query_opt(&transaction, "SELECT state FROM server", &[]),
        write_leases(&transaction, &host, batch, &holds),
        write_claims(&transaction, &host, batch, &mut decisions),
    )?;
    let state = state.as_ref().map(rows::state).transpose()?.unwrap_or_default();
    transaction.commit().await?;
    let leases = rooms.iter().zip(holds).map(|(room, hold)| Leased { hold, rest: room.rest(hold) });
    Ok(Posted { leases: leases.collect(), decisions, state })
}

/// What was used in these windows, which are nobody else's until the commit. Those of deleted players are
/// left out.
pub(super) async fn lock_windows(
    transaction: &Transaction<'_>,
    windows: &[Window],
) -> Done<HashMap<String, Amounts>> {
    let sorted: BTreeMap<String, Option<&str>> =
        windows.iter().map(|window| (window.key(), window.player().map(|player| &*player.0))).collect();
    let (keys, players): (Vec<String>, Vec<Option<&str>>) = sorted.into_iter().unzip();
    let begin: Params<'_> = &[&keys, &players];
    let lock: Params<'_> = &[&keys];
    let (_, used) = try_join!(
        execute(transaction, include_str!("sql/windows_begin.sql"), begin),
        query(transaction, include_str!("sql/windows_lock.sql"), lock),
    )?;
    used.iter().map(|row| Ok((get(row, 0)?, rows::amounts(row, 1)?))).collect()
}

/// Adds what is not in the ledger yet, and counts it in windows that are locked.
pub(super) async fn write_entries(
    transaction: &Transaction<'_>,
    entries: &[Entry],
    used: &mut HashMap<String, Amounts>,
) -> Done<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let new = insert_entries(transaction, entries).await?;
    let mut sums: BTreeMap<String, Amounts> = BTreeMap::new();
    // Nothing was charged: it may be sent again.
    let mut free = Vec::new();
    for entry in entries {
        let request = entry.request.to_string();
        if !new.contains(&request) {
            continue; // this batch was sent before
        }
        for window in entry.windows() {
            let sum = sums.entry(window.key()).or_default();
            *sum = sum.plus(entry.amounts);
        }
        if entry.amounts.is_zero() {
            free.push(request);
        }
    }
    sums.retain(|key, _| used.contains_key(key));
    let columns = |sum: &Amounts| sum.min(Amounts::by_unit(|_| SUM_MAX));
    let (keys, sums): (Vec<&String>, Vec<Amounts>) =
        sums.iter().map(|(key, sum)| (key, columns(sum))).unzip();
    let Columns { turns, tokens, speech_ms, micro } = Columns::of(&sums);
    let limit = integer(SUM_MAX);
    let add: Params<'_> = &[&keys, &turns, &tokens, &speech_ms, &micro, &limit];
    try_join!(
        execute(transaction, include_str!("sql/windows_add.sql"), add),
        forget_claims(transaction, &free),
    )?;
    for (key, sum) in keys.iter().zip(sums) {
        if let Some(used) = used.get_mut(*key) {
            *used = used.plus(sum);
        }
    }
    Ok(())
}

/// Gives those that were not there.
async fn insert_entries(transaction: &Transaction<'_>, entries: &[Entry]) -> Done<HashSet<String>> {
    let requests: Vec<String> = entries.iter().map(|entry| entry.request.to_string()).collect();
    let players: Vec<Option<&str>> =
        entries.iter().map(|entry| entry.player.as_ref().map(|id| &*id.0)).collect();
    let classes: Vec<&str> = entries.iter().map(|entry| entry.class.name()).collect();
    let models: Vec<&str> = entries.iter().map(|entry| entry.model.as_str()).collect();
    let amounts: Vec<Amounts> = entries.iter().map(|entry| entry.amounts).collect();
    let Columns { turns, tokens, speech_ms, micro } = Columns::of(&amounts);
    let at: Vec<i64> = entries.iter().map(|entry| integer(entry.at_ms)).collect();
    let settled: Vec<i64> = entries.iter().map(|entry| integer(entry.settled_ms)).collect();
    let ended: Vec<&str> = entries.iter().map(|entry| entry.ended.name()).collect();
    let columns: Params<'_> =
        &[&requests, &players, &classes, &models, &turns, &tokens, &speech_ms, &micro, &at, &settled, &ended];
    let new = query(transaction, include_str!("sql/entries_insert.sql"), columns).await?;
    new.iter().map(|row| get(row, 0)).collect()
}

async fn rooms(
    transaction: &Transaction<'_>,
    host: &str,
    batch: &Batch,
    used: &HashMap<String, Amounts>,
) -> Done<Vec<Room>> {
    let keys: Vec<String> = batch.leases.iter().map(|ask| ask.window.key()).collect();
    let others = query(transaction, include_str!("sql/leased_by_others.sql"), &[&keys, &host]).await?;
    let others = others.iter().map(|row| Ok((get(row, 0)?, rows::amounts(row, 1)?)));
    let others: HashMap<String, Amounts> = others.collect::<Done<_>>()?;
    let of = |map: &HashMap<String, Amounts>, key: &String| map.get(key).copied().unwrap_or_default();
    let rooms = keys.iter().zip(&batch.leases);
    Ok(rooms.map(|(key, ask)| Room::new(ask.limit, of(used, key), of(&others, key), ask.open)).collect())
}

async fn write_leases(
    transaction: &Transaction<'_>,
    host: &str,
    batch: &Batch,
    holds: &[Amounts],
) -> Done<()> {
    let keys: Vec<String> = batch.leases.iter().map(|ask| ask.window.key()).collect();
    let (mut set, mut amounts, mut none) = (Vec::new(), Vec::new(), Vec::new());
    for (key, hold) in keys.iter().zip(holds) {
        if hold.is_zero() {
            none.push(key);
        } else {
            set.push(key);
            amounts.push(*hold);
        }
    }
    let Columns { turns, tokens, speech_ms, micro } = Columns::of(&amounts);
    if !set.is_empty() {
        let sql = include_str!("sql/leases_set.sql");
        execute(transaction, sql, &[&set, &host, &turns, &tokens, &speech_ms, &micro]).await?;
    }
    if !none.is_empty() {
        let sql = "DELETE FROM lease WHERE usage_window = ANY($1) AND host = $2";
        execute(transaction, sql, &[&none, &host]).await?;
    }
    Ok(())
}

async fn known_claims(transaction: &Transaction<'_>, batch: &Batch) -> Done<HashMap<ClaimKey, Repeat>> {
    let keys: Vec<ClaimKey> = batch.wants.iter().filter_map(|want| want.claim).collect();
    find_claims(transaction, &keys, batch.now_ms).await
}

async fn find_claims(
    transaction: &Transaction<'_>,
    keys: &[ClaimKey],
    now_ms: u64,
) -> Done<HashMap<ClaimKey, Repeat>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
    let since = integer(now_ms.saturating_sub(CLAIM_MS));
    let claims = query(transaction, include_str!("sql/claims_find.sql"), &[&keys, &since]).await?;
    let claims = claims.iter().map(|row| {
        let mut key = ClaimKey([0; 16]);
        key.0.copy_from_slice(get(row, 0)?);
        let request = rows::parsed(row, 1, |text| text.parse().ok())?;
        let ended = match get::<Option<&str>>(row, 2)? {
            Some(_) => Some((rows::parsed(row, 2, Ended::of_name)?, rows::amounts(row, 3)?)),
            None => None,
        };
        Ok((key, Repeat { request, ended }))
    });
    claims.collect()
}

/// A key that another program claimed in the same moment is a repeated one after all.
async fn write_claims(
    transaction: &Transaction<'_>,
    host: &str,
    batch: &Batch,
    decisions: &mut [Decision],
) -> Done<()> {
    let granted = batch.wants.iter().zip(&*decisions).filter(|(_, decision)| **decision == Decision::Granted);
    let claims = granted.filter_map(|(want, _)| Some((want.claim?, want)));
    // Sorted: two programs with the same keys must not wait for each other.
    let claims: BTreeMap<ClaimKey, _> = claims.collect();
    if claims.is_empty() {
        return Ok(());
    }
    let keys: Vec<&[u8]> = claims.keys().map(|key| key.0.as_slice()).collect();
    let players: Vec<&str> = claims.values().map(|want| &*want.player.0).collect();
    let requests: Vec<String> = claims.values().map(|want| want.request.to_string()).collect();
    let (now, since) = (integer(batch.now_ms), integer(batch.now_ms.saturating_sub(CLAIM_MS)));
    let sql = include_str!("sql/claims_set.sql");
    let claimed = query(transaction, sql, &[&keys, &players, &requests, &host, &now, &since]).await?;
    if claimed.len() == claims.len() {
        return Ok(());
    }
    let keys: Vec<ClaimKey> = claims.into_keys().collect();
    let winners = find_claims(transaction, &keys, batch.now_ms).await?;
    for (want, decision) in batch.wants.iter().zip(decisions) {
        if let Some(winner) = want.claim.and_then(|key| winners.get(&key))
            && *decision == Decision::Granted
            && winner.request != want.request
        {
            *decision = Decision::Repeated(*winner);
        }
    }
    Ok(())
}

async fn forget_claims(transaction: &Transaction<'_>, requests: &[String]) -> Done<()> {
    if requests.is_empty() {
        return Ok(());
    }
    execute(transaction, "DELETE FROM claim WHERE request = ANY($1)", &[&requests]).await.map(|_| ())
}

/// Amounts as arrays, one to a column.
struct Columns {
    turns: Vec<i64>,
    tokens: Vec<i64>,
    speech_ms: Vec<i64>,
    micro: Vec<i64>,
}

impl Columns {
    fn of(amounts: &[Amounts]) -> Columns {
        let column = |of: fn(&Amounts) -> u64| amounts.iter().map(|amounts| integer(of(amounts))).collect();
        Columns {
            turns: column(|amounts| amounts.turns),
            tokens: column(|amounts| amounts.tokens),
            speech_ms: column(|amounts| amounts.speech_ms),
            micro: column(|amounts| amounts.micro),
        }
    }
}
