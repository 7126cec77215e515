//! A bounded number of connections, opened as they are needed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::Failed;
use super::settings::PostgresSettings;
use crate::{StoreError, StoreErrorKind};

/// The longest that a call waits for a connection to become free.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest that opening one may take, statements and all.
const OPEN_MAX: Duration = Duration::from_secs(10);

pub(super) struct Pool {
    settings: PostgresSettings,
    places: Arc<Semaphore>,
    /// The one used last is taken first: the others may rest.
    idle: Mutex<Vec<Arc<Connection>>>,
}

/// A connection for one call. It goes back with [`Pool::give_back`]; one that is merely dropped, because its call was
/// given up, is closed: nobody knows in the middle of what it is.
pub(super) struct Lease {
    pub connection: Arc<Connection>,
    /// It was idle before, and may have died meanwhile.
    pub reused: bool,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub fn new(settings: PostgresSettings) -> Self {
        let places = Arc::new(Semaphore::new(settings.connections));
        Pool { settings, places, idle: Mutex::default() }
    }

    /// A connection that is idle, or else a new one.
    pub async fn lease(&self) -> Result<Lease, Failed> {
        let place = self.place().await?;
        match self.living() {
            Some(connection) => Ok(Lease { connection, reused: true, _place: place }),
            None => self.opened(place).await,
        }
    }

    /// A new connection. What is idle is let go: when one of them has died, mostly all have.
    pub async fn lease_new(&self) -> Result<Lease, Failed> {
        let place = self.place().await?;
        self.idle().clear();
        self.opened(place).await
    }

    pub fn give_back(&self, lease: Lease) {
        if !lease.connection.client.is_closed() && !self.places.is_closed() {
            self.idle().push(lease.connection);
        }
    }

    /// Gives out no further connections and ends those that are idle; the others end with their calls.
    pub async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle.into_iter().filter_map(Arc::into_inner) {
            connection.end().await;
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Failed> {
        let waited = timeout(WAIT_MAX, self.places.clone().acquire_owned()).await.map_err(|_| {
            unavailable("storage does not keep up")
                .with_help("Check the load of the database server, or allow more connections to it.")
        })?;
        Ok(waited.map_err(|_| unavailable("storage is closed"))?)
    }

    fn living(&self) -> Option<Arc<Connection>> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.client.is_closed())
    }

    async fn opened(&self, place: OwnedSemaphorePermit) -> Result<Lease, Failed> {
        let opened = timeout(OPEN_MAX, Connection::open(&self.settings)).await;
        let connection = Arc::new(opened.map_err(|_| Failed::too_slow())??);
        Ok(Lease { connection, reused: false, _place: place })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(message: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, message)
}
