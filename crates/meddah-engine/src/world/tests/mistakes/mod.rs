//! What authors get wrong, and what they are told. The messages are part of what is promised: they are
//! compared letter by letter.

mod keys;
mod lore_and_actions;
mod pack;
mod syntax;
mod values;

use super::*;
