//! How long to wait before silence is the end.
//!
//! People differ: one pauses for a second to find a word, another never for a quarter of one. So the limit follows the
//! pauses that this speaker made within utterances, and the words so far can make it longer or shorter.

use std::collections::VecDeque;
use std::time::Duration;

use super::SoFar;

/// Pauses of somebody of whom nothing is known, as if they had made them, ms. They make a limit of 0.7 s, and are
/// forgotten first.
const EXPECTED_MS: [u64; 4] = [200, 300, 460, 460];
/// It never gets shorter, so that a slow consonant is no end.
pub const PAUSE_LIMIT_MIN: Duration = Duration::from_millis(320);
/// It never gets longer, so that nobody waits for an answer as if it had been lost.
pub const PAUSE_LIMIT_MAX: Duration = Duration::from_millis(1_600);
/// Silence within words.
const PAUSE_MIN: Duration = Duration::from_millis(150);
/// So many pauses of a speaker count.
const REMEMBERED: usize = 12;
/// Four of five of their pauses should be shorter than the limit even with its margin off.
const SHARE: f32 = 0.8;
const MARGIN: f32 = 1.25;
const MARGIN_MORE: Duration = Duration::from_millis(120);
/// With a sentence that is open, and with one that is complete.
const OPEN: f32 = 1.8;
const OPEN_MIN: Duration = Duration::from_millis(1_100);
const COMPLETE: f32 = 0.75;
/// After a word or two more may come: a name, a "well".
const SHORT_SPEECH: Duration = Duration::from_millis(600);
const SHORT: f32 = 1.1;

/// The pauses of a speaker.
pub struct Pauses(VecDeque<Duration>);

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses(EXPECTED_MS.map(Duration::from_millis).into())
    }
}

impl Pauses {
    /// A pause after which they went on.
    pub fn learn(&mut self, pause: Duration) {
        if pause < PAUSE_MIN {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(pause.min(PAUSE_LIMIT_MAX));
    }

    /// A pause that was taken for the end. It counts twice: to be cut off is worse than to wait.
    pub fn regret(&mut self, pause: Duration) {
        self.learn(pause);
        self.learn(pause);
    }

    /// They spoke for a while without any.
    pub fn learn_none(&mut self) {
        self.learn(PAUSE_MIN);
    }

    /// So long a silence is the end.
    pub fn limit(&self, speech: Duration, so_far: SoFar) -> Duration {
        let limit = self.usual();
        let limit = if speech < SHORT_SPEECH { limit.mul_f32(SHORT) } else { limit };
        let limit = match so_far {
            SoFar::Unknown => limit,
            SoFar::Open => limit.mul_f32(OPEN).max(OPEN_MIN),
            SoFar::Complete => limit.mul_f32(COMPLETE),
        };
        limit.clamp(PAUSE_LIMIT_MIN, PAUSE_LIMIT_MAX)
    }

    fn usual(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let place = ((sorted.len() - 1) as f32 * SHARE).round() as usize;
        sorted[place].mul_f32(MARGIN) + MARGIN_MORE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: Duration = Duration::from_secs(2);

    fn after(pauses_ms: &[u64]) -> Pauses {
        let mut pauses = Pauses::default();
        pauses_ms.iter().for_each(|ms| pauses.learn(Duration::from_millis(*ms)));
        pauses
    }

    #[test]
    fn who_pauses_long_is_waited_for_and_who_does_not_is_answered_soon() {
        let stranger = after(&[]).limit(SPEECH, SoFar::Unknown);
        let slow = after(&[500, 900, 700, 1_100, 800]).limit(SPEECH, SoFar::Unknown);
        let quick = after(&[160, 170, 200, 180, 150, 160, 170, 150, 190, 160, 150, 170])
            .limit(SPEECH, SoFar::Unknown);
        assert!(quick < stranger && stranger < slow, "{quick:?} {stranger:?} {slow:?}");
        assert!(slow > Duration::from_millis(1_100) && quick < Duration::from_millis(450));
    }

    #[test]
    fn words_make_it_longer_or_shorter_within_limits() {
        let pauses = after(&[]);
        let [open, unknown, complete] =
            [SoFar::Open, SoFar::Unknown, SoFar::Complete].map(|so_far| pauses.limit(SPEECH, so_far));
        assert!(complete < unknown && unknown < open);
        assert!(after(&[9_999; 9]).limit(SPEECH, SoFar::Open) <= PAUSE_LIMIT_MAX);
        assert!(after(&[150; 9]).limit(SPEECH, SoFar::Complete) >= PAUSE_LIMIT_MIN);
    }
}
