//! The character engine: everything that makes a reply a character's own, as pure functions.
//!
//! No I/O, no clock, no randomness, no async: time and seeds are arguments. So each part can be read,
//! tested and measured by itself: world packs in [`world`], what happened in [`timeline`], what a
//! character recalls of it in [`memory`], what a model reads in [`prompt`], what it wrote in [`reply`], what it may do in [`action`], how it feels in
//! tested and measured by itself: world packs in [`world`], what happened in [`timeline`], what a model
//! reads in [`prompt`], what is kept of a talk in [`reflection`], what it wrote in [`reply`], what it may do in [`action`], how it feels in
//! [`emotion`].
//! reads in [`prompt`], what it wrote in [`reply`], what it may do in [`action`], when something holds in
//! [`condition`], what it pursues in [`goal`], how it feels in [`emotion`].

pub mod action;
pub mod condition;
pub mod emotion;
pub mod memory;
pub mod goal;
pub mod prompt;
pub mod reflection;
pub mod relationship;
pub mod reply;
pub mod timeline;
pub mod world;
