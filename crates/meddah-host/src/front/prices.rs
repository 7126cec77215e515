//! What paid engines cost.

use std::collections::HashMap;

use meddah_inference::TokenUsage;
use meddah_inference::budget::{Price, parse_micro};

use crate::settings::{EngineEntry, SettingsError};

/// Prices by engine; what is not here costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Prices(HashMap<String, Price>);

impl Prices {
    /// As the settings say.
    ///
    /// # Errors
    /// A price that is no amount of money.
    pub fn of_engines(engines: &[EngineEntry]) -> Result<Prices, SettingsError> {
        let mut prices = HashMap::new();
        for engine in engines {
            let amount = |key: &str, text: &str| match text {
                "" => Ok(0),
                text => parse_micro(text).map_err(|error| {
                    SettingsError::new(
                        format!("`{key}` of {}: {error}", engine.name),
                        "Write it as in \"0.40\".",
                    )
                }),
            };
            let input = amount("input_price", &engine.input_price)?;
            let output = amount("output_price", &engine.output_price)?;
            if input > 0 || output > 0 {
                let price =
                    Price { input, cached_input: input, cache_write: input.saturating_mul(2), output };
                prices.insert(engine.name.clone(), price);
            }
        }
        Ok(Prices(prices))
    }

    /// The most that an answer can cost, at the dearest engine, in micro-units.
    #[must_use]
    pub fn most(&self, prompt_tokens: u32, output_tokens: u32) -> u64 {
        let most =
            self.0.values().map(|price| price.most(u64::from(prompt_tokens), u64::from(output_tokens)));
        most.max().unwrap_or(0)
    }

    /// What an answer did cost, in micro-units.
    #[must_use]
    pub fn of(&self, engine: &str, usage: &TokenUsage) -> u64 {
        let price = self.0.get(engine).map_or(0, |price| price.cost(usage));
        price.max(usage.charged_micro.filter(|_| self.0.contains_key(engine)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_without_a_price_costs_nothing_and_the_dearest_one_is_reserved() {
        let engine = |name: &str, output: &str| EngineEntry {
            name: name.into(),
            output_price: output.into(),
            ..EngineEntry::default()
        };
        let prices =
            Prices::of_engines(&[engine("own", ""), engine("cheap", "1.00"), engine("dear", "3.00")])
                .unwrap();
        let usage = TokenUsage { completion_tokens: 1_000_000, ..TokenUsage::default() };
        assert_eq!((prices.of("own", &usage), prices.of("cheap", &usage)), (0, 1_000_000));
        assert_eq!(prices.most(0, 1_000_000), 3_000_000);
        assert!(Prices::of_engines(&[engine("a", "much")]).is_err());
    }
}
