//! Providers, asked over real sockets: made-up servers that speak each dialect and break in every way.
//!
//! One binary for all of them, so that they are linked once.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

mod cancel;
mod faults;
mod kit;
mod omitted;
mod passed_through;
mod requests;
mod secrets;
mod services;
mod suite;
mod thinking;
mod transcripts;
mod unreachable;
