//! Light players and one that floods, on a machine of 8 slots at 25 ms for a token.

use std::time::Duration;

use meddah_host::admission::{AdmissionSettings, ClassSettings};
use meddah_host::plan::{Flood, Habits, Length, Machine, Scenario};

/// 20 light players with a request every 20 seconds, 600 tokens of which nine in ten are cached and a quarter of a second
/// is read, answers of about 100 tokens; nobody is turned away. One hour.
pub fn light_players() -> Scenario {
    let patient =
        ClassSettings { waiting_max: 100_000, waiting_of_player_max: 100_000, patience_ms: 86_400_000 };
    Scenario {
        machine: Machine { slots: 8, token_ms: 25.0, slowdown: 0.0, prompt_tokens_per_second: 240.0 },
        admission: AdmissionSettings {
            live: patient,
            session: patient,
            ambient: patient,
            ..AdmissionSettings::default()
        },
        players: 20,
        habits: Habits {
            requests_per_hour: 180.0,
            prompt: Length { median: 600.0, spread: 0.0, max: 600 },
            cached_share: 0.9,
            output: Length { median: 81.0, spread: 0.6, max: 400 },
            ambient_share: 0.0,
            session_share: 0.0,
            concurrent: 64,
            ..Habits::default()
        },
        duration: Duration::from_secs(3_600),
        ..Scenario::default()
    }
}

/// One more player, who always has 64 requests on their way.
pub const FLOOD: Flood = Flood { players: 1, outstanding: 64 };

/// The players' characters talk among themselves: 1.5 requests a second together, beside the players' own. Those expire
/// as they usually do.
pub fn with_ambient(scenario: Scenario) -> Scenario {
    let habits = Habits { requests_per_hour: 450.0, ambient_share: 0.6, ..scenario.habits };
    let ambient = AdmissionSettings::default().ambient;
    Scenario { habits, admission: AdmissionSettings { ambient, ..scenario.admission }, ..scenario }
}
