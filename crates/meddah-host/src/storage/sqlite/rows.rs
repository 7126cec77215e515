//! Rows as values.

use rusqlite::types::Type;
use rusqlite::{Result, Row};

use crate::player::PlayerId;
use crate::quota::Amounts;
use crate::storage::posting::class_of_name;
use crate::storage::{Ended, Entry, Invite, LedgerLine, Player, SecretHash, ServerState, Token};

/// Four columns from here on.
pub(super) fn amounts(row: &Row<'_>, first: usize) -> Result<Amounts> {
    Ok(Amounts {
        turns: row.get(first)?,
        tokens: row.get(first + 1)?,
        speech_ms: row.get(first + 2)?,
        micro: row.get(first + 3)?,
    })
}

pub(super) const PLAYER: &str = "player.id, player.name, player.tier, player.blocked, player.created_ms";

pub(super) fn player(row: &Row<'_>) -> Result<Player> {
    Ok(Player {
        id: PlayerId::from(row.get::<_, String>(0)?),
        name: row.get(1)?,
        tier: row.get(2)?,
        blocked: row.get(3)?,
        created_ms: row.get(4)?,
    })
}

pub(super) const TOKEN: &str = "token.id, token.player, token.hash, token.label, token.created_ms, token.used_ms, \
                                token.revoked_ms";

pub(super) fn token(row: &Row<'_>, first: usize) -> Result<Token> {
    Ok(Token {
        id: row.get(first)?,
        player: PlayerId::from(row.get::<_, String>(first + 1)?),
        hash: SecretHash(row.get(first + 2)?),
        label: row.get(first + 3)?,
        created_ms: row.get(first + 4)?,
        used_ms: row.get(first + 5)?,
        revoked_ms: row.get(first + 6)?,
    })
}

pub(super) fn invite(row: &Row<'_>) -> Result<Invite> {
    Ok(Invite {
        id: row.get(0)?,
        hash: SecretHash(row.get(1)?),
        tier: row.get(2)?,
        uses_left: row.get(3)?,
        expires_ms: row.get(4)?,
        created_ms: row.get(5)?,
        note: row.get(6)?,
    })
}

pub(super) const LEDGER: &str = "SELECT seq, request, player, class, model, turns, tokens, speech_ms, micro, at_ms, \
                                 settled_ms, ended FROM ledger";

pub(super) fn ledger_line(row: &Row<'_>) -> Result<LedgerLine> {
    let entry = Entry {
        request: parsed(row, 1, |text| text.parse().ok())?,
        player: row.get::<_, Option<String>>(2)?.map(PlayerId::from),
        class: parsed(row, 3, class_of_name)?,
        model: row.get(4)?,
        amounts: amounts(row, 5)?,
        at_ms: row.get(9)?,
        settled_ms: row.get(10)?,
        ended: parsed(row, 11, Ended::of_name)?,
    };
    Ok(LedgerLine { seq: row.get(0)?, entry })
}

pub(super) fn state(row: &Row<'_>) -> Result<ServerState> {
    parsed(row, 0, ServerState::of_name)
}

pub(super) fn parsed<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| {
        let message = format!("{text:?} is nothing that this version knows");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, message.into())
    })
}
