//! What is simulated: machines, players and their habits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PlanError;
use crate::admission::AdmissionSettings;

/// A machine with one model. The defaults are an example, not a measurement: measure your own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// Requests that the engine works on at once.
    pub slots: u32,
    /// Milliseconds for one token of an answer while nothing else runs.
    pub token_ms: f64,
    /// How much longer everything takes when all slots are busy: 0 for no longer, 1 for twice as long.
    pub slowdown: f64,
    /// Tokens of a prompt that are read in a second while nothing else runs.
    pub prompt_tokens_per_second: f64,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { slots: 8, token_ms: 15.0, slowdown: 1.0, prompt_tokens_per_second: 2_000.0 }
    }
}

/// Lengths in tokens, lognormal: most are near the median, a few are much longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// Half of them are shorter.
    pub median: f64,
    /// Standard deviation of the logarithm; 0 when all are alike, 0.6 for answers.
    pub spread: f64,
    /// None is longer.
    pub max: u32,
}

impl Length {
    /// The mean, as if there were no longest.
    pub fn mean(&self) -> f64 {
        self.median * (self.spread * self.spread / 2.0).exp()
    }
}

/// How players play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Model calls of one player while playing, of all classes, per hour.
    pub requests_per_hour: f64,
    /// Hours that a player plays on an average day.
    pub hours_a_day: f64,
    /// Of all players, the share that plays in the busiest hour: at least `hours_a_day` / 24.
    pub share_at_peak: f64,
    /// Prompts.
    pub prompt: Length,
    /// Of a prompt, the share that the engine still has from the turn before.
    pub cached_share: f64,
    /// Answers.
    pub output: Length,
    /// Of the calls, the share that is talk among characters.
    pub ambient_share: f64,
    /// Of the calls, the share that is summaries and memories.
    pub session_share: f64,
    /// Requests of one class that a player may have running at once.
    pub concurrent: u32,
}

impl Default for Habits {
    fn default() -> Self {
        Habits {
            requests_per_hour: 60.0,
            hours_a_day: 1.0,
            share_at_peak: 0.1,
            prompt: Length { median: 1_500.0, spread: 0.3, max: 8_192 },
            cached_share: 0.8,
            output: Length { median: 80.0, spread: 0.6, max: 400 },
            ambient_share: 0.2,
            session_share: 0.1,
            concurrent: 2,
        }
    }
}

/// Players who always have a number of live requests on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    /// How many do so.
    pub players: u32,
    /// Requests that each has on their way.
    pub outstanding: u32,
}

/// In what order requests are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As the host does.
    #[default]
    Fair,
    /// As they come, whoever asks and for whatever, as engines do: for comparison. All are treated as live requests of
    /// one player.
    FirstCome,
}

/// One simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// All machines are alike.
    pub machine: Machine,
    /// How many stand behind one host.
    pub machines: u32,
    /// Of the host.
    pub admission: AdmissionSettings,
    /// Players who play all the time that is simulated.
    pub players: u32,
    /// Of these players.
    pub habits: Habits,
    /// Others who flood the host.
    pub flood: Flood,
    /// Fair, or for comparison not.
    pub order: Order,
    /// Time that is simulated.
    pub duration: Duration,
    /// The same seed gives the same players.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            machine: Machine::default(),
            machines: 1,
            admission: AdmissionSettings::default(),
            players: 20,
            habits: Habits::default(),
            flood: Flood::default(),
            order: Order::default(),
            duration: Duration::from_secs(3_600),
            seed: 1,
        }
    }
}

impl Machine {
    pub(super) fn check(&self) -> Result<(), PlanError> {
        positive("slots", f64::from(self.slots))?;
        positive("token_ms", self.token_ms)?;
        positive("prompt_tokens_per_second", self.prompt_tokens_per_second)?;
        within("slowdown", self.slowdown, 0.0, f64::MAX, "has to be 0 or more")
    }
}

impl Habits {
    pub(super) fn check(&self) -> Result<(), PlanError> {
        positive("requests_per_hour", self.requests_per_hour)?;
        positive("share_at_peak", self.share_at_peak)?;
        for (what, length) in [("median of prompts", self.prompt), ("median of answers", self.output)] {
            positive(what, length.median)?;
            within("spread", length.spread, 0.0, 3.0, "has to be from 0 to 3")?;
        }
        within("hours_a_day", self.hours_a_day, 0.0, 24.0, "has to be from 0 to 24")?;
        let least = self.hours_a_day / 24.0;
        within("share_at_peak", self.share_at_peak, least, 1.0, "has to be from hours_a_day / 24 to 1")?;
        let share = "has to be from 0 to 1";
        within("cached_share", self.cached_share, 0.0, 1.0, share)?;
        within("ambient_share", self.ambient_share, 0.0, 1.0, share)?;
        within("session_share", self.session_share, 0.0, 1.0, share)?;
        let both = self.ambient_share + self.session_share;
        within("ambient_share and session_share together", both, 0.0, 1.0, share)
    }
}

pub(super) fn positive(what: &'static str, is: f64) -> Result<(), PlanError> {
    within(what, is, f64::MIN_POSITIVE, f64::MAX, "has to be more than 0")
}

fn within(what: &'static str, is: f64, least: f64, most: f64, has_to: &'static str) -> Result<(), PlanError> {
    if is >= least && is <= most {
        Ok(())
    } else {
        Err(PlanError::Figure { what, is: is.to_string(), has_to })
    }
}
