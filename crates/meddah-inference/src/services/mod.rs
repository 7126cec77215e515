//! Character services, one file each: programs elsewhere that play a character by themselves.
//!
//! An adapter speaks one service's protocol and turns its reply into [`Chunk`](crate::Chunk)s. What all of
//! them share stands beside them: [`reply`] carries the chunks, [`sessions`] keeps the service's session of
//! each conversation, [`actions`] and `emotions` put the service's words into the caller's, [`fault`] reads
//! refusals.

mod actions;
mod colyseus;
mod emotions;
mod fault;
mod reply;
mod sessions;
