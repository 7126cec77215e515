//! Days of the calendar, for people to read.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970, UTC.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-11-25` of a number of days since 1970. The calendar repeats every 400 years of 146,097 days; counting
/// years from March puts the leap day at their end.
pub fn iso(days: u64) -> String {
    // Days since 1 March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March have 31, 30, 31, 30, 31 days and again.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", 400 * era + year + next_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let dates = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_782, "2026-11-25"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, date) in dates {
            assert_eq!(iso(days), date);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        // The same dates by another way: the library that dates HTTP headers.
        for days in (0..60_000).step_by(17) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(days * DAY_MS);
            let header = httpdate::fmt_http_date(time);
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(&header[8..11]).unwrap() / 3 + 1;
            assert_eq!(iso(days), format!("{}-{month:02}-{}", &header[12..16], &header[5..7]));
        }
    }
}
