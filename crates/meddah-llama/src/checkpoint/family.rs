//! Families of models: their names in llama.cpp, and what it wants to be told of each.
//!
//! Keys and tensors are those that llama.cpp's own loader reads (`src/models/` and `src/llama-arch.cpp` of
//! the version that is linked).

use super::CheckpointError;
use super::config::{Config, damaged};
use super::gguf_header::Metadata;
use super::rope;

/// A family.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// Its name in config.json.
    pub model_type: &'static str,
    /// Its name in llama.cpp.
    pub architecture: &'static str,
    /// Rows of queries and keys are interleaved in ggml: halves of a head become pairs.
    pub interleaves: bool,
    /// Norms are stored less one.
    pub norm_less_one: bool,
    /// Each head's queries and keys are normalised.
    pub head_norms: bool,
    /// Norms of a layer, and their names in ggml.
    pub norms: &'static [(&'static str, &'static str)],
    /// Matrices that may have a bias, by the end of their names.
    pub biases: &'static [&'static str],
    /// The output matrix is always the embedding.
    pub always_tied: bool,
    /// What the config has to say of the feed-forward part, if it says anything.
    activations: &'static [&'static str],
}

const TWO_NORMS: &[(&str, &str)] =
    &[("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")];
const FOUR_NORMS: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];
const ALL_BIASES: &[&str] = &["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const QKV_BIASES: &[&str] = &["q_proj", "k_proj", "v_proj"];
const SILU: &[&str] = &["silu", "swish"];
const GELU: &[&str] = &["gelu", "gelu_pytorch_tanh"];

const LLAMA: Family = Family {
    model_type: "llama",
    architecture: "llama",
    interleaves: true,
    norm_less_one: false,
    head_norms: false,
    norms: TWO_NORMS,
    biases: ALL_BIASES,
    always_tied: false,
    activations: SILU,
};
const GEMMA: Family = Family {
    model_type: "gemma",
    architecture: "gemma",
    interleaves: false,
    norm_less_one: true,
    biases: &[],
    always_tied: true,
    activations: GELU,
    ..LLAMA
};

const FAMILIES: [Family; 7] = [
    LLAMA,
    Family { model_type: "mistral", ..LLAMA },
    Family { model_type: "qwen2", architecture: "qwen2", interleaves: false, biases: QKV_BIASES, ..LLAMA },
    Family {
        model_type: "qwen3",
        architecture: "qwen3",
        interleaves: false,
        biases: QKV_BIASES,
        head_norms: true,
        ..LLAMA
    },
    GEMMA,
    Family { model_type: "gemma2", architecture: "gemma2", norms: FOUR_NORMS, ..GEMMA },
    Family {
        model_type: "gemma3_text",
        architecture: "gemma3",
        norms: FOUR_NORMS,
        head_norms: true,
        ..GEMMA
    },
];

/// Settings that would change the arithmetic, and the value at which they do not.
const NEUTRAL: &[(&str, f64)] = &[
    ("num_local_experts", 0.0),
    ("num_experts", 0.0),
    ("partial_rotary_factor", 1.0),
    ("attention_multiplier", 0.0),
    ("residual_multiplier", 1.0),
    ("embedding_multiplier", 1.0),
    ("logits_scaling", 1.0),
];

impl Family {
    /// The family of a model, if it is known and the model uses nothing that llama.cpp does not have.
    pub fn of(config: &Config) -> Result<&'static Family, CheckpointError> {
        let known = FAMILIES.iter().find(|family| family.model_type == config.model_type);
        let family = known.ok_or_else(|| {
            let names: Vec<_> = FAMILIES.iter().map(|family| family.model_type).collect();
            CheckpointError::unsupported(
                format!("config.json: model_type {:?} is not known", config.model_type),
                &format!("Import one of {}, or look for the model as a .gguf file.", names.join(", ")),
            )
        })?;
        let strange =
            NEUTRAL.iter().find(|(key, neutral)| config.number(key).is_some_and(|value| value != *neutral));
        if let Some((key, _)) = strange {
            return Err(unknown_setting(config, key));
        }
        for key in ["hidden_activation", "hidden_act"] {
            match config.text(key) {
                Some(name) if !family.activations.contains(&name) => {
                    return Err(unknown_setting(config, key));
                }
                Some(_) => break,
                None => {}
            }
        }
        Ok(family)
    }

    /// The output matrix is the embedding. A config that does not say is believed to mean what is there.
    pub fn is_tied(&self, config: &Config, has_output: bool) -> bool {
        self.always_tied || config.tied.unwrap_or(!has_output)
    }

    /// What llama.cpp needs to know of the shape; notes on what it does differently.
    pub fn describe(
        &self,
        config: &Config,
        vocabulary: u64,
        metadata: &mut Metadata,
    ) -> Result<Vec<String>, CheckpointError> {
        let name = self.architecture;
        let mut set = |key: &str, number: u64| metadata.set(format!("{name}.{key}"), number as u32);
        set("context_length", config.context);
        set("embedding_length", config.hidden);
        set("block_count", config.layers);
        set("feed_forward_length", config.feed_forward);
        set("attention.head_count", config.heads);
        set("attention.head_count_kv", config.kv_heads);
        set("attention.key_length", config.head_length);
        set("attention.value_length", config.head_length);
        set("rope.dimension_count", config.head_length);
        set("vocab_size", vocabulary);
        metadata.set(format!("{name}.attention.layer_norm_rms_epsilon"), config.rms_epsilon);
        rope::describe(name, config, metadata)?;
        match name {
            "gemma2" => gemma2(config, metadata)?,
            "gemma3" => gemma3(config, metadata)?,
            _ => {}
        }
        Ok(self.notes(config))
    }

    fn notes(&self, config: &Config) -> Vec<String> {
        let has_window = match self.architecture {
            "llama" => config.model_type == "mistral",
            "qwen2" | "qwen3" => config.flag("use_sliding_window") == Some(true),
            _ => false,
        };
        let window = config.number("sliding_window").filter(|window| has_window && *window > 0.0);
        let note = |window: f64| {
            format!(
                "the model was made to look back {window} tokens; llama.cpp lets it look back further, and up to \
                 that length there is no difference"
            )
        };
        window.into_iter().map(note).collect()
    }
}

fn unknown_setting(config: &Config, key: &str) -> CheckpointError {
    let value = config.all.get(key).map(ToString::to_string).unwrap_or_default();
    CheckpointError::unsupported(
        format!("config.json: {key} of {value} is not known for {}", config.model_type),
        "Look for this model as a .gguf file, which its own converter made.",
    )
}

/// llama.cpp scales queries by the root of the head's length, and in the largest model by that of the width.
fn check_query_scale(config: &Config, layers_of_largest: u64) -> Result<(), CheckpointError> {
    let expected =
        if config.layers == layers_of_largest { config.hidden / config.heads } else { config.head_length };
    match config.number("query_pre_attn_scalar") {
        Some(scalar) if scalar != expected as f64 => Err(unknown_setting(config, "query_pre_attn_scalar")),
        _ => Ok(()),
    }
}

fn window(config: &Config) -> Result<u32, CheckpointError> {
    let window = config.number("sliding_window").filter(|window| (1.0..1e9).contains(window));
    window.map(|window| window as u32).ok_or_else(|| damaged("sliding_window is not given"))
}

/// Of `period` layers, all but the last look back only over the window.
fn check_pattern(config: &Config, period: u64) -> Result<(), CheckpointError> {
    if config.number("sliding_window_pattern").is_some_and(|given| given != period as f64) {
        return Err(unknown_setting(config, "sliding_window_pattern"));
    }
    let Some(types) = config.all.get("layer_types").and_then(|types| types.as_array()) else { return Ok(()) };
    let regular = types.iter().enumerate().all(|(layer, kind)| {
        let full = (layer as u64 + 1).is_multiple_of(period);
        kind.as_str() == Some(if full { "full_attention" } else { "sliding_attention" })
    });
    if regular { Ok(()) } else { Err(unknown_setting(config, "layer_types")) }
}

fn gemma2(config: &Config, metadata: &mut Metadata) -> Result<(), CheckpointError> {
    check_query_scale(config, 46)?;
    check_pattern(config, 2)?;
    metadata.set("gemma2.attention.sliding_window", window(config)?);
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
        let cap = config.number(key).ok_or_else(|| unknown_setting(config, key))?;
        metadata.set(format!("gemma2.{key}"), cap as f32);
    }
    Ok(())
}

fn gemma3(config: &Config, metadata: &mut Metadata) -> Result<(), CheckpointError> {
    check_query_scale(config, 62)?;
    check_pattern(config, 6)?;
    metadata.set("gemma3.attention.sliding_window", window(config)?);
    if config.number("attn_logit_softcapping").is_some() {
        return Err(unknown_setting(config, "attn_logit_softcapping"));
    }
    if let Some(cap) = config.number("final_logit_softcapping") {
        metadata.set("gemma3.final_logit_softcapping", cap as f32);
    }
    Ok(())
}
