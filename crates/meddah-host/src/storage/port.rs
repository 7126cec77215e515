//! The port: what a database does for a host.

use std::path::Path;

use async_trait::async_trait;

use super::error::StorageError;
use super::model::{
    Identity, Invite, LedgerLine, LedgerPage, Player, PlayerChange, PlayerExport, SecretHash, Sums, Token,
};
use super::posting::{Batch, HostId, Posted, ServerState};
use crate::player::PlayerId;
use crate::quota::Window;

/// Keeps a host's players, their use, and the ledger.
///
/// What a method wrote is committed when it returns; a program that is killed loses nothing of it. A method
/// whose future is dropped is carried out wholly or not at all. An error of kind `Unavailable` may have come
/// after the commit; every method may be called again.
#[async_trait]
pub trait HostStore: Send + Sync {
    // Programs.

    /// Makes this program known. Its leases are its own until it leaves or is found gone.
    async fn join(&self, now_ms: u64) -> Result<HostId, StorageError>;

    /// Gives all leases back.
    async fn leave(&self, host: HostId) -> Result<(), StorageError>;

    /// Writes what was settled and renews leases, in one transaction.
    async fn post(&self, host: HostId, batch: &Batch) -> Result<Posted, StorageError>;

    /// A sign of life. Gives back what programs that are gone had leased, forgets keys that are too old, and
    /// tells whether new requests are let in. Call it every second or so.
    async fn upkeep(&self, host: HostId, now_ms: u64) -> Result<ServerState, StorageError>;

    /// What was used in these windows, in their order.
    async fn sums(&self, windows: &[Window]) -> Result<Vec<Sums>, StorageError>;

    // The server.

    async fn state(&self) -> Result<ServerState, StorageError>;

    /// Every program finds out at its next [`post`](Self::post) or [`upkeep`](Self::upkeep).
    async fn set_state(&self, state: ServerState) -> Result<(), StorageError>;

    /// Copies everything to a new file while it is in use.
    async fn backup(&self, to: &Path) -> Result<(), StorageError>;

    /// Drops lines of the ledger from before this time, and windows that ended before it. Gives how many
    /// lines.
    async fn forget_before(&self, ms: u64) -> Result<u64, StorageError>;

    // Players.

    async fn add_player(&self, player: &Player) -> Result<(), StorageError>;

    async fn player(&self, id: &PlayerId) -> Result<Option<Player>, StorageError>;

    /// By id, behind this one.
    async fn players(&self, after: Option<&PlayerId>, limit: usize) -> Result<Vec<Player>, StorageError>;

    async fn change_player(&self, id: &PlayerId, change: &PlayerChange) -> Result<Player, StorageError>;

    /// Deletes a player and all that is kept about it. Lines of the ledger stay, without a player.
    async fn delete_player(&self, id: &PlayerId) -> Result<(), StorageError>;

    async fn export_player(&self, id: &PlayerId) -> Result<PlayerExport, StorageError>;

    /// A number that grows whenever a player is changed or deleted, or a token revoked or deleted, and else stays: what
    /// [`token`](Self::token) told is true as long as it is the same.
    async fn people_changes(&self) -> Result<u64, StorageError>;

    // Tokens.

    async fn add_token(&self, token: &Token) -> Result<(), StorageError>;

    /// The token of this id, revoked or not, and its player.
    async fn token(&self, id: &str) -> Result<Option<(Token, Player)>, StorageError>;

    async fn tokens_of(&self, player: &PlayerId) -> Result<Vec<Token>, StorageError>;

    async fn revoke_token(&self, id: &str, now_ms: u64) -> Result<(), StorageError>;

    /// When tokens were used last; those that are not there are left out.
    async fn tokens_used(&self, used: &[(String, u64)]) -> Result<(), StorageError>;

    // Invites and identities.

    async fn add_invite(&self, invite: &Invite) -> Result<(), StorageError>;

    /// By id, behind this one.
    async fn invites(&self, after: Option<&str>, limit: usize) -> Result<Vec<Invite>, StorageError>;

    async fn delete_invite(&self, id: &str) -> Result<(), StorageError>;

    /// Uses an invite up once and lets the player in with the token, all or nothing. The tier is the
    /// invite's. `NotFound`: no such code, used up, or expired.
    async fn redeem(&self, code: SecretHash, player: &Player, token: &Token) -> Result<Player, StorageError>;

    /// The player of this identity. If there is none and `newcomer` is given, that one is added with it.
    async fn sign_in(
        &self,
        identity: &Identity,
        newcomer: Option<&Player>,
    ) -> Result<Option<Player>, StorageError>;

    /// Gives a player one more identity. `Taken` if it is another player's.
    async fn link(&self, player: &PlayerId, identity: &Identity) -> Result<(), StorageError>;

    // The ledger.

    /// Lines in the order of writing. With several programs on one database, a line may still come in before
    /// the last one of a page that is read at the same moment.
    async fn ledger(&self, page: &LedgerPage) -> Result<Vec<LedgerLine>, StorageError>;
}
