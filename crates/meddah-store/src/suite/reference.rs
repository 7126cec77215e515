//! A naive second storage to compare an adapter with: it keeps a whole copy of the past per save.
//!
//! It knows no branches, cursors or indexes, so it shares no idea with an adapter that could be wrong
//! in both.

use meddah_engine::timeline::{Cursor, Entry, EntryKind, EntryRole};

use super::{Store, entry, event, ids, key, memory, turn};
use crate::{EntryFilter, LoadBy, SCAN_MAX, ScanMark, StoreErrorKind, StoredEntry};

/// Who there is.
pub const BEINGS: [&str; 4] = ["ann", "mira", "bert", "cleo"];
/// Names that saves are given.
pub const NAMES: [&str; 2] = ["slot 1", "slot 2"];

/// One step of a random playthrough. Numbers that choose among things are taken modulo their count.
#[derive(Clone, Debug)]
pub enum Op {
    /// Something happens before some of the [`BEINGS`] (a bit each).
    Event {
        /// Which of them.
        witnesses: u8,
        /// The game's clock.
        game_time: Option<i64>,
    },
    /// A turn with one of the [`BEINGS`].
    Turn {
        /// Who answers.
        character: usize,
        /// Who listens.
        witnesses: u8,
    },
    /// What was heard of the turn told so many turns ago, on any line of time.
    Heard {
        /// How long ago.
        back: usize,
    },
    /// A save, perhaps named.
    Save {
        /// Which name.
        name: Option<usize>,
        /// The game's clock.
        game_time: Option<i64>,
    },
    /// Back to any save made so far.
    LoadCursor(usize),
    /// Back to a name.
    LoadName(usize),
    /// Back to a game time.
    LoadGameTime(i64),
    /// Work on a memory of one of the [`BEINGS`] begins here.
    BeginWork(usize),
    /// One of the works that were begun comes to its end, wherever the head is now.
    EndWork(usize),
    /// The program ends without a word and begins again.
    Restart,
}

/// Ends the program that has a store, and gives the store of the next.
pub type Restart<'a> = &'a mut dyn FnMut(Store) -> Store;

struct Save {
    cursor: Cursor,
    name: Option<usize>,
    game_time: Option<i64>,
    past: Vec<Entry>,
    /// What was given at the time, with places and hashes.
    given: Vec<StoredEntry>,
}

struct Work {
    began_at: Cursor,
    past: Vec<Entry>,
    character: &'static str,
}

#[derive(Default)]
struct Reference {
    past: Vec<Entry>,
    saves: Vec<Save>,
    works: Vec<Work>,
    /// Ids of all that was ever written, in the order of writing.
    written: Vec<String>,
    turns: usize,
    entries: usize,
    timed: bool,
}

/// Plays the steps on the store and on the reference, and compares what everybody recalls after
/// each, from the head and from a save.
pub async fn follows_the_reference(mut store: Store, ops: &[Op], restart: Restart<'_>) {
    store.open(&key()).await.expect("begun");
    let mut reference = Reference::default();
    for (number, op) in ops.iter().enumerate() {
        match op {
            Op::Restart => store = restart(store),
            _ => reference.play(&store, op).await,
        }
        reference.compare(&store, &reference.past, None, 1 + number % 7).await;
        if let Some(save) = number.checked_rem(reference.saves.len()).map(|index| &reference.saves[index]) {
            reference.compare(&store, &save.past, Some(save.cursor), 1 + number % 5).await;
        }
    }
    reference.compare(&store, &reference.past, None, usize::MAX).await;
    for save in &reference.saves {
        reference.compare(&store, &save.past, Some(save.cursor), usize::MAX).await;
        store.load(&key(), LoadBy::Cursor(save.cursor)).await.expect("loaded");
        assert_eq!(everything_given(&store).await, save.given, "not what it was when it was saved");
    }
    let scanned = store.scan(&key(), ScanMark::default(), SCAN_MAX).await.expect("readable");
    assert_eq!(ids(&scanned.entries), reference.written, "something was lost or is there twice");
}

/// All that anybody can be given at the head, one after the other.
async fn everything_given(store: &Store) -> Vec<StoredEntry> {
    let mut given = store.recent(&key(), EntryFilter::All, usize::MAX, None).await.expect("readable");
    for being in BEINGS {
        for filter in [EntryFilter::PerceivedBy(being.to_owned()), EntryFilter::MemoriesOf(being.to_owned())]
        {
            given.extend(store.recent(&key(), filter, usize::MAX, None).await.expect("readable"));
        }
    }
    given
}

fn among(witnesses: u8) -> Vec<&'static str> {
    let present = BEINGS.iter().enumerate().filter(|(bit, _)| witnesses & (1 << bit) != 0);
    present.map(|(_, being)| *being).collect()
}

impl Reference {
    async fn play(&mut self, store: &Store, op: &Op) {
        match op {
            Op::Event { witnesses, game_time } => {
                let mut told = event(self.entries, &among(*witnesses));
                told.game_time = *game_time;
                self.tell(store, told).await;
            }
            Op::Turn { character, witnesses } => {
                let character = BEINGS[character % BEINGS.len()];
                let told = turn(self.entries, &format!("t{}", self.turns), character, &among(*witnesses));
                self.turns += 1;
                self.tell(store, told).await;
            }
            Op::Heard { back } => {
                let turn = format!("t{}", self.turns.saturating_sub(1 + back % (self.turns + 1)));
                let heard = EntryKind::Heard { turn, line: 0, fraction: 0.5 };
                self.tell(store, entry(self.entries, heard, None, &[])).await;
            }
            Op::Save { name, game_time } => self.save(store, *name, *game_time).await,
            Op::LoadCursor(index) => {
                let Some(index) = index.checked_rem(self.saves.len()) else { return };
                let cursor = self.saves[index].cursor;
                let loaded = store.load(&key(), LoadBy::Cursor(cursor)).await.expect("loaded");
                assert_eq!(loaded.cursor, cursor);
                self.past = self.saves[index].past.clone();
            }
            Op::LoadName(name) => self.load_name(store, name % NAMES.len()).await,
            Op::LoadGameTime(game_time) => self.load_game_time(store, *game_time).await,
            Op::BeginWork(character) => {
                let began_at = store.head(&key()).await.expect("readable");
                let character = BEINGS[character % BEINGS.len()];
                self.works.push(Work { began_at, past: self.past.clone(), character });
            }
            Op::EndWork(index) => {
                let Some(index) = index.checked_rem(self.works.len()) else { return };
                let work = self.works.swap_remove(index);
                self.end_work(store, &work).await;
            }
            Op::Restart => {}
        }
    }

    /// What was derived is welcome if and only if all that it was derived from lies behind the head.
    async fn end_work(&mut self, store: &Store, work: &Work) {
        let derived = memory(self.entries, work.character);
        let result = store.append_derived(&key(), work.began_at, vec![derived.clone()]).await;
        if self.past.starts_with(&work.past) {
            assert_eq!(result.expect("welcome").seq as usize, self.past.len() + 1);
            self.keep(derived);
        } else {
            assert_eq!(result.expect_err("refused").kind, StoreErrorKind::Superseded);
        }
    }

    fn keep(&mut self, told: Entry) {
        self.entries += 1;
        self.written.push(told.id.clone());
        self.past.push(told);
    }

    async fn tell(&mut self, store: &Store, mut told: Entry) {
        let cursor = store.append(&key(), vec![told.clone()]).await.expect("written");
        assert_eq!(cursor.seq as usize, self.past.len() + 1);
        if let EntryKind::Heard { turn: id, .. } = &told.kind {
            let is_turn = |entry: &&Entry| matches!(&entry.kind, EntryKind::Turn(turn) if turn.turn == *id);
            if let Some(turn) = self.past.iter().rev().find(is_turn) {
                told.inherit_witnesses(turn);
            }
        }
        self.timed |= told.game_time.is_some();
        self.keep(told);
    }

    async fn save(&mut self, store: &Store, name: Option<usize>, game_time: Option<i64>) {
        let name = name.map(|name| name % NAMES.len());
        let cursor = store.save(&key(), name.map(|name| NAMES[name]), game_time).await.expect("saved");
        self.timed |= game_time.is_some();
        let given = everything_given(store).await;
        self.saves.push(Save { cursor, name, game_time, past: self.past.clone(), given });
    }

    async fn load_name(&mut self, store: &Store, name: usize) {
        let result = store.load(&key(), LoadBy::Name(NAMES[name].to_owned())).await;
        let named: Vec<&Save> = self.saves.iter().filter(|save| save.name == Some(name)).collect();
        let Some(newest) = named.last() else {
            assert_eq!(result.expect_err("no such name").kind, StoreErrorKind::NotFound);
            return;
        };
        let loaded = result.expect("loaded");
        assert_eq!(loaded.cursor, newest.cursor);
        assert_eq!(loaded.uncertain, named.iter().any(|save| save.past != newest.past));
        self.past = newest.past.clone();
    }

    async fn load_game_time(&mut self, store: &Store, game_time: i64) {
        let result = store.load(&key(), LoadBy::GameTime(game_time)).await;
        if !self.timed {
            assert_eq!(result.expect_err("no clock").kind, StoreErrorKind::NotFound);
            return;
        }
        let not_later = |time: Option<i64>| time.is_some_and(|time| time <= game_time);
        let told = self.past.iter().rposition(|entry| not_later(entry.game_time)).map_or(0, |at| at + 1);
        let on_the_way = self.saves.iter().filter(|save| self.past.starts_with(&save.past));
        let saved = on_the_way.filter(|save| not_later(save.game_time)).map(|save| save.past.len()).max();
        self.past.truncate(told.max(saved.unwrap_or(0)));
        let loaded = result.expect("loaded");
        assert_eq!(loaded.cursor.seq as usize, self.past.len());
        assert!(loaded.uncertain);
    }

    async fn compare(&self, store: &Store, past: &[Entry], at: Option<Cursor>, limit: usize) {
        let all = store.recent(&key(), EntryFilter::All, limit, at).await.expect("readable");
        let newest = &past[past.len().saturating_sub(limit)..];
        assert_eq!(entries(all), newest);
        for being in BEINGS {
            let filter = EntryFilter::PerceivedBy(being.to_owned());
            let recalled = store.recent(&key(), filter, limit, at).await.expect("readable");
            assert_eq!(entries(recalled), perceived(past, being, limit), "{being}");
            let filter = EntryFilter::MemoriesOf(being.to_owned());
            let memories = store.recent(&key(), filter, limit, at).await.expect("readable");
            assert_eq!(entries(memories), memories_of(past, being, limit), "{being}");
        }
    }
}

fn entries(stored: Vec<StoredEntry>) -> Vec<Entry> {
    stored.into_iter().map(|stored| (*stored.entry).clone()).collect()
}

fn perceived(past: &[Entry], being: &str, limit: usize) -> Vec<Entry> {
    let is_memory = |entry: &Entry| entry.kind.role() == EntryRole::Memory;
    let seen: Vec<&Entry> =
        past.iter().filter(|entry| entry.perceived_by(being) && !is_memory(entry)).collect();
    let told = |entry: &&&Entry| entry.kind.role() == EntryRole::Told;
    let Some(oldest) = seen.iter().rev().filter(told).take(limit).last() else { return Vec::new() };
    let from = seen.iter().position(|entry| entry.id == oldest.id).unwrap_or(0);
    seen[from..].iter().map(|&entry| entry.clone()).collect()
}

fn memories_of(past: &[Entry], being: &str, limit: usize) -> Vec<Entry> {
    let own =
        |entry: &&Entry| entry.kind.role() == EntryRole::Memory && entry.character.as_deref() == Some(being);
    let own: Vec<Entry> = past.iter().filter(own).cloned().collect();
    own[own.len().saturating_sub(limit)..].to_vec()
}
