//! The port: what Meddah asks of any storage.

use std::sync::Arc;

use async_trait::async_trait;
use meddah_engine::timeline::{BranchId, Cursor, Entry, Lineage, TimelineId, TimelineKey};

use crate::{StoreError, VectorKey};

/// The most entries that [`TimelineStore::recent`] gives at once; a larger limit is lowered to it.
pub const RECENT_MAX: usize = 10_000;
/// The most entries of one append.
pub const ENTRIES_PER_APPEND_MAX: usize = 1_000;
/// The largest entry in bytes, as JSON.
pub const ENTRY_BYTES_MAX: usize = 256 * 1024;
/// The most entries that [`TimelineStore::scan`] gives at once; a larger limit is lowered to it.
pub const SCAN_MAX: usize = 10_000;
/// The most entries that [`TimelineStore::entries_at`] gives at once.
pub const ENTRIES_AT_MAX: usize = 1_000;
/// The most timelines or branches that a listing names.
pub const LIST_MAX: usize = 10_000;

/// A timeline, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineInfo {
    /// Whose it is.
    pub key: TimelineKey,
    /// Its name inside cursors.
    pub id: TimelineId,
    /// Where the next entry goes.
    pub head: Cursor,
    /// How often a save was loaded. Work that takes long remembers it and gives it to
    /// [`TimelineStore::append_since`].
    pub loads: u64,
    /// When it was begun, milliseconds since 1970.
    pub created_ms: i64,
}

/// An entry and its place. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEntry {
    /// The place just after it.
    pub cursor: Cursor,
    /// The entry. It never changes, so the store and all who read it may share it.
    pub entry: Arc<Entry>,
}

/// What [`TimelineStore::recent_each`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    /// The head, or where it was just before.
    pub head: Cursor,
    /// In the order of the questions; the oldest entry first.
    pub answers: Vec<Vec<StoredEntry>>,
}

/// A branch of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchInfo {
    /// Its number.
    pub id: BranchId,
    /// The place it was split off at; absent for the first telling.
    pub forked_at: Option<Cursor>,
    /// Its newest place.
    pub tip: Cursor,
    /// When it was begun, milliseconds since 1970.
    pub created_ms: i64,
}

/// Which entries to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntryFilter {
    /// Every entry of every kind.
    All,
    /// The turns and events that this being perceived. The limit counts these; the notes that amend
    /// them (what was heard, how actions went) come along, whatever their number.
    PerceivedBy(String),
    /// The memories of this character: summaries, facts, hearsay, those that were replaced among them.
    MemoriesOf(String),
    /// The values that this state had, the newest last. A limit of 1 gives the value that holds.
    State(StateOf),
}

/// A state that entries replace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StateOf {
    /// The scene.
    Scene,
    /// How a character feels.
    Emotion {
        /// The character.
        character: String,
    },
    /// How a character stands to somebody.
    Relationship {
        /// The character.
        character: String,
        /// To whom.
        toward: String,
    },
    /// How far a character is with its goals.
    Goals {
        /// The character.
        character: String,
    },
    /// How far a character's talk has come, for lore that stays, rests or waits.
    Lore {
        /// The character.
        character: String,
    },
}

/// How far an index has read the entries of a timeline in the order of writing. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanMark {
    pub(crate) compactions: u64,
    pub(crate) row: i64,
}

/// A piece of a timeline in the order of writing.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// Entries of all branches, the oldest first; none if the index is up to date.
    pub entries: Vec<StoredEntry>,
    /// Where to go on.
    pub mark: ScanMark,
    /// The head of the timeline at that moment.
    pub head: Cursor,
    /// Entries were deleted since the mark was given (`meddah world compact`), and this begins anew: an index
    /// drops what it has first.
    pub anew: bool,
}

/// How a saved moment is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadBy {
    /// By cursor: the exact way.
    Cursor(Cursor),
    /// By the name given to `save`; the newest save of that name counts.
    Name(String),
    /// By the name given to `save` and the game's clock at that save, which tells saves of one name apart. If
    /// there is none of that time, the newest of that name.
    NameAt {
        /// The name.
        name: String,
        /// The game's clock.
        game_time: i64,
    },
    /// The newest moment of the current line of time at or before this game time. Before all of
    /// them: the beginning.
    GameTime(i64),
}

/// The moment that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where we are now.
    pub cursor: Cursor,
    /// Which branch that is.
    pub branch: BranchId,
    /// The moment may not be the one meant: it was found by game time, or several moments were saved
    /// under this name.
    pub uncertain: bool,
}

/// Keeps timelines. Any number of tasks may call it at once, on the same timeline too.
///
/// A call whose future is dropped may still be carried out.
#[async_trait]
pub trait TimelineStore: Send + Sync {
    /// The timeline of this playthrough; begun if there is none.
    async fn open(&self, key: &TimelineKey) -> Result<TimelineInfo, StoreError>;

    /// Where the next entry goes.
    async fn head(&self, key: &TimelineKey) -> Result<Cursor, StoreError>;

    /// How often a save was loaded in this timeline ([`TimelineInfo::loads`]); begun if there is none. Cheaper than
    /// [`open`](Self::open).
    async fn loads(&self, key: &TimelineKey) -> Result<u64, StoreError>;

    /// Writes entries after the head, all or none, and moves the head behind them. A crash of
    /// the program cannot undo what is written when it returns; a power cut can for some milliseconds. After a load, the first append begins a new branch unless the head is the
    /// tip of its branch.
    ///
    /// A note (`Heard`, `ActionResult`) is given the witnesses of its turn, see
    /// [`Entry::inherit_witnesses`].
    async fn append(&self, key: &TimelineKey, entries: Vec<Entry>) -> Result<Cursor, StoreError> {
        self.append_since(key, None, entries).await
    }

    /// As [`append`](Self::append), but refused as superseded if the timeline was loaded since
    /// [`TimelineInfo::loads`] had this value.
    async fn append_since(
        &self,
        key: &TimelineKey,
        loads: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError>;

    /// Writes entries that were derived from the past (a summary, facts), work on which began when the head was
    /// at `began_at`. Refused as superseded unless that place still lies behind the head (or is it): then a
    /// save was loaded in between, and what was derived may speak of a future that is not to be. Otherwise as
    /// [`append`](Self::append).
    async fn append_derived(
        &self,
        key: &TimelineKey,
        began_at: Cursor,
        entries: Vec<Entry>,
    ) -> Result<Cursor, StoreError>;

    /// The way from a place (absent: the head) back to the beginning.
    async fn lineage(&self, key: &TimelineKey, at: Option<Cursor>) -> Result<Lineage, StoreError>;

    /// The next entries of all branches in the order of writing, at most `limit` and [`SCAN_MAX`], for an index
    /// that catches up. Which of them a character may know of is for [`lineage`](Self::lineage) to say.
    async fn scan(&self, key: &TimelineKey, after: ScanMark, limit: usize) -> Result<Scanned, StoreError>;

    /// The vectors of these keys in their order, `None` where there is none; at most
    /// [`VECTORS_PER_CALL_MAX`](crate::VECTORS_PER_CALL_MAX).
    async fn vectors(&self, keys: Vec<VectorKey>) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Keeps vectors; one that is there already is replaced. Each has at most
    /// [`VECTOR_BYTES_MAX`](crate::VECTOR_BYTES_MAX) bytes, one call at most
    /// [`VECTORS_PER_CALL_MAX`](crate::VECTORS_PER_CALL_MAX) of them.
    async fn put_vectors(&self, vectors: Vec<(VectorKey, Vec<u8>)>) -> Result<(), StoreError>;

    /// The newest entries up to `limit` as seen from `at` (absent: the head), oldest first. Only
    /// ancestors of that place are seen, whichever branch it is on.
    async fn recent(
        &self,
        key: &TimelineKey,
        filter: EntryFilter,
        limit: usize,
        at: Option<Cursor>,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// What [`recent`](Self::recent) gives for each of these filters and limits, in their order, as seen from the
    /// head. An adapter may answer all of them of one moment, which costs less than one after the other.
    async fn recent_each(
        &self,
        key: &TimelineKey,
        questions: Vec<(EntryFilter, usize)>,
    ) -> Result<Recent, StoreError> {
        let head = self.head(key).await?;
        let mut answers = Vec::with_capacity(questions.len());
        for (filter, limit) in questions {
            answers.push(self.recent(key, filter, limit, None).await?);
        }
        Ok(Recent { head, answers })
    }

    /// The entries just before these places, in their order; `None` where the timeline has no such place. At most
    /// [`ENTRIES_AT_MAX`] of them.
    async fn entries_at(
        &self,
        key: &TimelineKey,
        places: Vec<Cursor>,
    ) -> Result<Vec<Option<StoredEntry>>, StoreError>;

    /// Marks the head as a saved moment and gives its cursor, for the game's save file. It and all before it are
    /// on the disk when this returns.
    async fn save(
        &self,
        key: &TimelineKey,
        name: Option<&str>,
        game_time: Option<i64>,
    ) -> Result<Cursor, StoreError>;

    /// Moves the head to a saved moment. Nothing is deleted; later moments stay reachable.
    async fn load(&self, key: &TimelineKey, by: LoadBy) -> Result<Loaded, StoreError>;

    /// The turn that answered this request on the current line of time, if there is one; the newest,
    /// should the id have been used again. Games number requests anew in each session, so an old
    /// answer is for the caller to tell apart.
    async fn find_request(&self, key: &TimelineKey, req_id: &str) -> Result<Option<StoredEntry>, StoreError>;

    /// The branches, oldest first, at most [`LIST_MAX`].
    async fn branches(&self, key: &TimelineKey) -> Result<Vec<BranchInfo>, StoreError>;

    /// The timelines, oldest first, at most [`LIST_MAX`].
    async fn timelines(&self) -> Result<Vec<TimelineInfo>, StoreError>;
}
