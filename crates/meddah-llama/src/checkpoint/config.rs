//! `config.json`: the model's shape, and how it was quantised.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::CheckpointError;
use super::folder::{Folder, SETTINGS_BYTES_MAX};
use super::gptq::GptqConfig;

const FILE: &str = "config.json";
/// No model is deeper.
const LAYERS_MAX: u64 = 1024;
/// No model is wider, in any of its parts.
const WIDTH_MAX: u64 = 1 << 18;
/// Longest head.
const HEAD_MAX: u64 = 1024;
/// Largest vocabulary.
const VOCABULARY_MAX: u64 = 1 << 20;
/// Longest context.
const CONTEXT_MAX: u64 = 1 << 27;

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    hidden_size: Option<u64>,
    intermediate_size: Option<u64>,
    num_hidden_layers: Option<u64>,
    num_attention_heads: Option<u64>,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    max_position_embeddings: Option<u64>,
    rms_norm_eps: Option<f64>,
    tie_word_embeddings: Option<bool>,
    quantization_config: Option<Value>,
}

/// What a model is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its publisher's name for the family.
    pub model_type: String,
    /// Width of the inner vectors.
    pub hidden: u64,
    /// Width of the feed-forward part.
    pub feed_forward: u64,
    /// Layers.
    pub layers: u64,
    /// Heads of the queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers of a head.
    pub head_length: u64,
    /// Tokens it was trained for.
    pub context: u64,
    /// Added before a root.
    pub rms_epsilon: f32,
    /// The output matrix is the embedding; `None` leaves that to the family.
    pub tied: Option<bool>,
    /// How its weights are quantised.
    pub gptq: Option<GptqConfig>,
    /// All of the file, for what only some families have.
    pub all: Map<String, Value>,
}

impl Config {
    /// Reads it, and checks everything that sizes follow from.
    pub fn read(folder: &Folder) -> Result<Config, CheckpointError> {
        let all: Map<String, Value> = folder.json(FILE, SETTINGS_BYTES_MAX)?.ok_or_else(|| {
            CheckpointError::missing(
                format!("{} has no {FILE}", folder.path().display()),
                "Give the folder of a whole download: weights, config.json and tokenizer.json.",
            )
        })?;
        let raw: Raw = serde_json::from_value(Value::Object(all.clone())).map_err(damaged)?;
        let model_type = raw.model_type.ok_or_else(|| damaged("it has no model_type"))?;
        let heads = sized("num_attention_heads", raw.num_attention_heads, WIDTH_MAX)?;
        let hidden = sized("hidden_size", raw.hidden_size, WIDTH_MAX)?;
        let kv_heads = sized("num_key_value_heads", raw.num_key_value_heads.or(Some(heads)), WIDTH_MAX)?;
        let head_length = sized("head_dim", raw.head_dim.or(Some(hidden / heads)), HEAD_MAX)?;
        if !heads.is_multiple_of(kv_heads) || !head_length.is_multiple_of(2) {
            let what = format!("{heads} heads, {kv_heads} of them with keys, {head_length} long, cannot be");
            return Err(damaged(what));
        }
        sized("num_attention_heads times head_dim", heads.checked_mul(head_length), WIDTH_MAX)?;
        let rms_epsilon = raw.rms_norm_eps.unwrap_or(1e-6) as f32;
        if !(rms_epsilon > 0.0 && rms_epsilon < 1.0) {
            return Err(damaged(format!("rms_norm_eps of {rms_epsilon} cannot be")));
        }
        Ok(Config {
            hidden,
            feed_forward: sized("intermediate_size", raw.intermediate_size, WIDTH_MAX)?,
            layers: sized("num_hidden_layers", raw.num_hidden_layers, LAYERS_MAX)?,
            heads,
            kv_heads,
            head_length,
            context: sized("max_position_embeddings", raw.max_position_embeddings, CONTEXT_MAX)?,
            rms_epsilon,
            tied: raw.tie_word_embeddings,
            gptq: quantization(folder, raw.quantization_config)?,
            model_type,
            all,
        })
    }

    /// A number that only some families have; `null` is none.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.all.get(key).and_then(Value::as_f64)
    }

    /// A text that only some families have.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.all.get(key).and_then(Value::as_str)
    }

    /// A flag that only some families have.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.all.get(key).and_then(Value::as_bool)
    }
}

/// The rows of the embedding, checked like the sizes of the configuration.
pub fn check_vocabulary(rows: u64) -> Result<u64, CheckpointError> {
    sized("the embedding's rows", Some(rows), VOCABULARY_MAX)
}

pub(super) fn damaged(what: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::damaged(FILE, what)
}

fn sized(key: &str, value: Option<u64>, max: u64) -> Result<u64, CheckpointError> {
    match value {
        Some(value) if (1..=max).contains(&value) => Ok(value),
        Some(value) => Err(damaged(format!("{key} of {value} cannot be"))),
        None => Err(damaged(format!("{key} is not given"))),
    }
}

#[derive(Deserialize)]
struct RawQuantization {
    quant_method: Option<String>,
    bits: Option<u32>,
    group_size: Option<i64>,
    checkpoint_format: Option<String>,
    dynamic: Option<Value>,
    is_marlin_format: Option<bool>,
}

/// Some checkpoints have a file of their own for it.
fn quantization(folder: &Folder, inline: Option<Value>) -> Result<Option<GptqConfig>, CheckpointError> {
    const OWN_FILE: &str = "quantize_config.json";
    let (file, value) = match inline {
        Some(value) if !value.is_null() => (FILE, value),
        _ => match folder.json::<Value>(OWN_FILE, SETTINGS_BYTES_MAX)? {
            Some(value) => (OWN_FILE, value),
            None => return Ok(None),
        },
    };
    let raw: RawQuantization =
        serde_json::from_value(value).map_err(|error| CheckpointError::damaged(file, error))?;
    let method = raw.quant_method.as_deref().unwrap_or("gptq");
    let help = "GPTQ and plain safetensors can be imported; look for one of these, or for a .gguf file.";
    if method != "gptq" {
        return Err(CheckpointError::unsupported(
            format!("{file}: quant_method {method:?} is not known"),
            help,
        ));
    }
    let format = raw.checkpoint_format.as_deref().unwrap_or("gptq");
    let zero_offset = match format {
        "gptq" if raw.is_marlin_format != Some(true) => 1,
        "gptq_v2" => 0,
        _ => {
            let what = format!("{file}: checkpoint_format {format:?} is not known");
            return Err(CheckpointError::unsupported(what, help));
        }
    };
    let bits = raw.bits.unwrap_or(0);
    if ![2, 3, 4, 8].contains(&bits) {
        let what = format!("{file}: {bits} bits are not known; 2, 3, 4 and 8 are");
        return Err(CheckpointError::unsupported(what, help));
    }
    let group_size = match raw.group_size.unwrap_or(-1) {
        -1 => None,
        size if size > 0 => Some(size as u64),
        size => return Err(CheckpointError::damaged(file, format!("group_size of {size} cannot be"))),
    };
    let mixed = raw.dynamic.is_some_and(|dynamic| !dynamic.is_null());
    Ok(Some(GptqConfig { bits, group_size, zero_offset, mixed }))
}
