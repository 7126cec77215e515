//! What thinking may cost: the port to the ledger, and the decorators that ask it first.
//!
//! All money is in *micro-units*, millionths of the currency in which prices are known (US dollars), as `u64`.
//! Nothing is ever rounded but a single call's cost, and that upwards; sums have no fractions.
//!
//! [`Metered`] reserves the most that a request can cost before anything is sent, and settles what it did cost
//! afterwards, whatever becomes of the reply. What is reserved counts as spent until then, so that many replies
//! at once cannot pass a ceiling together.

mod amount;
mod estimate;
mod memory;
mod meter;
mod metered;
mod price;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ErrorKind, ModelError, Notice, TokenUsage};

pub use amount::{AMOUNT_MICRO_MAX, AmountError, format_micro, parse_micro};
pub use estimate::{Estimate, OUTPUT_TOKENS_UNSTATED};
pub use memory::MemoryLedger;
pub use metered::{Metered, MeteredService, Rates, ServiceRates, reserve};
pub use price::Price;

/// A reservation that was neither settled nor released for so long is given back. No reply takes this long.
pub const RESERVATION_LIFE: Duration = Duration::from_secs(15 * 60);
/// From this share of a ceiling on the player is told once.
pub const NEAR_END_PERCENT: u64 = 80;
/// The code of that notice.
pub const NEAR_END_CODE: &str = "budget_near_end";

/// Milliseconds since 1970, UTC. An argument, so that tests can turn it.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the money is for. Each has a switch and may have a ceiling of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Somebody waits for the answer.
    Talk,
    /// Talk among characters, summaries, whatever nobody waits for.
    Background,
    /// Speaking and listening.
    Speech,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Talk, Part::Background, Part::Speech];

    /// As in settings, in the ledger and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Part::Talk => "talk",
            Part::Background => "background",
            Part::Speech => "speech",
        }
    }

    /// The part of this name.
    pub fn from_name(name: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much one part may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartLimit {
    /// As much as the common ceilings leave.
    #[default]
    On,
    /// Nothing paid is ever sent for it.
    Off,
    /// So much per day, in micro-units, and never more than the common ceilings leave.
    PerDay(u64),
}

/// The ceilings, in micro-units. A day is a calendar day of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// All parts in a day; `None` for no ceiling.
    pub per_day: Option<u64>,
    /// All parts, ever; `None` for no ceiling.
    pub in_total: Option<u64>,
    /// [`Part::Talk`].
    pub talk: PartLimit,
    /// [`Part::Background`].
    pub background: PartLimit,
    /// [`Part::Speech`].
    pub speech: PartLimit,
}

impl Limits {
    /// The limit of one part.
    pub fn part(&self, part: Part) -> PartLimit {
        match part {
            Part::Talk => self.talk,
            Part::Background => self.background,
            Part::Speech => self.speech,
        }
    }
}

/// Leave to spend is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// For what.
    pub part: Part,
    /// The rung of the ladder: who is paid.
    pub source: String,
    /// The model, or what the service calls itself.
    pub model: String,
    /// The most that it can cost, in micro-units.
    pub micro: u64,
}

/// A reservation's number in its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(pub u64);

/// Leave to spend was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// To settle or release it by.
    pub id: ReservationId,
    /// Whether [`Ledger::take_warning`] has something to say.
    pub warns: bool,
    /// What the tightest ceiling leaves beside it, in micro-units; very much where there is no ceiling.
    pub left: u64,
}

/// What it cost in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Tokens, known or estimated.
    pub usage: TokenUsage,
    /// In micro-units.
    pub micro: u64,
}

/// Which ceiling is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// One part's, for a day.
    PartDay(Part),
    /// All parts', for a day.
    Day,
    /// All parts', ever.
    Total,
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ceiling::PartDay(part) => write!(f, "for {part} today"),
            Ceiling::Day => f.write_str("for today"),
            Ceiling::Total => f.write_str("in total"),
        }
    }
}

/// Most of a ceiling is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which.
    pub ceiling: Ceiling,
    /// How much is spent, in micro-units.
    pub spent: u64,
    /// Of how much.
    pub of: u64,
}

impl Warning {
    /// Whether the player should be told.
    pub fn is_due(spent: u64, of: u64) -> bool {
        of > 0 && u128::from(spent) * 100 >= u128::from(of) * u128::from(NEAR_END_PERCENT)
    }

    /// In words.
    pub fn notice(&self) -> Notice {
        Notice {
            code: NEAR_END_CODE.into(),
            message: format!(
                "{} of {} {} is spent",
                format_micro(self.spent),
                format_micro(self.of),
                self.ceiling
            ),
            help: "At the ceiling paid models stop answering. `meddah budget` shows what was spent; \
                   `meddah budget set` changes the ceilings."
                .into(),
        }
    }
}

/// Leave to spend was not given. Nothing may be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The player has switched this part off.
    #[error("spending for {0} is switched off")]
    Off(Part),
    /// It could pass a ceiling.
    #[error(
        "this may cost up to {}, but of the {} {ceiling} only {} is left",
        format_micro(*asked), format_micro(*of), format_micro(*left)
    )]
    Ceiling {
        /// Which.
        ceiling: Ceiling,
        /// What was asked for, in micro-units.
        asked: u64,
        /// What is neither spent nor reserved.
        left: u64,
        /// The ceiling.
        of: u64,
    },
    /// The ledger cannot be read or written: what was spent is not known, so nothing is.
    #[error("nothing paid is sent, because the budget cannot be kept: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// What to do.
        help: String,
    },
}

impl Refusal {
    /// What a player can do about it.
    pub fn help(&self) -> String {
        match self {
            Refusal::Off(part) => format!(
                "`meddah budget on {part}` allows it again; if the settings say off, change `budget.{part}`."
            ),
            Refusal::Ceiling { ceiling: Ceiling::Total, .. } => {
                "Raise it with `meddah budget set in_total AMOUNT`, or use a model on this PC.".into()
            }
            Refusal::Ceiling { ceiling, .. } => {
                let setting = match ceiling {
                    Ceiling::PartDay(part) => part.name(),
                    _ => "per_day",
                };
                format!(
                    "The next day begins at 0:00 UTC. Raise the ceiling with `meddah budget set {setting} \
                     AMOUNT`, or use a model on this PC."
                )
            }
            Refusal::Unavailable { help, .. } => help.clone(),
        }
    }
}

impl From<Refusal> for ModelError {
    fn from(refusal: Refusal) -> Self {
        ModelError::new(ErrorKind::OverBudget, refusal.to_string()).with_help(refusal.help())
    }
}

/// Where spending is written down. Calls take microseconds and may be made from async code.
///
/// Whatever the order and number of callers, of one program or of several: what is spent and reserved together
/// does not pass a ceiling when leave is given.
pub trait Ledger: Send + Sync {
    /// Asks for leave to spend.
    fn reserve(&self, ask: &Ask) -> Result<Reserved, Refusal>;

    /// Whether leave would be given now. Nothing is reserved.
    fn check(&self, ask: &Ask) -> Result<(), Refusal>;

    /// Writes down what it cost. The charge counts for the day of the reservation, also when the reservation
    /// has run out; a second call for the same one changes nothing. A ledger that cannot write now remembers
    /// the charge and gives no further leave before it is written. Says whether
    /// [`take_warning`](Ledger::take_warning) has something to say.
    fn settle(&self, id: ReservationId, charge: &Charge) -> bool;

    /// Gives back what was reserved: nothing was spent.
    fn release(&self, id: ReservationId);

    /// What is reserved at the moment and neither settled nor given back, in micro-units: a refusal may be over
    /// when some of it comes back.
    fn held(&self) -> u64;

    /// A warning that nobody was given yet: once for each ceiling and day.
    fn take_warning(&self) -> Option<Warning>;
}
