//! What players get of the slots when they all want more.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::admission::Usage;

/// Tokens of prompt and answer of a request are below this.
const TOKENS_MAX: u32 = 500;

/// Players who always have a request waiting, and what each has got.
struct Backlogged {
    scheduler: Scheduler,
    running: Vec<(Ticket, usize)>,
    owners: HashMap<Ticket, usize>,
    /// Costs in tenths of a token, by player.
    got: Vec<u64>,
    weights: Vec<u32>,
    now: Duration,
}

impl Backlogged {
    fn new(slots: u32, weights: &[u32], sizes: &mut impl Iterator<Item = u32>) -> Self {
        let mut all = Backlogged {
            scheduler: with_slots(roomy(), slots),
            running: Vec::new(),
            owners: HashMap::new(),
            got: vec![0; weights.len()],
            weights: weights.to_vec(),
            now: Duration::ZERO,
        };
        // As many waiting as there are slots, so that none ever has nothing.
        for player in 0..weights.len() {
            for _ in 0..=slots {
                all.ask(player, sizes);
            }
        }
        all.start(sizes);
        all
    }

    fn ask(&mut self, player: usize, sizes: &mut impl Iterator<Item = u32>) {
        let mut asking = asking(&format!("player {player}"), Class::Live);
        asking.weight = self.weights[player];
        asking.prompt_tokens = sizes.next().unwrap();
        asking.output_tokens = sizes.next().unwrap();
        let ticket = self.scheduler.ask(self.now, asking).unwrap().ticket;
        self.owners.insert(ticket, player);
    }

    /// Starts what may start, and gives whose requests those were.
    fn start(&mut self, sizes: &mut impl Iterator<Item = u32>) -> Vec<usize> {
        let mut players = Vec::new();
        for ticket in starts(&mut self.scheduler, self.now) {
            let player = self.owners[&ticket];
            self.running.push((ticket, player));
            players.push(player);
            self.ask(player, sizes);
        }
        players
    }

    /// One of the running requests ends, having used what nobody estimated.
    fn end(&mut self, which: usize, sizes: &mut impl Iterator<Item = u32>) -> Vec<usize> {
        let (ticket, player) = self.running.swap_remove(which % self.running.len());
        let prompt_tokens = sizes.next().unwrap();
        let usage =
            Usage { prompt_tokens, cached_tokens: prompt_tokens / 2, output_tokens: sizes.next().unwrap() };
        self.now += SECOND;
        self.scheduler.used(ticket, usage);
        self.scheduler.end(self.now, ticket);
        self.got[player] += usage.cost();
        self.start(sizes)
    }
}

fn most_of_a_request() -> u64 {
    Usage { prompt_tokens: TOKENS_MAX, cached_tokens: 0, output_tokens: TOKENS_MAX }.cost()
}

fn sizes(seed: Vec<u32>) -> impl Iterator<Item = u32> {
    seed.into_iter().cycle()
}

proptest! {
    /// The bound of the paper, 2 max(w_p L, w_q M), with M the work that fits into the slots; by the argument of its
    /// proof half of that holds where estimates are charged at the start: whoever is ahead started last while the
    /// counter was the least, and since then only what runs can have been added.
    #[test]
    fn the_gap_between_backlogged_players_of_equal_weight_is_bounded(
        slots in 1_u32..6,
        players in 2_usize..5,
        ends in prop::collection::vec(any::<usize>(), 1..300),
        seed in prop::collection::vec(1..TOKENS_MAX, 7..40),
    ) {
        let mut sizes = sizes(seed);
        let mut all = Backlogged::new(slots, &vec![1; players], &mut sizes);
        for which in ends {
            all.end(which, &mut sizes);
            let gap = all.got.iter().max().unwrap() - all.got.iter().min().unwrap();
            prop_assert!(gap <= u64::from(slots) * most_of_a_request(), "{gap}: {:?}", all.got);
        }
    }

    /// Between two starts of a player every other one gets at most what brings their counter past the player's.
    #[test]
    fn nobody_starves_within_a_class(
        slots in 1_u32..6,
        players in 2_usize..6,
        ends in prop::collection::vec(any::<usize>(), 1..300),
        seed in prop::collection::vec(100..TOKENS_MAX, 7..40),
    ) {
        let mut sizes = sizes(seed);
        let mut all = Backlogged::new(slots, &vec![1; players], &mut sizes);
        let least = Usage { prompt_tokens: 100, cached_tokens: 50, output_tokens: 100 }.cost();
        let starts_max = players * (2 * slots as usize + 2) * most_of_a_request().div_ceil(least) as usize;
        let mut since = vec![0; players];
        for which in ends {
            for player in all.end(which, &mut sizes) {
                since.iter_mut().for_each(|starts| *starts += 1);
                since[player] = 0;
            }
            prop_assert!(since.iter().all(|starts| *starts <= starts_max), "{since:?} of {starts_max}");
        }
    }
}

#[test]
fn a_weight_of_three_gets_three_times_as_much() {
    let mut sizes = sizes((1..TOKENS_MAX).map(|n| n * 7919 % TOKENS_MAX).collect());
    let mut all = Backlogged::new(4, &[1, 3], &mut sizes);
    for which in 0..4_000 {
        all.end(which * 31, &mut sizes);
    }
    let ratio = all.got[1] as f64 / all.got[0] as f64;
    assert!((2.9..3.1).contains(&ratio), "{ratio}");
}

#[test]
fn a_crowd_of_players_who_pass_by_is_not_remembered() {
    let mut scheduler = with_slots(roomy(), 4);
    let mut running = std::collections::VecDeque::new();
    for number in 0..20_000 {
        scheduler.ask(SECOND, asking(&format!("passer-by {number}"), Class::Live)).unwrap();
        scheduler.ask(SECOND, asking("regular", Class::Live)).unwrap();
        running.extend(starts(&mut scheduler, SECOND));
        for _ in 0..2 {
            if let Some(ticket) = running.pop_front() {
                scheduler.end(SECOND, ticket);
                running.extend(starts(&mut scheduler, SECOND));
            }
        }
    }
    let figures = scheduler.figures();
    let live = figures.of(Class::Live);
    assert!(live.players <= live.waiting + live.running + 8, "{live:?}");
}
