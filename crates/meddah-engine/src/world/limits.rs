//! How much a world pack may hold. Each limit is far above what a good pack needs; they keep a mistake or
//! a hostile download from costing memory and prompt space. A world of 5,000 characters, which large games have, stays
//! within them (decision 0017).

/// Files in a pack.
pub const FILES_MAX: usize = 16_384;
/// All files of a pack together, in bytes.
pub const PACK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Characters in a world.
pub const CHARACTERS_MAX: usize = 8192;
/// Lore entries in a world.
pub const LORE_MAX: usize = 16_384;
/// Actions in `actions.toml`.
pub const ACTIONS_MAX: usize = 64;
/// A name or label, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// A sentence: one list item, one line of speech, in characters.
pub const SENTENCE_CHARS_MAX: usize = 500;
/// A longer text: a description, a lore entry, in characters.
pub const TEXT_CHARS_MAX: usize = 4000;
/// Items of a list such as `knows`.
pub const LIST_MAX: usize = 64;
/// Sample exchanges of a character.
pub const SAMPLES_MAX: usize = 16;
/// Words of a description beyond which small models begin to lose the thread (a warning).
pub const DESCRIPTION_WORDS_ADVISED: usize = 120;
/// Letters of a lore key below which it turns up by accident all the time (a warning).
pub const KEY_LETTERS_ADVISED: usize = 3;
/// Rungs of a ladder.
pub const LADDER_MAX: usize = 8;
/// Names whose sound a world gives.
pub const PRONUNCIATIONS_MAX: usize = 4096;
/// Short sounds of thinking of a character.
pub const THINKING_MAX: usize = 8;
/// Goals that a character has at different times.
pub const GOALS_MAX: usize = 32;
