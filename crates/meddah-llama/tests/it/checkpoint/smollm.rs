//! A real model there and back: SmolLM2 as GPTQ, imported again, is the same file and says the same words.

use std::path::Path;

use half::f16;
use meddah_inference::ChatRequest;
use meddah_llama::LocalModel;
use meddah_llama::checkpoint::{Checkpoint, Fate, Quantize};
use serde_json::json;

use super::gguf_file::{GgufFile, Kv, Weights};
use super::lines::lines;
use super::maker::{Matrix, Raw, write_safetensors};
use super::tokenizers::check_same_tokens;
use crate::support::{config, model_path, request, say};

const Q4_0: u32 = 2;
const Q8_0: u32 = 8;
const LAYERS: usize = 30;
const MATRICES: [(&str, &str, usize); 7] = [
    ("attn_q", "self_attn.q_proj", 9),
    ("attn_k", "self_attn.k_proj", 3),
    ("attn_v", "self_attn.v_proj", 0),
    ("attn_output", "self_attn.o_proj", 0),
    ("ffn_gate", "mlp.gate_proj", 0),
    ("ffn_up", "mlp.up_proj", 0),
    ("ffn_down", "mlp.down_proj", 0),
];

/// tokenizer.json as its publisher has it, from what the GGUF file keeps of it.
fn tokenizer(original: &GgufFile) -> serde_json::Value {
    let tokens = original.texts("tokenizer.ggml.tokens");
    let Some(Kv::List(kinds)) = original.values.get("tokenizer.ggml.token_type") else { panic!("no types") };
    let merges = original.texts("tokenizer.ggml.merges");
    let vocabulary: serde_json::Map<_, _> =
        tokens.iter().enumerate().map(|(id, text)| (text.clone(), json!(id))).collect();
    let special = tokens.iter().zip(kinds).enumerate().filter(|(_, (_, kind))| **kind == Kv::Number(3));
    let added: Vec<_> = special
        .map(|(id, (text, _))| {
            json!({
                "id": id, "content": text, "special": true, "normalized": false, "lstrip": false,
                "rstrip": false, "single_word": false,
            })
        })
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
}

fn settings(original: &GgufFile) -> serde_json::Value {
    let tokens = original.texts("tokenizer.ggml.tokens");
    let text =
        |name: &str| tokens[original.number(&format!("tokenizer.ggml.{name}_token_id")) as usize].clone();
    json!({
        "bos_token": text("bos"), "eos_token": {"content": text("eos")}, "unk_token": text("unknown"),
        "pad_token": text("padding"), "chat_template": original.text("tokenizer.chat_template"),
    })
}

#[test]
fn smollm_has_its_tokens() {
    let original = GgufFile::read(&model_path());
    check_same_tokens(&tokenizer(&original), &settings(&original), "smollm", &lines(7, 10_000));
}

/// Blocks of 4-bit numbers around 8, as ggml makes them.
fn quantised_q4_0(weights: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in weights.chunks(32) {
        let extreme =
            block.iter().fold(0_f32, |most, weight| if weight.abs() > most.abs() { *weight } else { most });
        let scale = extreme / -8.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let q: Vec<u8> = block.iter().map(|weight| ((weight * inverse + 8.5) as u8).min(15)).collect();
        out.extend(f16::from_f32(scale).to_le_bytes());
        out.extend((0..16).map(|i| q[i] | q[i + 16] << 4));
    }
    out
}

fn quantised_q8_0(weights: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in weights.chunks(32) {
        let scale = block.iter().fold(0_f32, |most, weight| most.max(weight.abs())) / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        out.extend(f16::from_f32(scale).to_le_bytes());
        out.extend(block.iter().map(|weight| (weight * inverse).round() as i8 as u8));
    }
    out
}

/// The original with its matrices in another type, everything else as it was.
fn requantised(original: &GgufFile, kind: u32) -> GgufFile {
    let mut result = GgufFile {
        values: original.values.clone(),
        tensors: original.tensors.clone(),
        raw_values: original.raw_values.clone(),
    };
    for (name, tensor) in &mut result.tensors {
        if name.starts_with("blk.") && tensor.shape.len() == 2 {
            let weights = tensor.dequantised();
            let bytes = if kind == Q4_0 { quantised_q4_0(&weights) } else { quantised_q8_0(&weights) };
            *tensor = Weights { shape: tensor.shape.clone(), kind, bytes };
        }
    }
    result
}

/// Writes a GGUF file without the help of what is tested.
fn write_gguf(path: &Path, file: &GgufFile) {
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend((file.tensors.len() as u64).to_le_bytes());
    out.extend(file.raw_values.0.to_le_bytes());
    out.extend(&file.raw_values.1);
    let mut offset = 0_u64;
    for (name, tensor) in &file.tensors {
        out.extend((name.len() as u64).to_le_bytes());
        out.extend(name.as_bytes());
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|size| out.extend(size.to_le_bytes()));
        out.extend(tensor.kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += (tensor.bytes.len() as u64).next_multiple_of(32);
    }
    for tensor in file.tensors.values() {
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(&tensor.bytes);
    }
    std::fs::write(path, out).unwrap();
}

/// The same numbers as GPTQ with groups of 32, in the order of rows that the publisher had.
fn as_gptq(tensor: &Weights, heads: usize) -> Matrix {
    let (columns, rows) = (tensor.shape[0] as usize, tensor.shape[1] as usize);
    let (bits, zero, block) = if tensor.kind == Q4_0 { (4, 8, 18) } else { (8, 128, 34) };
    let head = rows.checked_div(heads).unwrap_or(0);
    // Where a row of the publisher's order stands in ggml's.
    let place = |row: usize| match head {
        0 => row,
        head => row - row % head + (row % head % (head / 2)) * 2 + row % head / (head / 2),
    };
    let row_bytes = columns / 32 * block;
    let (mut q, mut scales) = (Vec::new(), vec![f16::ZERO; rows * columns / 32]);
    for row in 0..rows {
        let bytes = &tensor.bytes[place(row) * row_bytes..][..row_bytes];
        for (group, block) in bytes.chunks(block).enumerate() {
            scales[group * rows + row] = f16::from_le_bytes([block[0], block[1]]);
            let numbers = &block[2..];
            q.extend((0..32).map(|i| match tensor.kind {
                Q4_0 => u32::from(numbers[i % 16] >> (i / 16 * 4) & 15),
                _ => (i32::from(numbers[i] as i8) + 128) as u32,
            }));
        }
    }
    let groups = (0..columns).map(|column| column as u32 / 32).collect();
    Matrix { bits, rows, columns, groups, q, zeros: vec![zero; rows * columns / 32], scales }
}

fn write_checkpoint(folder: &Path, file: &GgufFile, bits: u32) {
    let floats = |ours: &str, theirs: &str| {
        let tensor = &file.tensors[ours];
        let shape: Vec<usize> = tensor.shape.iter().rev().map(|size| *size as usize).collect();
        Raw::f32(theirs, &shape, &tensor.dequantised())
    };
    let mut tensors = vec![
        floats("token_embd.weight", "model.embed_tokens.weight"),
        floats("output_norm.weight", "model.norm.weight"),
    ];
    for layer in 0..LAYERS {
        let (ours, theirs) = (format!("blk.{layer}"), format!("model.layers.{layer}"));
        for (norm, name) in [("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")] {
            tensors.push(floats(&format!("{ours}.{norm}.weight"), &format!("{theirs}.{name}.weight")));
        }
        for (name, base, heads) in MATRICES {
            let matrix = as_gptq(&file.tensors[&format!("{ours}.{name}.weight")], heads);
            tensors.extend(matrix.tensors(&format!("{theirs}.{base}"), 1));
        }
    }
    write_safetensors(&folder.join("model.safetensors"), &tensors);
    let config = json!({
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": LAYERS,
        "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 100000, "tie_word_embeddings": true, "hidden_act": "silu",
        "quantization_config": {"quant_method": "gptq", "bits": bits, "group_size": 32, "sym": true},
    });
    let write = |name: &str, value: &serde_json::Value| {
        std::fs::write(folder.join(name), serde_json::to_vec(value).unwrap()).unwrap();
    };
    write("config.json", &config);
    write("tokenizer.json", &tokenizer(file));
    write("tokenizer_config.json", &settings(file));
}

async fn greedy(model: &Path) -> String {
    let mut config = config();
    config.model_path = model.into();
    let model = LocalModel::new(config);
    let mut text = String::new();
    for question in ["What do you sell?", "Tell me about the old castle.", "How much is 17 and 25?"] {
        let ask =
            ChatRequest { max_tokens: 64, ..request(question, "You are Bran, a blacksmith.", question) };
        text += &say(&model, ask).await.text;
        text += "\n";
    }
    model.shutdown().await;
    text
}

async fn check_there_and_back(kind: u32, bits: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (reference, imported) = (dir.path().join("reference.gguf"), dir.path().join("imported.gguf"));
    let file = requantised(&GgufFile::read(&model_path()), kind);
    write_gguf(&reference, &file);
    write_checkpoint(dir.path(), &file, bits);
    let checkpoint = Checkpoint::open(dir.path(), Quantize::Q8_0).unwrap();
    let mut out = std::fs::File::create(&imported).unwrap();
    let report = checkpoint.plan("SmolLM2").unwrap().write(&mut out, &mut |_| {}, &|| false).unwrap();
    let exact = report.tensors.iter().filter(|tensor| tensor.fate == Fate::Exact).count();
    assert_eq!(exact, LAYERS * MATRICES.len());

    let back = GgufFile::read(&imported);
    assert_eq!(back.tensors.len(), file.tensors.len());
    for (name, tensor) in &file.tensors {
        assert!(back.tensors[name] == *tensor, "{name} differs");
    }
    let tokenizer_keys = file.values.iter().filter(|(key, _)| {
        // Not written where it only repeats what this kind of tokenizer does anyway.
        key.starts_with("tokenizer.") && !key.ends_with("add_space_prefix")
    });
    for (key, value) in tokenizer_keys {
        assert!(back.values.get(key) == Some(value), "{key} differs");
    }
    let said = greedy(&reference).await;
    assert!(said.len() > 200, "{said}");
    assert_eq!(greedy(&imported).await, said);
}

#[tokio::test]
async fn four_bits_come_back_as_they_were_and_say_the_same() {
    check_there_and_back(Q4_0, 4).await;
}

#[tokio::test]
async fn eight_bits_come_back_as_they_were_and_say_the_same() {
    check_there_and_back(Q8_0, 8).await;
}
