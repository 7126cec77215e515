//! How much time passed for a character: by the game's clock where there is one, else by the real one.

use std::time::Duration;

/// Without a game clock, a break counts as at most this: whoever comes back the next evening finds the story
/// where it was.
pub const REAL_ELAPSED_MAX: Duration = Duration::from_secs(30 * 60);
/// A game clock may jump by years; more than this changes nothing any more.
const GAME_ELAPSED_S_MAX: f64 = 1e10;

/// When something was, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The game's clock in its own units, if it told.
    pub game_time: Option<i64>,
    /// The real clock, milliseconds since 1970.
    pub wall_time_ms: i64,
}

/// The time from `then` to `now` as a character lives it.
///
/// With `seconds_per_time_unit` and both game times, it is their difference. A game clock that stands still
/// says that no time passed, whatever its unit: the game is paused, or waits for the player to type. Else the
/// real clock counts, up to [`REAL_ELAPSED_MAX`]. Time never runs backwards.
pub fn elapsed(then: Moment, now: Moment, seconds_per_time_unit: Option<f64>) -> Duration {
    if let (Some(before), Some(after)) = (then.game_time, now.game_time) {
        if before == after {
            return Duration::ZERO;
        }
        if let Some(seconds) = seconds_per_time_unit.filter(|seconds| seconds.is_finite() && *seconds > 0.0) {
            let units = after.saturating_sub(before).max(0) as f64;
            return Duration::from_secs_f64((units * seconds).min(GAME_ELAPSED_S_MAX));
        }
    }
    let ms = now.wall_time_ms.saturating_sub(then.wall_time_ms).max(0);
    Duration::from_millis(ms.unsigned_abs()).min(REAL_ELAPSED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(game_time: impl Into<Option<i64>>, wall_time_ms: i64) -> Moment {
        Moment { game_time: game_time.into(), wall_time_ms }
    }

    #[test]
    fn the_game_clock_counts_where_its_unit_is_known() {
        assert_eq!(elapsed(at(10, 0), at(13, 99_000), Some(60.0)), Duration::from_secs(180));
        assert_eq!(elapsed(at(10, 0), at(13, 99_000), None), Duration::from_secs(99));
        assert_eq!(elapsed(at(None, 0), at(13, 99_000), Some(60.0)), Duration::from_secs(99));
        assert_eq!(elapsed(at(10, 0), at(13, 99_000), Some(f64::NAN)), Duration::from_secs(99));
    }

    #[test]
    fn a_paused_game_lets_no_time_pass() {
        assert_eq!(elapsed(at(10, 0), at(10, 9_999_999), Some(60.0)), Duration::ZERO);
        assert_eq!(elapsed(at(10, 0), at(10, 9_999_999), None), Duration::ZERO);
    }

    #[test]
    fn time_has_bounds_and_one_direction() {
        assert_eq!(elapsed(at(None, 0), at(None, i64::MAX), None), REAL_ELAPSED_MAX);
        assert_eq!(elapsed(at(None, i64::MAX), at(None, i64::MIN), None), Duration::ZERO);
        assert_eq!(elapsed(at(9, 0), at(3, 0), Some(1.0)), Duration::ZERO);
        let eternity = elapsed(at(i64::MIN, 0), at(i64::MAX, 0), Some(f64::MAX));
        assert_eq!(eternity.as_secs(), 10_000_000_000);
    }
}
