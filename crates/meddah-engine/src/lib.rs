//! Placeholder

pub mod emotion;
pub mod timeline;
