//! Makes small checkpoints in the layout of AutoGPTQ and of plain safetensors.

use std::path::{Path, PathBuf};

use half::f16;
use meddah_llama::checkpoint::{Checkpoint, CheckpointError, Quantize, Report};
use serde_json::{Value, json};

use super::gguf_file::GgufFile;

/// A tensor on its way into a safetensors file.
#[derive(Clone)]
pub struct Raw {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Raw {
    pub fn f32(name: &str, shape: &[usize], numbers: &[f32]) -> Raw {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Raw { name: name.into(), dtype: "F32", shape: shape.into(), bytes }
    }

    pub fn f16(name: &str, shape: &[usize], numbers: &[f16]) -> Raw {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Raw { name: name.into(), dtype: "F16", shape: shape.into(), bytes }
    }

    pub fn i32(name: &str, shape: &[usize], numbers: &[u32]) -> Raw {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Raw { name: name.into(), dtype: "I32", shape: shape.into(), bytes }
    }
}

pub fn write_safetensors(path: &Path, tensors: &[Raw]) {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut offset = 0;
    for tensor in tensors {
        let end = offset + tensor.bytes.len();
        let place = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]});
        header.insert(tensor.name.clone(), place);
        offset = end;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    std::fs::write(path, file).unwrap();
}

/// A quantised matrix as GPTQ means it: `scale * (q - zero)`.
#[derive(Clone)]
pub struct Matrix {
    pub bits: u32,
    pub rows: usize,
    pub columns: usize,
    /// Group of each column.
    pub groups: Vec<u32>,
    /// By row and column.
    pub q: Vec<u32>,
    /// By group and row.
    pub zeros: Vec<u32>,
    pub scales: Vec<f16>,
}

impl Matrix {
    /// Weight by row and column.
    pub fn weights(&self) -> Vec<f32> {
        let weight = |row: usize, column: usize| {
            let side = self.groups[column] as usize * self.rows + row;
            let number = self.q[row * self.columns + column] as i32 - self.zeros[side] as i32;
            self.scales[side].to_f32() * number as f32
        };
        (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| weight(row, column))).collect()
    }

    /// Its four tensors; `offset` is what the format subtracts from zeros.
    pub fn tensors(&self, base: &str, offset: u32) -> Vec<Raw> {
        let words = self.columns * self.bits as usize / 32;
        let mut packed = vec![0_u32; words * self.rows];
        for row in 0..self.rows {
            for column in 0..self.columns {
                let q = self.q[row * self.columns + column];
                put_bits(&mut packed, column, self.bits, q, |word| word * self.rows + row);
            }
        }
        let group_count = self.zeros.len() / self.rows;
        let width = self.rows * self.bits as usize / 32;
        let mut zeros = vec![0_u32; width * group_count];
        for group in 0..group_count {
            for row in 0..self.rows {
                let stored =
                    self.zeros[group * self.rows + row].wrapping_sub(offset) & ((1 << self.bits) - 1);
                put_bits(&mut zeros, row, self.bits, stored, |word| group * width + word);
            }
        }
        vec![
            Raw::i32(&format!("{base}.qweight"), &[words, self.rows], &packed),
            Raw::i32(&format!("{base}.qzeros"), &[group_count, width], &zeros),
            Raw::f16(&format!("{base}.scales"), &[group_count, self.rows], &self.scales),
            Raw::i32(&format!("{base}.g_idx"), &[self.columns], &self.groups),
        ]
    }
}

/// Puts a number into a stream of numbers, bit by bit.
fn put_bits(words: &mut [u32], index: usize, bits: u32, number: u32, place: impl Fn(usize) -> usize) {
    for bit in 0..bits as usize {
        let at = index * bits as usize + bit;
        words[place(at / 32)] |= (number >> bit & 1) << (at % 32);
    }
}

/// Where the columns of a group are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Groups follow each other.
    Plain,
    /// Groups follow each other in another order of groups, as static groups with act-order may.
    Blocks,
    /// Anywhere.
    Scattered,
}

/// How a random checkpoint is quantised.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub bits: u32,
    pub symmetric: bool,
    /// `None`: one group a row.
    pub group: Option<usize>,
    pub order: Order,
    /// What the format subtracts from zeros.
    pub offset: u32,
}

pub fn random_matrix(case: Case, rows: usize, columns: usize, random: &mut fastrand::Rng) -> Matrix {
    let group = case.group.unwrap_or(columns);
    let count = columns.div_ceil(group);
    let mut groups: Vec<u32> = (0..columns).map(|column| (column / group) as u32).collect();
    match case.order {
        Order::Plain => {}
        Order::Blocks => groups.iter_mut().for_each(|group| *group = count as u32 - 1 - *group),
        Order::Scattered => random.shuffle(&mut groups),
    }
    // The first format cannot say zero 0, but one more than the largest number.
    let zero = |random: &mut fastrand::Rng| match (case.symmetric, case.offset) {
        (true, _) => 1 << (case.bits - 1),
        (false, offset) => random.u32(offset..(1 << case.bits) + offset),
    };
    Matrix {
        bits: case.bits,
        rows,
        columns,
        groups,
        q: (0..rows * columns).map(|_| random.u32(0..1 << case.bits)).collect(),
        zeros: (0..rows * count).map(|_| zero(random)).collect(),
        scales: (0..rows * count).map(|_| f16::from_f32(0.001 + 0.01 * random.f32())).collect(),
    }
}

pub const HIDDEN: usize = 128;
pub const FEED_FORWARD: usize = 256;
pub const HEADS: usize = 4;
pub const KV_HEADS: usize = 2;
pub const HEAD: usize = 32;
pub const VOCABULARY: usize = 64;

/// Matrices of a layer: names in the checkpoint and in ggml, rows, columns, heads whose rows are turned.
pub const MATRICES: [(&str, &str, usize, usize, usize); 7] = [
    ("self_attn.q_proj", "attn_q", HEADS * HEAD, HIDDEN, HEADS),
    ("self_attn.k_proj", "attn_k", KV_HEADS * HEAD, HIDDEN, KV_HEADS),
    ("self_attn.v_proj", "attn_v", KV_HEADS * HEAD, HIDDEN, 0),
    ("self_attn.o_proj", "attn_output", HIDDEN, HEADS * HEAD, 0),
    ("mlp.gate_proj", "ffn_gate", FEED_FORWARD, HIDDEN, 0),
    ("mlp.up_proj", "ffn_up", FEED_FORWARD, HIDDEN, 0),
    ("mlp.down_proj", "ffn_down", HIDDEN, FEED_FORWARD, 0),
];

/// A folder that is being made.
pub struct Made {
    pub dir: tempfile::TempDir,
    pub config: Value,
    pub tensors: Vec<Raw>,
    /// Quantised matrices by their names in ggml, with the heads whose rows are turned.
    pub matrices: Vec<(String, Matrix, usize)>,
}

pub fn random_floats(random: &mut fastrand::Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.f32() - 0.5).collect()
}

impl Made {
    /// A model of one layer without matrices, with a vocabulary of `rows`.
    pub fn frame(rows: usize) -> Made {
        let mut random = fastrand::Rng::with_seed(7);
        let norm = |name: &str| Raw::f32(name, &[HIDDEN], &[1.0; HIDDEN]);
        let embedding = random_floats(&mut random, rows * HIDDEN);
        let halves: Vec<f16> = embedding.iter().map(|number| f16::from_f32(*number)).collect();
        let tensors = vec![
            Raw::f16("model.embed_tokens.weight", &[rows, HIDDEN], &halves),
            norm("model.norm.weight"),
            norm("model.layers.0.input_layernorm.weight"),
            norm("model.layers.0.post_attention_layernorm.weight"),
        ];
        let config = json!({
            "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FEED_FORWARD,
            "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
            "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": true, "hidden_act": "silu",
        });
        Made { dir: tempfile::tempdir().unwrap(), config, tensors, matrices: Vec::new() }
    }

    /// A model of one layer with random quantised matrices.
    pub fn gptq(case: Case) -> Made {
        let mut made = Made::frame(VOCABULARY);
        let mut random = fastrand::Rng::with_seed(11);
        for (name, ours, rows, columns, heads) in MATRICES {
            let matrix = random_matrix(case, rows, columns, &mut random);
            made.tensors.extend(matrix.tensors(&format!("model.layers.0.{name}"), case.offset));
            made.matrices.push((format!("blk.0.{ours}.weight"), matrix, heads));
        }
        made.config["quantization_config"] = json!({
            "quant_method": "gptq", "bits": case.bits,
            "group_size": case.group.map_or(-1, |group| group as i64), "sym": case.symmetric,
            "desc_act": case.order != Order::Plain,
            "checkpoint_format": if case.offset == 1 { "gptq" } else { "gptq_v2" },
        });
        made
    }

    /// A model of one layer with random floats.
    pub fn floats(rows: usize) -> Made {
        let mut made = Made::frame(rows);
        let mut random = fastrand::Rng::with_seed(13);
        for (name, _, rows, columns, _) in MATRICES {
            let numbers: Vec<f32> =
                random_floats(&mut random, rows * columns).iter().map(|number| number * 0.1).collect();
            made.tensors.push(Raw::f32(&format!("model.layers.0.{name}.weight"), &[rows, columns], &numbers));
        }
        made
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn write_json(&self, name: &str, value: &Value) {
        std::fs::write(self.dir.path().join(name), serde_json::to_vec(value).unwrap()).unwrap();
    }

    /// Writes all files, with a tokenizer of three tokens if there is none yet.
    pub fn write(&self) {
        self.write_json("config.json", &self.config);
        if !self.dir.path().join("tokenizer.json").exists() {
            self.write_json("tokenizer.json", &small_tokenizer());
        }
        write_safetensors(&self.dir.path().join("model.safetensors"), &self.tensors);
    }

    /// Writes all files and imports them.
    pub fn import(&self, quantize: Quantize) -> Result<(GgufFile, Report), CheckpointError> {
        self.write();
        import(&self.path(), quantize).map(|(file, report)| (GgufFile::parse(&file), report))
    }
}

pub fn small_tokenizer() -> Value {
    json!({
        "added_tokens": [{"id": 3, "content": "<end>", "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
    })
}

/// Imports a folder into memory.
pub fn import(folder: &Path, quantize: Quantize) -> Result<(Vec<u8>, Report), CheckpointError> {
    let checkpoint = Checkpoint::open(folder, quantize)?;
    let conversion = checkpoint.plan("small")?;
    let bytes = conversion.bytes();
    let mut file = Vec::new();
    let mut told = 0;
    let report = conversion.write(&mut file, &mut |written| told = written, &|| false)?;
    assert_eq!((file.len() as u64, told, report.bytes), (bytes, bytes, bytes));
    Ok((file, report))
}

/// Rows as ggml's rope wants them: of each head first one half's row, then the other's, pair by pair.
pub fn turned(weights: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    if heads == 0 {
        return weights.to_vec();
    }
    let columns = weights.len() / rows;
    let head = rows / heads;
    let mut result = Vec::with_capacity(weights.len());
    for first in (0..rows).step_by(head) {
        for pair in 0..head / 2 {
            for half in 0..2 {
                let row = first + half * head / 2 + pair;
                result.extend(&weights[row * columns..][..columns]);
            }
        }
    }
    result
}
