//! Which tensor becomes what: every tensor that the family needs is found and measured, and every tensor of
//! the checkpoint is accounted for, before a byte is written.

use std::collections::BTreeSet;

use super::CheckpointError;
use super::config::Config;
use super::family::Family;
use super::folder::{Folder, Tensor};
use super::gguf_header::TensorLine;
use super::gptq::{GptqConfig, Linear, floats_of};
use super::rope;
use super::safetensors::Dtype;
use super::weight_type::{Part, Quantize, WeightType};

/// Biases are read whole to see whether they are zero.
const BIAS_BYTES_MAX: u64 = 4 << 20;

/// Where a tensor's numbers come from.
pub enum Source<'a> {
    /// Floats of the checkpoint.
    Floats(Tensor<'a>),
    /// A quantised matrix; it is opened again when its turn comes, so that only one is in memory.
    Gptq {
        /// What its tensors' names begin with.
        base: String,
        config: GptqConfig,
        /// Rows and columns.
        shape: (u64, u64),
    },
    /// Numbers that follow from the configuration.
    Values(Vec<f32>),
}

/// A tensor of the result.
pub struct Planned<'a> {
    pub line: TensorLine,
    pub source: Source<'a>,
    /// Rows come in another order: pairs of halves of heads of this length.
    pub interleave: Option<u64>,
    /// What is added to each number.
    pub offset: f32,
}

/// All of them.
pub struct TensorPlan<'a> {
    pub tensors: Vec<Planned<'a>>,
    pub vocabulary: u64,
    pub notes: Vec<String>,
}

/// Finds everything that the model needs.
pub fn plan<'a>(
    folder: &'a Folder,
    config: &Config,
    family: &Family,
    quantize: Quantize,
) -> Result<TensorPlan<'a>, CheckpointError> {
    let mut planner = Planner {
        folder,
        config,
        family,
        quantize,
        used: BTreeSet::new(),
        tensors: Vec::new(),
        dropped_biases: 0,
    };
    let vocabulary = planner.vocabulary()?;
    if let Some(factors) = rope::frequency_factors(config)? {
        planner.values("rope_freqs.weight", factors);
    }
    planner.norm("model.norm", "output_norm", config.hidden)?;
    for layer in 0..config.layers {
        planner.layer(layer)?;
    }
    planner.check_leftovers()?;
    let mut notes = Vec::new();
    if planner.dropped_biases > 0 {
        notes.push(format!("{} biases hold only zeros and were left out", planner.dropped_biases));
    }
    Ok(TensorPlan { tensors: planner.tensors, vocabulary, notes })
}

struct Planner<'a, 'b> {
    folder: &'a Folder,
    config: &'b Config,
    family: &'b Family,
    quantize: Quantize,
    used: BTreeSet<&'a str>,
    tensors: Vec<Planned<'a>>,
    dropped_biases: u64,
}

impl<'a> Planner<'a, '_> {
    fn find(&mut self, name: &str) -> Option<Tensor<'a>> {
        let tensor = self.folder.tensor(name)?;
        self.used.insert(tensor.name);
        Some(tensor)
    }

    fn need(&mut self, name: &str) -> Result<Tensor<'a>, CheckpointError> {
        self.find(name).ok_or_else(|| {
            CheckpointError::missing(
                format!("tensor {name:?} is not there, and every {} model has it", self.family.model_type),
                "Download the folder again, all of its files.",
            )
        })
    }

    /// Embedding and output matrix; the number of their rows.
    fn vocabulary(&mut self) -> Result<u64, CheckpointError> {
        let embedding = self.need("model.embed_tokens.weight")?;
        let rows = super::config::check_vocabulary(embedding.place.shape.first().copied().unwrap_or(0))?;
        self.matrix("model.embed_tokens", "token_embd", (rows, self.config.hidden), Part::Vocabulary, 0)?;
        let has_output = self.folder.names().any(|name| name.starts_with("lm_head."));
        if self.family.is_tied(self.config, has_output) {
            // Some writers store it all the same.
            self.find("lm_head.weight");
        } else {
            self.matrix("lm_head", "output", (rows, self.config.hidden), Part::Vocabulary, 0)?;
        }
        Ok(rows)
    }

    fn layer(&mut self, layer: u64) -> Result<(), CheckpointError> {
        let Config { hidden, feed_forward, heads, kv_heads, head_length, .. } = *self.config;
        let (from, to) = (format!("model.layers.{layer}"), format!("blk.{layer}"));
        for (name, ours) in self.family.norms {
            self.norm(&format!("{from}.{name}"), &format!("{to}.{ours}"), hidden)?;
        }
        if self.family.head_norms {
            for (name, ours) in [("q_norm", "attn_q_norm"), ("k_norm", "attn_k_norm")] {
                self.norm(&format!("{from}.self_attn.{name}"), &format!("{to}.{ours}"), head_length)?;
            }
        }
        let (queries, keys) = (heads * head_length, kv_heads * head_length);
        let matrices = [
            ("self_attn.q_proj", "attn_q", (queries, hidden), Part::Plain),
            ("self_attn.k_proj", "attn_k", (keys, hidden), Part::Plain),
            ("self_attn.v_proj", "attn_v", (keys, hidden), Part::Sensitive),
            ("self_attn.o_proj", "attn_output", (hidden, queries), Part::Plain),
            ("mlp.gate_proj", "ffn_gate", (feed_forward, hidden), Part::Plain),
            ("mlp.up_proj", "ffn_up", (feed_forward, hidden), Part::Plain),
            ("mlp.down_proj", "ffn_down", (hidden, feed_forward), Part::Sensitive),
        ];
        for (name, ours, shape, part) in matrices {
            let (from, to) = (format!("{from}.{name}"), format!("{to}.{ours}"));
            self.matrix(&from, &to, shape, part, layer)?;
            self.bias(&from, &to, shape.0)?;
        }
        // Older writers stored what follows from the configuration.
        self.find(&format!("{from}.self_attn.rotary_emb.inv_freq"));
        Ok(())
    }

    fn interleave(&self, from: &str) -> Option<u64> {
        let turned = from.ends_with(".q_proj") || from.ends_with(".k_proj");
        (turned && self.family.interleaves).then_some(self.config.head_length)
    }

    fn matrix(
        &mut self,
        from: &str,
        to: &str,
        (rows, columns): (u64, u64),
        part: Part,
        layer: u64,
    ) -> Result<(), CheckpointError> {
        let shape = vec![columns, rows];
        let name = format!("{to}.weight");
        let interleave = self.interleave(from);
        let gptq = self.config.gptq.filter(|_| self.find(&format!("{from}.qweight")).is_some());
        if let Some(config) = gptq {
            let linear = Linear::open(self.folder, from, &config, (rows, columns))?;
            for part in ["qzeros", "scales", "g_idx"] {
                self.find(&format!("{from}.{part}"));
            }
            let line = TensorLine { name, shape, kind: linear.kind() };
            let source = Source::Gptq { base: from.into(), config, shape: (rows, columns) };
            self.tensors.push(Planned { line, source, interleave, offset: 0.0 });
            return Ok(());
        }
        let tensor = self.need(&format!("{from}.weight"))?;
        check(&tensor, &[rows, columns])?;
        let kind = self.quantize.of(part, layer, self.config.layers).fitting(columns);
        let line = TensorLine { name, shape, kind };
        self.tensors.push(Planned { line, source: Source::Floats(tensor), interleave, offset: 0.0 });
        Ok(())
    }

    fn norm(&mut self, from: &str, to: &str, length: u64) -> Result<(), CheckpointError> {
        let tensor = self.need(&format!("{from}.weight"))?;
        check(&tensor, &[length])?;
        let offset = if self.family.norm_less_one { 1.0 } else { 0.0 };
        self.vector(&format!("{to}.weight"), tensor, None, offset);
        Ok(())
    }

    /// A bias, if there is one. GPTQ writers add biases of zeros to matrices that have none.
    fn bias(&mut self, from: &str, to: &str, length: u64) -> Result<(), CheckpointError> {
        let Some(tensor) = self.find(&format!("{from}.bias")) else { return Ok(()) };
        check(&tensor, &[length])?;
        let bytes = tensor.read_all(BIAS_BYTES_MAX)?;
        let numbers = floats_of(tensor.place.dtype, &bytes).unwrap_or_default();
        if numbers.iter().any(|number| *number != 0.0) {
            if !self.family.biases.iter().any(|end| from.ends_with(end)) {
                return Err(self.unexpected(tensor.name));
            }
            self.vector(&format!("{to}.bias"), tensor, self.interleave(from), 0.0);
            return Ok(());
        }
        self.dropped_biases += 1;
        Ok(())
    }

    fn vector(&mut self, name: &str, tensor: Tensor<'a>, interleave: Option<u64>, offset: f32) {
        let line = TensorLine { name: name.into(), shape: tensor.place.shape.clone(), kind: WeightType::F32 };
        self.tensors.push(Planned { line, source: Source::Floats(tensor), interleave, offset });
    }

    fn values(&mut self, name: &str, values: Vec<f32>) {
        let shape = vec![values.len() as u64];
        let line = TensorLine { name: name.into(), shape, kind: WeightType::F32 };
        self.tensors.push(Planned { line, source: Source::Values(values), interleave: None, offset: 0.0 });
    }

    /// A tensor that nobody asked for would be a part of the model that is silently missing.
    fn check_leftovers(&self) -> Result<(), CheckpointError> {
        match self.folder.names().find(|name| !self.used.contains(name)) {
            Some(name) => Err(self.unexpected(name)),
            None => Ok(()),
        }
    }

    fn unexpected(&self, name: &str) -> CheckpointError {
        let quantised = [".qweight", ".scales", ".qzeros", ".weight_packed", ".weight_scale", ".absmax"];
        if self.config.gptq.is_none() && quantised.iter().any(|end| name.ends_with(end)) {
            return CheckpointError::unsupported(
                format!("tensor {name:?} is quantised, and config.json does not say how"),
                "Look for a checkpoint with a quantization_config for GPTQ, or for a .gguf file.",
            );
        }
        CheckpointError::unsupported(
            format!("tensor {name:?} is no part of a {} model that is known", self.family.model_type),
            "Look for this model as a .gguf file, which its own converter made.",
        )
    }
}

fn check(tensor: &Tensor<'_>, shape: &[u64]) -> Result<(), CheckpointError> {
    if tensor.place.shape != shape {
        return Err(tensor.wrong(format!("has the shape {:?}, and {shape:?} is needed", tensor.place.shape)));
    }
    match tensor.place.dtype {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => Ok(()),
        other => Err(CheckpointError::unsupported(
            format!("tensor {:?} is {other}; F32, F16 and BF16 are known, and GPTQ", tensor.name),
            "Look for a copy of the model in one of these, or for a .gguf file.",
        )),
    }
}
