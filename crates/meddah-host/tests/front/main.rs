//! A whole host over its real ports, in front of a made-up engine.

#![allow(clippy::disallowed_methods, reason = "what a test spawns ends with its runtime")]
#![allow(clippy::print_stdout, reason = "figures are for people who ask with --nocapture")]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod chat;
mod clients;
mod disconnects;
mod door;
mod flood;
mod host;
mod money;
mod raw;
mod sign_in;
mod socket;
mod strangers;
mod tls;
mod two_engines;
mod upstream;
