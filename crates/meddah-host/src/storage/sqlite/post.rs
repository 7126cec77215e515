//! One batch, within a write transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::count::{count_if_many, used};
use super::rows;
use crate::quota::room::Room;
use crate::quota::{Amounts, Window};
use crate::storage::posting::{decide, expelled, too_late};
use crate::storage::{
    Batch, CLAIM_MS, ClaimKey, Decision, Ended, Entry, HostId, LeaseAsk, Leased, Posted, Repeat, StorageError,
};

pub(super) fn post(connection: &Connection, host: HostId, batch: &Batch) -> Result<Posted, StorageError> {
    let host = host.to_string();
    take_number(connection, &host, batch.number)?;
    for request in &batch.unclaim {
        forget_claim(connection, &request.to_string())?;
    }
    write_entries(connection, &batch.entries)?;
    count_if_many(connection)?;
    let mut rooms = Vec::with_capacity(batch.leases.len());
    for ask in &batch.leases {
        rooms.push(room(connection, &host, ask)?);
    }
    let known = known_claims(connection, batch)?;
    let decisions = decide(&mut rooms, &batch.wants, &known);
    write_claims(connection, &host, batch, &decisions)?;
    let mut leases = Vec::with_capacity(rooms.len());
    for (room, ask) in rooms.iter().zip(&batch.leases) {
        let hold = room.lease(ask.keep, ask.ahead);
        write_lease(connection, &host, &ask.window, hold)?;
        leases.push(Leased { hold, rest: room.rest(hold) });
    }
    let state = connection.prepare_cached("SELECT state FROM server")?.query_row([], rows::state)?;
    Ok(Posted { leases, decisions, state })
}

fn take_number(connection: &Connection, host: &str, number: u64) -> Result<(), StorageError> {
    let mut update = connection.prepare_cached("UPDATE host SET batch = ?2 WHERE id = ?1 AND batch < ?2")?;
    if update.execute(params![host, number])? == 1 {
        return Ok(());
    }
    let mut there = connection.prepare_cached("SELECT 1 FROM host WHERE id = ?")?;
    Err(if there.exists([host])? { too_late() } else { expelled() })
}

/// Adds what is not in the ledger yet. It is counted later.
pub(super) fn write_entries(connection: &Connection, entries: &[Entry]) -> Result<(), StorageError> {
    let mut insert = connection.prepare_cached(include_str!("sql/entry_insert.sql"))?;
    for entry in entries {
        let Amounts { turns, tokens, speech_ms, micro } = entry.amounts;
        let request = entry.request.to_string();
        let player = entry.player.as_ref().map(|player| player.0.as_ref());
        let (class, ended) = (entry.class.name(), entry.ended.name());
        let (at_ms, settled_ms) = (entry.at_ms, entry.settled_ms);
        let row = params![
            request,
            player,
            class,
            entry.model,
            turns,
            tokens,
            speech_ms,
            micro,
            at_ms,
            settled_ms,
            ended
        ];
        if insert.execute(row)? == 0 {
            continue; // this batch was sent before
        }
        if entry.amounts.is_zero() {
            forget_claim(connection, &request)?; // nothing was charged: it may be sent again
        }
    }
    Ok(())
}

fn room(connection: &Connection, host: &str, ask: &LeaseAsk) -> Result<Room, StorageError> {
    let used = used(connection, &ask.window)?;
    let mut others = connection.prepare_cached(include_str!("sql/leased_by_others.sql"))?;
    let others = others.query_row(params![ask.window.key(), host], |row| rows::amounts(row, 0))?;
    Ok(Room::new(ask.limit, used, others, ask.open))
}

fn write_lease(
    connection: &Connection,
    host: &str,
    window: &Window,
    hold: Amounts,
) -> Result<(), StorageError> {
    let key = window.key();
    if hold.is_zero() {
        let mut delete =
            connection.prepare_cached("DELETE FROM lease WHERE usage_window = ? AND host = ?")?;
        delete.execute(params![key, host])?;
        return Ok(());
    }
    let Amounts { turns, tokens, speech_ms, micro } = hold;
    let mut set = connection.prepare_cached(include_str!("sql/lease_set.sql"))?;
    let lease = params![key, host, turns, tokens, speech_ms, micro];
    if set.execute(lease)? == 0 {
        // The window's first lease, before anything was used.
        let player = window.player().map(|player| player.0.as_ref());
        connection.prepare_cached(include_str!("sql/window_begin.sql"))?.execute(params![key, player])?;
        set.execute(lease)?;
    }
    Ok(())
}

fn known_claims(connection: &Connection, batch: &Batch) -> Result<HashMap<ClaimKey, Repeat>, StorageError> {
    let mut find = connection.prepare_cached(include_str!("sql/claim_find.sql"))?;
    let mut known = HashMap::new();
    for want in &batch.wants {
        let Some(claim) = want.claim else { continue };
        let since = batch.now_ms.saturating_sub(CLAIM_MS);
        let repeat = find.query_row(params![claim.0, since], |row| {
            let request = rows::parsed(row, 0, |text| text.parse().ok())?;
            let ended = match row.get::<_, Option<String>>(1)? {
                Some(_) => Some((rows::parsed(row, 1, Ended::of_name)?, rows::amounts(row, 2)?)),
                None => None,
            };
            Ok(Repeat { request, ended })
        });
        if let Some(repeat) = repeat.optional()? {
            known.insert(claim, repeat);
        }
    }
    Ok(known)
}

fn write_claims(
    connection: &Connection,
    host: &str,
    batch: &Batch,
    decisions: &[Decision],
) -> Result<(), StorageError> {
    let mut insert = connection.prepare_cached(include_str!("sql/claim_set.sql"))?;
    for (want, _) in batch.wants.iter().zip(decisions).filter(|(_, decision)| **decision == Decision::Granted)
    {
        if let Some(claim) = want.claim {
            let (request, player) = (want.request.to_string(), want.player.0.as_ref());
            insert.execute(params![claim.0, player, request, host, batch.now_ms])?;
        }
    }
    Ok(())
}

fn forget_claim(connection: &Connection, request: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM claim WHERE request = ?")?.execute([request]).map(|_| ())
}
