//! A whole host over its real ports, in front of a made-up engine.

mod chat;
mod door;
mod host;
mod money;
mod sign_in;
mod socket;
mod tls;
