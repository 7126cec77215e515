//! What happened between a player and the characters of a world, as a log that only grows.
//!
//! Nothing is ever changed in it. Loading an older save moves the reader back; what is told from
//! there on becomes another branch, and the former one keeps its entries. Order is the order of
//! telling (`seq`), never the game's clock, because clocks repeat and jump.
//!
//! Here are the types and the pure rules; where entries are kept is the storage port's affair.

mod cursor;
mod entry;
mod heard;
mod lineage;
mod memory;
mod recall;

pub use cursor::{BranchId, CURSOR_BYTES_MAX, Cursor, CursorError, EntryHash, TimelineId, TimelineKey};
pub use entry::{
    CalledAction, DecisionRecord, Entry, EntryError, EntryKind, EntryRole, FeltEmotion, SpokenLine,
    TurnRecord, WITNESSES_MAX,
};
pub use heard::heard_text;
pub use lineage::{Lineage, Stretch};
pub use memory::{MEMORY_BYTES_MAX, MEMORY_LIST_MAX, MemoryKind, MemoryRecord, SourceRange, valid_memories};
pub use recall::{HeardLine, Recalled, RecalledAction, RecentTurn, project, recall};
