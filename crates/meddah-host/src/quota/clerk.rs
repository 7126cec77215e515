//! The one task of a book that speaks to the store: batch after batch, so that many requests share a commit
//! and no two batches of a program overtake each other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::book::{Reservation, Shared};
use super::round::{News, Round};
use crate::storage::{HostId, HostStore, StorageError, StorageErrorKind};

/// How often the store hears a sign of life, and this program of the kill switch.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// How often leases that nobody needs are looked for.
const IDLE_EVERY: Duration = Duration::from_secs(2);
/// The longest that one batch may take. Its outcome is unknown after that, and it is sent again.
const POST_WAIT_MAX: Duration = Duration::from_secs(10);
/// Entries are gathered for so long after a batch began, unless somebody waits for leave: a commit costs as much as
/// five entries.
const GATHER: Duration = Duration::from_millis(2);
/// Between tries while the store is away: doubled up to the longer.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Clerk {
    shared: Arc<Shared>,
    store: Arc<dyn HostStore>,
    host: HostId,
    pause: Duration,
    upkeep_at: Instant,
    idle_at: Instant,
    /// The next batch may begin.
    gathered_at: Instant,
}

impl Clerk {
    pub fn new(shared: Arc<Shared>, store: Arc<dyn HostStore>, host: HostId) -> Clerk {
        let now = Instant::now();
        let (upkeep_at, idle_at) = (now + UPKEEP_EVERY, now + IDLE_EVERY);
        Clerk { shared, store, host, pause: PAUSE_MIN, upkeep_at, idle_at, gathered_at: now }
    }

    /// Until the desk is closed and empty.
    pub async fn run(mut self) {
        while !self.is_done() {
            timeout_at(self.upkeep_at, self.shared.wake.notified()).await.ok(); // whichever comes first
            if Instant::now() >= self.upkeep_at {
                self.keep_up().await;
                self.upkeep_at = Instant::now() + UPKEEP_EVERY;
            }
            // Batch after batch, but the sign of life must not wait for the last of them.
            while Instant::now() < self.upkeep_at {
                self.gather().await;
                let Some(round) = self.next_round() else { break };
                self.gathered_at = Instant::now() + GATHER;
                self.post(round).await;
            }
        }
        if let Err(error) = self.store.leave(self.host).await {
            tracing::warn!(%error, "the leases could not be given back; others will find this program gone");
        }
    }

    fn is_done(&self) -> bool {
        let desk = self.shared.desk();
        desk.closing && desk.open == 0 && desk.settled.is_empty() && desk.wants.is_empty()
    }

    /// Lets entries come together.
    async fn gather(&self) {
        let urgent = self.shared.urgent.notified(); // hears of who comes from now on
        let is_urgent = !self.shared.desk().wants.is_empty();
        if !is_urgent && Instant::now() < self.gathered_at {
            timeout_at(self.gathered_at, urgent).await.ok(); // whichever comes first
        }
    }

    fn next_round(&mut self) -> Option<Round> {
        let now_ms = (self.shared.clock)();
        let mut desk = self.shared.desk();
        let mut idle = Vec::new();
        if Instant::now() >= self.idle_at {
            idle = desk.idle(now_ms);
            self.idle_at = Instant::now() + IDLE_EVERY;
        }
        desk.form(idle, now_ms)
    }

    async fn post(&mut self, round: Round) {
        let posted = timeout(POST_WAIT_MAX, self.store.post(self.host, &round.batch)).await;
        let posted = posted.unwrap_or_else(|_| Err(too_slow()));
        let news = match &posted {
            Ok(posted) => {
                self.pause = PAUSE_MIN;
                self.shared.desk().posted(round, posted)
            }
            Err(error) => self.shared.desk().failed(round, error),
        };
        self.tell(news);
        self.publish();
        match posted {
            Err(error) if error.kind == StorageErrorKind::Expelled => self.join_anew().await,
            Err(error) => {
                tracing::warn!(%error, "the ledger is away; what is settled is kept");
                self.rest().await;
            }
            Ok(_) => {}
        }
    }

    fn tell(&self, news: News) {
        for (want, told) in news.wants {
            let told = told.map(|()| Reservation::new(self.shared.clone(), want.ticket));
            // Whoever left drops the reservation with the message, and it gives itself back.
            want.answer.send(told).ok();
        }
        for (settled, told) in news.settled {
            if let Some(answer) = settled.answer {
                answer.send(told).ok(); // nobody waits any more
            }
        }
    }

    async fn keep_up(&mut self) {
        let now_ms = (self.shared.clock)();
        let state = timeout(POST_WAIT_MAX, self.store.upkeep(self.host, now_ms)).await;
        match state.unwrap_or_else(|_| Err(too_slow())) {
            Ok(state) => self.shared.desk().heard(now_ms, state),
            Err(error) if error.kind == StorageErrorKind::Expelled => self.join_anew().await,
            Err(error) => tracing::warn!(%error, "the database is away"),
        }
        self.publish();
    }

    /// Others may have our leases by now: what is open is leased anew with the next batch.
    async fn join_anew(&mut self) {
        tracing::warn!("others took this program for gone; it joins again");
        self.shared.desk().expelled();
        match self.store.join((self.shared.clock)()).await {
            Ok(host) => self.host = host,
            Err(error) => {
                tracing::warn!(%error, "the database is away");
                self.rest().await;
            }
        }
    }

    fn publish(&self) {
        let state = self.shared.desk().state;
        self.shared.state.send_if_modified(|known| std::mem::replace(known, state) != state);
    }

    async fn rest(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

fn too_slow() -> StorageError {
    StorageError::new(
        StorageErrorKind::Unavailable,
        "the database takes too long",
        "Look at the load of the database's machine and the network to it.",
    )
}
