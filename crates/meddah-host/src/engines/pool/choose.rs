//! Which engine a request goes to: the same one for the same conversation, so that its prompt is still cached
//! there, unless that one has more than its fair share of the load.
//!
//! Weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights by Schindelhauer and Schomaker, 2005) orders
//! the engines for each affinity; the first in order takes the request that has less than 1.25 times its share
//! (consistent hashing with bounded loads: Mirrokni, Thorup and Zadimoghaddam, 2018) and a slot that is free.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// No engine gets more than this times its share of what runs, while another has room.
const LOAD_BOUND: f64 = 1.25;

/// An engine that may take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Names the engine; [`key`].
    pub key: u64,
    /// Requests that it takes at a time.
    pub slots: u32,
    /// Slots that are taken.
    pub taken: u32,
}

/// A key for a name; the same as long as the program is.
pub fn key(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The place of the engine that takes a request, or `None` if no slot is free.
pub fn choose(affinity: u64, candidates: &[Candidate]) -> Option<usize> {
    let (slots, taken) = candidates.iter().fold((0u64, 0u64), |(slots, taken), candidate| {
        (slots + u64::from(candidate.slots), taken + u64::from(candidate.taken))
    });
    let fair = |candidate: &Candidate| {
        let share = f64::from(candidate.slots) / slots as f64;
        f64::from(candidate.taken) < (LOAD_BOUND * (taken + 1) as f64 * share).ceil()
    };
    let score = |candidate: &Candidate| {
        let mut hasher = DefaultHasher::new();
        (affinity, candidate.key).hash(&mut hasher);
        // Uniform in (0, 1); the largest of -weight / ln(u) falls to each with its weight's probability.
        let uniform = ((hasher.finish() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -f64::from(candidate.slots) / uniform.ln()
    };
    let free = candidates.iter().enumerate().filter(|(_, candidate)| candidate.taken < candidate.slots);
    let ranked = free.map(|(place, candidate)| (fair(candidate), score(candidate), place));
    ranked.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, place)| place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn engines(shapes: &[(u32, u32)]) -> Vec<Candidate> {
        let engine = |(place, (slots, taken)): (usize, &(u32, u32))| Candidate {
            key: key(&format!("engine {place}")),
            slots: *slots,
            taken: *taken,
        };
        shapes.iter().enumerate().map(engine).collect()
    }

    #[test]
    fn a_conversation_stays_where_it_was() {
        let idle = engines(&[(8, 0), (8, 0), (8, 0)]);
        let busy = engines(&[(8, 3), (8, 3), (8, 3)]);
        for affinity in 0..100 {
            let first = choose(affinity, &idle);
            assert_eq!(choose(affinity, &idle), first);
            assert_eq!(choose(affinity, &busy), first);
        }
    }

    #[test]
    fn engines_get_conversations_by_their_slots() {
        let engines = engines(&[(2, 0), (6, 0)]);
        let small = (0..10_000).filter(|affinity| choose(*affinity, &engines) == Some(0)).count();
        assert!((2_300..=2_700).contains(&small), "{small}");
    }

    #[test]
    fn an_engine_that_comes_or_goes_moves_only_its_own_conversations() {
        let three = engines(&[(8, 0), (8, 0), (8, 0)]);
        let two = &three[..2];
        for affinity in 0..1000 {
            let before = choose(affinity, &three);
            assert!(before == Some(2) || choose(affinity, two) == before);
        }
    }

    #[test]
    fn one_conversation_that_everybody_has_spreads_within_the_bound() {
        let mut engines = engines(&[(32, 0), (32, 0), (32, 0), (32, 0)]);
        for running in 1..=128u32 {
            let place = choose(7, &engines).unwrap();
            engines[place].taken += 1;
            let most = engines.iter().map(|engine| engine.taken).max().unwrap();
            assert!(f64::from(most) <= (1.25 * f64::from(running) / 4.0).ceil(), "{running}: {engines:?}");
        }
        assert_eq!(choose(7, &engines), None);
    }

    proptest! {
        #[test]
        fn a_free_slot_is_always_found_and_a_taken_one_never_given(
            affinity in any::<u64>(),
            shapes in prop::collection::vec((0u32..6, 0u32..6), 0..6),
        ) {
            let engines = engines(&shapes);
            match choose(affinity, &engines) {
                Some(place) => prop_assert!(engines[place].taken < engines[place].slots),
                None => prop_assert!(engines.iter().all(|engine| engine.taken >= engine.slots)),
            }
        }
    }
}
