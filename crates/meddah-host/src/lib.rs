//! `meddah host`: one machine with a model, opened to many players.
//!
//! A request goes through in a straight line: `front` knows the player by a token → `quota` reserves what the answer
//! can cost at most → `admission` waits for a slot, fairly → `engines` finds an engine and streams → `quota` settles
//! what it did cost → `storage` keeps it.
//!
//! `admission::Scheduler` and everything of `quota` that decides is pure: time is an argument, so that the simulator
//! of `meddah host plan` drives the very same code.

pub mod admission;
mod alarm;
pub mod engines;
pub mod front;
pub mod plan;
pub mod player;
pub mod quota;
pub mod server;
pub mod settings;
pub mod storage;
