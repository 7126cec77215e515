//! What is kept of players.

use serde::{Deserialize, Serialize};

use super::error::{StorageError, StorageErrorKind};
use super::posting::Entry;
use crate::player::PlayerId;
use crate::quota::Amounts;

/// The longest name, label, tier or subject that is kept, in bytes; the front cuts or refuses what is longer.
pub const TEXT_BYTES_MAX: usize = 200;
/// The most rows of one page.
pub const PAGE_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    pub id: PlayerId,
    /// As the operator or the player calls it. May be empty.
    pub name: String,
    /// Of the settings.
    pub tier: String,
    pub blocked: bool,
    pub created_ms: u64,
}

impl Player {
    /// Somebody new.
    pub fn new(name: &str, tier: &str, created_ms: u64) -> Player {
        let id = PlayerId::from(ulid::Ulid::new().to_string());
        Player { id, name: name.to_owned(), tier: tier.to_owned(), blocked: false, created_ms }
    }
}

/// What is to be different. `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayerChange {
    pub name: Option<String>,
    pub tier: Option<String>,
    pub blocked: Option<bool>,
}

/// SHA-256 of a secret behind the host's pepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

/// A device of a player. Its secret is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    pub player: PlayerId,
    pub hash: SecretHash,
    /// For the player to know it by, such as the name of a PC.
    pub label: String,
    pub created_ms: u64,
    /// When it was used last, give or take what the front gathers before it writes.
    pub used_ms: Option<u64>,
    pub revoked_ms: Option<u64>,
}

/// Lets somebody in who has its code. The code is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    pub id: String,
    pub hash: SecretHash,
    /// What its players get.
    pub tier: String,
    pub uses_left: u32,
    pub expires_ms: Option<u64>,
    pub created_ms: u64,
    /// For the operator.
    pub note: String,
}

/// Who a player is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub provider: String,
    /// The provider's own name of the account.
    pub subject: String,
}

/// What was used in a window, and what all programs have leased of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub used: Amounts,
    pub leased: Amounts,
}

/// A page of the ledger begins behind the number of the last line of the page before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    pub seq: u64,
    #[serde(flatten)]
    pub entry: Entry,
}

/// Which lines of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerPage {
    /// Only of this player.
    pub player: Option<PlayerId>,
    /// Behind this number.
    pub after: u64,
    /// At most so many, and never more than [`PAGE_MAX`].
    pub limit: usize,
}

/// Everything that is kept about a player but the ledger, which comes in pages. For the player to read:
/// hashes are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerExport {
    pub player: Player,
    pub devices: Vec<Device>,
    pub identities: Vec<Identity>,
    pub windows: Vec<UsedWindow>,
}

/// A token without its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: String,
    pub label: String,
    pub created_ms: u64,
    pub used_ms: Option<u64>,
    pub revoked_ms: Option<u64>,
}

impl From<Token> for Device {
    fn from(token: Token) -> Device {
        let Token { id, label, created_ms, used_ms, revoked_ms, .. } = token;
        Device { id, label, created_ms, used_ms, revoked_ms }
    }
}

/// `d` and the day since 1970, or `m` and the month since the year 0, and what was used in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedWindow {
    pub window: String,
    pub used: Amounts,
}

pub(super) fn no_such_invite() -> StorageError {
    StorageError::new(
        StorageErrorKind::NotFound,
        "there is no such invite, or it is used up or expired",
        "Ask whoever runs the server for a new one.",
    )
}

pub(super) fn taken_identity() -> StorageError {
    StorageError::new(
        StorageErrorKind::Taken,
        "this account is another player's already",
        "Sign in with it, or delete that player first.",
    )
}
