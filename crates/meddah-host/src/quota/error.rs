//! Why a request gets no leave, and when to try again.

use std::time::Duration;

use super::room::Lack;
use super::{Unit, Whose, Window};
use crate::storage::{Repeat, ServerState, StorageError};

/// When to try again what does not fit only because of answers under way.
const SOON: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, thiserror::Error)]
pub enum QuotaError {
    #[error("the server takes no new requests")]
    Closed(ServerState),
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The player sent a request with this key within a day. It is not carried out again and nothing is
    /// charged.
    #[error("a request with this key was sent before")]
    Repeated(Repeat),
    /// Nothing was granted, and nothing is charged.
    #[error("what is left cannot be looked up: {reason}")]
    Unavailable { reason: String, retry_after: Duration },
    /// Only of settling: the entry is kept and will be written.
    #[error("the ledger is away; the entry is written when it is back")]
    NotYetWritten,
}

/// What does not fit where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {} of {} are left for this {}", lack.left, lack.unit.name(), lack.limit, window.period.name())]
pub struct Exceeded {
    pub window: Window,
    pub lack: Lack,
    pub retry_after: Duration,
}

impl Exceeded {
    pub(super) fn new(window: Window, lack: Lack, now_ms: u64) -> Exceeded {
        let retry_after = if lack.for_now { SOON } else { window.period.rest(now_ms) };
        Exceeded { window, lack, retry_after }
    }

    pub fn unit(&self) -> Unit {
        self.lack.unit
    }

    /// The limit is the server's, not the player's.
    pub fn is_of_server(&self) -> bool {
        self.window.whose == Whose::Server
    }
}

impl QuotaError {
    pub(super) fn unavailable(error: &StorageError) -> QuotaError {
        let retry_after = error.retry_after().unwrap_or(crate::storage::RETRY_AFTER);
        QuotaError::Unavailable { reason: error.to_string(), retry_after }
    }

    pub(super) fn busy(reason: &str) -> QuotaError {
        QuotaError::Unavailable { reason: reason.to_owned(), retry_after: SOON }
    }

    /// When to try again, if that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            QuotaError::Exceeded(exceeded) => Some(exceeded.retry_after),
            QuotaError::Unavailable { retry_after, .. } => Some(*retry_after),
            QuotaError::Closed(_) | QuotaError::Repeated(_) | QuotaError::NotYetWritten => None,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            QuotaError::Closed(_) => "Wait until the operator opens the server again.",
            QuotaError::Exceeded(exceeded) if exceeded.lack.for_now => {
                "Wait until the answers under way are finished."
            }
            QuotaError::Exceeded(exceeded) if exceeded.is_of_server() => {
                "The whole server has used up what it may; come back in the next day or month."
            }
            QuotaError::Exceeded(_) => "Come back in the next day or month, or ask the operator for more.",
            QuotaError::Repeated(_) => "Send a new question with a new Idempotency-Key.",
            QuotaError::Unavailable { .. } => "Try again in a moment; nothing was charged.",
            QuotaError::NotYetWritten => "Nothing needs to be done.",
        }
    }
}
