//! How positions are turned into rotations, and how long contexts stretch them.

use serde_json::{Map, Value};

use super::CheckpointError;
use super::config::{Config, damaged};
use super::gguf_header::Metadata;

/// Used where a config gives none.
const BASE: f64 = 10_000.0;
const GEMMA3_BASE: f64 = 1_000_000.0;
/// Values of YaRN that llama.cpp assumes.
const YARN_USUAL: &[(&str, f64)] = &[("beta_fast", 32.0), ("beta_slow", 1.0)];
/// Values of YaRN that it cannot be told.
const YARN_UNKNOWN: &[&str] = &["attention_factor", "mscale", "mscale_all_dim"];

/// The settings of one kind of layer: older configs keep them apart, newer ones in `rope_parameters`.
fn parameters<'a>(config: &'a Config, layers: &str) -> Option<&'a Map<String, Value>> {
    let object = |key: &str| config.all.get(key).and_then(Value::as_object);
    match object("rope_parameters") {
        Some(all) => all.get(layers).and_then(Value::as_object).or(Some(all)),
        None => object("rope_scaling"),
    }
}

fn number(parameters: &Map<String, Value>, key: &str) -> Result<f64, CheckpointError> {
    optional(parameters, key)?.ok_or_else(|| damaged(format!("the rope settings have no {key}")))
}

fn optional(parameters: &Map<String, Value>, key: &str) -> Result<Option<f64>, CheckpointError> {
    match parameters.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            _ => Err(damaged(format!("{key} of {value} cannot be"))),
        },
    }
}

fn kind(parameters: &Map<String, Value>) -> &str {
    let name = |key: &str| parameters.get(key).and_then(Value::as_str);
    name("rope_type").or_else(|| name("type")).unwrap_or("default")
}

fn base(config: &Config) -> Result<f64, CheckpointError> {
    let inner = match parameters(config, "full_attention") {
        Some(parameters) => optional(parameters, "rope_theta")?,
        None => None,
    };
    let default = if config.model_type == "gemma3_text" { GEMMA3_BASE } else { BASE };
    let base = inner.or(config.number("rope_theta")).unwrap_or(default);
    if base >= 1.0 { Ok(base) } else { Err(damaged(format!("rope_theta of {base} cannot be"))) }
}

/// Tells llama.cpp the base and the stretching.
pub fn describe(name: &str, config: &Config, metadata: &mut Metadata) -> Result<(), CheckpointError> {
    metadata.set(format!("{name}.rope.freq_base"), base(config)? as f32);
    if name == "gemma3" {
        let local =
            parameters(config, "sliding_attention").filter(|_| config.all.contains_key("rope_parameters"));
        let local = match local {
            Some(parameters) => optional(parameters, "rope_theta")?,
            None => config.number("rope_local_base_freq"),
        };
        metadata.set("gemma3.rope.freq_base_swa", local.unwrap_or(BASE) as f32);
    }
    let Some(parameters) = parameters(config, "full_attention") else { return Ok(()) };
    let mut set = |key: &str, value: f64| metadata.set(format!("{name}.rope.scaling.{key}"), value as f32);
    match kind(parameters) {
        "default" | "llama3" => {}
        "linear" => {
            set("factor", number(parameters, "factor")?);
            metadata.set(format!("{name}.rope.scaling.type"), "linear");
        }
        "yarn" => {
            set("factor", number(parameters, "factor")?);
            // llama.cpp reads these of other families only, and assumes their usual values here.
            for (key, usual) in YARN_USUAL {
                if optional(parameters, key)?.is_some_and(|value| value != *usual) {
                    return Err(unknown(key));
                }
            }
            if let Some(key) =
                YARN_UNKNOWN.iter().find(|key| !parameters.get(**key).is_none_or(Value::is_null))
            {
                return Err(unknown(key));
            }
            let original = number(parameters, "original_max_position_embeddings")?;
            metadata.set(format!("{name}.rope.scaling.original_context_length"), original as u32);
            metadata.set(format!("{name}.rope.scaling.type"), "yarn");
        }
        other => return Err(unknown(other)),
    }
    Ok(())
}

fn unknown(what: &str) -> CheckpointError {
    CheckpointError::unsupported(
        format!("config.json: the rope setting {what:?} is not known"),
        "Look for this model as a .gguf file, which its own converter made.",
    )
}

/// How much slower each pair of a head turns, for Llama 3 and its kin: not at all where a turn is short,
/// by the whole factor where it is longer than the original context, and smoothly between.
pub fn frequency_factors(config: &Config) -> Result<Option<Vec<f32>>, CheckpointError> {
    let Some(parameters) = parameters(config, "full_attention").filter(|found| kind(found) == "llama3")
    else {
        return Ok(None);
    };
    let factor = number(parameters, "factor")?;
    let low = number(parameters, "low_freq_factor")?;
    let high = number(parameters, "high_freq_factor")?;
    let original = match optional(parameters, "original_max_position_embeddings")? {
        Some(original) => original,
        None => config.number("original_max_position_embeddings").unwrap_or(8192.0),
    };
    if !(factor >= 1.0 && low > 0.0 && high > low) {
        return Err(damaged("the rope settings of Llama 3 contradict each other"));
    }
    let base = base(config)?;
    let pairs = config.head_length / 2;
    let factors = (0..pairs).map(|pair| {
        let turn = std::f64::consts::TAU * base.powf(pair as f64 / pairs as f64);
        if turn < original / high {
            1.0
        } else if turn > original / low {
            factor as f32
        } else {
            let smooth = (original / turn - low) / (high - low);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        }
    });
    Ok(Some(factors.collect()))
}
