//! A host's database on a Postgres server, for several programs in front of it.
//!
//! The connections come from a small pool. One that broke is replaced at the next call, so that everything
//! works again when the server is back. They are encrypted if the address says so; see `tls.rs`.

mod error;
mod migrate;
mod people;
mod post;
mod rows;
mod tls;
mod upkeep;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use secrecy::{ExposeSecret as _, SecretString};

use self::error::{bad_address, too_slow};
use self::rows::{Done, execute, integer, query, query_opt};
use self::upkeep::Watch;
use super::error::{StorageError, StorageErrorKind};
use super::model::{
    Identity, Invite, LedgerLine, LedgerPage, PAGE_MAX, Player, PlayerChange, PlayerExport, SecretHash, Sums,
    Token,
};
use super::port::HostStore;
use super::posting::{Batch, HostId, Posted, ServerState};
use crate::player::PlayerId;
use crate::quota::Window;

/// The longest that a caller waits for a connection, a new connection for the server, and a call for its end.
const POOL_WAIT_MAX: Duration = Duration::from_secs(3);
const CONNECT_MAX: Duration = Duration::from_secs(3);
const CALL_MAX: Duration = Duration::from_secs(8);
/// What the server does not let a program do longer, above all one that stands still in the middle of a
/// transaction that others wait for.
const SERVER_LIMITS: &str =
    "-c statement_timeout=8s -c lock_timeout=6s -c idle_in_transaction_session_timeout=8s";

/// How to reach the server.
#[derive(Debug)]
pub struct PostgresSettings {
    /// `postgres://name:password@machine/database?sslmode=verify-full`, or `host=… user=… dbname=…`.
    pub address: SecretString,
    /// The most connections.
    pub connections: usize,
    /// How long a program must have been silent to be taken for gone. Longer than [`FENCE_MS`], after which a
    /// program promises nothing from its leases.
    ///
    /// [`FENCE_MS`]: crate::quota::FENCE_MS
    pub gone_after: Duration,
}

impl PostgresSettings {
    pub fn new(address: SecretString) -> PostgresSettings {
        PostgresSettings { address, connections: 8, gone_after: Duration::from_secs(30) }
    }
}

/// A host's database on a server.
pub struct PostgresHost {
    pool: Pool,
    watch: Mutex<Watch>,
    gone_after: Duration,
}

impl PostgresHost {
    /// Reaches the server and brings the database up to date.
    ///
    /// # Errors
    /// If the address is wrong, the server away, or the database of a newer version.
    pub async fn open(settings: &PostgresSettings) -> Done<PostgresHost> {
        Self::open_with(settings, migrate::MIGRATIONS).await
    }

    async fn open_with(settings: &PostgresSettings, migrations: &[&str]) -> Done<PostgresHost> {
        let address = settings.address.expose_secret();
        let (mut config, encryption) = tls::read(address)?;
        let options = config.get_options().map_or(String::new(), |options| format!("{options} "));
        config.options(format!("{options}{SERVER_LIMITS}")).connect_timeout(CONNECT_MAX);
        config.application_name("meddah host");
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, encryption, manager))
            .max_size(settings.connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(POOL_WAIT_MAX))
            .create_timeout(Some(CONNECT_MAX))
            .build()
            .map_err(|error| bad_address(&error.to_string()))?;
        migrate::migrate(&mut pool.get().await?, migrations).await?;
        Ok(PostgresHost { pool, watch: Mutex::default(), gone_after: settings.gone_after })
    }

    async fn client(&self) -> Done<Client> {
        Ok(self.pool.get().await?)
    }
}

/// A call that does not end is given up: its transaction is undone.
async fn in_time<T>(call: impl Future<Output = Done<T>>) -> Done<T> {
    tokio::time::timeout(CALL_MAX, call).await.unwrap_or_else(|_| Err(too_slow()))
}

#[async_trait]
impl HostStore for PostgresHost {
    async fn join(&self, now_ms: u64) -> Done<HostId> {
        let host = in_time(async { upkeep::join(&self.client().await?, now_ms).await }).await?;
        self.upkeep(host, now_ms).await?; // begins to watch the others
        Ok(host)
    }

    async fn leave(&self, host: HostId) -> Done<()> {
        in_time(async { upkeep::leave(&self.client().await?, host).await }).await
    }

    async fn post(&self, host: HostId, batch: &Batch) -> Done<Posted> {
        in_time(Box::pin(async { post::post(&mut self.client().await?, host, batch).await })).await
    }

    async fn upkeep(&self, host: HostId, now_ms: u64) -> Done<ServerState> {
        in_time(Box::pin(async {
            let mut client = self.client().await?;
            let (state, beats) = upkeep::beat(&client, host).await?;
            let gone = {
                let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
                watch.look(&beats, self.gone_after, Instant::now())
            };
            for gone in gone {
                upkeep::take_from_the_gone(&mut client, gone, now_ms).await?;
            }
            upkeep::drop_old_claims(&client, now_ms).await?;
            Ok(state)
        }))
        .await
    }

    async fn sums(&self, windows: &[Window]) -> Done<Vec<Sums>> {
        let keys: Vec<String> = windows.iter().map(Window::key).collect();
        let rows =
            in_time(async { query(&self.client().await?, include_str!("sql/sums.sql"), &[&keys]).await });
        let sums = |row| Ok(Sums { used: rows::amounts(row, 0)?, leased: rows::amounts(row, 4)? });
        rows.await?.iter().map(sums).collect()
    }

    async fn state(&self) -> Done<ServerState> {
        let row = in_time(async { query_opt(&self.client().await?, "SELECT state FROM server", &[]).await })
            .await?;
        row.as_ref().map(rows::state).transpose().map(Option::unwrap_or_default)
    }

    async fn set_state(&self, state: ServerState) -> Done<()> {
        let sql = "UPDATE server SET state = $1";
        in_time(async { execute(&self.client().await?, sql, &[&state.name()]).await }).await.map(|_| ())
    }

    async fn backup(&self, _to: &Path) -> Done<()> {
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "a Postgres database is not backed up by the host",
            "Use `pg_dump` on the machine of the server; it may run while the host does.",
        ))
    }

    async fn forget_before(&self, ms: u64) -> Done<u64> {
        in_time(async { upkeep::forget_before(&self.client().await?, ms).await }).await
    }

    async fn add_player(&self, player: &Player) -> Done<()> {
        in_time(async { people::add_player(&self.client().await?, player).await }).await
    }

    async fn player(&self, id: &PlayerId) -> Done<Option<Player>> {
        in_time(async { people::player(&self.client().await?, id).await }).await
    }

    async fn players(&self, after: Option<&PlayerId>, limit: usize) -> Done<Vec<Player>> {
        let after = after.map_or("", |after| &after.0);
        in_time(async { people::players(&self.client().await?, after, limit).await }).await
    }

    async fn change_player(&self, id: &PlayerId, change: &PlayerChange) -> Done<Player> {
        in_time(async { people::change_player(&self.client().await?, id, change).await }).await
    }

    async fn delete_player(&self, id: &PlayerId) -> Done<()> {
        in_time(async { people::delete_player(&self.client().await?, id).await }).await
    }

    async fn export_player(&self, id: &PlayerId) -> Done<PlayerExport> {
        in_time(async { people::export_player(&self.client().await?, id).await }).await
    }

    async fn people_changes(&self) -> Done<u64> {
        let row = in_time(async { query_opt(&self.client().await?, "SELECT people FROM server", &[]).await })
            .await?;
        row.as_ref().map(|row| rows::unsigned(row, 0)).transpose().map(Option::unwrap_or_default)
    }

    async fn add_token(&self, token: &Token) -> Done<()> {
        in_time(async { people::add_token(&self.client().await?, token).await }).await
    }

    async fn token(&self, id: &str) -> Done<Option<(Token, Player)>> {
        in_time(async { people::token(&self.client().await?, id).await }).await
    }

    async fn tokens_of(&self, player: &PlayerId) -> Done<Vec<Token>> {
        in_time(async { people::tokens_of(&self.client().await?, player).await }).await
    }

    async fn revoke_token(&self, id: &str, now_ms: u64) -> Done<()> {
        in_time(async { people::revoke_token(&self.client().await?, id, now_ms).await }).await
    }

    async fn tokens_used(&self, used: &[(String, u64)]) -> Done<()> {
        in_time(async { people::tokens_used(&self.client().await?, used).await }).await
    }

    async fn add_invite(&self, invite: &Invite) -> Done<()> {
        in_time(async { people::add_invite(&self.client().await?, invite).await }).await
    }

    async fn invites(&self, after: Option<&str>, limit: usize) -> Done<Vec<Invite>> {
        let after = after.unwrap_or_default();
        in_time(async { people::invites(&self.client().await?, after, limit).await }).await
    }

    async fn delete_invite(&self, id: &str) -> Done<()> {
        in_time(async { people::delete_invite(&self.client().await?, id).await }).await
    }

    async fn redeem(&self, code: SecretHash, player: &Player, token: &Token) -> Done<Player> {
        in_time(async { people::redeem(&mut self.client().await?, code, player, token).await }).await
    }

    async fn sign_in(&self, identity: &Identity, newcomer: Option<&Player>) -> Done<Option<Player>> {
        in_time(async { people::sign_in(&mut self.client().await?, identity, newcomer).await }).await
    }

    async fn link(&self, player: &PlayerId, identity: &Identity) -> Done<()> {
        in_time(async { people::link(&self.client().await?, player, identity).await }).await
    }

    async fn ledger(&self, page: &LedgerPage) -> Done<Vec<LedgerLine>> {
        let of_player = if page.player.is_some() { "player = $2" } else { "$2::text IS NULL" };
        let sql = format!("{} WHERE seq > $1 AND {of_player} ORDER BY seq LIMIT $3", rows::LEDGER);
        let player = page.player.as_ref().map(|player| &*player.0);
        let limit = page.limit.min(PAGE_MAX) as i64;
        let lines = in_time(async {
            query(&self.client().await?, &sql, &[&integer(page.after), &player, &limit]).await
        });
        lines.await?.iter().map(rows::ledger_line).collect()
    }
}
