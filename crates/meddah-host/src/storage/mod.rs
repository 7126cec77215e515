//! What a host keeps: players and how they sign in, what each has used, the leases of the programs that serve
//! them, and the ledger.
//!
//! [`HostStore`] is the port. [`SqliteHost`] keeps all of it in one file, which is enough for one machine;
//! [`PostgresHost`] is for several programs in front of one database. One [suite](crate::storage::suite)
//! holds both to the same behaviour.

mod error;
mod export;
mod model;
mod port;
mod postgres;
mod posting;
mod secret;
mod sqlite;
#[cfg(any(test, feature = "suite"))]
pub mod suite;

pub use error::{RETRY_AFTER, StorageError, StorageErrorKind};
pub use export::{Export, export};
pub use model::{
    Device, Identity, Invite, LedgerLine, LedgerPage, PAGE_MAX, Player, PlayerChange, PlayerExport,
    SecretHash, Sums, TEXT_BYTES_MAX, Token, UsedWindow,
};
pub use port::HostStore;
pub use postgres::{PostgresHost, PostgresSettings};
pub use posting::{
    Batch, CLAIM_MS, ClaimKey, Decision, Ended, Entry, HostId, LeaseAsk, Leased, Posted, Repeat, RequestId,
    ServerState, WantAsk,
};
pub use secret::{InviteCode, Pepper, PlayerToken, SecretError};
pub use sqlite::SqliteHost;
