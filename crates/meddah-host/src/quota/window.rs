//! Whose use of what stretch of time: a player's or the server's, a day's or a month's.
//!
//! Days and months are those of UTC's calendar, so that programs anywhere agree on them and a clock that is
//! set back finds its day again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use crate::player::PlayerId;

pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MONTHS: u32 = 12;

/// A stretch of time, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Days since 1970.
    Day(u32),
    /// Months since the year 0.
    Month(u32),
}

impl Period {
    pub fn day_of(at_ms: u64) -> Period {
        Period::Day(u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX))
    }

    pub fn month_of(at_ms: u64) -> Period {
        let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
        // A clock beyond the year 9999 stays in the first month of all.
        let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
        let year = u32::try_from(date.year()).unwrap_or(0);
        Period::Month(year * MONTHS + u32::from(u8::from(date.month())) - 1)
    }

    /// Milliseconds since 1970.
    pub fn begin_ms(self) -> u64 {
        match self {
            Period::Day(day) => u64::from(day) * DAY_MS,
            Period::Month(month) => {
                let year = i32::try_from(month / MONTHS).unwrap_or(i32::MAX);
                let month =
                    u8::try_from(month % MONTHS + 1).ok().and_then(|month| Month::try_from(month).ok());
                let first = month.and_then(|month| Date::from_calendar_date(year, month, 1).ok());
                let seconds = first.map_or(0, |first| first.midnight().assume_utc().unix_timestamp());
                u64::try_from(seconds).unwrap_or(0) * 1000
            }
        }
    }

    /// Milliseconds since 1970: the first that it does not have.
    pub fn end_ms(self) -> u64 {
        match self {
            Period::Day(day) => Period::Day(day.saturating_add(1)),
            Period::Month(month) => Period::Month(month.saturating_add(1)),
        }
        .begin_ms()
    }

    /// The time until it is over.
    pub fn rest(self, now_ms: u64) -> Duration {
        Duration::from_millis(self.end_ms().saturating_sub(now_ms))
    }

    /// For people to read.
    pub fn name(self) -> &'static str {
        match self {
            Period::Day(_) => "day",
            Period::Month(_) => "month",
        }
    }
}

/// Who uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    Player(PlayerId),
    /// All players together.
    Server,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    pub whose: Whose,
    pub period: Period,
}

impl Window {
    /// The windows that a request of this time uses: the player's day and month, the server's day and month.
    pub fn all_of(player: &PlayerId, at_ms: u64) -> [Window; 4] {
        let (day, month) = (Period::day_of(at_ms), Period::month_of(at_ms));
        let window = |whose: Whose, period| Window { whose, period };
        let player = || Whose::Player(player.clone());
        [
            window(player(), day),
            window(player(), month),
            window(Whose::Server, day),
            window(Whose::Server, month),
        ]
    }

    pub fn player(&self) -> Option<&PlayerId> {
        match &self.whose {
            Whose::Player(player) => Some(player),
            Whose::Server => None,
        }
    }

    /// The name in a database: unique, and sorted by time within days and months.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Day(day) => write!(f, "d{day:07}"),
            Period::Month(month) => write!(f, "m{month:07}"),
        }
    }
}

impl FromStr for Period {
    type Err = ();

    /// Of the key of one of the server's windows.
    fn from_str(key: &str) -> Result<Period, ()> {
        let number = |number: &str| number.parse().map_err(|_| ());
        match key.split_at_checked(1) {
            Some(("d", day)) => number(day).map(Period::Day),
            Some(("m", month)) => number(month).map(Period::Month),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.period)?;
        match &self.whose {
            Whose::Player(player) => write!(f, ":{player}"),
            Whose::Server => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_the_calendar() {
        // 2024-02-29T23:59:59.999Z and the millisecond after it.
        let end = 1_709_251_199_999;
        assert_eq!(Period::month_of(end), Period::Month(2024 * 12 + 1));
        assert_eq!(Period::month_of(end + 1), Period::Month(2024 * 12 + 2));
        assert_eq!(Period::month_of(end).rest(end), Duration::from_millis(1));
        assert_eq!(Period::month_of(end + 1).rest(end + 1), Duration::from_millis(31 * DAY_MS));
        assert_eq!(Period::day_of(end).rest(end), Duration::from_millis(1));
    }

    #[test]
    fn keys_tell_windows_apart() {
        let keys = Window::all_of(&PlayerId::from("ann"), 1_709_251_199_999).map(|window| window.key());
        assert_eq!(keys, ["d0019782:ann", "m0024289:ann", "d0019782", "m0024289"]);
        let periods = keys.each_ref().map(|key| key.parse::<Period>().ok());
        assert_eq!(periods, [None, None, Some(Period::Day(19_782)), Some(Period::Month(24_289))]);
    }
}
