//! A whole host over its real ports, in front of a made-up engine.

mod chat;
mod disconnects;
mod door;
mod flood;
mod host;
mod money;
mod sign_in;
mod strangers;
mod tls;
