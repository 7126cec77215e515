//! Amounts of money as people write them, exactly.

/// Micro-units in one unit.
const MICRO_PER_UNIT: u64 = 1_000_000;
/// Digits behind the point.
const DECIMALS: usize = 6;
/// Decimals that are always shown.
const DECIMALS_SHOWN_MIN: usize = 2;
/// The largest amount of a setting, a thousand million units; sums of charges may be larger.
pub const AMOUNT_MICRO_MAX: u64 = 1_000_000_000 * MICRO_PER_UNIT;

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount: {reason}")]
pub struct AmountError {
    text: String,
    reason: &'static str,
}

impl AmountError {
    /// What to write instead.
    pub fn help(&self) -> &'static str {
        "Write it with a point and at most six decimals, for example \"1.50\"."
    }
}

/// Reads `1`, `1.5`, `0.000001`. Nothing is rounded: a seventh decimal is an error.
pub fn parse_micro(text: &str) -> Result<u64, AmountError> {
    const TEXT_SHOWN_MAX: usize = 40;
    let wrong = |reason| AmountError { text: text.chars().take(TEXT_SHOWN_MAX).collect::<String>(), reason };
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(units) || !is_number(decimals) {
        return Err(wrong("it has to be digits with at most one point"));
    }
    if decimals.len() > DECIMALS {
        return Err(wrong("it has more than six decimals"));
    }
    let too_large = || wrong("it is too large");
    let units: u64 = units.parse().map_err(|_| too_large())?;
    let decimals: u64 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| too_large())?;
    let micro = units.checked_mul(MICRO_PER_UNIT).and_then(|micro| micro.checked_add(decimals));
    micro.filter(|micro| *micro <= AMOUNT_MICRO_MAX).ok_or_else(too_large)
}

/// Writes an amount with two to six decimals.
pub fn format_micro(micro: u64) -> String {
    let decimals = format!("{:0DECIMALS$}", micro % MICRO_PER_UNIT);
    let shown = decimals.trim_end_matches('0').len().max(DECIMALS_SHOWN_MIN);
    format!("{}.{}", micro / MICRO_PER_UNIT, &decimals[..shown])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly() {
        let read =
            [("1.00", 1_000_000), ("0", 0), ("0.000001", 1), ("12.3456", 12_345_600), ("007.1", 7_100_000)];
        for (text, micro) in read {
            assert_eq!(parse_micro(text), Ok(micro), "{text}");
        }
        assert_eq!(parse_micro("1000000000"), Ok(AMOUNT_MICRO_MAX));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let refused = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1,00",
            "1e3",
            " 1",
            "1.0000001",
            "1.1.1",
            "NaN",
            "1_000",
            "١",
            "1000000000.000001",
            "18446744073709.551616",
            "99999999999999999999999",
        ];
        for text in refused {
            assert!(parse_micro(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(micro in 0..=AMOUNT_MICRO_MAX) {
            prop_assert_eq!(parse_micro(&format_micro(micro)), Ok(micro));
        }
    }

    #[test]
    fn amounts_are_written_with_two_to_six_decimals() {
        let written = [(0, "0.00"), (1, "0.000001"), (1_000_000, "1.00"), (1_234_500, "1.2345")];
        for (micro, text) in written {
            assert_eq!(format_micro(micro), text);
        }
        assert_eq!(format_micro(u64::MAX), "18446744073709.551615");
    }
}
