//! Made-up providers for tests: real sockets that speak each dialect from transcripts, and break in every way
//! in which real ones do.
//!
//! HTTP is written here by hand. A library would frame the bytes as they should be, and the cases that matter
//! are the ones where they are not: a chunk cut in a character, a connection that ends in a word, no head.
//! Requests are checked as the real provider would ([`check`]), so that a client cannot pass by accident.

pub mod check;
pub mod engine;
mod faults;
mod request;
mod server;
pub mod services;
pub mod speech;
mod tls;
mod transcript;

pub use check::Dialect;
pub use faults::{Faults, Play};
pub use request::Recorded;
pub use server::Fake;
pub use transcript::{Step, Transcript, case_names, transcript};
