//! Players, tokens, invites and identities.

use deadpool_postgres::{Client, GenericClient};

use super::rows::{self, Done, execute, get, integer, query, query_opt};
use crate::player::PlayerId;
use crate::storage::model::{no_such_invite, taken_identity};
use crate::storage::{
    Identity, Invite, PAGE_MAX, Player, PlayerChange, PlayerExport, SecretHash, StorageError,
    StorageErrorKind, Token, UsedWindow,
};

const PLAYER: &str = "player.id, player.name, player.tier, player.blocked, player.created_ms";
const TOKEN: &str = "token.id, token.player, token.hash, token.label, token.created_ms, token.used_ms, \
                     token.revoked_ms";

fn limit(limit: usize) -> i64 {
    limit.min(PAGE_MAX) as i64
}

fn found(changed: u64, what: &str) -> Done<()> {
    if changed == 0 { Err(StorageError::not_found(what)) } else { Ok(()) }
}

pub(super) async fn add_player(client: &impl GenericClient, player: &Player) -> Done<()> {
    let Player { id, name, tier, blocked, created_ms } = player;
    let sql = "INSERT INTO player VALUES ($1, $2, $3, $4, $5)";
    execute(client, sql, &[&&*id.0, name, tier, blocked, &integer(*created_ms)]).await.map(|_| ())
}

pub(super) async fn player(client: &impl GenericClient, id: &PlayerId) -> Done<Option<Player>> {
    let row = query_opt(client, &format!("SELECT {PLAYER} FROM player WHERE id = $1"), &[&&*id.0]).await?;
    row.as_ref().map(rows::player).transpose()
}

pub(super) async fn players(client: &Client, after: &str, count: usize) -> Done<Vec<Player>> {
    let sql = format!("SELECT {PLAYER} FROM player WHERE id > $1 ORDER BY id LIMIT $2");
    query(client, &sql, &[&after, &limit(count)]).await?.iter().map(rows::player).collect()
}

pub(super) async fn change_player(client: &Client, id: &PlayerId, change: &PlayerChange) -> Done<Player> {
    let PlayerChange { name, tier, blocked } = change;
    let sql = format!(
        "UPDATE player SET name = coalesce($2, name), tier = coalesce($3, tier), \
         blocked = coalesce($4, blocked) WHERE id = $1 RETURNING {PLAYER}"
    );
    let row = query_opt(client, &sql, &[&&*id.0, name, tier, blocked]).await?;
    rows::player(&row.ok_or_else(|| StorageError::not_found("player"))?)
}

/// Everything else goes with it by the references.
pub(super) async fn delete_player(client: &Client, id: &PlayerId) -> Done<()> {
    found(execute(client, "DELETE FROM player WHERE id = $1", &[&&*id.0]).await?, "player")
}

pub(super) async fn export_player(client: &Client, id: &PlayerId) -> Done<PlayerExport> {
    let player = player(client, id).await?.ok_or_else(|| StorageError::not_found("player"))?;
    let devices = tokens_of(client, id).await?.into_iter().map(Into::into).collect();
    let sql = "SELECT provider, subject FROM identity WHERE player = $1 ORDER BY provider, subject";
    let identities = query(client, sql, &[&&*id.0]).await?;
    let identities =
        identities.iter().map(|row| Ok(Identity { provider: get(row, 0)?, subject: get(row, 1)? }));
    let identities = identities.collect::<Done<_>>()?;
    let sql = "SELECT key, turns, tokens, speech_ms, micro FROM usage_window WHERE player = $1 ORDER BY key";
    let windows = query(client, sql, &[&&*id.0]).await?;
    let windows = windows.iter().map(|row| {
        let key: &str = get(row, 0)?;
        Ok(UsedWindow {
            window: key.split(':').next().unwrap_or_default().into(),
            used: rows::amounts(row, 1)?,
        })
    });
    Ok(PlayerExport { player, devices, identities, windows: windows.collect::<Done<_>>()? })
}

pub(super) async fn add_token(client: &impl GenericClient, token: &Token) -> Done<()> {
    let Token { id, player, hash, label, created_ms, used_ms, revoked_ms } = token;
    let (created_ms, used_ms) = (integer(*created_ms), used_ms.map(integer));
    let revoked_ms = revoked_ms.map(integer);
    let sql = "INSERT INTO token VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let hash = hash.0.as_slice();
    execute(client, sql, &[id, &&*player.0, &hash, label, &created_ms, &used_ms, &revoked_ms])
        .await
        .map(|_| ())
}

pub(super) async fn token(client: &Client, id: &str) -> Done<Option<(Token, Player)>> {
    let sql = format!(
        "SELECT {PLAYER}, {TOKEN} FROM token JOIN player ON player.id = token.player WHERE token.id = $1"
    );
    let row = query_opt(client, &sql, &[&id]).await?;
    row.map(|row| Ok((rows::token(&row, 5)?, rows::player(&row)?))).transpose()
}

pub(super) async fn tokens_of(client: &Client, player: &PlayerId) -> Done<Vec<Token>> {
    let sql = format!("SELECT {TOKEN} FROM token WHERE player = $1 ORDER BY id LIMIT $2");
    let tokens = query(client, &sql, &[&&*player.0, &limit(PAGE_MAX)]).await?;
    tokens.iter().map(|row| rows::token(row, 0)).collect()
}

pub(super) async fn revoke_token(client: &Client, id: &str, now_ms: u64) -> Done<()> {
    let sql = "UPDATE token SET revoked_ms = coalesce(revoked_ms, $1) WHERE id = $2";
    found(execute(client, sql, &[&integer(now_ms), &id]).await?, "token")
}

pub(super) async fn tokens_used(client: &Client, used: &[(String, u64)]) -> Done<()> {
    // The newest of each, in the order of ids: two programs must not wait for each other.
    let mut newest = std::collections::BTreeMap::new();
    for (id, at_ms) in used {
        let known = newest.entry(id.as_str()).or_insert(0);
        *known = integer(*at_ms).max(*known);
    }
    let (ids, at): (Vec<&str>, Vec<i64>) = newest.into_iter().unzip();
    let sql = "UPDATE token SET used_ms = greatest(token.used_ms, used.at_ms) \
               FROM unnest($1::text[], $2::bigint[]) AS used (id, at_ms) WHERE token.id = used.id";
    execute(client, sql, &[&ids, &at]).await.map(|_| ())
}

pub(super) async fn add_invite(client: &Client, invite: &Invite) -> Done<()> {
    let Invite { id, hash, tier, uses_left, expires_ms, created_ms, note } = invite;
    let (hash, uses_left) = (hash.0.as_slice(), i64::from(*uses_left));
    let (expires_ms, created_ms) = (expires_ms.map(integer), integer(*created_ms));
    let sql = "INSERT INTO invite VALUES ($1, $2, $3, $4, $5, $6, $7)";
    execute(client, sql, &[id, &hash, tier, &uses_left, &expires_ms, &created_ms, note]).await.map(|_| ())
}

pub(super) async fn invites(client: &Client, after: &str, count: usize) -> Done<Vec<Invite>> {
    let sql = "SELECT id, hash, tier, uses_left, expires_ms, created_ms, note FROM invite WHERE id > $1 \
               ORDER BY id LIMIT $2";
    query(client, sql, &[&after, &limit(count)]).await?.iter().map(rows::invite).collect()
}

pub(super) async fn delete_invite(client: &Client, id: &str) -> Done<()> {
    found(execute(client, "DELETE FROM invite WHERE id = $1", &[&id]).await?, "invite")
}

/// One statement takes the use, so that nobody can take it twice.
pub(super) async fn redeem(
    client: &mut Client,
    code: SecretHash,
    player: &Player,
    token: &Token,
) -> Done<Player> {
    let transaction = client.transaction().await?;
    let sql = "UPDATE invite SET uses_left = uses_left - 1 \
               WHERE hash = $1 AND uses_left > 0 AND coalesce(expires_ms > $2, true) RETURNING tier";
    let now_ms = integer(player.created_ms);
    let taken = query_opt(&transaction, sql, &[&code.0.as_slice(), &now_ms]).await?;
    let player = Player { tier: get(&taken.ok_or_else(no_such_invite)?, 0)?, ..player.clone() };
    add_player(&transaction, &player).await?;
    add_token(&transaction, token).await?;
    transaction.commit().await?;
    Ok(player)
}

pub(super) async fn sign_in(
    client: &mut Client,
    identity: &Identity,
    newcomer: Option<&Player>,
) -> Done<Option<Player>> {
    let known = of_identity(client, identity).await?;
    let (None, Some(newcomer)) = (&known, newcomer) else { return Ok(known) };
    let transaction = client.transaction().await?;
    add_player(&transaction, newcomer).await?;
    match link(&transaction, &newcomer.id, identity).await {
        Ok(()) => {
            transaction.commit().await?;
            Ok(Some(newcomer.clone()))
        }
        // The same account signed in elsewhere in the same moment: it is that player.
        Err(error) if error.kind == StorageErrorKind::Taken => {
            transaction.rollback().await?;
            of_identity(client, identity).await
        }
        Err(error) => Err(error),
    }
}

async fn of_identity(client: &Client, identity: &Identity) -> Done<Option<Player>> {
    let sql = format!(
        "SELECT {PLAYER} FROM identity JOIN player ON player.id = identity.player \
         WHERE provider = $1 AND subject = $2"
    );
    let row = query_opt(client, &sql, &[&identity.provider, &identity.subject]).await?;
    row.as_ref().map(rows::player).transpose()
}

pub(super) async fn link(client: &impl GenericClient, player: &PlayerId, identity: &Identity) -> Done<()> {
    let Identity { provider, subject } = identity;
    let sql = "INSERT INTO identity VALUES ($1, $2, $3) ON CONFLICT (provider, subject) DO NOTHING";
    execute(client, sql, &[provider, subject, &&*player.0]).await?;
    let sql = "SELECT player FROM identity WHERE provider = $1 AND subject = $2";
    let owner = query_opt(client, sql, &[provider, subject]).await?;
    match owner.as_ref().map(|row| get::<&str>(row, 0)).transpose()? {
        Some(owner) if *owner == *player.0 => Ok(()),
        _ => Err(taken_identity()),
    }
}
