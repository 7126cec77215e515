//! What an answer has cost so far, at any moment, so that it can be settled however the stream ends.
//!
//! The engine's usage is believed where it fits what was seen. The rules:
//! * Answer tokens below one per [`BYTES_PER_TOKEN_MAX`] bytes of delivered text are no tokenizer's doing; the
//!   estimate counts instead: one token per [`BYTES_PER_TOKEN`] bytes, or one per event with text if that is more.
//! * Answer tokens beyond what the request allowed count as what it allowed: nobody pays more than was reserved. An
//!   engine whose text goes on far beyond is stopped; [`Meter::is_overrun`].
//! * Prompt tokens of 0 count as expected; beyond the bytes of the request (and beyond what was expected) they
//!   count as expected too. Cached tokens beyond the prompt count as none.
//! * Without usage, as after a cut, the estimates count; before the engine took the request nothing does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use meddah_inference::TokenUsage;

use super::reading::{Reading, Usage};

/// Bytes of text for a token, where it has to be estimated: English has about 4.5 with usual vocabularies, so this
/// is a little more than the truth there, and less in scripts of three bytes a character.
pub const BYTES_PER_TOKEN: u64 = 4;
/// Text with more bytes for each token than this is not what the usage speaks of.
pub const BYTES_PER_TOKEN_MAX: u64 = 16;
/// Bytes of text that are no overrun, however few tokens were allowed: one token may be a long run of spaces.
const OVERRUN_SLACK: u64 = 4096;

/// What is known before a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Of the whole request, as sent.
    pub body_bytes: u64,
    /// The estimate that was reserved.
    pub prompt_tokens: u32,
    /// Most tokens that the answer may have.
    pub output_tokens: u32,
}

/// Goes along with one request. All of it may be called at any time, from anywhere.
#[derive(Debug)]
pub struct Meter {
    expected: Expected,
    seen: Mutex<Seen>,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The engine took the request.
    is_taken: bool,
    text_bytes: u64,
    text_events: u64,
    is_finished: bool,
    usage: Option<Usage>,
    /// No text came after the usage.
    usage_is_last: bool,
}

impl Meter {
    /// For one request.
    pub fn new(expected: Expected) -> Meter {
        Meter { expected, seen: Mutex::default() }
    }

    /// An engine took the request and reads the prompt.
    pub fn taken(&self) {
        self.seen().is_taken = true;
    }

    /// An event came.
    pub fn add(&self, reading: &Reading) {
        let mut seen = self.seen();
        seen.is_taken = true;
        seen.text_bytes += reading.text_bytes;
        seen.text_events += u64::from(reading.text_bytes > 0);
        seen.is_finished |= reading.is_finish;
        seen.usage = reading.usage.or(seen.usage);
        if reading.text_bytes > 0 || reading.usage.is_some() {
            seen.usage_is_last = reading.text_bytes == 0;
        }
    }

    /// Another engine starts over: what the first one took does not count.
    pub fn restart(&self) {
        *self.seen() = Seen::default();
    }

    /// Whether a token of the answer has come.
    pub fn has_begun(&self) -> bool {
        self.seen().text_bytes > 0
    }

    /// Whether the engine said why the answer ends, or told the usage last, as engines do that do not say why. Some
    /// tell the usage with every event: that is no end.
    pub fn is_finished(&self) -> bool {
        let seen = self.seen();
        seen.is_finished || seen.usage.is_some() && seen.usage_is_last
    }

    /// Whether there is more text than the tokens can have that the request allowed.
    pub fn is_overrun(&self) -> bool {
        let most = u64::from(self.expected.output_tokens) * BYTES_PER_TOKEN_MAX;
        self.seen().text_bytes > most + OVERRUN_SLACK
    }

    /// Bytes of text that were delivered.
    pub fn text_bytes(&self) -> u64 {
        self.seen().text_bytes
    }

    /// What counts, by all that is known now.
    pub fn best_known(&self) -> TokenUsage {
        let seen = *self.seen();
        if !seen.is_taken {
            return TokenUsage::default();
        }
        let told = seen.usage.unwrap_or_default();
        let prompt_tokens = self.prompt_tokens(told.prompt_tokens);
        let cached_tokens = if told.cached_tokens > prompt_tokens { 0 } else { told.cached_tokens };
        let completion_tokens = self.completion_tokens(told.completion_tokens, &seen);
        Usage { prompt_tokens, cached_tokens, completion_tokens, charged_micro: told.charged_micro }
            .to_token_usage()
    }

    fn prompt_tokens(&self, told: u64) -> u64 {
        let expected = u64::from(self.expected.prompt_tokens);
        // No token has less than a byte; what a chat template adds is in the JSON around each message already.
        let most = self.expected.body_bytes.max(expected);
        if told == 0 || told > most { expected } else { told }
    }

    fn completion_tokens(&self, told: u64, seen: &Seen) -> u64 {
        let most = u64::from(self.expected.output_tokens);
        let estimate = seen.text_bytes.div_ceil(BYTES_PER_TOKEN).max(seen.text_events);
        if told < seen.text_bytes.div_ceil(BYTES_PER_TOKEN_MAX) || told == 0 {
            // Delivered is delivered, but an estimate is no reason to go beyond the reservation.
            return estimate.min(most);
        }
        told.min(most)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { body_bytes: 2000, prompt_tokens: 400, output_tokens: 100 };

    /// A meter that saw so many events of 5 bytes, and then this usage.
    fn metered(events: u64, usage: Option<(u64, u64, u64)>) -> TokenUsage {
        let meter = Meter::new(EXPECTED);
        meter.taken();
        for _ in 0..events {
            meter.add(&Reading { text_bytes: 5, ..Reading::default() });
        }
        let usage = usage.map(|(prompt_tokens, cached_tokens, completion_tokens)| Usage {
            prompt_tokens,
            cached_tokens,
            completion_tokens,
            charged_micro: None,
        });
        meter.add(&Reading { usage, ..Reading::default() });
        meter.best_known()
    }

    fn tokens(usage: TokenUsage) -> (u32, u32, u32) {
        (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
    }

    #[test]
    fn an_honest_usage_counts_as_it_is() {
        assert_eq!(tokens(metered(50, Some((380, 120, 50)))), (380, 120, 50));
        assert_eq!(tokens(metered(50, Some((380, 0, 61)))), (380, 0, 61), "reasoning may be hidden");
    }

    #[test]
    fn nothing_is_charged_before_an_engine_took_it_and_the_prompt_after() {
        let meter = Meter::new(EXPECTED);
        assert_eq!(meter.best_known(), TokenUsage::default());
        meter.taken();
        assert_eq!(tokens(meter.best_known()), (400, 0, 0));
        meter.restart();
        assert_eq!(meter.best_known(), TokenUsage::default());
    }

    #[test]
    fn without_usage_what_was_delivered_counts() {
        assert_eq!(tokens(metered(40, None)), (400, 0, 50), "200 bytes");
        let meter = Meter::new(EXPECTED);
        (0..30).for_each(|_| meter.add(&Reading { text_bytes: 1, ..Reading::default() }));
        assert_eq!(meter.best_known().completion_tokens, 30, "one token per event at least");
    }

    #[test]
    fn an_engine_that_lies_is_not_believed() {
        assert_eq!(tokens(metered(40, Some((0, 0, 0)))), (400, 0, 50));
        assert_eq!(metered(40, Some((400, 0, 3))).completion_tokens, 50, "200 bytes are not 3 tokens");
        assert_eq!(tokens(metered(40, Some((u64::MAX, u64::MAX, u64::MAX)))), (400, 0, 100));
        assert_eq!(tokens(metered(40, Some((2001, 0, 101)))), (400, 0, 100), "although there is text for it");
        assert_eq!(metered(40, Some((400, 401, 40))).cached_tokens, 0);
    }

    #[test]
    fn an_engine_that_does_not_stop_costs_no_more_than_was_allowed() {
        assert_eq!(metered(200, None).completion_tokens, 100);
        assert_eq!(metered(200, Some((400, 0, 200))).completion_tokens, 100);
        let overrun = |bytes: u64| {
            let meter = Meter::new(EXPECTED);
            meter.add(&Reading { text_bytes: bytes, ..Reading::default() });
            meter.is_overrun()
        };
        assert!(!overrun(16 * 100) && !overrun(16 * 100 + 4096) && overrun(16 * 100 + 4097));
    }

    #[test]
    fn usage_is_an_end_only_if_no_text_follows() {
        let (text, told) = (
            Reading { text_bytes: 5, ..Reading::default() },
            Reading { usage: Some(Usage::default()), ..Reading::default() },
        );
        let is_finished = |readings: &[&Reading]| {
            let meter = Meter::new(EXPECTED);
            readings.iter().for_each(|reading| meter.add(reading));
            meter.is_finished()
        };
        assert!(is_finished(&[&text, &told]) && is_finished(&[&text, &told, &Reading::default()]));
        assert!(!is_finished(&[&told, &text]) && !is_finished(&[&text]));
        assert!(!is_finished(&[&Reading { text_bytes: 5, ..told }]), "as vLLM may tell it");
    }
}
