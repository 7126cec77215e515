//! How much of a stranger's file is taken in. Each limit is far above what a real card needs.

/// A file that is read: a picture or CHARX with many assets.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The JSON of a card or lorebook, and a file of many cards.
pub const JSON_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Chunks of a picture. An animation has two per frame.
pub const CHUNKS_MAX: usize = 65_536;
/// Files in a CHARX.
pub const ZIP_ENTRIES_MAX: usize = 2048;
/// A file in a CHARX, unpacked.
pub const ZIP_ENTRY_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// All files of a CHARX, unpacked.
pub const ZIP_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// How many times larger than packed the files of a CHARX may be, where it is more than [`ZIP_SMALL_BYTES`].
pub const ZIP_RATIO_MAX: u64 = 200;
/// Below this, any ratio is harmless.
pub const ZIP_SMALL_BYTES: u64 = 1024 * 1024;
/// A path in a CHARX.
pub const ZIP_PATH_BYTES_MAX: usize = 240;
/// Characters and lorebooks of one file.
pub const ITEMS_MAX: usize = 8192;
/// Columns of a table.
pub const COLUMNS_MAX: usize = 256;
/// A cell of a table; more means that a quote is missing.
pub const CELL_BYTES_MAX: usize = 256 * 1024;
/// The original of one character that is kept. Larger ones are refused.
pub const KEPT_BYTES_MAX: usize = JSON_BYTES_MAX;
/// How much of one field is looked at; the rest of it stays in the kept original.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Entries of one lorebook that become lore.
pub const BOOK_ENTRIES_MAX: usize = 2048;

/// The description in our form. Bytes, because they go with tokens in every script: 1,200 bytes are at most
/// some 300 tokens of English and 700 of a script that the model knows badly.
pub const DESCRIPTION_BYTES_MAX: usize = 1200;
/// Traits together.
pub const TRAITS_BYTES_MAX: usize = 240;
/// Traits.
pub const TRAITS_MAX: usize = 12;
/// A trait: more is a sentence, and belongs into the description.
pub const TRAIT_BYTES_MAX: usize = 40;
/// What the player says in a sample.
pub const SAMPLE_PLAYER_BYTES_MAX: usize = 200;
/// What the character answers in a sample.
pub const SAMPLE_REPLY_BYTES_MAX: usize = 360;
/// Samples that are taken; prompts show the first four.
pub const SAMPLES_TAKEN_MAX: usize = 8;
/// A piece of lore in characters: what a turn tells at once. Longer ones become several.
pub const LORE_TEXT_CHARS_MAX: usize = 480;
/// Pieces that what does not fit the description becomes.
pub const REST_PIECES_MAX: usize = 8;
/// An id made from a name.
pub const ID_BYTES_MAX: usize = 48;
