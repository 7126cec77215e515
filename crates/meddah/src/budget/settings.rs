//! The section `[budget]` of the settings.

use meddah_inference::budget::{Limits, Part, PartLimit, parse_micro};
use serde::Deserialize;

use crate::config::ConfigError;

/// The currency in which prices are known.
pub const CURRENCY: &str = "USD";

/// As written; [`limits`](BudgetSettings::limits) reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    pub currency: String,
    pub per_day: String,
    pub in_total: String,
    pub talk: String,
    pub background: String,
    pub speech: String,
}

impl BudgetSettings {
    /// The ceilings.
    ///
    /// # Errors
    /// A value that is no amount, or another currency than [`CURRENCY`].
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        if self.currency != CURRENCY {
            let message = format!("`budget.currency` is {:?}", self.currency);
            let help = "Prices are known in US dollars only: write \"USD\", and the ceilings in US dollars.";
            return Err(ConfigError { place: PLACE.into(), message, help: help.into() });
        }
        Ok(Limits {
            per_day: ceiling("per_day", &self.per_day)?,
            in_total: ceiling("in_total", &self.in_total)?,
            talk: part(Part::Talk, &self.talk)?,
            background: part(Part::Background, &self.background)?,
            speech: part(Part::Speech, &self.speech)?,
        })
    }
}

const PLACE: &str = "settings";

/// Whether this value would be taken.
///
/// # Errors
/// There is no such setting of `[budget]`, or the value is none for it.
pub fn check(key: &str, value: &str) -> Result<(), ConfigError> {
    match (key, Part::from_name(key)) {
        ("per_day" | "in_total", _) => ceiling(key, value).map(|_| ()),
        (_, Some(name)) => part(name, value).map(|_| ()),
        _ => Err(ConfigError {
            place: PLACE.into(),
            message: "there is no such ceiling".into(),
            help: "Name one of per_day, in_total, talk, background and speech.".into(),
        }),
    }
}

fn ceiling(key: &str, text: &str) -> Result<Option<u64>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_micro(text).map(Some).map_err(|error| ConfigError {
        place: PLACE.into(),
        message: format!("`budget.{key}`: {error}"),
        help: format!("{} An empty text is no ceiling.", error.help()),
    })
}

fn part(part: Part, text: &str) -> Result<PartLimit, ConfigError> {
    match text {
        "on" => Ok(PartLimit::On),
        "off" => Ok(PartLimit::Off),
        amount => parse_micro(amount).map(PartLimit::PerDay).map_err(|error| ConfigError {
            place: PLACE.into(),
            message: format!("`budget.{part}`: {error}"),
            help: format!("Write \"on\", \"off\", or an amount per day. {}", error.help()),
        }),
    }
}
