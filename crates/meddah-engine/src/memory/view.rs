//! What one character perceived, as seen from one place: an ordered list of documents, cut into encounters.

use std::collections::HashMap;

use super::features;
use super::index::{ASKS, Document, DocumentId, Index, Place, UNHEARD};
use super::names::Being;
use super::weights::BY_WORDS;

/// A longer silence ends an encounter, in seconds of the real clock.
pub const SILENCE_MAX_S: i64 = 30 * 60;
/// How much a word of a neighbour counts for a document, in twentieths: at 2 and 1 places before it, itself, 1
/// and 2 after. Whole numbers, so that a sum is the same in whatever order it came about.
pub(super) const NEAR: [(i64, u32); 5] = [(-2, 5), (-1, 10), (0, 20), (1, 6), (2, 2)];
/// The unit of [`NEAR`] and of lengths made with it.
pub(super) const NEAR_UNIT: f32 = 20.0;
const NO_RANK: u32 = u32::MAX;

/// One document of a view; its rank is its place in the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) document: DocumentId,
    pub(super) encounter: u32,
    /// Words, those of its neighbours in part; in [`NEAR_UNIT`].
    pub(super) near_length: u32,
    pub(super) speaker: Being,
    pub(super) length: u16,
    pub(super) time_words: u8,
    pub(super) flags: u8,
    pub(super) importance: u8,
    /// What was said before it in the encounter has a question in it.
    pub(super) after_question: bool,
    /// What speaks for it whatever is asked, by words.
    pub(super) prior: f32,
}

/// A run of documents without a change of scene and without a long silence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encounter {
    pub(super) first: u32,
    pub(super) length: u32,
    pub(super) moment: u32,
}

/// What one character perceived, as seen from one place.
pub struct View {
    being: String,
    head: Place,
    limits: HashMap<u32, u64>,
    /// Documents of the index that were looked at.
    read: usize,
    /// Nothing that was looked at lies behind the head on its own branch.
    at_tip: bool,
    pub(super) rows: Vec<Row>,
    pub(super) encounters: Vec<Encounter>,
    ranks: Vec<u32>,
    /// Where documents stand that others took the place of.
    replaced: HashMap<DocumentId, u32>,
    pub(super) length_sum: u64,
    pub(super) near_length_sum: u64,
}

impl View {
    /// What `being` perceived on the way to `head`.
    pub fn new(index: &Index, being: &str, head: Place) -> View {
        let mut view = View {
            being: being.to_owned(),
            head,
            limits: index.lineage(head),
            read: 0,
            at_tip: true,
            rows: Vec::new(),
            encounters: Vec::new(),
            ranks: Vec::new(),
            replaced: HashMap::new(),
            length_sum: 0,
            near_length_sum: 0,
        };
        view.extend(index);
        view
    }

    /// Whose view it is.
    pub fn being(&self) -> &str {
        &self.being
    }

    /// Brings it up to another head: only what is new is read if the line of time just went on.
    pub fn follow(&mut self, index: &Index, head: Place) {
        if head == self.head && self.read == index.len() {
            return;
        }
        let limits = index.lineage(head);
        let went_on = self.at_tip
            && self.limits.iter().all(|(branch, seq)| {
                let now = limits.get(branch).copied().unwrap_or(0);
                if *branch == self.head.branch { now >= *seq } else { now == *seq }
            });
        if !went_on {
            *self = View::new(index, &self.being, head);
            return;
        }
        (self.head, self.limits) = (head, limits);
        self.extend(index);
    }

    /// How many documents it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the character perceived nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.ranks.capacity() * 4
            + self.encounters.capacity() * size_of::<Encounter>()
    }

    /// Where a document stands, if the character perceived it.
    pub(super) fn rank(&self, document: DocumentId) -> Option<usize> {
        self.ranks.get(document as usize).filter(|rank| **rank != NO_RANK).map(|rank| *rank as usize)
    }

    /// The document `by` places away within the same encounter.
    pub(super) fn near(&self, rank: usize, by: i64) -> Option<usize> {
        let other = usize::try_from(i64::try_from(rank).ok()? + by).ok()?;
        let encounter = self.rows.get(rank)?.encounter;
        self.rows.get(other).filter(|row| row.encounter == encounter).map(|_| other)
    }

    fn extend(&mut self, index: &Index) {
        let seen = index.seen_by(&self.being);
        let mut changed = self.rows.len();
        self.ranks.reserve_exact(index.len() - self.ranks.len().min(index.len()));
        for number in self.read..index.len() {
            let document = &index.documents[number];
            let in_time =
                self.limits.get(&document.place.branch).is_some_and(|limit| document.place.seq <= *limit);
            self.at_tip &= in_time || document.place.branch != self.head.branch;
            let perceived = in_time && seen.get(document.witnesses as usize) == Some(&true);
            let rank = if perceived { self.take(index, number as DocumentId, document) } else { NO_RANK };
            self.ranks.push(rank);
            if rank != NO_RANK {
                changed = changed.min(rank as usize);
            }
        }
        self.read = index.len();
        self.measure_from(changed.saturating_sub(2));
    }

    /// Adds a document, or puts it where the one stands that it replaces. Gives its rank.
    fn take(&mut self, index: &Index, id: DocumentId, document: &Document) -> u32 {
        let mut row = Row {
            document: id,
            encounter: 0,
            near_length: 0,
            speaker: document.speaker,
            length: document.length,
            time_words: document.time_words,
            flags: document.flags,
            importance: document.importance,
            after_question: false,
            prior: 0.0,
        };
        if document.origin != id {
            return self.replace(document.origin, row);
        }
        let rank = u32::try_from(self.rows.len()).unwrap_or(NO_RANK);
        if self.begins_encounter(index, document) {
            self.encounters.push(Encounter { first: rank, length: 0, moment: document.scene });
        }
        row.encounter = u32::try_from(self.encounters.len()).unwrap_or(1) - 1;
        self.count(&row);
        self.rows.push(row);
        rank
    }

    fn replace(&mut self, origin: DocumentId, row: Row) -> u32 {
        let rank = self.replaced.get(&origin).copied().or_else(|| self.ranks.get(origin as usize).copied());
        let Some(rank) = rank.filter(|rank| *rank != NO_RANK) else { return NO_RANK };
        let old = self.rows[rank as usize];
        self.length_sum -= u64::from(old.length);
        self.encounters[old.encounter as usize].length -= u32::from(old.length);
        self.ranks[old.document as usize] = NO_RANK;
        self.replaced.insert(origin, rank);
        let row = Row { encounter: old.encounter, near_length: old.near_length, ..row };
        self.count(&row);
        self.rows[rank as usize] = row;
        rank
    }

    fn count(&mut self, row: &Row) {
        self.length_sum += u64::from(row.length);
        self.encounters[row.encounter as usize].length += u32::from(row.length);
    }

    fn begins_encounter(&self, index: &Index, document: &Document) -> bool {
        let Some(last) = self.rows.last() else { return true };
        let before = &index.documents[last.document as usize];
        let moment = |document: &Document| &index.moments[document.scene as usize];
        let (now, then) = (moment(document), moment(before));
        let elsewhere = (&now.place, &now.time) != (&then.place, &then.time);
        elsewhere || (document.second - before.second).abs() > SILENCE_MAX_S
    }

    /// Measures anew what depends on neighbours, from a rank on.
    fn measure_from(&mut self, from: usize) {
        for rank in from..self.rows.len() {
            let near = NEAR.iter().filter_map(|(by, weight)| {
                let other = self.near(rank, *by)?;
                Some(weight * u32::from(self.rows[other].length))
            });
            let length: u32 = near.sum();
            self.near_length_sum += u64::from(length);
            self.near_length_sum -= u64::from(self.rows[rank].near_length);
            self.rows[rank].near_length = length;
            let before = self.near(rank, -1).map(|before| self.rows[before].flags);
            self.rows[rank].after_question = before.is_some_and(|flags| flags & ASKS != 0);
            self.rows[rank].prior = BY_WORDS.score(&features::of_itself(self, rank));
        }
    }
}

impl Row {
    /// It can be recalled: there is something to it.
    pub(super) fn is_heard(&self) -> bool {
        self.flags & UNHEARD == 0
    }
}
