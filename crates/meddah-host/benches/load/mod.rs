//! What the benches share: programs as processes of their own, and clients that measure streams.

pub mod client;
pub mod process;
pub mod programs;

use std::time::Duration;

/// The value that a share of all is not above, for example 0.99. Sorts; zero if there is none.
pub fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// In milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The machine's load of the last minute, where the system tells it.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// The number behind a flag.
pub fn number(arguments: &[String], flag: &str, usual: u64) -> Result<u64, String> {
    let Some(place) = arguments.iter().position(|argument| argument == flag) else { return Ok(usual) };
    let text = arguments.get(place + 1).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| format!("{flag} needs a number, not {text:?}"))
}
