//! What was used in windows: what is counted, and the last lines of the ledger that are not counted yet.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows;
use crate::player::PlayerId;
use crate::quota::{AMOUNT_MAX, Amounts, Window};
use crate::storage::StorageError;
use crate::storage::posting::SUM_MAX;

/// With so many lines that are not counted, they are counted with the next batch, and not only at the next upkeep. More
/// would make more of a player's lines share a page, and all that is asked of windows slower.
const UNCOUNTED_MAX: u64 = 1_024;

/// How many lines there are that are not counted.
pub(super) fn uncounted(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce((SELECT max(seq) FROM ledger), 0) - counted FROM server";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Counts if there is much to count.
pub(super) fn count_if_many(connection: &Connection) -> Result<(), StorageError> {
    if uncounted(connection)? >= UNCOUNTED_MAX { count(connection) } else { Ok(()) }
}

/// Counts all lines. Within a write transaction.
pub(super) fn count(connection: &Connection) -> Result<(), StorageError> {
    let lines = format!("{} WHERE seq > (SELECT counted FROM server) ORDER BY seq", rows::LEDGER);
    let mut lines = connection.prepare_cached(&lines)?;
    let mut last = None;
    let mut sums: BTreeMap<Window, Amounts> = BTreeMap::new();
    for line in lines.query_map([], rows::ledger_line)? {
        let line = line?;
        for window in line.entry.windows() {
            let sum = sums.entry(window).or_default();
            *sum = sum.plus(line.entry.amounts);
        }
        last = Some(line.seq);
    }
    let Some(last) = last else { return Ok(()) };
    let mut add = connection.prepare_cached(include_str!("sql/window_add.sql"))?;
    for (window, sum) in sums {
        let Amounts { turns, tokens, speech_ms, micro } = sum.min(Amounts::by_unit(|_| SUM_MAX));
        let player = window.player().map(|player| player.0.as_ref());
        add.execute(params![window.key(), player, turns, tokens, speech_ms, micro, SUM_MAX])?;
    }
    let mut list = connection.prepare_cached(
        "INSERT INTO ledger_player SELECT player, seq FROM ledger NOT INDEXED \
         WHERE seq > (SELECT counted FROM server) AND player IS NOT NULL ORDER BY player, seq",
    )?;
    list.execute([])?;
    connection.prepare_cached("UPDATE server SET counted = ?")?.execute([last])?;
    Ok(())
}

/// What was used in a window by all lines of the ledger. Within a transaction: nobody may count meanwhile.
pub(super) fn used(connection: &Connection, window: &Window) -> rusqlite::Result<Amounts> {
    let mut counted = connection
        .prepare_cached("SELECT turns, tokens, speech_ms, micro FROM usage_window WHERE key = ?")?;
    let counted = counted.query_row([window.key()], |row| rows::amounts(row, 0)).optional()?;
    let (begin, end) = (window.period.begin_ms(), window.period.end_ms());
    let player = window.player().map(|player| player.0.as_ref());
    let mut uncounted = connection.prepare_cached(include_str!("sql/uncounted.sql"))?;
    let uncounted =
        uncounted.query_row(params![begin, end, player, AMOUNT_MAX], |row| rows::amounts(row, 0))?;
    Ok(counted.unwrap_or_default().plus(uncounted))
}

/// Takes a player out of the lines. Everything else of it goes with it by the references.
pub(super) fn forget_player(connection: &Connection, player: &PlayerId) -> Result<(), StorageError> {
    count(connection)?;
    let player = player.0.as_ref();
    connection.execute(
        "UPDATE ledger SET player = NULL WHERE seq IN (SELECT seq FROM ledger_player WHERE player = ?)",
        [player],
    )?;
    connection.execute("DELETE FROM ledger_player WHERE player = ?", [player])?;
    Ok(())
}

/// Drops lines from before this time, and gives how many.
pub(super) fn forget_before(connection: &Connection, ms: u64) -> Result<u64, StorageError> {
    count(connection)?;
    connection.execute(
        "DELETE FROM ledger_player WHERE (player, seq) IN \
         (SELECT player, seq FROM ledger WHERE at_ms < ? AND player IS NOT NULL)",
        [ms],
    )?;
    let lines = connection.execute("DELETE FROM ledger WHERE at_ms < ?", [ms])?;
    // Numbers of lines that were the last ones are used again.
    connection.execute("UPDATE server SET counted = (SELECT coalesce(max(seq), 0) FROM ledger)", [])?;
    Ok(lines as u64)
}
