//! Where timelines are kept: the port, its SQLite adapter, and one for Postgres (a feature).
//!
//! A timeline is a tree of branches that only grow. A save is a cursor into it and costs nothing to
//! keep; a load moves the head. Whatever is read is read *as seen from a cursor*: only its ancestors
//! exist, so a memory from a future that was loaded away cannot come up.
//!
//! Beside them, [`ledger`] keeps what was spent on paid models.

mod chain;
mod error;
pub mod ledger;
mod place;
mod port;
#[cfg(feature = "postgres")]
mod postgres;
mod rules;
mod sqlite;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod topic;
mod vector;

pub use error::{StoreError, StoreErrorKind};
pub use port::{
    BranchInfo, ENTRIES_AT_MAX, ENTRIES_PER_APPEND_MAX, ENTRY_BYTES_MAX, EntryFilter, LIST_MAX, LoadBy,
    Loaded, RECENT_MAX, Recent, SCAN_MAX, ScanMark, Scanned, StateOf, StoredEntry, TimelineInfo,
    TimelineStore,
};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresSettings, PostgresStore};
pub use sqlite::{Compacted, Exported, SavePoint, SqliteStore, TimelineSize, move_aside};
pub use vector::{VECTOR_BYTES_MAX, VECTORS_PER_CALL_MAX, VectorKey};
