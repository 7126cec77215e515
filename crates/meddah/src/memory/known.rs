//! The index of one timeline as the program keeps it: how far it has read the store, which views of it are
//! kept, and which entry and vector each document has.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use meddah_engine::memory::{Added, DocumentId, Index, Place, View};
use meddah_engine::timeline::{BranchId, Cursor, EntryHash, TimelineId, TimelineKey};
use meddah_store::{ScanMark, StoreError, StoredEntry, TimelineStore, VectorKey};

/// Entries of one step of catching up.
const SCAN_ENTRIES: usize = 500;
/// Views kept of one timeline; the one that rests the longest makes room.
const VIEWS_MAX: usize = 32;
/// What vectors are kept under: the model's name and the form of the bytes.
const VECTOR_FORM: &str = "max-sim-1";

/// One timeline.
pub(super) struct Known {
    pub(super) index: Index,
    entries: Entries,
    language: String,
    names: Vec<(String, String)>,
    mark: ScanMark,
    /// The one used last comes last.
    views: Vec<View>,
    /// What was read and may have no vectors yet.
    texts: Vec<(VectorKey, String)>,
}

/// The entry and the vector of each document.
pub(super) struct Entries {
    timeline: TimelineId,
    places: Vec<(Place, EntryHash)>,
    vectors: Vec<VectorKey>,
    /// The name under which vectors are kept; empty without an embedder.
    model: String,
    /// What was heard of answers, where that is not what the entry says.
    heard: HashMap<DocumentId, String>,
}

impl Entries {
    fn new(model: &str) -> Entries {
        Entries {
            timeline: TimelineId::from_bits(0),
            places: Vec::new(),
            vectors: Vec::new(),
            model: model.to_owned(),
            heard: HashMap::new(),
        }
    }

    /// Where the entry of a document is.
    pub(super) fn cursor(&self, document: DocumentId) -> Option<Cursor> {
        let (place, hash) = self.places.get(document as usize)?;
        Some(Cursor { timeline: self.timeline, branch: BranchId(place.branch), seq: place.seq, hash: *hash })
    }

    /// What was heard of a document, if its entry does not say so.
    pub(super) fn heard(&self, document: DocumentId) -> Option<&str> {
        self.heard.get(&document).map(String::as_str)
    }

    /// What the vectors of a document are kept under.
    pub(super) fn vector_key(&self, document: DocumentId) -> VectorKey {
        self.vectors.get(document as usize).copied().unwrap_or_else(|| VectorKey::new("", ""))
    }
}

impl Known {
    /// Nothing is known yet.
    pub(super) fn new(language: &str) -> Known {
        Known {
            index: Index::new(language),
            entries: Entries::new(""),
            language: language.to_owned(),
            names: Vec::new(),
            mark: ScanMark::default(),
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

    /// Whose vectors are wanted. Those of another embedder are looked for anew.
    pub(super) fn vectors_of(&mut self, model: &str) {
        let model = if model.is_empty() { String::new() } else { format!("{model}/{VECTOR_FORM}") };
        if self.entries.model != model {
            self.begin_anew();
            self.entries.model = model;
        }
    }

    /// Reads what was written since, for so long at most.
    pub(super) async fn catch_up(
        &mut self,
        store: &dyn TimelineStore,
        key: &TimelineKey,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        loop {
            let scanned = store.scan(key, self.mark, SCAN_ENTRIES).await?;
            if scanned.anew {
                self.begin_anew();
            }
            let more = scanned.entries.len() == SCAN_ENTRIES;
            for stored in &scanned.entries {
                self.add(store, key, stored).await?;
            }
            self.mark = scanned.mark;
            if !more || begun.elapsed() >= wait {
                return Ok(());
            }
        }
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
    pub(super) fn take_texts(&mut self) -> Vec<(VectorKey, String)> {
        std::mem::take(&mut self.texts)
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let views: usize = self.views.iter().map(View::bytes).sum();
        let entry = size_of::<(Place, EntryHash)>() + size_of::<VectorKey>();
        let heard: usize = self.entries.heard.values().map(|text| text.len() + 48).sum();
        self.index.bytes() + views + self.entries.places.capacity() * entry + heard
    }

    fn begin_anew(&mut self) {
        let names = std::mem::take(&mut self.names);
        let model = std::mem::take(&mut self.entries.model);
        *self = Known::new(&self.language);
        self.entries.model = model;
        self.name(&names);
    }

    async fn add(
        &mut self,
        store: &dyn TimelineStore,
        key: &TimelineKey,
        stored: &StoredEntry,
    ) -> Result<(), StoreError> {
        let Cursor { timeline, branch, seq, hash } = stored.cursor;
        if !self.index.knows_branch(branch.0) {
            let lineage = store.lineage(key, Some(stored.cursor)).await?;
            if let Some(parent) = lineage.stretches().get(1) {
                self.index.branch(branch.0, Place { branch: parent.branch.0, seq: parent.seq_max });
            }
        }
        self.entries.timeline = timeline;
        let place = Place { branch: branch.0, seq };
        for Added { document, to_embed, heard } in self.index.add(place, &stored.entry) {
            // Documents that nobody heard have numbers, too.
            let nobody = VectorKey::new("", "");
            self.entries.places.resize(document as usize, (place, hash));
            self.entries.vectors.resize(document as usize, nobody);
            self.entries.places.push((place, hash));
            let vector = match self.entries.model.is_empty() {
                true => nobody,
                false => VectorKey::new(&self.entries.model, &to_embed),
            };
            self.entries.vectors.push(vector);
            if !self.entries.model.is_empty() && !to_embed.is_empty() {
                self.texts.push((vector, to_embed));
            }
            if let Some(heard) = heard {
                self.entries.heard.insert(document, heard);
            }
        }
        Ok(())
    }
}
