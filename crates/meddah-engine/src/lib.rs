//! Placeholder

pub mod action;
pub mod emotion;
pub mod reply;
pub mod timeline;
pub mod world;
