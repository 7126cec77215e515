//! Statements and rows as values.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::error::strange;
use crate::player::PlayerId;
use crate::quota::Amounts;
use crate::storage::posting::class_of_name;
use crate::storage::{
    Ended, Entry, Invite, LedgerLine, Player, SecretHash, ServerState, StorageError, Token,
};

pub(super) type Done<T> = Result<T, StorageError>;
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) async fn query(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Done<Vec<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

pub(super) async fn query_opt(
    client: &impl GenericClient,
    sql: &str,
    params: Params<'_>,
) -> Done<Option<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, params).await?)
}

/// Gives how many rows were changed.
pub(super) async fn execute(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Done<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, params).await?)
}

/// Postgres has no larger integers. Times and bounded amounts fit.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Done<T> {
    Ok(row.try_get(column)?)
}

pub(super) fn unsigned(row: &Row, column: usize) -> Done<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| strange("a negative number"))
}

fn maybe_unsigned(row: &Row, column: usize) -> Done<Option<u64>> {
    let value = get::<Option<i64>>(row, column)?;
    value.map(|value| u64::try_from(value).map_err(|_| strange("a negative number"))).transpose()
}

pub(super) fn parsed<T>(row: &Row, column: usize, parse: impl Fn(&str) -> Option<T>) -> Done<T> {
    let text: &str = get(row, column)?;
    parse(text).ok_or_else(|| strange(&format!("{text:?}")))
}

/// Four columns from here on.
pub(super) fn amounts(row: &Row, first: usize) -> Done<Amounts> {
    Ok(Amounts {
        turns: unsigned(row, first)?,
        tokens: unsigned(row, first + 1)?,
        speech_ms: unsigned(row, first + 2)?,
        micro: unsigned(row, first + 3)?,
    })
}

fn hash(row: &Row, column: usize) -> Done<SecretHash> {
    get::<&[u8]>(row, column)?.try_into().map(SecretHash).map_err(|_| strange("a hash of another length"))
}

pub(super) fn player(row: &Row) -> Done<Player> {
    Ok(Player {
        id: PlayerId::from(get::<&str>(row, 0)?),
        name: get(row, 1)?,
        tier: get(row, 2)?,
        blocked: get(row, 3)?,
        created_ms: unsigned(row, 4)?,
    })
}

pub(super) fn token(row: &Row, first: usize) -> Done<Token> {
    Ok(Token {
        id: get(row, first)?,
        player: PlayerId::from(get::<&str>(row, first + 1)?),
        hash: hash(row, first + 2)?,
        label: get(row, first + 3)?,
        created_ms: unsigned(row, first + 4)?,
        used_ms: maybe_unsigned(row, first + 5)?,
        revoked_ms: maybe_unsigned(row, first + 6)?,
    })
}

pub(super) fn invite(row: &Row) -> Done<Invite> {
    Ok(Invite {
        id: get(row, 0)?,
        hash: hash(row, 1)?,
        tier: get(row, 2)?,
        uses_left: u32::try_from(unsigned(row, 3)?).map_err(|_| strange("so many uses"))?,
        expires_ms: maybe_unsigned(row, 4)?,
        created_ms: unsigned(row, 5)?,
        note: get(row, 6)?,
    })
}

pub(super) const LEDGER: &str = "SELECT seq, request, player, class, model, turns, tokens, speech_ms, micro, at_ms, \
                                 settled_ms, ended FROM ledger";

pub(super) fn ledger_line(row: &Row) -> Done<LedgerLine> {
    let entry = Entry {
        request: parsed(row, 1, |text| text.parse().ok())?,
        player: get::<Option<&str>>(row, 2)?.map(PlayerId::from),
        class: parsed(row, 3, class_of_name)?,
        model: get(row, 4)?,
        amounts: amounts(row, 5)?,
        at_ms: unsigned(row, 9)?,
        settled_ms: unsigned(row, 10)?,
        ended: parsed(row, 11, Ended::of_name)?,
    };
    Ok(LedgerLine { seq: unsigned(row, 0)?, entry })
}

pub(super) fn state(row: &Row) -> Done<ServerState> {
    parsed(row, 0, ServerState::of_name)
}
