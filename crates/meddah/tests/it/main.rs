//! The sidecar as a game meets it: a real server on a free port, a scripted model, a store in memory.
//!
//! One binary for all of them, so that they are linked once.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

mod bad_input;
mod barge_in;
#[path = "../program/chance.rs"]
mod chance;
mod chaos;
mod client;
mod faces;
mod feelings;
mod goals;
mod guard;
mod idempotency;
mod interrupt;
mod limits;
mod listening;
mod memory;
mod reading_ahead;
mod reflection;
mod relay;
mod rig;
mod routes;
mod scenes;
mod secrets;
mod shutdown;
mod trace;
mod voice;
