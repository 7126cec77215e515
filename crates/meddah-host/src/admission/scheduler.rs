//! Who may use a slot next. Pure: time is an argument, and the same calls give the same answers.
//!
//! The caller tells what happens (`ask`, `used`, `end`, `set_slots`, `drain`) and then calls [`Scheduler::poll`] until it
//! gives nothing more. Every operation takes O(log n) of the players and requests of its class; a forecast looks
//! besides at what the players next in turn and the one who asks have waiting, which is bounded.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::SeedableRng;

use super::asking::{Asking, Place, Shed, ShedReason, Ticket};
use super::cost::{Usage, virtual_cost};
use super::figures::GateFigures;
use super::pace::Pace;
use super::queue::FairQueue;
use super::settings::AdmissionSettings;
use crate::player::{Class, PlayerId};

/// Shares slots out among players.
pub struct Scheduler {
    pub(super) settings: AdmissionSettings,
    pub(super) queues: [FairQueue; Class::ALL.len()],
    requests: HashMap<Ticket, Request>,
    /// When the patience of those who wait ends.
    deadlines: BTreeSet<(Duration, Ticket)>,
    /// Turned away while they waited, and not yet told.
    refused: VecDeque<(Ticket, Shed)>,
    pub(super) slots: u32,
    pub(super) running: [u32; Class::ALL.len()],
    pub(super) pace: Pace,
    pub(super) jitter: Pcg32,
    draining: bool,
    figures: GateFigures,
    last_ticket: u64,
}

/// A request from its ticket to its end.
struct Request {
    player: PlayerId,
    class: Class,
    cost: u64,
    weight: u32,
    phase: Phase,
}

enum Phase {
    Waiting {
        deadline: Duration,
    },
    /// `estimate` and `certain` are virtual costs; `certain` is there once usage was reported.
    Running {
        since: Duration,
        estimate: u64,
        certain: Option<u64>,
    },
}

/// A request that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name from now on.
    pub ticket: Ticket,
    /// Where it stands.
    pub place: Place,
}

/// What becomes of a waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has a slot, until [`Scheduler::end`].
    Start(Ticket),
    /// It was turned away, and has ended.
    Refuse(Ticket, Shed),
}

impl Scheduler {
    /// Without slots at first. The seed is that of the jitter in `retry_after`.
    pub fn new(settings: AdmissionSettings, seed: u64) -> Self {
        let guess = Duration::from_millis(settings.hold_guess_ms);
        Scheduler {
            settings,
            queues: Default::default(),
            requests: HashMap::new(),
            deadlines: BTreeSet::new(),
            refused: VecDeque::new(),
            slots: 0,
            running: [0; Class::ALL.len()],
            pace: Pace::new(guess),
            jitter: Pcg32::seed_from_u64(seed),
            draining: false,
            figures: GateFigures::default(),
            last_ticket: 0,
        }
    }

    /// How many requests may run. When there are fewer than run, none is cut; the next one starts when there is room.
    pub fn set_slots(&mut self, slots: u32) {
        self.slots = slots;
    }

    /// A request wants a slot.
    ///
    /// # Errors
    /// It is turned away at once; it was never in the queue.
    pub fn ask(&mut self, now: Duration, asking: Asking) -> Result<Asked, Shed> {
        let class = asking.class;
        self.consider(now, &asking).map_err(|(why, retry_after)| {
            self.figures.of_mut(class).count_shed(why);
            Shed { why, retry_after }
        })
    }

    fn consider(&mut self, now: Duration, asking: &Asking) -> Result<Asked, (ShedReason, Duration)> {
        let Asking { player, class, .. } = asking;
        let limits = *self.settings.class(*class);
        if self.draining {
            let retry = Duration::from_millis(self.settings.drain_retry_ms);
            return Err((ShedReason::Draining, self.spread(retry)));
        }
        let patience = asking.patience.min(limits.patience());
        let mut place = Place { position: 1, wait: Duration::ZERO };
        if !self.starts_at_once(asking) {
            if self.queues[*class as usize].waiting_of(player) >= limits.waiting_of_player_max as usize {
                let retry = self.drain_time_of_player(asking);
                return Err((ShedReason::TooManyOfPlayer, self.spread(retry)));
            }
            place = self.forecast(asking, patience).ok_or_else(|| {
                let retry = self.drain_time(*class);
                (ShedReason::WouldWaitTooLong, self.spread(retry))
            })?;
            self.make_room(player, *class)?;
        }
        Ok(Asked { ticket: self.enqueue(asking, now.saturating_add(patience)), place })
    }

    /// The class's queue has room, or gets it from whoever waits for most, so that a few players cannot fill it and
    /// keep the others out.
    fn make_room(&mut self, player: &PlayerId, class: Class) -> Result<(), (ShedReason, Duration)> {
        let queue = &self.queues[class as usize];
        if queue.waiting() < self.settings.class(class).waiting_max as usize {
            return Ok(());
        }
        let own = queue.waiting_of(player);
        let longest = queue.last_of_longest();
        let retry_after = self.drain_time(class);
        let retry_after = self.spread(retry_after);
        match longest {
            Some((waiting, last)) if waiting > own + 1 => {
                self.refuse(last, Shed { why: ShedReason::QueueFull, retry_after });
                Ok(())
            }
            _ => Err((ShedReason::QueueFull, retry_after)),
        }
    }

    fn enqueue(&mut self, asking: &Asking, deadline: Duration) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let Asking { player, class, weight, concurrent, prompt_tokens, output_tokens, .. } = asking.clone();
        let cost = Usage { prompt_tokens, cached_tokens: 0, output_tokens }.cost();
        self.queues[class as usize].push(&player, ticket, cost, weight, concurrent);
        self.deadlines.insert((deadline, ticket));
        let phase = Phase::Waiting { deadline };
        self.requests.insert(ticket, Request { player, class, cost, weight, phase });
        ticket
    }

    /// What has been decided, one by one; to be called until there is nothing more.
    pub fn poll(&mut self, now: Duration) -> Option<Verdict> {
        self.expire(now);
        if let Some((ticket, shed)) = self.refused.pop_front() {
            return Some(Verdict::Refuse(ticket, shed));
        }
        let class = Class::ALL.into_iter().find(|class| self.may_start(*class))?;
        let ticket = self.queues[class as usize].next()?;
        self.start(now, ticket);
        Some(Verdict::Start(ticket))
    }

    /// When [`Scheduler::poll`] has something to say though nothing happens until then.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn may_start(&self, class: Class) -> bool {
        self.has_free_slot(class) && self.queues[class as usize].next().is_some()
    }

    fn start(&mut self, now: Duration, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        let Phase::Waiting { deadline } = request.phase else { return };
        let estimate = virtual_cost(request.cost, request.weight);
        request.phase = Phase::Running { since: now, estimate, certain: None };
        self.deadlines.remove(&(deadline, ticket));
        self.queues[request.class as usize].start(&request.player, ticket, estimate);
        self.pace.count_held(now, &self.running);
        self.running[request.class as usize] += 1;
        self.figures.of_mut(request.class).started += 1;
    }

    fn expire(&mut self, now: Duration) {
        while let Some((deadline, ticket)) = self.deadlines.first().copied()
            && deadline <= now
        {
            let Some(class) = self.requests.get(&ticket).map(|request| request.class) else { return };
            let retry_after = self.drain_time(class);
            let retry_after = self.spread(retry_after);
            self.refuse(ticket, Shed { why: ShedReason::Expired, retry_after });
        }
    }

    fn refuse(&mut self, ticket: Ticket, shed: Shed) {
        if let Some(class) = self.forget_waiting(ticket) {
            self.figures.of_mut(class).count_shed(shed.why);
            self.refused.push_back((ticket, shed));
        }
    }

    fn forget_waiting(&mut self, ticket: Ticket) -> Option<Class> {
        let request = self.requests.remove(&ticket)?;
        if let Phase::Waiting { deadline } = request.phase {
            self.deadlines.remove(&(deadline, ticket));
        }
        self.queues[request.class as usize].withdraw(&request.player, ticket);
        Some(request.class)
    }

    /// What a running request has used so far, all together. The player's counter follows at once; what was reported
    /// is not taken back, so later reports are larger ones.
    pub fn used(&mut self, ticket: Ticket, usage: Usage) {
        let Some(request) = self.requests.get_mut(&ticket) else { return };
        let Phase::Running { estimate, certain, .. } = &mut request.phase else { return };
        let before = certain.unwrap_or(0);
        let after = before.max(virtual_cost(usage.cost(), request.weight));
        *certain = Some(after);
        let less_pending = after.min(*estimate) - before.min(*estimate);
        self.queues[request.class as usize].settle(&request.player, after - before, less_pending);
    }

    /// A request ends: its slot is free, or it waits no more. Without any report of usage it has cost what was
    /// estimated. Says whether there was such a request.
    pub fn end(&mut self, now: Duration, ticket: Ticket) -> bool {
        let Some(request) = self.requests.get(&ticket) else { return false };
        let class = request.class;
        match request.phase {
            Phase::Waiting { .. } => {
                self.forget_waiting(ticket);
                self.figures.of_mut(class).left += 1;
            }
            Phase::Running { since, estimate, certain } => {
                let rest = certain.map_or(estimate, |_| 0);
                let less_pending = estimate - certain.unwrap_or(0).min(estimate);
                self.queues[class as usize].stop(&request.player, rest, less_pending);
                self.pace.count_held(now, &self.running);
                self.pace.learn(now.saturating_sub(since), request.cost);
                self.requests.remove(&ticket);
                self.running[class as usize] -= 1;
                self.figures.of_mut(class).ended += 1;
            }
        }
        true
    }

    /// Nobody is let in any more, and those who wait are turned away. What runs may end.
    pub fn drain(&mut self) {
        self.draining = true;
        let retry = Duration::from_millis(self.settings.drain_retry_ms);
        let waiting: Vec<Ticket> = self.deadlines.iter().map(|(_, ticket)| *ticket).collect();
        for ticket in waiting {
            let retry_after = self.spread(retry);
            self.refuse(ticket, Shed { why: ShedReason::Draining, retry_after });
        }
    }

    /// Counts since the start, and how it stands now.
    pub fn figures(&self) -> GateFigures {
        let mut figures = self.figures.clone();
        figures.slots = self.slots;
        for class in Class::ALL {
            let queue = &self.queues[class as usize];
            let of_class = figures.of_mut(class);
            of_class.waiting = queue.waiting() as u64;
            of_class.running = u64::from(self.running[class as usize]);
            of_class.players = queue.players() as u64;
        }
        figures
    }
}
