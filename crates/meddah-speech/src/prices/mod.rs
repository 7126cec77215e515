//! What speaking and listening cost, and the decorators that ask the ledger first.
//!
//! Services are paid by characters that they speak and by the time that they listen. Both are known before anything is
//! sent, or at least how much it can be at most: so much is reserved, and what it was is settled afterwards. Money is in
//! micro-units as everywhere, millionths of a US dollar.

mod paid;

use serde::{Deserialize, Serialize};

pub use paid::{PaidListening, PaidSpeech, SpeechRates};

/// The list that comes with the program.
const EMBEDDED: &str = include_str!("prices.toml");
/// Larger files are not read, bytes.
pub const PRICES_BYTES_MAX: usize = 256 << 10;
/// What is assumed where not even the service is known.
const UNKNOWN: SpeechPrice =
    SpeechPrice { per_million_characters: 100_000_000, per_minute: 50_000, guessed: true };

const CHARACTERS: u128 = 1_000_000;
const MILLISECONDS: u128 = 60_000;

/// What a model of a service costs, in micro-units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeechPrice {
    /// For a million characters that it speaks.
    pub per_million_characters: u64,
    /// For a minute that it listens.
    pub per_minute: u64,
    /// The price of another model of the service, or not even that.
    pub guessed: bool,
}

impl SpeechPrice {
    /// Of what costs nothing.
    pub const FREE: SpeechPrice = SpeechPrice { per_million_characters: 0, per_minute: 0, guessed: false };

    /// What so many characters cost, rounded up.
    pub fn of_speaking(&self, characters: u64) -> u64 {
        round_up(characters, self.per_million_characters, CHARACTERS)
    }

    /// What so much time costs, rounded up. Beginnings of seconds count as whole ones, as services count.
    pub fn of_listening(&self, time: std::time::Duration) -> u64 {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        round_up(seconds.saturating_mul(1000), self.per_minute, MILLISECONDS)
    }
}

fn round_up(count: u64, price: u64, per: u128) -> u64 {
    u64::try_from((u128::from(count) * u128::from(price)).div_ceil(per)).unwrap_or(u64::MAX)
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Row {
    service: String,
    /// `*` at its end stands for any end.
    model: String,
    per_million_characters: Option<u64>,
    per_minute: Option<u64>,
    /// Of what day it is.
    date: String,
    /// Where it was read.
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    speech: Vec<Row>,
}

/// What services cost, as far as is known.
#[derive(Clone, Debug, Default)]
pub struct SpeechPrices {
    rows: Vec<Row>,
}

/// A list of prices that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prices of speech cannot be read: {0}")]
pub struct PricesError(String);

impl SpeechPrices {
    /// The list that comes with the program.
    pub fn embedded() -> SpeechPrices {
        // A test reads it; without a list every price is the highest.
        SpeechPrices::parse(EMBEDDED).unwrap_or_default()
    }

    /// Reads a list.
    ///
    /// # Errors
    /// What is no TOML, has keys that nobody knows, or rows without a date and a source.
    pub fn parse(text: &str) -> Result<SpeechPrices, PricesError> {
        if text.len() > PRICES_BYTES_MAX {
            return Err(PricesError(format!("it has more than {PRICES_BYTES_MAX} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| PricesError(error.to_string()))?;
        let odd = file.speech.iter().find(|row| row.date.len() != 10 || row.source.trim().is_empty());
        match odd {
            Some(row) => Err(PricesError(format!(
                "{} {} needs date = \"YYYY-MM-DD\" and source",
                row.service, row.model
            ))),
            None => Ok(SpeechPrices { rows: file.speech }),
        }
    }

    /// What this model costs; of several rows that fit, the longest name counts, for speaking and listening each.
    pub fn lookup(&self, service: &str, model: &str) -> SpeechPrice {
        // Over a socket it costs the same.
        let service = service.strip_suffix("-socket").unwrap_or(service);
        let known = crate::online::known_services().iter().find(|known| known.name == service);
        if known.is_some_and(|known| !known.paid) {
            return SpeechPrice::FREE;
        }
        let price = |of: fn(&Row) -> Option<u64>| {
            let fitting = self.rows.iter().filter(|row| row.service == service && row.fits(model));
            let priced = fitting.filter_map(|row| Some((row, of(row)?)));
            priced.max_by_key(|(row, _)| row.model.trim_end_matches('*').len())
        };
        let (speaking, listening) = (price(|row| row.per_million_characters), price(|row| row.per_minute));
        let exact = |found: &Option<(&Row, u64)>| found.is_some_and(|(row, _)| row.model != "*");
        SpeechPrice {
            per_million_characters: speaking.map_or(UNKNOWN.per_million_characters, |(_, price)| price),
            per_minute: listening.map_or(UNKNOWN.per_minute, |(_, price)| price),
            guessed: !exact(&speaking) && !exact(&listening),
        }
    }
}

impl Row {
    fn fits(&self, model: &str) -> bool {
        match self.model.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => self.model == model,
        }
    }
}

/// What a service takes for speaking so many characters, by the list that comes with the program; micro-units.
pub fn price_of_speaking(service: &str, model: &str, characters: u64) -> u64 {
    SpeechPrices::embedded().lookup(service, model).of_speaking(characters)
}

/// What a service takes for listening so long, by the list that comes with the program; micro-units.
pub fn price_of_listening(service: &str, model: &str, time: std::time::Duration) -> u64 {
    SpeechPrices::embedded().lookup(service, model).of_listening(time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_list_of_the_program_can_be_read_and_has_a_dearest_row_for_every_paid_service() {
        let prices = SpeechPrices::parse(EMBEDDED).unwrap();
        for known in crate::online::known_services().iter().filter(|known| known.paid) {
            let service = known.name.trim_end_matches("-socket");
            let rest = prices.lookup(service, "a model that nobody knows");
            assert!(rest.guessed && rest != UNKNOWN, "{service} has no row `*`");
            for row in prices.rows.iter().filter(|row| row.service == service) {
                assert!(row.per_million_characters.unwrap_or(0) <= rest.per_million_characters, "{row:?}");
                assert!(row.per_minute.unwrap_or(0) <= rest.per_minute, "{row:?}");
            }
        }
    }

    #[test]
    fn what_is_spoken_and_heard_has_its_price() {
        assert_eq!(price_of_speaking("elevenlabs", "eleven_flash_v2_5", 100), 4_000);
        assert_eq!(price_of_speaking("elevenlabs-socket", "eleven_multilingual_v2", 100), 8_000);
        assert_eq!(price_of_listening("openai", "whisper-1", Duration::from_millis(9_001)), 1_000);
        assert_eq!(price_of_speaking("kokoro", "kokoro", 1_000_000), 0, "on the player's own PC");
        assert_eq!(price_of_speaking("somebody", "x", 1), 100, "the dearest");
        assert_eq!(price_of_speaking("openai", "tts-1", 0), 0);
        assert!(SpeechPrices::embedded().lookup("openai", "tts-9").guessed);
        assert!(!SpeechPrices::embedded().lookup("openai", "tts-1").guessed);
        let dear = SpeechPrice { per_million_characters: u64::MAX, ..SpeechPrice::FREE };
        assert_eq!(dear.of_speaking(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_list_with_mistakes_is_refused() {
        for text in
            ["[[speech]]", "speech = 1", "[[speech]]\nservice='a'\nmodel='b'\ndate='today'\nsource='x'"]
        {
            assert!(SpeechPrices::parse(text).is_err(), "{text}");
        }
    }
}
