//! Everything that comes in goes out again, and nothing that comes in does harm.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

mod cards;
mod crowd;
mod fuzz;
mod hostile;
mod mapping;
mod round_trip;
