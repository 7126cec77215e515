//! Looks into a model file without loading it, so that a wrong, cut or too large one is told from a good one
//! before harm is done. Nothing the file says about its own sizes is believed.

mod reader;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use meddah_inference::{ErrorKind, ModelError};

use crate::config::KvType;
use reader::{Header, Value};

/// What a model file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufInfo {
    /// Family, for example `llama`.
    pub architecture: String,
    /// Its name; the file's name if it has none.
    pub name: String,
    /// Tokens it was trained for.
    pub context_tokens: u32,
    /// Weights, counted over the tensors.
    pub parameters: u64,
    /// How most weights are stored, for example `Q4_0`.
    pub file_type: String,
    /// SPDX name, if the file gives one.
    pub license: Option<String>,
    /// It knows how a conversation is written.
    pub has_chat_template: bool,
    /// Bytes of all weights.
    pub tensor_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Entries of the vocabulary.
    pub vocab_size: u64,
    /// Width of the model's inner vectors.
    pub embedding_length: u64,
    /// Numbers that the attention keeps per token.
    pub kv_numbers_per_token: u64,
}

impl GgufInfo {
    /// Bytes that the attention keeps per token.
    pub fn kv_bytes_per_token(&self, kv_type: KvType) -> u64 {
        match kv_type {
            KvType::F16 => self.kv_numbers_per_token * 2,
            // Blocks of 32 numbers: 32 bytes and a two-byte scale.
            KvType::Q8_0 => self.kv_numbers_per_token * 34 / 32,
        }
    }
}

/// Why a file is not a model that can be run.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It cannot be opened.
    #[error("cannot open {path:?}: {source}")]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its first bytes are wrong.
    #[error("{path:?} is not a GGUF file")]
    NotGguf {
        /// Which.
        path: PathBuf,
    },
    /// Made by a newer or much older tool.
    #[error("{path:?} is GGUF version {version}; versions 2 and 3 are known")]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It ends too early.
    #[error("{path:?} is cut short: it needs {needed} bytes and has {present}")]
    Cut {
        /// Which.
        path: PathBuf,
        /// Bytes it should have.
        needed: u64,
        /// Bytes it has.
        present: u64,
    },
    /// Its header contradicts itself.
    #[error("{path:?} is damaged: {what}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where.
        what: &'static str,
    },
}

impl From<GgufError> for ModelError {
    fn from(error: GgufError) -> Self {
        let (kind, help) = match &error {
            GgufError::Open { .. } => (ErrorKind::NotFound, "check the path of the model in the settings"),
            GgufError::NotGguf { .. } => {
                (ErrorKind::BadModel, "choose a file that ends in .gguf; other formats have to be imported")
            }
            GgufError::Version { .. } => (ErrorKind::BadModel, "download a newer file of this model"),
            GgufError::Cut { .. } | GgufError::Damaged { .. } => {
                (ErrorKind::BadModel, "delete the file and download it again")
            }
        };
        ModelError::new(kind, error.to_string()).with_help(help)
    }
}

/// Reads the header of a model file and checks that its weights are all there.
pub fn inspect(path: &Path) -> Result<GgufInfo, GgufError> {
    let open = |source| GgufError::Open { path: path.into(), source };
    let file = File::open(path).map_err(open)?;
    let file_bytes = file.metadata().map_err(open)?.len();
    let header =
        Header::read(BufReader::new(file), file_bytes).map_err(|fault| fault.at(path, file_bytes))?;
    if header.data_end > file_bytes {
        let path = path.into();
        return Err(GgufError::Cut { path, needed: header.data_end, present: file_bytes });
    }
    let Some(architecture) = header.text("general.architecture") else {
        return Err(GgufError::Damaged { path: path.into(), what: "it names no architecture" });
    };
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let number = |key: &str| header.number(&format!("{architecture}.{key}"));
    Ok(GgufInfo {
        name: header.text("general.name").filter(|name| !name.is_empty()).unwrap_or(stem),
        context_tokens: number("context_length").unwrap_or(0).min(u64::from(u32::MAX)) as u32,
        parameters: header.parameters,
        file_type: header.number("general.file_type").map_or("unknown", file_type_name).into(),
        license: header.text("general.license"),
        has_chat_template: header.text("tokenizer.chat_template").is_some(),
        tensor_bytes: header.tensor_bytes,
        file_bytes,
        vocab_size: header.lengths.get("tokenizer.ggml.tokens").copied().unwrap_or(0),
        embedding_length: number("embedding_length").unwrap_or(0),
        kv_numbers_per_token: kv_numbers(&header, &architecture),
        architecture,
    })
}

/// Keys and values of all layers; an upper estimate for models that keep less in some layers.
fn kv_numbers(header: &Header, architecture: &str) -> u64 {
    let number = |key: &str| header.number(&format!("{architecture}.{key}"));
    let layers = number("block_count").unwrap_or(0).min(1 << 16);
    let heads = number("attention.head_count").unwrap_or(1).max(1);
    let head_length = number("embedding_length").unwrap_or(0) / heads;
    let key = number("attention.key_length").unwrap_or(head_length).min(1 << 16);
    let value = number("attention.value_length").unwrap_or(head_length).min(1 << 16);
    let kv_heads = match header.values.get(&format!("{architecture}.attention.head_count_kv")) {
        Some(Value::Number(heads)) => layers.saturating_mul(*heads),
        Some(Value::Numbers(heads)) => heads.iter().fold(0, |sum: u64, heads| sum.saturating_add(*heads)),
        _ => layers.saturating_mul(heads),
    };
    kv_heads.saturating_mul(key + value)
}

fn file_type_name(file_type: u64) -> &'static str {
    match file_type {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 | 21 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        25 => "IQ4_NL",
        30 => "IQ4_XS",
        32 => "BF16",
        38 => "MXFP4",
        _ => "other",
    }
}
