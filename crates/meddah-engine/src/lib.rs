//! Placeholder

pub mod timeline;
