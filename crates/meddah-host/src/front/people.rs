//! Whether what is known of players is still true, without asking the database about each of them.
//!
//! The database counts what makes a known token worth less: a player changed or deleted, a token revoked. As long as
//! that number is the same, so is everything that was read behind it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::auth::KNOWN_FOR;
use crate::storage::{HostStore, StorageError};

pub(super) struct People {
    store: Arc<dyn HostStore>,
    /// The number, and when the database was asked for it.
    confirmed: Mutex<Option<(u64, Instant)>>,
    /// Held by whoever asks; the others wait for that answer.
    asking: tokio::sync::Mutex<()>,
}

impl People {
    pub fn new(store: Arc<dyn HostStore>) -> People {
        People { store, confirmed: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The number, not older than [`KNOWN_FOR`].
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn changes(&self) -> Result<u64, StorageError> {
        if let Some(changes) = self.fresh() {
            return Ok(changes);
        }
        let _asking = self.asking.lock().await;
        if let Some(changes) = self.fresh() {
            return Ok(changes);
        }
        let asked = Instant::now();
        let changes = self.store.people_changes().await?;
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some((changes, asked));
        Ok(changes)
    }

    fn fresh(&self) -> Option<u64> {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.filter(|(_, asked)| asked.elapsed() < KNOWN_FOR).map(|(changes, _)| changes)
    }
}
