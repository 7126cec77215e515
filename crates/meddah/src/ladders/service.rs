//! Character services: which, for whom, and what an exchange may cost.

use std::sync::Arc;

use meddah_inference::budget::{MeteredService, Part, ServiceRates};
use meddah_inference::services::{self, KnownService, ServiceConfig};
use meddah_inference::{CharacterService, ErrorKind, ModelError};

use super::online::amount;
use super::open::Opener;
use super::order::RungName;
use super::settings::RungSettings;
use crate::suggestion::nearest;

/// What an exchange counts as where the settings name no price. Services sell subscriptions, not words, so no
/// table can know it: two cents, on the high side of what their plans come to.
const EXCHANGE_MICRO: u64 = 20_000;

fn known(name: &str) -> Result<&'static KnownService, ModelError> {
    services::known().iter().find(|service| service.name == name).ok_or_else(|| {
        let names: Vec<&str> = services::known().iter().map(|service| service.name).collect();
        let message = match nearest(name, names.iter().copied()) {
            Some(best) => format!("there is no service {name:?}; did you mean {best:?}?"),
            None => format!("there is no service {name:?}"),
        };
        ModelError::new(ErrorKind::BadRequest, message)
            .with_help(format!("Services are {}.", names.join(", ")))
    })
}

/// Settings that make no sense, found before anything is asked.
pub(super) fn check(name: &str, settings: &RungSettings) -> Result<(), ModelError> {
    known(&settings.service)?;
    exchange(name, settings).map(drop)
}

/// What an exchange costs, in micro-units.
fn exchange(name: &str, settings: &RungSettings) -> Result<u64, ModelError> {
    let text = settings.price.as_ref().map_or("", |price| &price.exchange);
    amount(name, "exchange", text, EXCHANGE_MICRO)
}

/// What an exchange costs at a service that sends a bill, in micro-units.
pub(super) fn least(name: &str, settings: &RungSettings) -> Option<u64> {
    known(&settings.service).ok().filter(|known| known.paid)?;
    exchange(name, settings).ok()
}

impl Opener {
    /// A service's characters, under the player's budget if somebody gets a bill.
    pub(super) fn service(
        &self,
        name: &RungName,
        settings: &RungSettings,
        part: Part,
    ) -> Result<Arc<dyn CharacterService>, ModelError> {
        let known = known(&settings.service)?;
        let shown = name.shown();
        let config = ServiceConfig {
            name: shown.to_owned(),
            service: known.name.to_owned(),
            base_url: (!settings.base_url.is_empty()).then(|| settings.base_url.clone()),
            key: self.key(name, settings, known.key_name, known.base_url)?,
            characters: settings.characters.clone(),
            options: settings.options.clone(),
        };
        let service = services::open(config, self.http())?;
        if !known.paid {
            return Ok(service);
        }
        let per_interaction = exchange(shown, settings)?;
        let rates = ServiceRates { part, source: shown.to_owned(), per_interaction };
        Ok(Arc::new(MeteredService::new(service, self.ledger(), rates)))
    }
}
