//! The player's ceilings, joined with the ledger on disk.

pub mod edit;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use meddah_inference::budget::{
    Ask, Ceiling, Charge, Ledger, Limits, Part, PartLimit, Refusal, ReservationId, Reserved, Warning,
};
use meddah_store::StoreError;
use meddah_store::ledger::{
    Booking, Ceilings, Granted, NearEnd, PartCeiling, Refused, Spent, SqliteLedger, Which,
};

use crate::config::Settings;
use crate::day::now_ms;
use crate::paths::Paths;

pub use settings::{BudgetSettings, CURRENCY, check};

/// The ledger cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BudgetError {
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl From<StoreError> for BudgetError {
    fn from(error: StoreError) -> Self {
        BudgetError { message: error.message, help: error.help }
    }
}

/// The ledger of this installation, under the ceilings of the settings.
///
/// # Errors
/// The file is damaged or cannot be written. Then nothing paid may be sent.
pub fn open(paths: &Paths, settings: &Settings) -> Result<Arc<dyn Ledger>, BudgetError> {
    Ok(Arc::new(Durable(open_file(paths, settings)?)))
}

/// The same; what cannot be opened becomes a ledger that refuses everything and says why.
pub fn open_or_refuse(paths: &Paths, settings: &Settings) -> Arc<dyn Ledger> {
    open(paths, settings).unwrap_or_else(|error| {
        tracing::error!("nothing paid is sent, because the budget cannot be kept: {error}. {}", error.help);
        Arc::new(Closed(error))
    })
}

/// The ledger itself, to read and to switch.
///
/// # Errors
/// As [`open`].
pub fn open_file(paths: &Paths, settings: &Settings) -> Result<SqliteLedger, BudgetError> {
    let limits =
        settings.budget.limits().map_err(|error| BudgetError { message: error.message, help: error.help })?;
    Ok(SqliteLedger::open(&paths.budget(), ceilings(&limits), Box::new(now_ms))?)
}

fn ceilings(limits: &Limits) -> Ceilings {
    let own = |part: Part| match limits.part(part) {
        PartLimit::On => None,
        PartLimit::Off => Some((part.name().to_owned(), PartCeiling::Off)),
        PartLimit::PerDay(micro) => Some((part.name().to_owned(), PartCeiling::PerDay(micro))),
    };
    let parts: BTreeMap<_, _> = Part::ALL.into_iter().filter_map(own).collect();
    Ceilings { per_day: limits.per_day, in_total: limits.in_total, parts }
}

/// The ledger on disk behind the port.
struct Durable(SqliteLedger);

impl Ledger for Durable {
    fn reserve(&self, ask: &Ask) -> Result<Reserved, Refusal> {
        let Ask { part, source, model, micro } = ask;
        let granted = self.0.reserve(&Booking { part: part.name(), source, model, micro: *micro });
        let Granted { id, warns, left } = granted.map_err(|refused| refusal(refused, ask))?;
        Ok(Reserved { id: ReservationId(id), warns, left })
    }

    fn check(&self, ask: &Ask) -> Result<(), Refusal> {
        let Ask { part, source, model, micro } = ask;
        let checked = self.0.check(&Booking { part: part.name(), source, model, micro: *micro });
        checked.map_err(|refused| refusal(refused, ask))
    }

    fn settle(&self, id: ReservationId, charge: &Charge) -> bool {
        let usage = &charge.usage;
        let spent = Spent {
            micro: charge.micro,
            prompt_tokens: usage.prompt_tokens,
            cached_tokens: usage.cached_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            completion_tokens: usage.completion_tokens,
            provider_micro: usage.charged_micro,
        };
        self.0.settle(id.0, &spent).unwrap_or_else(|error| {
            tracing::warn!("a charge is not written yet, nothing paid is sent before: {error}");
            false
        })
    }

    fn release(&self, id: ReservationId) {
        if let Err(error) = self.0.release(id.0) {
            tracing::warn!("a reservation could not be given back and runs out by itself: {error}");
        }
    }

    fn held(&self) -> u64 {
        self.0.held().unwrap_or_default() // who cannot read it does not wait for it
    }

    fn take_warning(&self) -> Option<Warning> {
        let near_end = self.0.take_near_end().unwrap_or_else(|error| {
            tracing::warn!("the budget cannot be read: {error}");
            None
        });
        // Only the common ceilings warn, so that the part does not matter.
        near_end.map(|NearEnd { which, spent, of }| Warning {
            ceiling: ceiling(which, Part::Talk),
            spent,
            of,
        })
    }
}

fn refusal(refused: Refused, ask: &Ask) -> Refusal {
    match refused {
        Refused::Off => Refusal::Off(ask.part),
        Refused::Ceiling { which, left, of } => {
            Refusal::Ceiling { ceiling: ceiling(which, ask.part), asked: ask.micro, left, of }
        }
        Refused::Unknown(error) => Refusal::Unavailable { message: error.message, help: error.help },
    }
}

fn ceiling(which: Which, part: Part) -> Ceiling {
    match which {
        Which::PartDay => Ceiling::PartDay(part),
        Which::Day => Ceiling::Day,
        Which::Total => Ceiling::Total,
    }
}

/// In the place of a ledger that cannot be opened: refuses everything.
struct Closed(BudgetError);

impl Ledger for Closed {
    fn reserve(&self, _: &Ask) -> Result<Reserved, Refusal> {
        Err(Refusal::Unavailable { message: self.0.message.clone(), help: self.0.help.clone() })
    }

    fn check(&self, _: &Ask) -> Result<(), Refusal> {
        Err(Refusal::Unavailable { message: self.0.message.clone(), help: self.0.help.clone() })
    }

    fn settle(&self, _: ReservationId, _: &Charge) -> bool {
        false
    }

    fn release(&self, _: ReservationId) {}

    fn held(&self) -> u64 {
        0
    }

    fn take_warning(&self) -> Option<Warning> {
        None
    }
}
