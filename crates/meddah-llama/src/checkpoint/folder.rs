//! The files of a checkpoint's folder, and reading tensors piece by piece.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::CheckpointError;
use super::safetensors::{Place, read_header};

/// Longest settings file, and index of tensors.
pub const SETTINGS_BYTES_MAX: u64 = 8 << 20;
/// Longest chat template; a GGUF reader need not take longer ones.
pub const TEMPLATE_BYTES_MAX: u64 = 512 << 10;
/// Most files that the weights are split into.
const SHARDS_MAX: usize = 500;

/// Files of the folder that are looked at for a better hint.
const ENTRIES_MAX: usize = 1000;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An open folder.
pub struct Folder {
    path: PathBuf,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, (usize, Place)>,
}

struct Shard {
    name: String,
    file: File,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Folder {
    /// Reads the headers of all weights.
    pub fn open(path: &Path) -> Result<Folder, CheckpointError> {
        let mut folder = Folder { path: path.into(), shards: Vec::new(), tensors: BTreeMap::new() };
        match folder.json::<Index>(INDEX, SETTINGS_BYTES_MAX)? {
            Some(index) => folder.add_shards(&index)?,
            None if folder.path.join(SINGLE).is_file() => folder.add(SINGLE)?,
            None => return Err(folder.without_weights()),
        }
        Ok(folder)
    }

    fn without_weights(&self) -> CheckpointError {
        let message = format!("{} has neither {SINGLE} nor {INDEX}", self.path.display());
        let old = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
        let help = if old.iter().any(|name| self.path.join(name).exists()) {
            "Its weights are in the old .bin format, which can carry programs; look for a copy in safetensors."
        } else if self.has_gguf() {
            "There is a .gguf file in it: give that file, not the folder."
        } else {
            "Give the folder of a whole download: weights in safetensors, config.json and tokenizer.json."
        };
        CheckpointError::missing(message, help)
    }

    fn has_gguf(&self) -> bool {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().take(ENTRIES_MAX);
        entries.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "gguf"))
    }

    fn add_shards(&mut self, index: &Index) -> Result<(), CheckpointError> {
        let mut names: Vec<&String> = index.weight_map.values().collect();
        names.sort();
        names.dedup();
        if names.len() > SHARDS_MAX {
            return Err(CheckpointError::damaged(INDEX, format!("it names {} files", names.len())));
        }
        for name in names {
            let mut parts = Path::new(name).components();
            let inside = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !inside || name.contains(['/', '\\', ':']) {
                let what = format!("it names {name:?}, which is not a file of this folder");
                return Err(CheckpointError::damaged(INDEX, what));
            }
            self.add(name)?;
        }
        for (tensor, shard) in &index.weight_map {
            let found = self.tensors.get(tensor).map(|(shard, _)| &self.shards[*shard].name);
            if found != Some(shard) {
                let what = format!("tensor {tensor:?} is not there, although {INDEX} says so");
                return Err(CheckpointError::damaged(shard, what));
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str) -> Result<(), CheckpointError> {
        let path = self.path.join(name);
        let fail = |error: std::io::Error| CheckpointError::storage("read", &path, &error);
        // Opening a pipe would wait for ever; links are fine, download caches are made of them.
        let metadata = std::fs::metadata(&path).map_err(fail)?;
        if !metadata.is_file() {
            return Err(CheckpointError::damaged(name, "it is not a file"));
        }
        let file = File::open(&path).map_err(fail)?;
        let places = read_header(name, BufReader::new(&file), metadata.len())?;
        let shard = self.shards.len();
        for (tensor, place) in places {
            if self.tensors.insert(tensor.clone(), (shard, place)).is_some() {
                return Err(CheckpointError::damaged(name, format!("tensor {tensor:?} is in two files")));
            }
        }
        self.shards.push(Shard { name: name.into(), file });
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Bytes of all weights.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|(_, place)| place.bytes).sum()
    }

    /// A tensor, if it is there.
    pub fn tensor(&self, name: &str) -> Option<Tensor<'_>> {
        let (name, (shard, place)) = self.tensors.get_key_value(name)?;
        Some(Tensor { name, shard: &self.shards[*shard], place })
    }

    /// A JSON file of at most this length; `None` if it is not there.
    pub fn json<T: DeserializeOwned>(
        &self,
        name: &str,
        bytes_max: u64,
    ) -> Result<Option<T>, CheckpointError> {
        let Some(text) = self.text(name, bytes_max)? else { return Ok(None) };
        // The parser refuses more than 128 levels.
        serde_json::from_str(&text).map(Some).map_err(|error| CheckpointError::damaged(name, error))
    }

    /// A text file; `None` if it is not there.
    pub fn text(&self, name: &str, bytes_max: u64) -> Result<Option<String>, CheckpointError> {
        let path = self.path.join(name);
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(None) };
        if !metadata.is_file() || metadata.len() > bytes_max {
            let what = format!("it is not a file of at most {} MB", bytes_max.div_ceil(1_000_000));
            return Err(CheckpointError::damaged(name, what));
        }
        let fail = |error: std::io::Error| CheckpointError::storage("read", &path, &error);
        let mut bytes = Vec::new();
        File::open(&path).map_err(fail)?.take(bytes_max).read_to_end(&mut bytes).map_err(fail)?;
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| CheckpointError::damaged(name, "it is not UTF-8 text"))
    }
}

/// A tensor of an open folder.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    /// Its name in the checkpoint.
    pub name: &'a str,
    shard: &'a Shard,
    /// Type, shape and size.
    pub place: &'a Place,
}

impl Tensor<'_> {
    /// Fills `bytes` from this byte of the tensor on.
    pub fn read(&self, from: u64, bytes: &mut [u8]) -> Result<(), CheckpointError> {
        let end = from.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.place.bytes) {
            return Err(self.wrong("is shorter than its shape says"));
        }
        let mut file = &self.shard.file;
        file.seek(SeekFrom::Start(self.place.start + from))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|error| self.wrong(format!("cannot be read: {error}")))
    }

    /// All of it, if it is not larger than `bytes_max`.
    pub fn read_all(&self, bytes_max: u64) -> Result<Vec<u8>, CheckpointError> {
        if self.place.bytes > bytes_max {
            return Err(self.wrong(format!("has {} bytes, more than any model needs", self.place.bytes)));
        }
        let mut bytes = vec![0; self.place.bytes as usize];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// An error that names the file and the tensor.
    pub fn wrong(&self, what: impl std::fmt::Display) -> CheckpointError {
        CheckpointError::damaged(&self.shard.name, format!("tensor {:?} {what}", self.name))
    }
}
