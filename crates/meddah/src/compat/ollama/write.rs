//! Answers as Ollama's clients read them: a JSON object, or one a line.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meddah_inference::{TokenUsage, ToolCall};
use meddah_protocol::{TalkEmotion, WireError};
use serde_json::{Value, json};

use crate::compat::openai::error::sentence;
use crate::compat::reply::{Piece, Trouble, Whole, Why, rounded};
use crate::compat::streaming::Writer;

/// Which route is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
}

/// What stands in every line of an answer.
pub(super) struct Head {
    route: Route,
    model: String,
    began: Instant,
    first_word: Option<Instant>,
}

impl Head {
    pub fn new(route: Route, model: String) -> Head {
        Head { route, model, began: Instant::now(), first_word: None }
    }

    fn line(&self, text: &str, done: bool) -> Value {
        let mut line = json!({"model": self.model, "created_at": timestamp(now()), "done": done});
        match self.route {
            Route::Chat => line["message"] = json!({"role": "assistant", "content": text}),
            Route::Generate => line["response"] = json!(text),
        }
        line
    }

    fn with_calls(&self, mut line: Value, calls: &[ToolCall]) -> Value {
        if !calls.is_empty() && self.route == Route::Chat {
            let shown =
                |call: &ToolCall| json!({"function": {"name": call.name, "arguments": call.arguments}});
            line["message"]["tool_calls"] = calls.iter().map(shown).collect();
        }
        line
    }

    fn end(&self, mut line: Value, why: Why, usage: &TokenUsage, extra: &Extra) -> Value {
        let total = self.began.elapsed();
        let reading = self.first_word.map_or(total, |first| first.saturating_duration_since(self.began));
        line["done_reason"] = json!(if why == Why::Length { "length" } else { "stop" });
        line["total_duration"] = json!(nanoseconds(total));
        line["load_duration"] = json!(0);
        line["prompt_eval_count"] = json!(usage.prompt_tokens);
        line["prompt_eval_duration"] = json!(nanoseconds(reading));
        line["eval_count"] = json!(usage.completion_tokens);
        line["eval_duration"] = json!(nanoseconds(total.saturating_sub(reading)));
        if self.route == Route::Generate {
            line["context"] = json!([]);
        }
        if let Some(feeling) = &extra.feeling {
            line["meddah"] = json!({"emotion": feeling.label, "intensity": rounded(feeling.intensity)});
        }
        if let Some(trouble) = &extra.trouble {
            trouble.tell(&mut line["meddah"]);
        }
        line
    }

    /// The whole answer.
    pub fn whole(mut self, whole: &Whole) -> Value {
        self.first_word = whole.first_word;
        let line = self.with_calls(self.line(&whole.text, true), &whole.calls);
        let extra = Extra { feeling: whole.feeling.clone(), trouble: whole.trouble.clone() };
        self.end(line, whole.why, &whole.usage, &extra)
    }

    /// An answer without words.
    pub fn empty(&self, why: &str) -> Value {
        let mut line = self.line("", true);
        line["done_reason"] = json!(why);
        line
    }
}

/// Writes one object a line.
pub(super) struct Lines {
    head: Head,
    extra: Extra,
}

/// What no other program has: how the character feels, and what went wrong although it answers.
#[derive(Default)]
struct Extra {
    feeling: Option<TalkEmotion>,
    trouble: Option<Trouble>,
}

impl Lines {
    pub fn new(head: Head) -> Lines {
        Lines { head, extra: Extra::default() }
    }
}

impl Writer for Lines {
    fn piece(&mut self, piece: Piece, out: &mut Vec<u8>) {
        let line = match piece {
            Piece::Feeling(feeling) => {
                self.extra.feeling = Some(feeling);
                return;
            }
            Piece::Trouble(trouble) => {
                self.extra.trouble = Some(trouble);
                return;
            }
            Piece::Text(text) => {
                self.head.first_word.get_or_insert_with(Instant::now);
                self.head.line(&text, false)
            }
            Piece::Call(call) => self.head.with_calls(self.head.line("", false), &[call]),
            Piece::End { why, usage } => self.head.end(self.head.line("", true), why, &usage, &self.extra),
        };
        out.extend_from_slice(format!("{line}\n").as_bytes());
    }

    fn failed(&mut self, error: &WireError, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}\n", json!({"error": sentence(error)})).as_bytes());
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// RFC 3339, in UTC. The date by Howard Hinnant's `civil_from_days`.
pub(super) fn timestamp(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // days since 1 March of the year 0
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = since_1970.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_writing_are_told_apart_also_in_a_whole_answer() {
        let mut head = Head::new(Route::Chat, "m".into());
        let second = Duration::from_secs(1);
        head.began = Instant::now().checked_sub(3 * second).unwrap();
        let whole = Whole {
            text: "Aye.".into(),
            calls: Vec::new(),
            feeling: Some(TalkEmotion {
                label: "joy".into(),
                intensity: 0.3,
                pleasure: 0.0,
                arousal: 0.0,
                dominance: 0.0,
            }),
            trouble: None,
            why: Why::Stop,
            usage: TokenUsage::default(),
            first_word: Some(head.began + second),
        };
        let line = head.whole(&whole);
        assert_eq!(line["prompt_eval_duration"], 1_000_000_000_u64);
        assert!(line["eval_duration"].as_u64().unwrap() >= 2_000_000_000);
        assert_eq!(line["meddah"]["intensity"].to_string(), "0.3");
    }

    #[test]
    fn times_are_written_as_dates() {
        let of = |seconds| timestamp(Duration::from_secs(seconds));
        assert_eq!(of(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(of(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(of(1_767_225_599), "2025-12-31T23:59:59.000000Z");
    }
}
