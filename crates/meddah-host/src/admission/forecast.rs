//! How long a request will wait, and when the queue will be empty.
//!
//! Slots are freed at an even pace: with n of them busy, one is free every n-th of the time that a request takes. What
//! goes before a request within its class is told by the counters, and everything of more urgent classes goes before
//! it. More urgent requests that come later are not foreseen; instead, the slots that their classes have held of late
//! are taken to stay theirs.

use std::time::Duration;

use rand_pcg::rand_core::Rng;

use super::asking::{Asking, Place, Ticket};
use super::queue::Ahead;
use super::scheduler::Scheduler;
use crate::player::Class;

/// No forecast is longer, in seconds, so that it fits a [`Duration`].
const FORECAST_SECONDS_MAX: f64 = 86_400.0;
/// Asking again sooner makes no sense.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// By then things have changed, whatever the forecast said.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// When there is no slot at all, nobody knows when there will be.
const RETRY_WITHOUT_SLOTS: Duration = Duration::from_secs(5);
/// The jitter is at most this part of the wait.
const JITTER_DIVISOR: u32 = 2;

impl Scheduler {
    /// Where everything that waits stands. Sorts all of it: for now and then, not for each event.
    pub fn places(&self) -> Vec<(Ticket, Place)> {
        let mut places = Vec::new();
        for class in Class::ALL {
            let (before, _) = self.more_urgent(class);
            for (ticket, ahead) in self.queues[class as usize].ahead_of_all() {
                let position = before + ahead.requests + 1;
                places.push((ticket, Place { position, wait: self.wait(class, &ahead) }));
            }
        }
        places
    }

    /// Where a request would stand; `None` if it would wait longer than its patience. Without slots nothing can be
    /// foretold, and patience alone decides.
    pub(super) fn forecast(&self, asking: &Asking, patience: Duration) -> Option<Place> {
        let Asking { player, class, concurrent, .. } = asking;
        let (before, _) = self.more_urgent(*class);
        let queue = &self.queues[*class as usize];
        let ahead = queue.ahead_of_newcomer(player, *concurrent, self.cost_within(patience))?;
        let wait = self.wait(*class, &ahead);
        let soon_enough = self.slots == 0 || wait <= patience;
        soon_enough.then_some(Place { position: before + ahead.requests + 1, wait })
    }

    /// Whether one of the class may start now, as far as slots go.
    pub(super) fn has_free_slot(&self, class: Class) -> bool {
        self.running.iter().sum::<u32>() < self.slots_of(class)
    }

    pub(super) fn starts_at_once(&self, asking: &Asking) -> bool {
        let class = asking.class;
        let queue = &self.queues[class as usize];
        self.has_free_slot(class)
            && self.queues[..=class as usize].iter().all(|queue| queue.next().is_none())
            && queue.waiting_of(&asking.player) == 0
            && queue.running_of(&asking.player) < asking.concurrent.max(1)
    }

    /// Until everything of this class and more urgent ones has started.
    pub(super) fn drain_time(&self, class: Class) -> Duration {
        let (_, before) = self.more_urgent(class);
        let (_, own) = self.queues[class as usize].eligible();
        self.seconds_of_slots(class, self.pace.slot_seconds(before + own) + self.pace.request_seconds())
    }

    /// Until what the player waits for has started, as far as the player's own limit goes.
    pub(super) fn drain_time_of_player(&self, asking: &Asking) -> Duration {
        let queue = &self.queues[asking.class as usize];
        let own = queue.waiting_of(&asking.player) as f64 / f64::from(asking.concurrent.max(1));
        seconds(own * self.pace.request_seconds())
    }

    /// A time to ask again, with jitter.
    pub(super) fn spread(&mut self, retry: Duration) -> Duration {
        let retry = if self.slots == 0 { retry.min(RETRY_WITHOUT_SLOTS) } else { retry };
        let retry = retry.clamp(RETRY_MIN, RETRY_MAX);
        let jitter = f64::from(self.jitter.next_u32()) / f64::from(u32::MAX);
        retry + (retry / JITTER_DIVISOR).mul_f64(jitter)
    }

    fn wait(&self, class: Class, ahead: &Ahead) -> Duration {
        if self.slots == 0 {
            return Duration::MAX;
        }
        let own = f64::from(ahead.own_before) / f64::from(ahead.concurrent.max(1));
        let own = seconds(own * self.pace.request_seconds());
        if self.has_free_slot(class) {
            return own;
        }
        let (_, before) = self.more_urgent(class);
        let work = self.pace.slot_seconds(before + ahead.cost) + self.pace.request_seconds();
        own.max(self.seconds_of_slots(class, work))
    }

    /// Requests that wait in more urgent classes, and what they cost.
    fn more_urgent(&self, class: Class) -> (u32, u64) {
        self.queues[..class as usize].iter().fold((0, 0), |(requests, cost), queue| {
            let (more_requests, more_cost) = queue.eligible();
            (requests + more_requests, cost + more_cost)
        })
    }

    /// Slots that the class may use.
    fn slots_of(&self, class: Class) -> u32 {
        match class {
            Class::Live => self.slots,
            Class::Session | Class::Ambient => {
                self.slots - self.settings.kept_for_live.min(self.slots.saturating_sub(1))
            }
        }
    }

    /// How long the slots that more urgent classes leave take for that much work.
    fn seconds_of_slots(&self, class: Class, work: f64) -> Duration {
        let left = f64::from(self.slots_of(class)) - self.pace.held_by_more_urgent(class);
        seconds(work / left.max(1.0))
    }

    /// The most that may go before a request which starts within this time.
    fn cost_within(&self, patience: Duration) -> u64 {
        if self.slots == 0 {
            return u64::MAX;
        }
        let slot_seconds = patience.as_secs_f64() * f64::from(self.slots);
        (slot_seconds / self.pace.slot_seconds(1).max(f64::MIN_POSITIVE)) as u64
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, FORECAST_SECONDS_MAX))
}
