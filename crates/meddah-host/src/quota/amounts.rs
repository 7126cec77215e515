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
