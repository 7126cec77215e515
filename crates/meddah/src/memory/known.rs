//! The index of one timeline as the program keeps it: how far it has read the store, which views of it are
//! kept, and which entry and text each document has.

use std::collections::HashMap;

use meddah_engine::memory::{Added, DocumentId, Index, Place, View};
use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId, TimelineKey};
use meddah_store::{ScanMark, StoreError, StoredEntry, TimelineStore};

use super::text_hash::TextHash;

/// Entries of one step of building an index.
const SCAN_ENTRIES: usize = 500;
/// The same for an index that was up to date: a few turns, which a store gives without a thread of its own.
const SCAN_NEWEST: usize = 64;
/// Views kept of one timeline; the one that rests the longest makes room.
const VIEWS_MAX: usize = 32;

/// One timeline.
pub(super) struct Known {
    pub(super) index: Index,
    entries: Entries,
    language: String,
    names: Vec<(String, String)>,
    mark: ScanMark,
    /// All was read that there was when it was read last.
    up_to_date: bool,
    /// Where the timeline was then.
    head: Option<Cursor>,
    /// What the index takes in memory, about.
    index_bytes: usize,
    /// The one used last comes last.
    views: Vec<View>,
    /// What was read and may have no vectors yet.
    texts: Vec<String>,
}

/// The entry and the text of each document.
#[derive(Default)]
pub(super) struct Entries {
    timeline: Option<TimelineId>,
    places: Vec<(Place, EntryHash)>,
    texts: Vec<TextHash>,
    /// What was heard of answers, where that is not what the entry says.
    heard: HashMap<DocumentId, String>,
}

impl Entries {
    /// Where the entry of a document is.
    pub(super) fn cursor(&self, document: DocumentId) -> Option<Cursor> {
        let (place, hash) = self.places.get(document as usize)?;
        Some(Cursor { timeline: self.timeline?, branch: BranchId(place.branch), seq: place.seq, hash: *hash })
    }

    /// What was heard of a document, if its entry does not say so.
    pub(super) fn heard(&self, document: DocumentId) -> Option<&str> {
        self.heard.get(&document).map(String::as_str)
    }

    /// The text of a document, as it is given to an embedder.
    pub(super) fn text(&self, document: DocumentId) -> TextHash {
        self.texts.get(document as usize).copied().unwrap_or_default()
    }
}

impl Known {
    /// Nothing is known yet.
    pub(super) fn new(language: &str) -> Known {
        Known {
            index: Index::new(language),
            entries: Entries::default(),
            language: language.to_owned(),
            names: Vec::new(),
            mark: ScanMark::default(),
            up_to_date: false,
            head: None,
            index_bytes: 0,
            views: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Tells the names of the world's people.
    pub(super) fn name(&mut self, names: &[(String, String)]) {
        if self.names != names {
            names.iter().for_each(|(id, name)| self.index.name(id, name));
            self.names = names.to_vec();
        }
    }

    /// Reads some of what was written since; tells whether there may be more, and where the head is. Whoever asks may go away while it waits for
    /// the store: nothing is added before all of it is there.
    pub(super) async fn read_on(
        &mut self,
        store: &dyn TimelineStore,
        key: &TimelineKey,
    ) -> Result<(bool, Cursor), StoreError> {
        let limit = if self.up_to_date { SCAN_NEWEST } else { SCAN_ENTRIES };
        let scanned = store.scan(key, self.mark, limit).await?;
        let mut branches: Vec<(u32, Place)> = Vec::new();
        for StoredEntry { cursor, .. } in &scanned.entries {
            let branch = cursor.branch.0;
            let known = !scanned.anew && self.index.knows_branch(branch);
            if branch == 0 || known || branches.iter().any(|(known, _)| *known == branch) {
                continue;
            }
            let lineage = store.lineage(key, Some(*cursor)).await?;
            if let Some(parent) = lineage.stretches().get(1) {
                branches.push((branch, Place { branch: parent.branch.0, seq: parent.seq_max }));
            }
        }
        if scanned.anew {
            self.begin_anew();
        }
        branches.into_iter().for_each(|(branch, parent)| self.index.branch(branch, parent));
        scanned.entries.iter().for_each(|stored| self.add(stored));
        self.mark = scanned.mark;
        self.up_to_date = scanned.entries.len() < limit;
        self.head = Some(scanned.head).filter(|_| self.up_to_date);
        if scanned.anew || !scanned.entries.is_empty() {
            self.index_bytes = self.index.bytes();
        }
        Ok((!self.up_to_date, scanned.head))
    }

    /// All was read when the timeline was at this place, so there is nothing new behind it.
    pub(super) fn has_read_to(&self, place: Cursor) -> bool {
        self.head == Some(place)
    }

    /// What one character perceived on the way to a place, in an index that has been brought up to date.
    pub(super) fn view(&mut self, being: &str, head: Cursor) -> (&Index, &View, &Entries) {
        let head = Place { branch: head.branch.0, seq: head.seq };
        let at = self.views.iter().position(|view| view.being() == being);
        let mut view = match at {
            Some(at) => self.views.remove(at),
            None => View::new(&self.index, being, head),
        };
        view.follow(&self.index, head);
        if self.views.len() >= VIEWS_MAX {
            self.views.remove(0);
        }
        self.views.push(view);
        (&self.index, &self.views[self.views.len() - 1], &self.entries)
    }

    /// The texts read since this was asked last, for their vectors.
    pub(super) fn take_texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let views: usize = self.views.iter().map(View::bytes).sum();
        let entry = size_of::<(Place, EntryHash)>() + size_of::<TextHash>();
        let heard: usize = self.entries.heard.values().map(|text| text.len() + 48).sum();
        self.index_bytes + views + self.entries.places.capacity() * entry + heard
    }

    fn begin_anew(&mut self) {
        let names = std::mem::take(&mut self.names);
        *self = Known::new(&self.language);
        self.name(&names);
    }

    fn add(&mut self, stored: &StoredEntry) {
        let Cursor { timeline, branch, seq, hash } = stored.cursor;
        self.entries.timeline = Some(timeline);
        let place = Place { branch: branch.0, seq };
        for Added { document, to_embed, heard } in self.index.add(place, &stored.entry) {
            // A document that holds no more has a number, too, and no text.
            self.entries.places.resize(document as usize, (place, hash));
            self.entries.texts.resize(document as usize, TextHash::default());
            self.entries.places.push((place, hash));
            self.entries.texts.push(TextHash::of(&to_embed));
            if !to_embed.is_empty() {
                self.texts.push(to_embed);
            }
            if let Some(heard) = heard {
                self.entries.heard.insert(document, heard);
            }
        }
    }
}
