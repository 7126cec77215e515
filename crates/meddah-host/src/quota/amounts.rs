//! Amounts of the four things that are counted, and limits of them.

use serde::{Deserialize, Serialize};

/// The largest amount of one request that is counted; what lies above counts as this. Sums of millions of
/// them are still integers of a database.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Answers of a character.
    Turns,
    /// Prompt and answer together.
    Tokens,
    /// Milliseconds of sound, made or listened to.
    SpeechMs,
    /// Millionths of a US dollar.
    Micro,
}

impl Unit {
    pub const ALL: [Unit; 4] = [Unit::Turns, Unit::Tokens, Unit::SpeechMs, Unit::Micro];

    /// For people to read.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Turns => "turns",
            Unit::Tokens => "tokens",
            Unit::SpeechMs => "milliseconds of speech",
            Unit::Micro => "millionths of a dollar",
        }
    }
}

/// How much of each. Sums stop at the largest integer, differences at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    pub turns: u64,
    pub tokens: u64,
    pub speech_ms: u64,
    /// Millionths of a US dollar.
    pub micro: u64,
}

impl Amounts {
    pub fn get(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Turns => self.turns,
            Unit::Tokens => self.tokens,
            Unit::SpeechMs => self.speech_ms,
            Unit::Micro => self.micro,
        }
    }

    /// The same of each unit.
    pub fn by_unit(of: impl Fn(Unit) -> u64) -> Amounts {
        Amounts {
            turns: of(Unit::Turns),
            tokens: of(Unit::Tokens),
            speech_ms: of(Unit::SpeechMs),
            micro: of(Unit::Micro),
        }
    }

    pub fn plus(self, other: Amounts) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).saturating_add(other.get(unit)))
    }

    pub fn minus(self, other: Amounts) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).saturating_sub(other.get(unit)))
    }

    /// The smaller of each.
    pub fn min(self, other: Amounts) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).min(other.get(unit)))
    }

    /// The larger of each.
    pub fn max(self, other: Amounts) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).max(other.get(unit)))
    }

    pub fn times(self, factor: u64) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).saturating_mul(factor))
    }

    pub fn is_zero(&self) -> bool {
        *self == Amounts::default()
    }

    /// None above [`AMOUNT_MAX`].
    pub fn bounded(self) -> Amounts {
        Amounts::by_unit(|unit| self.get(unit).min(AMOUNT_MAX))
    }
}

/// The most of each in a window; `None` is no limit. As an answer: what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech_ms: Option<u64>,
    /// Millionths of a US dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro: Option<u64>,
}

impl Allowance {
    pub fn get(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Turns => self.turns,
            Unit::Tokens => self.tokens,
            Unit::SpeechMs => self.speech_ms,
            Unit::Micro => self.micro,
        }
    }

    pub fn is_unlimited(&self) -> bool {
        *self == Allowance::default()
    }

    /// These amounts of what has a limit.
    pub fn of(&self, amounts: Amounts) -> Allowance {
        let limited = |unit| self.get(unit).map(|_| amounts.get(unit));
        Allowance {
            turns: limited(Unit::Turns),
            tokens: limited(Unit::Tokens),
            speech_ms: limited(Unit::SpeechMs),
            micro: limited(Unit::Micro),
        }
    }
}

/// What a group of players gets. The operator's settings name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub name: String,
    /// A player of weight 2 gets twice as much as one of weight 1 when both wait.
    #[serde(default = "one")]
    pub weight: u32,
    /// The most answers at once. `admission` holds players to it.
    #[serde(default = "one")]
    pub concurrent: u32,
    /// In a day of UTC.
    #[serde(default)]
    pub day: Allowance,
    /// In a calendar month of UTC.
    #[serde(default)]
    pub month: Allowance,
}

fn one() -> u32 {
    1
}

/// What a player has left. What is reserved for answers under way is not left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub day: Allowance,
    pub month: Allowance,
}

/// Below this share of a limit its end is near.
const NEAR_END_PERCENT: u128 = 10;

/// Little is left of a limit of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NearEnd {
    /// Of what.
    pub unit: Unit,
    /// `day` or `month`.
    pub period: &'static str,
    pub left: u64,
    /// The limit.
    pub of: u64,
}

impl NearEnd {
    /// The limit of which the least is left, if that is little.
    pub fn find(left: Left, day: Allowance, month: Allowance) -> Option<NearEnd> {
        let spans = [("day", left.day, day), ("month", left.month, month)];
        let all = spans.into_iter().flat_map(|(period, left, limit)| {
            let one = move |unit| Some(NearEnd { unit, period, left: left.get(unit)?, of: limit.get(unit)? });
            Unit::ALL.into_iter().filter_map(one)
        });
        all.filter(NearEnd::is_near).min_by_key(NearEnd::permille)
    }

    fn is_near(&self) -> bool {
        u128::from(self.left) * 100 < u128::from(self.of) * NEAR_END_PERCENT
    }

    fn permille(&self) -> u128 {
        u128::from(self.left) * 1000 / u128::from(self.of.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_ends_first_is_told() {
        let limit = Allowance { turns: Some(200), tokens: Some(1_000), ..Allowance::default() };
        let find = |turns, tokens, month| {
            let day = Allowance { turns: Some(turns), tokens: Some(tokens), ..Allowance::default() };
            let left = Left { day, month: Allowance { turns: Some(month), ..Allowance::default() } };
            let month = Allowance { turns: Some(u64::MAX), ..Allowance::default() };
            NearEnd::find(left, limit, month).map(|near| (near.unit, near.period, near.left, near.of))
        };
        assert_eq!(find(20, 100, u64::MAX), None, "a tenth is left");
        assert_eq!(find(19, 100, u64::MAX), Some((Unit::Turns, "day", 19, 200)));
        assert_eq!(find(19, 0, u64::MAX), Some((Unit::Tokens, "day", 0, 1_000)));
        assert_eq!(find(19, 90, 0), Some((Unit::Turns, "month", 0, u64::MAX)));
        assert_eq!(NearEnd::find(Left::default(), Allowance::default(), Allowance::default()), None);
    }
}
