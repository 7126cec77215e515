//! Character cards and lorebooks of other programs: read into characters and lore of ours, and written again.
//!
//! Bytes come in and files go out as data; the disk is somebody else's. Everything here may come from a stranger:
//! sizes are bounded ([`limits`]), nothing in a card is a path or a command, and what a card holds beyond our form
//! is kept as it came, so that an export gives it back.
//!
//! [`read`] tells what a file holds, [`import::plan`] makes files of a world pack from it, and [`export::export`]
//! writes a card. Decision 0017 says why it is so.

mod book;
mod card;
mod error;
pub mod export;
mod ids;
pub mod import;
pub mod limits;
mod map;
mod png_chunks;
mod read;
mod text;

pub use book::Book;
pub use card::{Card, Container, ContainerKind};
pub use error::CardError;
pub use ids::{Ids, check_id};
pub use read::{Found, read};
