//! Plain safetensors: what is kept is the same, what is quantised is near, and shards are joined.

use half::{bf16, f16};
use meddah_llama::checkpoint::{Fate, Quantize};
use serde_json::json;

use super::maker::{FEED_FORWARD, HIDDEN, MATRICES, Made, Raw, import, turned, write_safetensors};

const VOCABULARY: usize = 8;

/// The floats of a made matrix, row after row.
fn floats(made: &Made, name: &str) -> Vec<f32> {
    let raw = made.tensors.iter().find(|raw| raw.name == name).unwrap();
    raw.bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn worst_share(stored: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0_f32, |largest, number| largest.max(number.abs()));
    let worst = stored.iter().zip(expected).fold(0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    worst / largest
}

#[test]
fn every_type_stays_near_the_original() {
    // Shares of the largest weight. ggml cuts off the largest of the rarer sign: an eighth, or a sixteenth.
    for (quantize, kind, allowed) in [
        (Quantize::F16, 1, 0.0005),
        (Quantize::Q8_0, 8, 0.005),
        (Quantize::Q5_0, 6, 0.063),
        (Quantize::Q4_0, 2, 0.126),
    ] {
        let made = Made::floats(VOCABULARY);
        let (file, report) = made.import(quantize).unwrap();
        for (name, ours, rows, _, heads) in MATRICES {
            let stored = &file.tensors[&format!("blk.0.{ours}.weight")];
            assert_eq!(stored.kind, kind, "{quantize:?} {name}");
            let original = floats(&made, &format!("model.layers.0.{name}.weight"));
            let worst = worst_share(&stored.dequantised(), &turned(&original, rows, heads));
            assert!(worst > 0.0 && worst < allowed, "{quantize:?} {name}: {worst}");
        }
        assert!(report.tensors.iter().all(|tensor| !matches!(tensor.fate, Fate::Exact | Fate::Rounded(_))));
    }
}

#[test]
fn a_mix_falls_back_where_rows_are_short() {
    // Rows of 128 are no blocks of 256, rows of 256 are one.
    let (file, _) = Made::floats(VOCABULARY).import(Quantize::Q4KM).unwrap();
    let kind = |name: &str| file.tensors[name].kind;
    assert_eq!((kind("blk.0.attn_q.weight"), kind("blk.0.ffn_down.weight")), (6, 14));
    assert_eq!(kind("token_embd.weight"), 8);
    assert_eq!(file.tensors["blk.0.ffn_down.weight"].shape, [FEED_FORWARD as u64, HIDDEN as u64]);
}

#[test]
fn half_floats_are_kept_as_they_are() {
    let mut made = Made::floats(VOCABULARY);
    let name = "model.layers.0.mlp.up_proj.weight";
    let original = floats(&made, name);
    let halves: Vec<f16> = original.iter().map(|number| f16::from_f32(*number)).collect();
    let position = made.tensors.iter().position(|raw| raw.name == name).unwrap();
    made.tensors[position] = Raw::f16(name, &[FEED_FORWARD, HIDDEN], &halves);
    let (file, report) = made.import(Quantize::F16).unwrap();
    assert!(file.tensors["blk.0.ffn_up.weight"].bytes == made.tensors[position].bytes);
    let fate = |name: &str| &report.tensors.iter().find(|tensor| tensor.name == name).unwrap().fate;
    assert_eq!(fate("blk.0.ffn_up.weight"), &Fate::Kept);
    assert_eq!(fate("blk.0.ffn_gate.weight"), &Fate::Quantised);
}

#[test]
fn brain_floats_are_read() {
    let mut made = Made::floats(VOCABULARY);
    let numbers: Vec<f32> = (0..HIDDEN).map(|i| 1.0 + i as f32 / 64.0).collect();
    let bytes = numbers.iter().flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect();
    let raw = made.tensors.iter_mut().find(|raw| raw.name == "model.norm.weight").unwrap();
    (raw.dtype, raw.bytes) = ("BF16", bytes);
    let (file, _) = made.import(Quantize::Q8_0).unwrap();
    let rounded: Vec<f32> = numbers.iter().map(|number| bf16::from_f32(*number).to_f32()).collect();
    assert_eq!(file.tensors["output_norm.weight"].dequantised(), rounded);
}

#[test]
fn shards_are_joined() {
    let made = Made::floats(VOCABULARY);
    let whole = made.import(Quantize::Q8_0).unwrap().0;
    std::fs::remove_file(made.path().join("model.safetensors")).unwrap();
    let (left, right) = made.tensors.split_at(5);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut map = serde_json::Map::new();
    for (name, tensors) in names.iter().zip([left, right]) {
        write_safetensors(&made.path().join(name), tensors);
        map.extend(tensors.iter().map(|raw| (raw.name.clone(), json!(name))));
    }
    made.write_json("model.safetensors.index.json", &json!({"metadata": {}, "weight_map": map}));
    let (joined, _) = import(&made.path(), Quantize::Q8_0).unwrap();
    assert!(super::gguf_file::GgufFile::parse(&joined).tensors == whole.tensors);
}
