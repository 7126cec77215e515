//! Players, tokens, invites and identities, each within a transaction of its own or a reader's.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::count;
use super::rows::{self, PLAYER, TOKEN};
use crate::player::PlayerId;
use crate::storage::model::{no_such_invite, taken_identity};
use crate::storage::{
    Identity, Invite, PAGE_MAX, Player, PlayerChange, PlayerExport, SecretHash, StorageError, Token,
    UsedWindow,
};

type Done<T> = Result<T, StorageError>;

pub(super) fn add_player(connection: &Connection, player: &Player) -> Done<()> {
    let Player { id, name, tier, blocked, created_ms } = player;
    let mut insert = connection.prepare_cached("INSERT INTO player VALUES (?, ?, ?, ?, ?)")?;
    insert.execute(params![id.0.as_ref(), name, tier, blocked, created_ms])?;
    Ok(())
}

pub(super) fn player(connection: &Connection, id: &PlayerId) -> Done<Option<Player>> {
    let mut find = connection.prepare_cached(&format!("SELECT {PLAYER} FROM player WHERE id = ?"))?;
    Ok(find.query_row([id.0.as_ref()], rows::player).optional()?)
}

pub(super) fn players(connection: &Connection, after: &str, limit: usize) -> Done<Vec<Player>> {
    let sql = format!("SELECT {PLAYER} FROM player WHERE id > ? ORDER BY id LIMIT ?");
    let mut page = connection.prepare_cached(&sql)?;
    Ok(page.query_map(params![after, limit.min(PAGE_MAX)], rows::player)?.collect::<Result<_, _>>()?)
}

pub(super) fn change_player(connection: &Connection, id: &PlayerId, change: &PlayerChange) -> Done<Player> {
    let mut update = connection.prepare_cached(
        "UPDATE player SET name = coalesce(?2, name), tier = coalesce(?3, tier), blocked = coalesce(?4, blocked) \
         WHERE id = ?1",
    )?;
    update.execute(params![id.0.as_ref(), change.name, change.tier, change.blocked])?;
    player(connection, id)?.ok_or_else(|| StorageError::not_found("player"))
}

pub(super) fn delete_player(connection: &Connection, id: &PlayerId) -> Done<()> {
    count::forget_player(connection, id)?;
    let deleted = connection.prepare_cached("DELETE FROM player WHERE id = ?")?.execute([id.0.as_ref()])?;
    if deleted == 0 { Err(StorageError::not_found("player")) } else { Ok(()) }
}

pub(super) fn export_player(connection: &Connection, id: &PlayerId) -> Done<PlayerExport> {
    let player = player(connection, id)?.ok_or_else(|| StorageError::not_found("player"))?;
    let devices = tokens_of(connection, id)?.into_iter().map(Into::into).collect();
    let mut identities = connection.prepare_cached(
        "SELECT provider, subject FROM identity WHERE player = ? ORDER BY provider, subject",
    )?;
    let identities = identities
        .query_map([id.0.as_ref()], |row| Ok(Identity { provider: row.get(0)?, subject: row.get(1)? }))?;
    let identities = identities.collect::<Result<_, _>>()?;
    let mut windows = connection.prepare_cached(
        "SELECT key, turns, tokens, speech_ms, micro FROM usage_window WHERE player = ? ORDER BY key",
    )?;
    let windows = windows.query_map([id.0.as_ref()], |row| {
        let key: String = row.get(0)?;
        Ok(UsedWindow {
            window: key.split(':').next().unwrap_or_default().into(),
            used: rows::amounts(row, 1)?,
        })
    })?;
    let windows = windows.collect::<Result<_, _>>()?;
    Ok(PlayerExport { player, devices, identities, windows })
}

pub(super) fn add_token(connection: &Connection, token: &Token) -> Done<()> {
    let Token { id, player, hash, label, created_ms, used_ms, revoked_ms } = token;
    let mut insert = connection.prepare_cached("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![id, player.0.as_ref(), hash.0, label, created_ms, used_ms, revoked_ms])?;
    Ok(())
}

pub(super) fn token(connection: &Connection, id: &str) -> Done<Option<(Token, Player)>> {
    let sql = format!(
        "SELECT {PLAYER}, {TOKEN} FROM token JOIN player ON player.id = token.player WHERE token.id = ?"
    );
    let mut find = connection.prepare_cached(&sql)?;
    Ok(find.query_row([id], |row| Ok((rows::token(row, 5)?, rows::player(row)?))).optional()?)
}

pub(super) fn tokens_of(connection: &Connection, player: &PlayerId) -> Done<Vec<Token>> {
    let sql = format!("SELECT {TOKEN} FROM token WHERE player = ? ORDER BY id LIMIT ?");
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map(params![player.0.as_ref(), PAGE_MAX], |row| rows::token(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn revoke_token(connection: &Connection, id: &str, now_ms: u64) -> Done<()> {
    let mut update =
        connection.prepare_cached("UPDATE token SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?")?;
    if update.execute(params![now_ms, id])? == 0 { Err(StorageError::not_found("token")) } else { Ok(()) }
}

pub(super) fn tokens_used(connection: &Connection, used: &[(String, u64)]) -> Done<()> {
    let mut update =
        connection.prepare_cached("UPDATE token SET used_ms = max(coalesce(used_ms, 0), ?) WHERE id = ?")?;
    for (id, at_ms) in used {
        update.execute(params![at_ms, id])?;
    }
    Ok(())
}

pub(super) fn add_invite(connection: &Connection, invite: &Invite) -> Done<()> {
    let Invite { id, hash, tier, uses_left, expires_ms, created_ms, note } = invite;
    let mut insert = connection.prepare_cached("INSERT INTO invite VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![id, hash.0, tier, uses_left, expires_ms, created_ms, note])?;
    Ok(())
}

pub(super) fn invites(connection: &Connection, after: &str, limit: usize) -> Done<Vec<Invite>> {
    let mut page = connection.prepare_cached(
        "SELECT id, hash, tier, uses_left, expires_ms, created_ms, note FROM invite WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    Ok(page.query_map(params![after, limit.min(PAGE_MAX)], rows::invite)?.collect::<Result<_, _>>()?)
}

pub(super) fn delete_invite(connection: &Connection, id: &str) -> Done<()> {
    let deleted = connection.prepare_cached("DELETE FROM invite WHERE id = ?")?.execute([id])?;
    if deleted == 0 { Err(StorageError::not_found("invite")) } else { Ok(()) }
}

/// One statement takes the use, so that nobody can take it twice.
pub(super) fn redeem(
    connection: &Connection,
    code: SecretHash,
    player: &Player,
    token: &Token,
) -> Done<Player> {
    let mut take = connection.prepare_cached(
        "UPDATE invite SET uses_left = uses_left - 1 \
         WHERE hash = ? AND uses_left > 0 AND coalesce(expires_ms > ?, true) RETURNING tier",
    )?;
    let tier = take.query_row(params![code.0, player.created_ms], |row| row.get(0)).optional()?;
    let player = Player { tier: tier.ok_or_else(no_such_invite)?, ..player.clone() };
    add_player(connection, &player)?;
    add_token(connection, token)?;
    Ok(player)
}

pub(super) fn sign_in(
    connection: &Connection,
    identity: &Identity,
    newcomer: Option<&Player>,
) -> Done<Option<Player>> {
    let sql = format!(
        "SELECT {PLAYER} FROM identity JOIN player ON player.id = identity.player \
         WHERE provider = ? AND subject = ?"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let known = find.query_row([&identity.provider, &identity.subject], rows::player).optional()?;
    let (None, Some(newcomer)) = (&known, newcomer) else { return Ok(known) };
    add_player(connection, newcomer)?;
    link(connection, &newcomer.id, identity)?;
    Ok(Some(newcomer.clone()))
}

pub(super) fn link(connection: &Connection, player: &PlayerId, identity: &Identity) -> Done<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO identity VALUES (?, ?, ?) ON CONFLICT (provider, subject) DO NOTHING")?;
    insert.execute(params![identity.provider, identity.subject, player.0.as_ref()])?;
    let mut owner =
        connection.prepare_cached("SELECT player FROM identity WHERE provider = ? AND subject = ?")?;
    let owner: String = owner.query_row([&identity.provider, &identity.subject], |row| row.get(0))?;
    if *owner == *player.0 { Ok(()) } else { Err(taken_identity()) }
}
