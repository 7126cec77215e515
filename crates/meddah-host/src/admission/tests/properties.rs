//! What holds whatever happens, in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::admission::Usage;

const PLAYERS: u32 = 6;
const SLOTS_MAX: u32 = 5;

#[derive(Clone, Debug)]
enum Happens {
    Ask {
        player: u32,
        class: Class,
        concurrent: u32,
        prompt: u32,
        output: u32,
        patience: u64,
    },
    /// One of the living requests.
    Used {
        which: usize,
        prompt: u32,
        output: u32,
    },
    End {
        which: usize,
    },
    Slots(u32),
    Passes {
        milliseconds: u64,
    },
    Drain,
}

fn happens() -> impl Strategy<Value = Happens> {
    let class = prop::sample::select(Class::ALL.to_vec());
    prop_oneof![
        12 => (0..PLAYERS, class, 1..4_u32, 0..3_000_u32, 0..500_u32, 1..60_000_u64).prop_map(
            |(player, class, concurrent, prompt, output, patience)| {
                Happens::Ask { player, class, concurrent, prompt, output, patience }
            }
        ),
        3 => (any::<usize>(), 0..3_000_u32, 0..500_u32)
            .prop_map(|(which, prompt, output)| Happens::Used { which, prompt, output }),
        8 => any::<usize>().prop_map(|which| Happens::End { which }),
        1 => (0..=SLOTS_MAX).prop_map(Happens::Slots),
        4 => (1..5_000_u64).prop_map(|milliseconds| Happens::Passes { milliseconds }),
    ]
}

fn tight() -> AdmissionSettings {
    let mut settings = AdmissionSettings { kept_for_live: 1, ..AdmissionSettings::default() };
    settings.live.waiting_max = 12;
    settings.session.waiting_max = 6;
    settings.ambient.waiting_max = 4;
    settings
}

struct Request {
    player: u32,
    class: Class,
    concurrent: u32,
}

/// Plays a history and checks after each step; gives what was decided.
#[derive(Default)]
struct History {
    waiting: BTreeMap<Ticket, Request>,
    running: BTreeMap<Ticket, Request>,
    ended: BTreeSet<Ticket>,
    /// By player and class: the last request names the limit.
    concurrent: BTreeMap<(u32, Class), u32>,
    slots: u32,
    now: Duration,
    decided: Vec<String>,
}

impl History {
    fn play(steps: &[Happens]) -> Self {
        let mut history = History::default();
        let mut scheduler = Scheduler::new(tight(), 7);
        for step in steps {
            let started_before = history.running.len();
            history.happen(&mut scheduler, step);
            history.follow(&mut scheduler);
            history.check(&scheduler, started_before);
        }
        history
    }

    fn happen(&mut self, scheduler: &mut Scheduler, step: &Happens) {
        match step {
            Happens::Ask { player, class, concurrent, prompt, output, patience } => {
                let asking = Asking {
                    concurrent: *concurrent,
                    prompt_tokens: *prompt,
                    output_tokens: *output,
                    patience: Duration::from_millis(*patience),
                    ..asking(&player.to_string(), *class)
                };
                let asked = scheduler.ask(self.now, asking);
                self.decided.push(format!("{asked:?}"));
                if let Ok(asked) = asked {
                    self.concurrent.insert((*player, *class), *concurrent);
                    let request = Request { player: *player, class: *class, concurrent: *concurrent };
                    assert!(self.waiting.insert(asked.ticket, request).is_none());
                }
            }
            Happens::Used { which, prompt, output } => {
                if let Some(ticket) = self.living(*which) {
                    let usage = Usage { prompt_tokens: *prompt, cached_tokens: 0, output_tokens: *output };
                    scheduler.used(ticket, usage);
                }
            }
            Happens::End { which } => {
                if let Some(ticket) = self.living(*which) {
                    assert!(scheduler.end(self.now, ticket));
                    assert!(!scheduler.end(self.now, ticket), "twice");
                    self.waiting.remove(&ticket).or(self.running.remove(&ticket)).unwrap();
                    self.ended.insert(ticket);
                }
            }
            Happens::Slots(slots) => {
                self.slots = *slots;
                scheduler.set_slots(*slots);
            }
            Happens::Passes { milliseconds } => self.now += Duration::from_millis(*milliseconds),
            Happens::Drain => scheduler.drain(),
        }
    }

    fn living(&self, which: usize) -> Option<Ticket> {
        let living = self.waiting.len() + self.running.len();
        let which = which.checked_rem(living)?;
        self.waiting.keys().chain(self.running.keys()).nth(which).copied()
    }

    fn follow(&mut self, scheduler: &mut Scheduler) {
        for verdict in verdicts(scheduler, self.now) {
            self.decided.push(format!("{verdict:?}"));
            match verdict {
                Verdict::Start(ticket) => {
                    let request = self.waiting.remove(&ticket).expect("it waited");
                    self.running.insert(ticket, request);
                }
                Verdict::Refuse(ticket, _) => {
                    self.waiting.remove(&ticket).expect("it waited");
                    assert!(self.ended.insert(ticket));
                    assert!(!scheduler.end(self.now, ticket), "it ended when it was refused");
                }
            }
        }
    }

    fn check(&self, scheduler: &Scheduler, running_before: usize) {
        let slots = self.slots as usize;
        assert!(self.running.len() <= slots.max(running_before), "{} run in {slots}", self.running.len());
        for request in self.waiting.values() {
            assert!(!self.may_run(request), "a slot is free for a {:?} request that waits", request.class);
        }
        for class in Class::ALL {
            let figures = scheduler.figures();
            let count = |requests: &BTreeMap<Ticket, Request>| {
                requests.values().filter(|request| request.class == class).count() as u64
            };
            assert_eq!(figures.of(class).waiting, count(&self.waiting));
            assert_eq!(figures.of(class).running, count(&self.running));
            assert!(figures.of(class).waiting <= u64::from(tight().class(class).waiting_max.max(1)));
        }
    }

    /// As the settings say it, told without the scheduler.
    fn may_run(&self, request: &Request) -> bool {
        let kept = if request.class == Class::Live { 0 } else { 1.min(self.slots.saturating_sub(1)) };
        let of_player = self
            .running
            .values()
            .filter(|other| (other.player, other.class) == (request.player, request.class))
            .count();
        let concurrent = self.concurrent[&(request.player, request.class)];
        debug_assert!(request.concurrent > 0);
        self.running.len() < (self.slots - kept) as usize && of_player < concurrent as usize
    }
}

proptest! {
    #[test]
    fn slots_are_never_exceeded_nor_idle_and_each_ticket_ends_once(
        steps in prop::collection::vec(happens(), 1..200)
    ) {
        let mut steps = steps;
        steps.insert(0, Happens::Slots(3));
        steps.push(Happens::Drain);
        let history = History::play(&steps);
        prop_assert!(history.waiting.is_empty(), "draining leaves nobody waiting");
    }

    #[test]
    fn the_same_history_has_the_same_outcome(steps in prop::collection::vec(happens(), 1..100)) {
        prop_assert_eq!(History::play(&steps).decided, History::play(&steps).decided);
    }
}
