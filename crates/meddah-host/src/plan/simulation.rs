//! The simulation: events in order of time, with the real scheduler between players and engines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use super::PlanError;
use super::engine::{Engine, Nanos, Point};
use super::outcome::{Outcome, Percentiles, Served, jain};
use super::players::{Dice, Wish};
use super::scenario::{Order, Scenario, positive};
use crate::admission::{Asking, Scheduler, Shed, Ticket, Verdict};
use crate::player::{Class, PlayerId};

/// Plays a scenario. The same scenario gives the same outcome.
///
/// # Errors
/// A figure of the scenario makes no sense.
pub fn simulate(scenario: &Scenario) -> Result<Outcome, PlanError> {
    scenario.machine.check()?;
    scenario.habits.check()?;
    positive("machines", f64::from(scenario.machines))?;
    positive("duration", scenario.duration.as_secs_f64())?;
    let mut simulation = Simulation::new(scenario);
    simulation.run();
    Ok(simulation.outcome())
}

/// Who asks: players first, then those who flood.
type Who = usize;

struct Simulation<'a> {
    scenario: &'a Scenario,
    scheduler: Scheduler,
    engines: Vec<Engine>,
    dice: Dice,
    ids: Vec<PlayerId>,
    now: Nanos,
    end: Nanos,
    /// When who asks next; the number keeps equal times in order.
    arrivals: BinaryHeap<Reverse<(Nanos, u64, Who)>>,
    arrivals_ever: u64,
    requests: HashMap<Ticket, Request>,
    /// By class, and of those who flood.
    seen: [Seen; Class::ALL.len() + 1],
    /// Output tokens by who asked for them.
    tokens_asked: Vec<u64>,
    tokens_got: Vec<u64>,
    busy: f64,
}

struct Request {
    who: Who,
    asked_at: Nanos,
    wish: Wish,
    engine: usize,
}

#[derive(Default)]
struct Seen {
    served: Served,
    first_token: Vec<Duration>,
    wait: Vec<Duration>,
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut admission = scenario.admission.clone();
        if scenario.order == Order::FirstCome {
            // All are one player then, to whom no player's limit may apply.
            admission.live.waiting_of_player_max = u32::MAX;
        }
        let mut scheduler = Scheduler::new(admission, scenario.seed);
        scheduler.set_slots(scenario.machine.slots.saturating_mul(scenario.machines));
        let people = scenario.players as usize + scenario.flood.players as usize;
        let name = |number: usize| match scenario.order {
            Order::Fair => PlayerId::from(format!("{number}")),
            Order::FirstCome => PlayerId::from("all"),
        };
        let mut simulation = Simulation {
            scenario,
            scheduler,
            engines: (0..scenario.machines).map(|_| Engine::new(scenario.machine.clone())).collect(),
            dice: Dice::new(scenario.habits.clone(), scenario.seed),
            ids: (0..people).map(name).collect(),
            now: 0,
            end: nanos(scenario.duration),
            arrivals: BinaryHeap::new(),
            arrivals_ever: 0,
            requests: HashMap::new(),
            seen: Default::default(),
            tokens_asked: vec![0; people],
            tokens_got: vec![0; people],
            busy: 0.0,
        };
        simulation.invite();
        simulation
    }

    /// The first requests.
    fn invite(&mut self) {
        for who in 0..self.ids.len() {
            if self.floods(who) {
                (0..self.scenario.flood.outstanding).for_each(|_| self.arrive_at(0, who));
            } else {
                let first = self.dice.gap();
                self.arrive_at(first, who);
            }
        }
    }

    fn run(&mut self) {
        while let Some(next) = self.next_event().filter(|next| *next <= self.end) {
            self.pass(next);
            if self.arrivals.peek().is_some_and(|Reverse((at, ..))| *at <= next) {
                self.arrive();
            } else if let Some(engine) = self.engines.iter().position(|engine| engine.next() == Some(next)) {
                self.reach(engine);
            }
            self.follow();
        }
        self.pass(self.end);
    }

    fn next_event(&self) -> Option<Nanos> {
        let arrival = self.arrivals.peek().map(|Reverse((at, ..))| *at);
        let engines = self.engines.iter().filter_map(Engine::next);
        let deadline = self.scheduler.next_deadline().map(nanos);
        engines.chain(arrival).chain(deadline).min()
    }

    fn pass(&mut self, to: Nanos) {
        let running: u32 = self.engines.iter().map(Engine::running).sum();
        self.busy += f64::from(running) * (to - self.now) as f64;
        self.now = to;
    }

    fn arrive(&mut self) {
        let Some(Reverse((_, _, who))) = self.arrivals.pop() else { return };
        let floods = self.floods(who);
        let wish = if floods { self.dice.live_wish() } else { self.dice.wish() };
        if !floods {
            let gap = self.dice.gap();
            self.arrive_at(self.now + gap, who);
        }
        self.seen_of(who, wish.class).served.asked += 1;
        self.tokens_asked[who] += u64::from(wish.usage.output_tokens);
        match self.scheduler.ask(Duration::from_nanos(self.now), self.asking(who, wish)) {
            Ok(asked) => {
                self.requests.insert(asked.ticket, Request { who, asked_at: self.now, wish, engine: 0 });
            }
            Err(shed) => self.turned_away(who, wish.class, shed),
        }
    }

    /// The host knows the prompt, and of the answer what such answers usually have.
    fn asking(&self, who: Who, wish: Wish) -> Asking {
        let habits = &self.scenario.habits;
        let (class, concurrent) = match self.scenario.order {
            Order::Fair => (wish.class, habits.concurrent),
            Order::FirstCome => (Class::Live, u32::MAX),
        };
        Asking {
            player: self.ids[who].clone(),
            class,
            weight: 1,
            concurrent,
            prompt_tokens: wish.usage.prompt_tokens,
            output_tokens: habits.output.mean() as u32,
            patience: Duration::MAX,
        }
    }

    /// What the scheduler has decided.
    fn follow(&mut self) {
        while let Some(verdict) = self.scheduler.poll(Duration::from_nanos(self.now)) {
            match verdict {
                Verdict::Start(ticket) => self.start(ticket),
                Verdict::Refuse(ticket, shed) => {
                    if let Some(request) = self.requests.remove(&ticket) {
                        self.turned_away(request.who, request.wish.class, shed);
                    }
                }
            }
        }
    }

    /// On the machine that has least to do.
    fn start(&mut self, ticket: Ticket) {
        let least = self.engines.iter().enumerate().min_by_key(|(_, engine)| engine.running());
        let (Some((index, _)), Some(request)) = (least, self.requests.get_mut(&ticket)) else { return };
        request.engine = index;
        let (who, class, usage) = (request.who, request.wish.class, request.wish.usage);
        let wait = Duration::from_nanos(self.now - request.asked_at);
        let to_read = f64::from(usage.prompt_tokens - usage.cached_tokens);
        self.engines[index].start(self.now, ticket, to_read, usage.output_tokens);
        self.seen_of(who, class).wait.push(wait);
    }

    fn reach(&mut self, engine: usize) {
        let Some((ticket, point)) = self.engines[engine].reach(self.now) else { return };
        let Some(request) = self.requests.get(&ticket) else { return };
        let (who, wish, since) =
            (request.who, request.wish, Duration::from_nanos(self.now - request.asked_at));
        match point {
            Point::FirstToken => self.seen_of(who, wish.class).first_token.push(since),
            Point::End => {
                self.requests.remove(&ticket);
                self.scheduler.used(ticket, wish.usage);
                self.scheduler.end(Duration::from_nanos(self.now), ticket);
                self.seen_of(who, wish.class).served.answered += 1;
                self.tokens_got[who] += u64::from(wish.usage.output_tokens);
                if self.floods(who) {
                    self.arrive_at(self.now, who);
                }
            }
        }
    }

    fn turned_away(&mut self, who: Who, class: Class, shed: Shed) {
        self.seen_of(who, class).served.shed += 1;
        if self.floods(who) {
            self.arrive_at(self.now + nanos(shed.retry_after), who);
        }
    }

    fn arrive_at(&mut self, at: Nanos, who: Who) {
        self.arrivals_ever += 1;
        self.arrivals.push(Reverse((at, self.arrivals_ever, who)));
    }

    fn floods(&self, who: Who) -> bool {
        who >= self.scenario.players as usize
    }

    fn seen_of(&mut self, who: Who, class: Class) -> &mut Seen {
        let kind = if self.floods(who) { Class::ALL.len() } else { class as usize };
        &mut self.seen[kind]
    }

    fn outcome(self) -> Outcome {
        let players = self.scenario.players as usize;
        let slots = f64::from(self.scenario.machine.slots) * f64::from(self.scenario.machines);
        let share = |of: u64, all: u64| if all == 0 { 0.0 } else { of as f64 / all as f64 };
        let flood_tokens = self.tokens_got[players..].iter().sum();
        let flood_token_share = share(flood_tokens, self.tokens_got.iter().sum());
        let asked =
            self.tokens_asked[..players].iter().zip(&self.tokens_got).filter(|(asked, _)| **asked > 0);
        let jain_of_players = jain(asked.map(|(asked, got)| share(*got, *asked)));
        let flood_jain = jain(self.tokens_got[players..].iter().map(|got| *got as f64));
        let [live, session, ambient, flood] = self.seen.map(Seen::served);
        let classes = [live, session, ambient];
        let shed_share = share(
            classes.iter().map(|served| served.shed).sum(),
            classes.iter().map(|served| served.asked).sum(),
        );
        let utilisation = self.busy / (slots * self.end as f64);
        Outcome {
            classes,
            flood,
            utilisation,
            shed_share,
            flood_token_share,
            jain: jain_of_players,
            flood_jain,
        }
    }
}

impl Seen {
    fn served(self) -> Served {
        let (first_token, wait) = (Percentiles::of(self.first_token), Percentiles::of(self.wait));
        Served { first_token, wait, ..self.served }
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}
