//! Tokenizers over characters that fall back to bytes, as SentencePiece makes them (Llama 2, Mistral, Gemma).
//!
//! llama.cpp joins the pair whose *token* has the best score; tokenizer.json joins the pair whose *merge*
//! comes first. Both give the same tokens if the merges of each token stand together and are complete,
//! which is how they are made from SentencePiece files. That is checked, not assumed.

use std::collections::HashMap;

use serde_json::Value;

use super::file::{Bpe, TokenizerFile, steps, unknown};
use crate::checkpoint::CheckpointError;

/// The sign that stands for a space.
pub const SPACE: &str = "\u{2581}";
/// Of tokens that no merge makes: they are found first, or are single characters.
const SCORE_UNMERGED: f32 = -1e9;

/// Where a space is put that the text does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    Nowhere,
    /// Before the text and after each special token.
    Everywhere,
    /// The same, except where there is a space already; llama.cpp puts a second one.
    EverywhereOnce,
    /// Before the text unless it begins with a space or a special token. Meddah does that, llama.cpp cannot.
    First,
}

impl Lead {
    /// What the player should know.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Lead::Nowhere | Lead::Everywhere => None,
            Lead::EverywhereOnce => Some(
                "a text that begins with a space, also after a special token, gets a second one from llama.cpp",
            ),
            Lead::First => Some(
                "its tokenizer puts a space before a text but not after special tokens; Meddah does the same, \
                      other programs leave it out",
            ),
        }
    }
}

/// Reads how spaces are treated, and refuses what llama.cpp cannot do.
pub fn lead(file: &TokenizerFile) -> Result<Lead, CheckpointError> {
    if file.model.ignore_merges {
        return Err(unknown("it takes words whole and falls back to bytes, which llama.cpp does not"));
    }
    let (mut replaced, mut lead) = (false, Lead::Nowhere);
    for step in steps(&file.normalizer, "normalizers") {
        match step["type"].as_str() {
            Some("Prepend") if step["prepend"] == SPACE => lead = Lead::Everywhere,
            Some("Replace") if step["pattern"]["String"] == " " && step["content"] == SPACE => {
                replaced = true
            }
            other => return Err(unknown(&format!("its normalizer {} is not known", other.unwrap_or("?")))),
        }
    }
    for step in steps(&file.pre_tokenizer, "pretokenizers") {
        match step["type"].as_str() {
            Some("Metaspace") if !replaced => {
                (replaced, lead) = (true, metaspace(step)?);
            }
            // Gemma's: there are no spaces left to split at.
            Some("Split") if replaced && step["pattern"]["String"] == " " => {}
            other => return Err(unknown(&format!("its step {} is not known", other.unwrap_or("?")))),
        }
    }
    if replaced { Ok(lead) } else { Err(unknown("it does not say what becomes of spaces")) }
}

fn metaspace(step: &Value) -> Result<Lead, CheckpointError> {
    if step["replacement"] != SPACE || step["split"] != false {
        return Err(unknown("it splits at spaces, which llama.cpp does not do here"));
    }
    match step["prepend_scheme"].as_str() {
        Some("first") => Ok(Lead::First),
        Some("always") => Ok(Lead::EverywhereOnce),
        Some("never") => Ok(Lead::Nowhere),
        _ => Err(unknown("it does not say where a space is put")),
    }
}

/// The text of the token for a byte.
pub fn byte_text(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Scores of all tokens, by number.
pub fn scores(
    bpe: &Bpe,
    tokens: usize,
    is_added: &dyn Fn(&str) -> bool,
) -> Result<Vec<f32>, CheckpointError> {
    check_bytes(bpe)?;
    let ranks = ranks(bpe)?;
    check_complete(bpe, &ranks, is_added)?;
    let mut scores = vec![SCORE_UNMERGED; tokens];
    for (merged, (rank, _)) in &ranks {
        if let Some(score) = bpe.ids.get(merged).and_then(|id| scores.get_mut(*id as usize)) {
            *score = -(*rank as f32);
        }
    }
    Ok(scores)
}

/// llama.cpp aborts when it looks for a byte and finds none.
fn check_bytes(bpe: &Bpe) -> Result<(), CheckpointError> {
    for byte in 0..=u8::MAX {
        let plain = byte.is_ascii() && bpe.ids.contains_key(&char::from(byte).to_string());
        if !plain && !bpe.ids.contains_key(&byte_text(byte)) {
            return Err(unknown(&format!("byte {byte} has no token")));
        }
    }
    Ok(())
}

/// First merge and number of merges of each token, if they stand together.
fn ranks(bpe: &Bpe) -> Result<HashMap<String, (usize, usize)>, CheckpointError> {
    let mut ranks: HashMap<String, (usize, usize)> = HashMap::new();
    for (rank, (left, right)) in bpe.merges.iter().enumerate() {
        let merged = [left.as_str(), right.as_str()].concat();
        let (first, count) = ranks.entry(merged).or_insert((rank, 0));
        if *first + *count != rank {
            return Err(unknown(&format!("merge {left:?} {right:?} comes apart from others of its token")));
        }
        *count += 1;
    }
    Ok(ranks)
}

/// Every way of making a token from two others has to be among the merges.
fn check_complete(
    bpe: &Bpe,
    ranks: &HashMap<String, (usize, usize)>,
    is_added: &dyn Fn(&str) -> bool,
) -> Result<(), CheckpointError> {
    // Texts with a zero byte never reach llama.cpp.
    for text in bpe.ids.keys().filter(|text| !is_added(text) && !text.contains('\0')) {
        let splits = text.char_indices().skip(1).filter(|(at, _)| {
            let (left, right) = text.split_at(*at);
            bpe.ids.contains_key(left) && bpe.ids.contains_key(right)
        });
        let merges = ranks.get(text).map_or(0, |(_, count)| *count);
        if splits.count() != merges {
            return Err(unknown(&format!(
                "token {text:?} can be made in ways that its merges do not have; llama.cpp cannot tell them apart"
            )));
        }
    }
    Ok(())
}
