//! The book of a program: gives leave, and sees that everything is written once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clerk::Clerk;
use super::desk::{Desk, REQUESTS_MAX, Settled, Ticket, Want};
use super::round::windows;
use super::{Allowance, Amounts, Left, NearEnd, QuotaError, Tier, Window};
use crate::player::{Class, PlayerId};
use crate::storage::{ClaimKey, Ended, HostStore, RequestId, ServerState, StorageError};

/// The longest that a request waits for the store to give leave.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest that settling waits for the ledger. The entry is written in any case.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often [`Book::close`] looks whether all is settled.
const CLOSE_STEP: Duration = Duration::from_millis(10);
/// The longest model name in the ledger, in bytes.
const MODEL_BYTES_MAX: usize = 200;

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Clone)]
pub struct BookSettings {
    /// What all players together may use in a day of UTC.
    pub day: Allowance,
    /// And in a month.
    pub month: Allowance,
    /// The most requests that are open, or settled and not written because the store is away. Beyond it,
    /// nothing is granted.
    pub requests_max: usize,
    pub clock: Clock,
}

impl Default for BookSettings {
    /// No limits, and the system's clock.
    fn default() -> Self {
        let clock = || {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64) // fits for ages
        };
        let (day, month) = (Allowance::default(), Allowance::default());
        BookSettings { day, month, requests_max: REQUESTS_MAX, clock: Arc::new(clock) }
    }
}

/// What a request is for.
#[derive(Clone, Debug, Default)]
pub struct Purpose {
    pub class: Class,
    pub model: String,
    /// What the player calls it. A second request of this key within a day is refused.
    pub key: Option<String>,
}

/// What the book's own task shares with reservations.
pub(super) struct Shared {
    desk: Mutex<Desk>,
    /// There is something to write.
    pub wake: Notify,
    /// Somebody waits for leave.
    pub urgent: Notify,
    pub clock: Clock,
    pub state: watch::Sender<ServerState>,
}

impl Shared {
    /// Held for microseconds, never over an `await`.
    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(
        &self,
        ticket: Ticket,
        amounts: Amounts,
        ended: Ended,
        answer: Option<oneshot::Sender<Result<Left, QuotaError>>>,
    ) {
        let entry = ticket.entry(amounts.bounded(), ended, (self.clock)());
        self.desk().settle(Settled { ticket, entry, answer });
        self.wake.notify_one();
    }
}

/// Gives leave to requests of players, against what is left of their day and month and of the server's.
pub struct Book {
    shared: Arc<Shared>,
    store: Arc<dyn HostStore>,
    settings: BookSettings,
    clerk: Mutex<JoinSet<()>>,
}

impl Book {
    /// Joins the programs that use this store. Call it on a Tokio runtime, and [`close`](Self::close) at the
    /// end.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn open(store: Arc<dyn HostStore>, settings: BookSettings) -> Result<Arc<Book>, StorageError> {
        let now_ms = (settings.clock)();
        let host = store.join(now_ms).await?;
        let state = store.state().await?;
        let desk = Desk { confirmed_ms: now_ms, state, ..Desk::default() };
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            wake: Notify::new(),
            urgent: Notify::new(),
            clock: settings.clock.clone(),
            state: watch::Sender::new(state),
        });
        let mut clerk = JoinSet::new();
        clerk.spawn(Clerk::new(shared.clone(), store.clone(), host).run());
        Ok(Arc::new(Book { shared, store, settings, clerk: Mutex::new(clerk) }))
    }

    /// Reserves the most that a request can use. In memory, unless the leases are used up or there is a key.
    ///
    /// # Errors
    /// [`QuotaError`] says whether it helps to wait.
    pub async fn reserve(
        &self,
        player: &PlayerId,
        tier: &Tier,
        most: Amounts,
        what: &Purpose,
    ) -> Result<Reservation, QuotaError> {
        let now_ms = (self.shared.clock)();
        let limits = [tier.day, tier.month, self.settings.day, self.settings.month];
        // Whoever asks chooses the name, and Postgres takes no NUL: one such entry would hold up the whole ledger.
        let letters = what.model.chars().filter(|letter| !letter.is_control());
        let mut model: String = letters.take(MODEL_BYTES_MAX).collect();
        model.truncate(model.floor_char_boundary(MODEL_BYTES_MAX));
        let ticket = Ticket {
            request: RequestId::new(),
            player: player.clone(),
            class: what.class,
            model,
            at_ms: now_ms,
            most: most.bounded(),
            windows: windows(player, now_ms, limits),
        };
        let answer = {
            let mut desk = self.shared.desk();
            desk.admits(self.settings.requests_max)?;
            if what.key.is_none() && desk.reserve(&ticket, now_ms) {
                return Ok(Reservation::new(self.shared.clone(), ticket));
            }
            let (answer, answered) = oneshot::channel();
            let claim = what.key.as_ref().map(|key| ClaimKey::new(player, key));
            desk.want(Want { ticket, claim, answer }, now_ms)?;
            answered
        };
        self.shared.wake.notify_one();
        self.shared.urgent.notify_waiters();
        // A grant that comes too late is in the channel when it is dropped, and gives itself back.
        match timeout(LEAVE_WAIT_MAX, answer).await {
            Ok(Ok(decision)) => decision,
            Ok(Err(_)) => Err(QuotaError::busy("the book is closed")),
            Err(_) => Err(QuotaError::busy("the database takes too long")),
        }
    }

    /// What a player has left now.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn left(&self, player: &PlayerId, tier: &Tier) -> Result<Left, QuotaError> {
        let [day, month, ..] = Window::all_of(player, (self.shared.clock)());
        let windows = [day, month];
        let sums = self.store.sums(&windows).await.map_err(|error| QuotaError::unavailable(&error))?;
        let desk = self.shared.desk();
        let left = |place: usize, limit: Allowance| {
            // Of what is leased, what is free here is left.
            let free = desk.leases.get(&windows[place]).map(|lease| lease.free()).unwrap_or_default();
            let gone = sums[place].used.plus(sums[place].leased.minus(free));
            limit.of(Amounts::by_unit(|unit| limit.get(unit).unwrap_or(0).saturating_sub(gone.get(unit))))
        };
        Ok(Left { day: left(0, tier.day), month: left(1, tier.month) })
    }

    /// Whether the server is open, as this program knows it: a change elsewhere is seen within about a
    /// second.
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.shared.state.subscribe()
    }

    /// Opens or closes the server, here at once.
    ///
    /// # Errors
    /// When the store cannot be reached; then a closing is not undone here, but others do not know of it.
    pub async fn set_state(&self, state: ServerState) -> Result<(), StorageError> {
        if state != ServerState::Open {
            self.shared.desk().state = state;
            self.shared.state.send_replace(state);
        }
        self.store.set_state(state).await?;
        self.shared.desk().state = state;
        self.shared.state.send_replace(state);
        Ok(())
    }

    /// How many requests have leave, and how many entries wait for the ledger.
    pub fn figures(&self) -> (usize, usize) {
        let desk = self.shared.desk();
        (desk.open, desk.settled.len() + desk.writing)
    }

    /// Grants nothing more, waits at most so long until all that is open is settled and written, and gives
    /// the leases back. Says whether it got so far; if not, the store counts this program as lost.
    pub async fn close(&self, patience: Duration) -> bool {
        self.shared.desk().closing = true;
        let settled = timeout(patience, async {
            while self.figures() != (0, 0) {
                tokio::time::sleep(CLOSE_STEP).await;
            }
        });
        let settled = settled.await.is_ok();
        let mut clerk = std::mem::take(&mut *self.clerk.lock().unwrap_or_else(PoisonError::into_inner));
        if settled {
            // The clerk leaves by itself when the desk is closed and empty.
            self.shared.wake.notify_one();
            timeout(patience, clerk.join_next()).await.is_ok()
        } else {
            clerk.shutdown().await;
            false
        }
    }
}

/// Leave for one request. Dropped without being settled, it settles the best known by itself.
pub struct Reservation {
    shared: Arc<Shared>,
    /// `None` once it is settled.
    ticket: Option<Ticket>,
    seen: Mutex<Amounts>,
}

impl Reservation {
    pub(super) fn new(shared: Arc<Shared>, ticket: Ticket) -> Reservation {
        Reservation { shared, ticket: Some(ticket), seen: Mutex::default() }
    }

    /// Names the request in the ledger.
    pub fn request(&self) -> RequestId {
        self.ticket.as_ref().map_or(RequestId::nil(), |ticket| ticket.request)
    }

    /// The most that it may use.
    pub fn most(&self) -> Amounts {
        self.ticket.as_ref().map_or(Amounts::default(), |ticket| ticket.most)
    }

    /// Whether its player's day or month is nearly used up, this request among what is used.
    pub fn near_end(&self) -> Option<NearEnd> {
        self.shared.desk().near_end(self.ticket.as_ref()?)
    }

    /// What the request has used so far, as far as is known. Until this is called it has used nothing.
    pub fn seen(&self, amounts: Amounts) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = amounts;
    }

    /// Writes down what the request did use, and says what its player has left. Returns when the entry is
    /// committed. What goes beyond the reservation is written down too.
    ///
    /// # Errors
    /// [`QuotaError::NotYetWritten`] if the store does not come back in time. The entry is kept and written
    /// later, also when this future is dropped.
    pub async fn settle(mut self, actual: Amounts, ended: Ended) -> Result<Left, QuotaError> {
        let (answer, answered) = oneshot::channel();
        if let Some(ticket) = self.ticket.take() {
            self.shared.settle(ticket, actual, ended, Some(answer));
        }
        match timeout(SETTLE_WAIT_MAX, answered).await {
            Ok(Ok(left)) => left,
            Ok(Err(_)) | Err(_) => Err(QuotaError::NotYetWritten),
        }
    }
}

impl Reservation {
    /// As [`settle`](Self::settle), without waiting for the ledger: for whoever has no time, as in a `Drop`.
    pub fn settle_soon(mut self, actual: Amounts, ended: Ended) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.settle(ticket, actual, ended, None);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let seen = *self.seen.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.shared.settle(ticket, seen, Ended::Abandoned, None);
        }
    }
}
