//! `tokenizer.json`: the parts that decide which tokens a text becomes.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::CheckpointError;
use crate::checkpoint::folder::Folder;

/// Its name.
pub const FILE: &str = "tokenizer.json";

/// Longest; that of 262,144 tokens has 34 MB.
const BYTES_MAX: u64 = 48 << 20;

/// The file.
#[derive(Deserialize)]
pub struct TokenizerFile {
    #[serde(default)]
    pub added_tokens: Vec<Added>,
    #[serde(default)]
    pub normalizer: Value,
    #[serde(default)]
    pub pre_tokenizer: Value,
    #[serde(default)]
    pub post_processor: Value,
    pub model: Model,
}

/// A token that is looked for before everything else.
#[derive(Deserialize)]
pub struct Added {
    pub id: u64,
    pub content: String,
    #[serde(default)]
    pub special: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    #[serde(default)]
    pub single_word: bool,
}

/// The algorithm.
#[derive(Deserialize)]
pub struct Model {
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub vocab: Value,
    #[serde(default)]
    pub merges: Vec<Merge>,
    #[serde(default)]
    pub byte_fallback: bool,
    #[serde(default)]
    pub ignore_merges: bool,
    #[serde(default)]
    pub unk_token: Option<String>,
    #[serde(default)]
    pub continuing_subword_prefix: Option<String>,
    #[serde(default)]
    pub end_of_word_suffix: Option<String>,
}

/// Two tokens that may become one; older files write them as one text.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Merge {
    Pair([String; 2]),
    Text(String),
}

impl Merge {
    /// Left and right.
    pub fn parts(self) -> Option<(String, String)> {
        match self {
            Merge::Pair([left, right]) => Some((left, right)),
            Merge::Text(text) => text.split_once(' ').map(|(left, right)| (left.into(), right.into())),
        }
    }
}

/// What byte pair encoding needs, checked.
pub struct Bpe {
    /// Token of each text.
    pub ids: HashMap<String, u32>,
    /// In the order in which they are tried.
    pub merges: Vec<(String, String)>,
}

impl TokenizerFile {
    pub fn read(folder: &Folder) -> Result<TokenizerFile, CheckpointError> {
        folder.json(FILE, BYTES_MAX)?.ok_or_else(|| {
            CheckpointError::missing(
                format!("{} has no {FILE}", folder.path().display()),
                "Download it from the page of the model, or of the model it was made from.",
            )
        })
    }

    /// Takes out the vocabulary and the merges, if the algorithm is byte pair encoding without frills.
    pub fn take_bpe(&mut self) -> Result<Bpe, CheckpointError> {
        let model = &mut self.model;
        let plain = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        let kind = model.kind.as_deref().unwrap_or("BPE");
        if kind != "BPE" {
            return Err(unknown(&format!("its algorithm {kind:?} is not known; BPE is")));
        }
        if !plain(&model.continuing_subword_prefix) || !plain(&model.end_of_word_suffix) {
            return Err(unknown("it marks parts of words, which llama.cpp does not"));
        }
        let Value::Object(vocab) = model.vocab.take() else {
            return Err(CheckpointError::damaged(FILE, "its vocabulary is no object"));
        };
        let mut ids = HashMap::with_capacity(vocab.len());
        for (text, id) in vocab {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id =
                id.ok_or_else(|| CheckpointError::damaged(FILE, format!("token {text:?} has no number")))?;
            ids.insert(text, id);
        }
        let mut merges = Vec::with_capacity(model.merges.len());
        for merge in std::mem::take(&mut model.merges) {
            let whole = |(left, right): &(String, String)| {
                let merged = [left.as_str(), right.as_str()].concat();
                [left, right, &merged].into_iter().all(|text| ids.contains_key(text))
            };
            let Some(parts) = merge.parts().filter(whole) else {
                let what = format!("merge {} is not of known tokens", merges.len());
                return Err(CheckpointError::damaged(FILE, what));
            };
            merges.push(parts);
        }
        Ok(Bpe { ids, merges })
    }
}

/// A tokenizer that cannot be rebuilt.
pub fn unknown(what: &str) -> CheckpointError {
    CheckpointError::unsupported(
        format!("{FILE}: {what}"),
        "Look for this model as a .gguf file, which its own converter made.",
    )
}

/// The steps of a sequence, or the one step that is not in a sequence.
pub fn steps<'a>(value: &'a Value, list: &str) -> Vec<&'a Value> {
    match value {
        Value::Null => Vec::new(),
        step if step["type"] == "Sequence" => {
            let inner = step[list].as_array().map(Vec::as_slice).unwrap_or_default();
            inner.iter().flat_map(|step| steps(step, list)).collect()
        }
        step => vec![step],
    }
}
