//! Notices when a game leaves nothing to a reply that somebody waits for.
//!
//! The worker yields to everything else, so a game that keeps every core busy could keep a character silent for
//! a minute. While a reply is waited for and neither words nor processor time come, the worker steps forward
//! a little, and back as soon as nobody waits any more. A model that is only slow has its processor time and
//! stays where it is.

use std::time::{Duration, Instant};

/// Nothing was told for so long while somebody waits.
const SILENT_MAX: Duration = Duration::from_millis(1500);
/// Less of one core than this, in percent, is next to nothing.
const CORE_PERCENT_MIN: u32 = 50;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Ask for a larger share.
    Forward,
    /// Yield to everything again.
    Back,
}

/// How the worker is doing at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
    /// Somebody waits for a reply.
    pub busy: bool,
    /// Pieces of replies that were told so far.
    pub told: u64,
    /// Processor time of all threads so far, if the system says so.
    pub used: Option<Duration>,
}

/// See the top of this file.
#[derive(Default)]
pub struct Crowd {
    forward: bool,
    /// Since when nothing was told, and what was seen then.
    silence: Option<(Instant, Sight)>,
}

impl Crowd {
    /// Called every now and then.
    pub fn look(&mut self, now: Instant, sight: Sight) -> Option<Move> {
        if !sight.busy {
            self.silence = None;
            return std::mem::take(&mut self.forward).then_some(Move::Back);
        }
        let (since, begun) = match self.silence {
            Some((since, begun)) if begun.told == sight.told => (since, begun),
            _ => {
                self.silence = Some((now, sight));
                return None;
            }
        };
        let silent = now.saturating_duration_since(since);
        if self.forward || silent < SILENT_MAX {
            return None;
        }
        let had = sight.used.zip(begun.used).map(|(used, before)| used.saturating_sub(before));
        if had.is_some_and(|had| had * 100 >= silent * CORE_PERCENT_MIN) {
            self.silence = Some((now, sight)); // it is only slow; what comes next is another matter
            return None;
        }
        self.forward = true;
        Some(Move::Forward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every half second; each look says whether it is busy, what was told and what was used, in ms.
    fn moves(looks: &[(bool, u64, Option<u64>)]) -> Vec<(usize, Move)> {
        let (mut crowd, begin) = (Crowd::default(), Instant::now());
        let look = |(place, (busy, told, used)): (usize, &(bool, u64, Option<u64>))| {
            let sight = Sight { busy: *busy, told: *told, used: used.map(Duration::from_millis) };
            let now = begin + Duration::from_millis(500) * place as u32;
            crowd.look(now, sight).map(|to| (place, to))
        };
        looks.iter().enumerate().filter_map(look).collect()
    }

    #[test]
    fn a_reply_that_gets_nothing_is_stepped_forward_for_until_it_ends() {
        let starved = [(true, 0, Some(7)), (true, 0, Some(20)), (true, 0, Some(40)), (true, 0, Some(60))];
        let ends = [(true, 1, Some(900)), (true, 1, Some(900)), (true, 2, Some(900)), (false, 3, Some(950))];
        let all = [&[(false, 0, Some(7))][..], &starved, &ends, &[(false, 3, Some(950))]].concat();
        assert_eq!(moves(&all), [(4, Move::Forward), (8, Move::Back)]);
    }

    #[test]
    fn a_slow_model_and_one_that_talks_stay_where_they_are() {
        let slow: Vec<_> = (0..40).map(|look| (true, 0, Some(look * 500))).collect();
        assert_eq!(moves(&slow), []);
        let talks: Vec<_> = (0..40).map(|look| (true, look / 2, Some(0))).collect();
        assert_eq!(moves(&talks), []);
    }

    #[test]
    fn a_game_that_comes_later_is_noticed_too() {
        let looks: Vec<_> = (0..20).map(|look| (true, 0, Some(look.min(8) * 500))).collect();
        let all = moves(&looks);
        assert!(matches!(all[..], [(place, Move::Forward)] if place <= 14), "{all:?}");
    }

    #[test]
    fn where_the_system_says_nothing_silence_is_enough() {
        assert_eq!(moves(&[(true, 0, None); 5]), [(3, Move::Forward)]);
    }
}
