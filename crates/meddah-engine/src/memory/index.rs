//! The index of one timeline: every document of every branch, in the order of writing.
//!
//! It holds no text. What a character perceived from some place is a [`View`](super::View) of it, and
//! every count that a score is made of is taken over that view, so that what other branches and other
//! characters hold changes nothing.

use std::collections::{HashMap, VecDeque};

use super::cues;
use super::document::{self, Part, documents, text_to_embed};
use super::names::{Being, Names};
use super::words::{Word, Words};
use crate::timeline::{Entry, EntryKind, SpokenLine, TurnRecord};
use meddah_protocol::Scene;

/// Answers that are kept for a while, because the game may yet report how much of them was heard.
const PENDING_MAX: usize = 64;
/// Reports on one answer.
const REPORTS_MAX: usize = 64;
/// A document's number: they count from 0 in the order of writing.
pub type DocumentId = u32;
/// How often a stem is counted within one document, at most.
const COUNT_MAX: u32 = 15;
const COUNT_BITS: u32 = 4;

/// A place in the tree of branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The branch.
    pub branch: u32,
    /// The number of its entry, counted along the line of time.
    pub seq: u64,
}

/// What the index knows of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document {
    pub(super) place: Place,
    /// The document that this one stands for since more is known of what was heard; itself otherwise.
    pub(super) origin: DocumentId,
    pub(super) speaker: Being,
    pub(super) witnesses: u32,
    pub(super) scene: u32,
    /// The real clock in seconds since 1970.
    pub(super) second: i64,
    /// Words that mean something.
    pub(super) length: u16,
    pub(super) time_words: u8,
    pub(super) flags: u8,
    /// How much it matters, in 255ths; only memories that were made of others say so.
    pub(super) importance: u8,
    pub(super) part: Part,
}

/// It ends in a question.
pub(super) const ENDS_ASKING: u8 = 1;
/// It has a question in it.
pub(super) const ASKS: u8 = 2;
/// It has a digit in it.
pub(super) const NUMBER: u8 = 4;
/// Nobody said it: it happened.
pub(super) const HAPPENED: u8 = 8;
/// Nothing of it was heard.
pub(super) const UNHEARD: u8 = 16;

/// It is a memory that was made of others.
pub(super) const DERIVED: u8 = 32;

/// The moment that documents are told in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    pub(super) place: String,
    /// What of the time stays the same within an encounter: not the clock.
    pub(super) time: String,
    /// All stems of place and time.
    pub(super) stems: Vec<Box<str>>,
}

/// A document that was added.
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// Its number.
    pub document: DocumentId,
    /// Its text as it is given to an embedder; empty if nothing of it was heard.
    pub to_embed: String,
    /// What was heard of an answer, if that is not what its entry says.
    pub heard: Option<String>,
}

struct Branch {
    parent: Option<Place>,
    /// From which entry on which moment holds.
    moments: Vec<(u64, u32)>,
}

/// An answer of which more may be reported.
struct Pending {
    turn: String,
    document: DocumentId,
    lines: Vec<SpokenLine>,
    /// From where on, which line, and which share of it was heard.
    reports: Vec<(Place, u32, f32)>,
}

/// The index of one timeline.
pub struct Index {
    pub(super) words: Words,
    pub(super) names: Names,
    pub(super) documents: Vec<Document>,
    postings: HashMap<Box<str>, Vec<u32>>,
    pub(super) moments: Vec<Moment>,
    moment_numbers: HashMap<Moment, u32>,
    witness_sets: Vec<Box<[Being]>>,
    witness_numbers: HashMap<Box<[Being]>, u32>,
    branches: HashMap<u32, Branch>,
    pending: VecDeque<Pending>,
    /// The documents of memories, by the ids of their entries: a later one may replace them.
    derived: HashMap<Box<str>, DocumentId>,
}

impl Index {
    /// An empty index of texts in this language.
    pub fn new(language: &str) -> Index {
        let first = Branch { parent: None, moments: Vec::new() };
        Index {
            words: Words::of(language),
            names: Names::default(),
            documents: Vec::new(),
            postings: HashMap::new(),
            moments: vec![Moment::default()],
            moment_numbers: HashMap::from([(Moment::default(), 0)]),
            witness_sets: Vec::new(),
            witness_numbers: HashMap::new(),
            branches: HashMap::from([(0, first)]),
            pending: VecDeque::new(),
            derived: HashMap::new(),
        }
    }

    /// What a being is called. Questions name beings; a name that was told once stays.
    pub fn name(&mut self, id: &str, name: &str) {
        let being = self.names.number(id);
        self.names.call(being, name, &self.words);
    }

    /// Tells of a branch and the place it was split off at, before the first of its entries.
    pub fn branch(&mut self, number: u32, parent: Place) {
        self.branches.entry(number).or_insert(Branch { parent: Some(parent), moments: Vec::new() });
    }

    /// Whether the place of this branch's beginning was told.
    pub fn knows_branch(&self, number: u32) -> bool {
        self.branches.contains_key(&number)
    }

    /// Adds an entry and gives the documents that came of it; to be called in the order of writing.
    pub fn add(&mut self, place: Place, entry: &Entry) -> Vec<Added> {
        match &entry.kind {
            EntryKind::Scene(scene) => {
                self.set_scene(place, scene);
                Vec::new()
            }
            EntryKind::Heard { turn, line, fraction } => {
                self.amend(place, turn, *line, *fraction).into_iter().collect()
            }
            EntryKind::Turn(turn) => {
                self.name(&turn.speaker, &turn.speaker_name);
                let added = self.add_documents(place, entry);
                self.expect_report(turn);
                added
            }
            EntryKind::Memory(memory) => {
                self.replace(place, &memory.replaces);
                let added = self.add_documents(place, entry);
                self.derived.extend(added.iter().map(|added| (entry.id.as_str().into(), added.document)));
                added
            }
            _ => self.add_documents(place, entry),
        }
    }

    /// Place and time of the scene that a document was told in, in the game's own words; empty if unknown.
    pub fn scene_of(&self, document: DocumentId) -> (&str, &str) {
        let moment =
            self.documents.get(document as usize).and_then(|known| self.moments.get(known.scene as usize));
        moment.map_or(("", ""), |moment| (&moment.place, &moment.time))
    }

    /// Documents of all branches.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is nothing to recall.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// What it takes in memory, in bytes, views not counted; allocator overhead is estimated.
    pub fn bytes(&self) -> usize {
        let text = |key: &str| key.len() + 64;
        let postings: usize = self.postings.iter().map(|(stem, list)| text(stem) + list.capacity() * 4).sum();
        let moments: usize = self
            .moments
            .iter()
            .map(|moment| 2 * (text(&moment.place) + text(&moment.time) + moment.stems.len() * 24))
            .sum();
        let witnesses: usize = self.witness_sets.iter().map(|set| 2 * (set.len() * 4 + 16) + 16).sum();
        self.documents.capacity() * size_of::<Document>() + postings + moments + witnesses
    }

    /// The documents that have this stem, in order of writing, and how often.
    pub(super) fn postings(&self, stem: &str) -> impl Iterator<Item = (DocumentId, f32)> + '_ {
        let list = self.postings.get(stem).map_or(&[][..], Vec::as_slice);
        list.iter().map(|packed| (packed >> COUNT_BITS, (packed & COUNT_MAX) as f32))
    }

    /// Which sets of witnesses a being belongs to.
    pub(super) fn seen_by(&self, being: &str) -> Vec<bool> {
        let being = self.names.find(being);
        self.witness_sets.iter().map(|set| being.is_some_and(|being| set.contains(&being))).collect()
    }

    /// Up to which entry each branch on the way back from a place is seen.
    pub(super) fn lineage(&self, at: Place) -> HashMap<u32, u64> {
        let mut limits = HashMap::new();
        let mut next = Some(at);
        while let Some(place) = next {
            limits.insert(place.branch, place.seq);
            let parent = self.branches.get(&place.branch).and_then(|branch| branch.parent);
            next = parent.filter(|parent| !limits.contains_key(&parent.branch));
        }
        limits
    }

    fn add_documents(&mut self, place: Place, entry: &Entry) -> Vec<Added> {
        let perceivers: Vec<Being> = entry.perceivers().into_iter().map(|id| self.names.number(id)).collect();
        let witnesses = self.witnesses(perceivers);
        let scene = self.moment_at(place);
        let mut added = Vec::new();
        for told in documents(entry) {
            let speaker = self.names.number(told.speaker);
            let flags = match (told.importance.is_some(), told.speaker.is_empty()) {
                (true, _) => DERIVED,
                (false, true) => HAPPENED,
                (false, false) => 0,
            };
            let document = Document {
                place,
                origin: self.next(),
                speaker,
                witnesses,
                scene,
                second: entry.wall_time_ms.div_euclid(1000),
                length: 0,
                time_words: 0,
                flags,
                importance: (told.importance.unwrap_or(0.0).clamp(0.0, 1.0) * f32::from(u8::MAX)) as u8,
                part: told.part,
            };
            added.extend(self.post(document, &told.text));
        }
        added
    }

    fn next(&self) -> DocumentId {
        DocumentId::try_from(self.documents.len()).unwrap_or(DocumentId::MAX)
    }

    /// Reads the text of a document and adds both.
    fn post(&mut self, mut document: Document, text: &str) -> Option<Added> {
        let id = self.next();
        if id >= DocumentId::MAX >> COUNT_BITS {
            return None; // 268 million memories of one player
        }
        let words = self.words.read(text);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        document.flags |= flag(cues::ends_asking(text), ENDS_ASKING)
            | flag(cues::asks(text), ASKS)
            | flag(text.bytes().any(|byte| byte.is_ascii_digit()), NUMBER);
        document.time_words = u8::try_from(cues::time_words(&words)).unwrap_or(u8::MAX);
        let counts = counts(words);
        document.length = u16::try_from(counts.values().sum::<u32>()).unwrap_or(u16::MAX);
        for (stem, count) in counts {
            self.postings.entry(stem.into()).or_default().push(id << COUNT_BITS | count.min(COUNT_MAX));
        }
        self.documents.push(document);
        let to_embed = match text.is_empty() {
            true => String::new(),
            false => text_to_embed(self.names.shown(document.speaker), text),
        };
        Some(Added { document: id, to_embed, heard: (document.origin != id).then(|| text.to_owned()) })
    }

    /// Memories that hold no more from here on are documents that nobody heard.
    fn replace(&mut self, place: Place, entries: &[String]) {
        for entry in entries {
            let Some(origin) = self.derived.get(entry.as_str()) else { continue };
            let known = self.documents[*origin as usize];
            self.post(Document { place, flags: UNHEARD, ..known }, "");
        }
    }

    fn witnesses(&mut self, mut beings: Vec<Being>) -> u32 {
        beings.sort_unstable();
        let beings: Box<[Being]> = beings.into();
        if let Some(number) = self.witness_numbers.get(&beings) {
            return *number;
        }
        let number = u32::try_from(self.witness_sets.len()).unwrap_or(u32::MAX);
        self.witness_sets.push(beings.clone());
        self.witness_numbers.insert(beings, number);
        number
    }

    fn set_scene(&mut self, place: Place, scene: &Scene) {
        let time = without_clock(scene.time.as_deref().unwrap_or_default());
        let shown = scene.place.as_deref().unwrap_or_default();
        let mut stems: Vec<Box<str>> =
            self.words.stems(&format!("{shown}\n{time}")).into_iter().map(Into::into).collect();
        stems.sort_unstable();
        stems.dedup();
        let moment = Moment { place: shown.to_owned(), time, stems };
        let number = match self.moment_numbers.get(&moment) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.moments.len()).unwrap_or(0);
                self.moments.push(moment.clone());
                self.moment_numbers.insert(moment, number);
                number
            }
        };
        if let Some(branch) = self.branches.get_mut(&place.branch) {
            branch.moments.push((place.seq, number));
        }
    }

    /// The moment that holds at a place: the newest one told on its line of time.
    fn moment_at(&self, place: Place) -> u32 {
        let mut at = place;
        while let Some(branch) = self.branches.get(&at.branch) {
            let told = branch.moments.partition_point(|(seq, _)| *seq <= at.seq);
            match (told.checked_sub(1).and_then(|newest| branch.moments.get(newest)), branch.parent) {
                (Some((_, moment)), _) => return *moment,
                (None, Some(parent)) if parent.branch != at.branch => at = parent,
                _ => return 0,
            }
        }
        0
    }

    fn expect_report(&mut self, turn: &TurnRecord) {
        let Some(last) = self.documents.last().filter(|last| last.part == Part::Answered) else { return };
        let pending = Pending {
            turn: turn.turn.clone(),
            document: last.origin,
            lines: turn.lines.clone(),
            reports: Vec::new(),
        };
        self.pending.push_back(pending);
        if self.pending.len() > PENDING_MAX {
            self.pending.pop_front();
        }
    }

    /// An answer of which less was heard is another document, seen from the report on.
    fn amend(&mut self, place: Place, turn: &str, line: u32, fraction: f32) -> Option<Added> {
        let limits = self.lineage(place);
        let pending = self.pending.iter_mut().rev().find(|pending| pending.turn == turn)?;
        if pending.reports.len() >= REPORTS_MAX {
            return None;
        }
        pending.reports.push((place, line, fraction));
        let mut lines = pending.lines.clone();
        for (at, line, fraction) in &pending.reports {
            let seen = limits.get(&at.branch).is_some_and(|limit| at.seq <= *limit);
            if let Some(spoken) = lines.get_mut(*line as usize).filter(|_| seen) {
                spoken.heard = *fraction;
            }
        }
        let text = document::answer(&lines);
        if text == document::answer(&pending.lines)
            && pending.reports.iter().all(|(_, _, share)| *share >= 1.0)
        {
            return None; // heard as it was written
        }
        let origin = pending.document;
        let known = self.documents[origin as usize];
        let flags = if text.is_empty() { UNHEARD } else { 0 };
        self.post(Document { place, flags, ..known }, &text)
    }
}

fn counts(words: Vec<Word>) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for word in words.into_iter().filter(|word| !word.stop) {
        *counts.entry(word.stem).or_insert(0) += 1;
    }
    counts
}

/// A time without its clock, which moves on during a talk: "3 Rain's Hand, 14:05" is "3 Rain's Hand".
fn without_clock(time: &str) -> String {
    let is_clock = |word: &str| {
        let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        word.contains(':') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
            || ["am", "pm"].iter().any(|half| word.eq_ignore_ascii_case(half))
    };
    time.split_whitespace().filter(|word| !is_clock(word)).collect::<Vec<_>>().join(" ")
}
