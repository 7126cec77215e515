//! From `tokenizer.json` to the keys that llama.cpp builds its tokenizer from.
//!
//! The aim is the same tokens for every text. What llama.cpp cannot do exactly is refused, or told in a note.

mod byte_level;
mod file;
mod sentence_piece;
mod special;

use std::collections::{HashMap, HashSet};

use super::CheckpointError;
use super::config::Config;
use super::folder::Folder;
use super::gguf_header::{Metadata, Value};
use file::{Added, Bpe, FILE, TokenizerFile};
use sentence_piece::Lead;
use special::Settings;

/// Our own key: the text has to be composed before llama.cpp splits it.
const NORMALIZER_KEY: &str = "meddah.tokenizer.normalizer";
/// The only value of it so far.
pub const NORMALIZER_NFC: &str = "nfc";

/// llama.cpp's kinds of tokens.
mod kind {
    pub const NORMAL: i32 = 1;
    pub const UNKNOWN: i32 = 2;
    pub const CONTROL: i32 = 3;
    pub const USER_DEFINED: i32 = 4;
    pub const UNUSED: i32 = 5;
    pub const BYTE: i32 = 6;
}

/// Our own key: a space belongs before a text, but not after special tokens.
const SPACE_FIRST_KEY: &str = "meddah.tokenizer.space_first";

/// What was built.
pub struct Built {
    /// For the report, for example `smollm (bytes)`.
    pub description: String,
    /// Where llama.cpp differs.
    pub notes: Vec<String>,
}

/// Reads the tokenizer and writes its keys.
pub fn describe(
    folder: &Folder,
    config: &Config,
    vocabulary: u64,
    metadata: &mut Metadata,
) -> Result<Built, CheckpointError> {
    let mut file = TokenizerFile::read(folder)?;
    let settings = Settings::read(folder)?;
    let bpe = file.take_bpe()?;
    let mut notes = Vec::new();
    let texts = Texts::new(&file, &bpe, vocabulary as usize, &mut notes)?;
    let description = if byte_level::is_byte_level(&file) {
        let splitting = byte_level::splitting(&file, &bpe)?;
        metadata.set("tokenizer.ggml.model", "gpt2");
        metadata.set("tokenizer.ggml.pre", splitting.pre);
        metadata.set("tokenizer.ggml.tokens", Value::Texts(texts.tokens.clone()));
        metadata.set("tokenizer.ggml.token_type", Value::I32s(texts.kinds(&file, None)));
        let merges = bpe.merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
        metadata.set("tokenizer.ggml.merges", Value::Texts(merges));
        if splitting.composes {
            metadata.set(NORMALIZER_KEY, NORMALIZER_NFC);
            notes.push(
                "its tokenizer composes accents first (NFC); Meddah does, other programs may not".into(),
            );
        }
        notes.extend(splitting.note.map(str::to_owned));
        format!("{} (over bytes, {} tokens)", splitting.pre, bpe.ids.len())
    } else {
        let lead = sentence_piece::lead(&file)?;
        if !file.model.byte_fallback {
            return Err(file::unknown("it has no tokens for single bytes"));
        }
        let added: HashSet<&str> = file.added_tokens.iter().map(|added| added.content.as_str()).collect();
        let scores = sentence_piece::scores(&bpe, texts.tokens.len(), &|text| added.contains(text))?;
        metadata.set("tokenizer.ggml.model", "llama");
        metadata.set("tokenizer.ggml.pre", "default");
        metadata.set("tokenizer.ggml.tokens", Value::Texts(texts.tokens.clone()));
        metadata.set("tokenizer.ggml.scores", Value::F32s(scores));
        metadata.set("tokenizer.ggml.token_type", Value::I32s(texts.kinds(&file, Some(&bpe))));
        let everywhere = matches!(lead, Lead::Everywhere | Lead::EverywhereOnce);
        metadata.set("tokenizer.ggml.add_space_prefix", everywhere);
        if lead == Lead::First {
            metadata.set(SPACE_FIRST_KEY, true);
        }
        notes.extend(lead.note().map(str::to_owned));
        if file
            .added_tokens
            .iter()
            .any(|added| !added.special && added.content.contains(sentence_piece::SPACE))
        {
            notes.push("the sign \u{2581} itself, twice or more in a text, is taken for spaces".into());
        }
        format!("SentencePiece ({} tokens)", bpe.ids.len())
    };
    notes.extend(settings.describe(&file, config, &texts.tokens, metadata)?);
    Ok(Built { description, notes })
}

/// The text of every row of the embedding.
struct Texts {
    tokens: Vec<String>,
    unused: HashSet<usize>,
}

impl Texts {
    fn new(
        file: &TokenizerFile,
        bpe: &Bpe,
        rows: usize,
        notes: &mut Vec<String>,
    ) -> Result<Texts, CheckpointError> {
        let mut by_id: HashMap<usize, &str> = HashMap::with_capacity(bpe.ids.len());
        let contradiction = |id: usize, text: &str| {
            CheckpointError::damaged(FILE, format!("token {text:?} and another have the number {id}"))
        };
        for (text, id) in &bpe.ids {
            let id = *id as usize;
            if id >= rows {
                let what = format!("token {text:?} has the number {id}, and the embedding has {rows} rows");
                return Err(CheckpointError::damaged(FILE, what));
            }
            if by_id.insert(id, text).is_some() {
                return Err(contradiction(id, text));
            }
        }
        let mut beyond = 0;
        for added in &file.added_tokens {
            let id = usize::try_from(added.id).unwrap_or(usize::MAX);
            if bpe.ids.get(&added.content).is_some_and(|known| *known as usize != id) {
                return Err(contradiction(id, &added.content));
            }
            if id >= rows {
                beyond += 1;
            } else if by_id.insert(id, &added.content).is_some_and(|old| old != added.content) {
                return Err(contradiction(id, &added.content));
            }
        }
        if beyond > 0 {
            notes.push(format!("{beyond} added tokens have no row in the embedding and were left out"));
        }
        let zeros = by_id.values().filter(|text| text.contains('\0')).count();
        if zeros > 0 {
            notes.push(format!(
                "{zeros} tokens hold a zero byte, which llama.cpp cannot read, and were left out"
            ));
        }
        if file.added_tokens.iter().any(|added| added.lstrip || added.rstrip || added.single_word) {
            notes.push("some added tokens swallow spaces around them; llama.cpp keeps these".into());
        }
        Texts::fill(&by_id, rows)
    }

    /// llama.cpp aborts when two tokens have one text, so fillers get texts that nobody has. It reads texts
    /// to their first zero byte, so those that have one cannot be kept.
    fn fill(by_id: &HashMap<usize, &str>, rows: usize) -> Result<Texts, CheckpointError> {
        let mut seen: HashSet<&str> = HashSet::with_capacity(rows);
        if let Some((id, text)) = by_id.iter().find(|(_, text)| !seen.insert(text)) {
            return Err(CheckpointError::damaged(FILE, format!("token {text:?} has a second number, {id}")));
        }
        let mut unused = HashSet::new();
        let tokens = (0..rows).map(|id| match by_id.get(&id).filter(|text| !text.is_empty()) {
            Some(text) if !text.contains('\0') => (*text).to_owned(),
            _ => {
                unused.insert(id);
                let mut filler = format!("[PAD{id}]");
                while seen.contains(filler.as_str()) {
                    filler.insert(0, '[');
                }
                filler
            }
        });
        Ok(Texts { tokens: tokens.collect(), unused })
    }

    /// Kinds of all tokens; `fallback` is the vocabulary of a tokenizer that falls back to bytes.
    fn kinds(&self, file: &TokenizerFile, fallback: Option<&Bpe>) -> Vec<i32> {
        let mut kinds: Vec<i32> = (0..self.tokens.len())
            .map(|id| if self.unused.contains(&id) { kind::UNUSED } else { kind::NORMAL })
            .collect();
        let mut set = |id: Option<usize>, value: i32| {
            if let Some(kind) = id.and_then(|id| kinds.get_mut(id)) {
                *kind = value;
            }
        };
        for added in &file.added_tokens {
            set(usize::try_from(added.id).ok(), added_kind(added, fallback));
        }
        if let Some(bpe) = fallback {
            let id_of = |text: &str| bpe.ids.get(text).map(|id| *id as usize);
            for byte in 0..=u8::MAX {
                set(id_of(&sentence_piece::byte_text(byte)), kind::BYTE);
            }
            set(file.model.unk_token.as_deref().and_then(id_of), kind::UNKNOWN);
        }
        kinds
    }
}

fn added_kind(added: &Added, fallback: Option<&Bpe>) -> i32 {
    // Gemma's runs of spaces are merged like any others; as added tokens they would be printed as they are.
    let is_run = added.content.contains(sentence_piece::SPACE)
        && fallback.is_some_and(|bpe| bpe.ids.contains_key(&added.content));
    match (added.special, is_run) {
        (true, _) => kind::CONTROL,
        (false, true) => kind::NORMAL,
        (false, false) => kind::USER_DEFINED,
    }
}
