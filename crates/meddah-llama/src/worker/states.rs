//! Conversations that are not talking: their attention memory, parked in RAM, and beyond that on disk.
//!
//! Reading a prompt of 1,000 tokens takes seconds, copying its state back takes milliseconds. Least recently
//! used ones go first, from RAM to disk and from disk for good.

use std::fs;
use std::path::{Path, PathBuf};

use super::state_file::{self, EXTENSION, Identity};
use crate::ffi::Token;
use crate::wire::Stats;

/// Files that are looked at when starting.
const FILES_MAX: usize = 4096;

/// Where the disk part is, and how much of it.
pub struct Disk {
    pub dir: PathBuf,
    pub identity: Identity,
    pub bytes_max: u64,
}

struct State {
    conversation: String,
    tokens: Vec<Token>,
    used: u64,
    data: Option<Vec<u8>>,
    file: Option<StateFile>,
}

struct StateFile {
    path: PathBuf,
    bytes: u64,
}

/// The parked states.
pub struct States {
    states: Vec<State>,
    /// States of other models in the same directory; they count, and the oldest go first.
    foreign: Vec<StateFile>,
    memory_bytes_max: u64,
    disk: Option<Disk>,
    clock: u64,
}

/// How many tokens two prompts have in common at their beginning.
pub fn common_prefix(left: &[Token], right: &[Token]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

impl States {
    /// Finds what an earlier worker left on disk.
    pub fn open(memory_bytes_max: u64, disk: Option<Disk>) -> States {
        let disk = disk.filter(|disk| disk.bytes_max > 0 && make_private_dir(&disk.dir).is_ok());
        let mut states = States { states: Vec::new(), foreign: Vec::new(), memory_bytes_max, disk, clock: 0 };
        if let Some(disk) = &states.disk {
            for (path, bytes) in files_oldest_first(&disk.dir) {
                let file = StateFile { path, bytes };
                match state_file::read_summary(&file.path, &disk.identity) {
                    Ok(summary) => {
                        states.clock += 1;
                        states.states.push(State {
                            conversation: summary.conversation,
                            tokens: summary.tokens,
                            used: states.clock,
                            data: None,
                            file: Some(file),
                        });
                    }
                    Err(_) => states.foreign.push(file),
                }
            }
        }
        states.trim_disk();
        states
    }

    /// The state that shares the longest beginning with a prompt, and how long that is.
    pub fn best(&self, prompt: &[Token]) -> Option<(usize, usize)> {
        let shared = |state: &State| common_prefix(&state.tokens, prompt);
        let best = self.states.iter().enumerate().map(|(index, state)| (index, shared(state)));
        best.max_by_key(|&(index, shared)| {
            (shared, self.states[index].data.is_some(), self.states[index].used)
        })
    }

    /// Hands a state to `restore`; one that cannot be read or is not taken is dropped. Its tokens, if it was
    /// taken.
    pub fn load(&mut self, index: usize, restore: impl FnOnce(&[u8]) -> bool) -> Option<Vec<Token>> {
        self.clock += 1;
        let clock = self.clock;
        let state = self.states.get_mut(index)?;
        state.used = clock;
        let taken = match (&state.data, &state.file, &self.disk) {
            (Some(data), ..) => restore(data),
            (None, Some(file), Some(disk)) => {
                state_file::read_data(&file.path, &disk.identity, &state.tokens)
                    .is_ok_and(|data| restore(&data))
            }
            _ => false,
        };
        if taken {
            return Some(state.tokens.clone());
        }
        let state = self.states.swap_remove(index);
        if let Some(file) = state.file {
            fs::remove_file(file.path).ok(); // it was of no use
        }
        None
    }

    /// The conversation is live again: its copy in memory is of no more use. The one on disk stays until it
    /// is replaced, in case the worker dies.
    pub fn forget_memory_of(&mut self, conversation: &str) {
        for state in self.states.iter_mut().filter(|state| state.conversation == conversation) {
            state.data = None;
        }
        self.states.retain(|state| state.data.is_some() || state.file.is_some());
    }

    /// Parks a state in place of the conversation's earlier one.
    pub fn park(&mut self, conversation: &str, tokens: Vec<Token>, data: Vec<u8>) {
        self.replace(conversation, tokens, data);
        self.trim_memory();
    }

    /// Copies the state of a live conversation to disk, for a worker that comes after this one's death.
    pub fn keep(&mut self, conversation: &str, tokens: Vec<Token>, data: Vec<u8>) {
        self.replace(conversation, tokens, data);
        self.write(self.states.len() - 1);
        self.forget_memory_of(conversation);
        self.trim_disk();
    }

    /// Copies one parked state to disk that is only in memory. False if there is none, or no room.
    pub fn keep_parked(&mut self) -> bool {
        let bytes_max = self.disk.as_ref().map_or(0, |disk| disk.bytes_max);
        let room = bytes_max.saturating_sub(self.disk_bytes());
        let fits = |data: &Vec<u8>| (data.len() as u64) < room;
        let Some(index) = self.oldest(|state| state.file.is_none() && state.data.as_ref().is_some_and(fits))
        else {
            return false;
        };
        self.write(index);
        self.states[index].file.is_some()
    }

    /// How many of these tokens of a conversation a worker after this one would have to read again; 0 if
    /// nothing can be kept.
    pub fn tokens_at_risk(&self, conversation: &str, tokens: &[Token]) -> usize {
        if self.disk.is_none() {
            return 0;
        }
        let kept =
            self.states.iter().filter(|state| state.conversation == conversation && state.file.is_some());
        tokens.len() - kept.map(|state| common_prefix(&state.tokens, tokens)).max().unwrap_or(0)
    }

    fn replace(&mut self, conversation: &str, tokens: Vec<Token>, data: Vec<u8>) {
        self.clock += 1;
        let earlier = self.states.iter().position(|state| state.conversation == conversation);
        let file = earlier.and_then(|index| {
            let earlier = self.states.swap_remove(index);
            // The same tokens have the same state: the file is still good.
            let same = earlier.tokens == tokens;
            if let (false, Some(file)) = (same, &earlier.file) {
                fs::remove_file(&file.path).ok(); // rewritten when this one leaves memory
            }
            earlier.file.filter(|_| same)
        });
        let conversation = conversation.to_owned();
        self.states.push(State { conversation, tokens, used: self.clock, data: Some(data), file });
    }

    /// Writes what is only in memory to disk, as far as it fits, newest last.
    pub fn save_all(&mut self) {
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|&index| self.states[index].used);
        for index in order {
            self.write(index);
        }
        self.trim_disk();
    }

    /// What is kept.
    pub fn stats(&self) -> Stats {
        let in_memory = self.states.iter().filter(|state| state.data.is_some());
        let on_disk = self.states.iter().filter(|state| state.data.is_none());
        Stats {
            parked_in_memory: in_memory.count() as u32,
            memory_bytes: self.memory_bytes(),
            parked_on_disk: on_disk.count() as u32,
            disk_bytes: self.disk_bytes(),
            ..Stats::default()
        }
    }

    fn memory_bytes(&self) -> u64 {
        self.states.iter().filter_map(|state| state.data.as_ref()).map(|data| data.len() as u64).sum()
    }

    fn disk_bytes(&self) -> u64 {
        let own = self.states.iter().filter_map(|state| state.file.as_ref());
        own.chain(&self.foreign).map(|file| file.bytes).sum()
    }

    fn oldest(&self, which: impl Fn(&State) -> bool) -> Option<usize> {
        let candidates = self.states.iter().enumerate().filter(|(_, state)| which(state));
        candidates.min_by_key(|(_, state)| state.used).map(|(index, _)| index)
    }

    fn trim_memory(&mut self) {
        while self.memory_bytes() > self.memory_bytes_max {
            let Some(index) = self.oldest(|state| state.data.is_some()) else { return };
            self.write(index);
            self.states[index].data = None;
            if self.states[index].file.is_none() {
                self.states.swap_remove(index);
            }
        }
        self.trim_disk();
    }

    fn write(&mut self, index: usize) {
        let Some(disk) = &self.disk else { return };
        let state = &mut self.states[index];
        let (Some(data), None) = (&state.data, &state.file) else { return };
        if data.len() as u64 > disk.bytes_max {
            return;
        }
        let path = disk.dir.join(disk.identity.file_name(&state.conversation));
        match state_file::write(&path, &disk.identity, &state.conversation, &state.tokens, data) {
            Ok(bytes) => state.file = Some(StateFile { path, bytes }),
            Err(error) => tracing::warn!(%error, "a conversation's state could not be written"),
        }
    }

    fn trim_disk(&mut self) {
        let Some(disk) = &self.disk else { return };
        let bytes_max = disk.bytes_max;
        while self.disk_bytes() > bytes_max {
            let file = if self.foreign.is_empty() {
                let Some(index) = self.oldest(|state| state.file.is_some()) else { return };
                let file = self.states[index].file.take();
                if self.states[index].data.is_none() {
                    self.states.swap_remove(index);
                }
                file
            } else {
                Some(self.foreign.remove(0))
            };
            if let Some(file) = file {
                fs::remove_file(file.path).ok(); // gone already is as good
            }
        }
    }
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn files_oldest_first(dir: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, entry.path(), metadata.len()))
        })
        .take(FILES_MAX)
        .collect();
    files.sort();
    files.into_iter().map(|(_, path, bytes)| (path, bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KvType;

    fn disk(dir: &Path, bytes_max: u64) -> Option<Disk> {
        let model = dir.join("model.gguf");
        if !model.exists() {
            fs::write(&model, b"weights").unwrap();
        }
        let identity = Identity::of(&model, KvType::F16).unwrap();
        Some(Disk { dir: dir.join("states"), identity, bytes_max })
    }

    fn loaded(states: &mut States, prompt: &[Token]) -> Option<(Vec<Token>, Vec<u8>)> {
        let (index, _) = states.best(prompt)?;
        let mut bytes = Vec::new();
        let tokens = states.load(index, |data| {
            bytes = data.to_vec();
            true
        })?;
        Some((tokens, bytes))
    }

    #[test]
    fn what_leaves_memory_is_found_on_disk_by_the_next_worker() {
        let dir = tempfile::tempdir().unwrap();
        let mut states = States::open(100, disk(dir.path(), 1 << 20));
        states.park("ada", vec![1, 2, 3], vec![7; 80]);
        states.park("bran", vec![1, 9], vec![8; 80]);
        assert_eq!((states.stats().parked_in_memory, states.stats().parked_on_disk), (1, 1));
        states.save_all();
        let mut next = States::open(100, disk(dir.path(), 1 << 20));
        assert_eq!(next.stats().parked_on_disk, 2);
        assert_eq!(loaded(&mut next, &[1, 2, 3, 4]), Some((vec![1, 2, 3], vec![7; 80])));
    }

    #[test]
    fn what_is_kept_survives_a_worker_that_dies() {
        let dir = tempfile::tempdir().unwrap();
        let mut states = States::open(1000, disk(dir.path(), 1 << 20));
        assert_eq!(states.tokens_at_risk("ada", &[1, 2, 3]), 3);
        states.keep("ada", vec![1, 2], vec![7; 80]);
        assert_eq!((states.stats().parked_in_memory, states.stats().parked_on_disk), (0, 1));
        assert_eq!(states.tokens_at_risk("ada", &[1, 2, 3]), 1);
        states.park("bran", vec![9], vec![8; 80]);
        assert!(states.keep_parked() && !states.keep_parked());
        let mut next = States::open(1000, disk(dir.path(), 1 << 20));
        assert_eq!(loaded(&mut next, &[1, 2, 3]), Some((vec![1, 2], vec![7; 80])));
        assert_eq!(loaded(&mut next, &[9]), Some((vec![9], vec![8; 80])));
        let mut nowhere = States::open(1000, None);
        assert_eq!(nowhere.tokens_at_risk("ada", &[1, 2]), 0);
        nowhere.park("bran", vec![9], vec![8; 80]);
        assert!(!nowhere.keep_parked());
    }

    #[test]
    fn a_damaged_or_foreign_state_is_never_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let mut states = States::open(0, disk(dir.path(), 1 << 20));
        states.park("ada", vec![1, 2, 3], vec![7; 80]);
        let file = fs::read_dir(dir.path().join("states")).unwrap().next().unwrap().unwrap().path();
        let good = fs::read(&file).unwrap();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 0x20;
            fs::write(&file, &bytes).unwrap();
            let mut states = States::open(0, disk(dir.path(), 1 << 20));
            let loaded = loaded(&mut states, &[1, 2, 3]);
            // A changed name of the conversation does no harm: what it holds is told by its tokens.
            let harmless =
                loaded.as_ref().is_none_or(|(tokens, data)| *tokens == [1, 2, 3] && *data == [7; 80]);
            assert!(harmless, "byte {place}");
            fs::write(&file, &good).unwrap();
        }
        fs::write(dir.path().join("model.gguf"), b"others!").unwrap();
        let mut states = States::open(0, disk(dir.path(), 1 << 20));
        assert_eq!(loaded(&mut states, &[1, 2, 3]), None);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut states = States::open(0, disk(dir.path(), 1100));
        states.park("ada", vec![1], vec![7; 300]);
        states.park("bran", vec![2], vec![8; 300]);
        loaded(&mut states, &[1]);
        states.park("cora", vec![3], vec![9; 300]);
        let left: Vec<_> = states.states.iter().map(|state| state.conversation.as_str()).collect();
        assert!(left.contains(&"cora") && !left.contains(&"bran"), "{left:?}");
    }
}
