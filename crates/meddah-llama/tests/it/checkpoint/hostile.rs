//! Files that lie. Each is refused with the name of the file and the tensor, and nothing is allocated for it.

use meddah_llama::checkpoint::{CheckpointError, CheckpointErrorKind, Quantize};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::maker::{Case, Made, Order, Raw, import};

const CASE: Case = Case { bits: 4, symmetric: true, group: Some(32), order: Order::Plain, offset: 1 };

/// A good checkpoint with something changed on the disk, and the error that follows.
fn refused(change: impl FnOnce(&Made)) -> CheckpointError {
    let made = Made::gptq(CASE);
    made.write();
    change(&made);
    let error = import(&made.path(), Quantize::Q8_0).expect_err("it is refused");
    assert!(error.help.ends_with('.') && !error.message.is_empty(), "{error:?}");
    error
}

/// Changes the header of the weights, keeping the data.
fn with_header(made: &Made, change: impl FnOnce(&mut Value)) {
    let path = made.path().join("model.safetensors");
    let file = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut header);
    write_header(made, header.to_string().as_bytes(), &file[8 + length..]);
}

fn write_header(made: &Made, header: &[u8], data: &[u8]) {
    let file = [&(header.len() as u64).to_le_bytes()[..], header, data].concat();
    std::fs::write(made.path().join("model.safetensors"), file).unwrap();
}

const QWEIGHT: &str = "model.layers.0.mlp.up_proj.qweight";

#[test]
fn headers_that_lie() {
    let said = |change: fn(&mut Value)| {
        let error = refused(|made| with_header(made, change));
        assert_eq!(error.kind, CheckpointErrorKind::Damaged, "{error:?}");
        assert!(error.message.starts_with("model.safetensors: tensor"), "{error:?}");
        error.message
    };
    assert!(said(|header| header[QWEIGHT]["data_offsets"] = json!([0, 1_u64 << 60])).contains(QWEIGHT));
    assert!(said(|header| header[QWEIGHT]["data_offsets"] = json!([8, 4])).contains("before it begins"));
    assert!(said(|header| header[QWEIGHT]["shape"] = json!([u64::MAX, u64::MAX])).contains("not its shape"));
    assert!(said(|header| header[QWEIGHT]["shape"] = json!([1, 1])).contains("not its shape"));
    assert!(said(|header| header[QWEIGHT]["dtype"] = json!("F4")).contains("unknown type"));
    assert!(said(|header| header[QWEIGHT]["shape"] = json!(vec![1; 40])).contains("40 dimensions"));
    assert!(
        said(|header| header[QWEIGHT]["data_offsets"] = header["model.norm.weight"]["data_offsets"].clone())
            .contains("not its shape")
    );
    let overlap = said(|header| {
        let offsets = header["model.layers.0.mlp.gate_proj.qweight"]["data_offsets"].clone();
        header[QWEIGHT]["data_offsets"] = offsets;
    });
    assert!(overlap.contains("overlap"), "{overlap}");
}

#[test]
fn headers_that_are_none() {
    let said = |header: &[u8]| refused(|made| write_header(made, header, &[])).message;
    assert!(said(b"[]").contains("an object of tensors"));
    assert!(said(b"{").contains("header is wrong"));
    assert!(said(&[b'[', b'{'].repeat(1 << 20)).contains("header is wrong"));
    let deep = [br#"{"__metadata__":"#.as_slice(), &b"[".repeat(1 << 20)].concat();
    assert!(said(&deep).contains("header is wrong"));
    let config =
        refused(|made| std::fs::write(made.path().join("config.json"), "[".repeat(1 << 20)).unwrap());
    assert!(config.message.starts_with("config.json"), "{config:?}");
    let nested = r#"{"a":"#.repeat(100_000);
    let config = refused(|made| std::fs::write(made.path().join("config.json"), nested).unwrap());
    assert!(config.message.contains("recursion limit"), "{config:?}");
    let twice = r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#;
    assert!(said(twice.as_bytes()).contains("is there twice"));
    let raw = |bytes: Vec<u8>| {
        refused(|made| std::fs::write(made.path().join("model.safetensors"), bytes).unwrap())
    };
    assert!(raw(Vec::new()).message.contains("too short"));
    assert!(raw(u64::MAX.to_le_bytes().to_vec()).message.contains("more than any model needs"));
    assert!(raw((1_u64 << 20).to_le_bytes().to_vec()).message.contains("cut short"));
}

/// A checkpoint with one tensor exchanged.
fn with_tensor(tensor: Raw) -> CheckpointError {
    let mut made = Made::gptq(CASE);
    made.tensors.retain(|old| old.name != tensor.name);
    made.tensors.push(tensor);
    made.import(Quantize::Q8_0).expect_err("it is refused")
}

#[test]
fn tensors_that_lie() {
    let base = "model.layers.0.mlp.up_proj";
    let scales = |number: f32| Raw::f32(&format!("{base}.scales"), &[4, 256], &[number; 1024]);
    for number in [f32::NAN, f32::INFINITY, 1e9] {
        let error = with_tensor(scales(number));
        assert!(error.message.contains("up_proj.scales") && error.message.contains("scale"), "{error:?}");
    }
    for group in [4, u32::MAX] {
        let error = with_tensor(Raw::i32(&format!("{base}.g_idx"), &[128], &[group; 128]));
        assert!(
            error.message.contains("up_proj.g_idx") && error.message.contains("there are 4"),
            "{error:?}"
        );
    }
    let error = with_tensor(Raw::i32(&format!("{base}.g_idx"), &[4], &[0; 4]));
    assert!(error.message.contains("[128] in I32 is needed"), "{error:?}");
    let error = with_tensor(Raw::i32(&format!("{base}.qzeros"), &[4, 1], &[0; 4]));
    assert!(error.message.contains("up_proj.qzeros"), "{error:?}");
    let error = with_tensor(Raw::i32(QWEIGHT, &[1, 256], &[0; 256]));
    assert!(error.message.contains("256 rows of 128 weights of 4 bits"), "{error:?}");
    let error = with_tensor(Raw::f32("model.norm.weight", &[128], &[f32::NAN; 128]));
    assert!(error.message.contains("model.norm.weight") && error.message.contains("no weight"), "{error:?}");
    let error = with_tensor(Raw::f32("model.norm.weight", &[64], &[1.0; 64]));
    assert!(error.message.contains("[128] is needed"), "{error:?}");
}

#[test]
fn parts_that_are_missing() {
    for name in
        ["model.norm.weight", "model.layers.0.mlp.up_proj.scales", "model.layers.0.mlp.up_proj.qzeros"]
    {
        let mut made = Made::gptq(CASE);
        made.tensors.retain(|tensor| tensor.name != name);
        let error = made.import(Quantize::Q8_0).err().unwrap();
        assert!(error.kind == CheckpointErrorKind::Missing && error.message.contains(name), "{error:?}");
    }
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let error = refused(|made| std::fs::remove_file(made.path().join(name)).unwrap());
        assert!(error.kind == CheckpointErrorKind::Missing && error.message.contains(name), "{error:?}");
    }
}

#[test]
fn an_index_stays_in_its_folder() {
    for name in ["../x.safetensors", "/etc/passwd", "a/b", "..", ".", "", "C:x", "a\\b"] {
        let error = refused(|made| {
            made.write_json("model.safetensors.index.json", &json!({"weight_map": {"a": name}}));
        });
        assert!(error.message.contains("not a file of this folder"), "{name}: {error:?}");
    }
    let error = refused(|made| {
        made.write_json("model.safetensors.index.json", &json!({"weight_map": {"a": "model.safetensors"}}));
    });
    assert!(error.message.contains("tensor \"a\" is not there"), "{error:?}");
    let error = refused(|made| {
        std::fs::create_dir(made.path().join("folder")).unwrap();
        made.write_json("model.safetensors.index.json", &json!({"weight_map": {"a": "folder"}}));
    });
    assert!(error.message.contains("not a file"), "{error:?}");
}

#[test]
fn sizes_that_cannot_be() {
    for (key, value) in [
        ("num_hidden_layers", json!(u64::MAX)),
        ("hidden_size", json!(0)),
        ("hidden_size", json!(-5)),
        ("num_attention_heads", json!(1_u64 << 40)),
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(33)),
        ("intermediate_size", json!("many")),
        ("rms_norm_eps", json!(-1)),
        ("rope_theta", json!(-1)),
    ] {
        let mut made = Made::gptq(CASE);
        made.config[key] = value.clone();
        let error = made.import(Quantize::Q8_0).err().unwrap();
        assert_eq!(error.kind, CheckpointErrorKind::Damaged, "{key} {value}: {error:?}");
        assert!(error.message.starts_with("config.json"), "{error:?}");
    }
}

#[test]
fn vocabularies_that_llama_cpp_would_die_of() {
    let said = |change: fn(&mut Value)| {
        let mut tokenizer = super::maker::small_tokenizer();
        change(&mut tokenizer);
        refused(|made| made.write_json("tokenizer.json", &tokenizer)).message
    };
    assert!(said(|file| file["model"]["vocab"]["b"] = json!(0)).contains("have the number 0"));
    assert!(said(|file| file["model"]["vocab"]["b"] = json!(64)).contains("embedding has 64 rows"));
    assert!(said(|file| file["added_tokens"][0]["id"] = json!(1)).contains("have the number 1"));
    assert!(
        said(|file| file["added_tokens"] = json!([
            {"id": 3, "content": "<end>"}, {"id": 4, "content": "<end>"},
        ]))
        .contains("second number")
    );
    assert!(said(|file| file["model"]["merges"] = json!(["a c"])).contains("merge 0"));
    assert!(said(|file| file["model"]["type"] = json!("Unigram")).contains("Unigram"));
    assert!(said(|file| file["normalizer"] = json!({"type": "Lowercase"})).contains("Lowercase"));
    assert!(said(|file| file["pre_tokenizer"]["add_prefix_space"] = json!(true)).contains("space before"));
    let other = said(|file| {
        let split = json!({"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Isolated"});
        file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, file["pre_tokenizer"]]});
    });
    assert!(other.contains("[a-z]+"), "{other}");
}

#[test]
fn an_import_can_be_stopped() {
    let made = Made::gptq(CASE);
    made.write();
    let checkpoint = meddah_llama::checkpoint::Checkpoint::open(&made.path(), Quantize::Q8_0).unwrap();
    let conversion = checkpoint.plan("small").unwrap();
    let written = std::cell::Cell::new(0);
    let stop = || written.get() > 20_000;
    let error = conversion.write(&mut Vec::new(), &mut |bytes| written.set(bytes), &stop).unwrap_err();
    assert_eq!(error.kind, CheckpointErrorKind::Cancelled);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is in the files: an error or a file, and no panic.
    #[test]
    fn flipped_bytes_are_survived(file in 0..3_usize, flips in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
        let made = Made::gptq(CASE);
        made.write();
        let path = made.path().join(["model.safetensors", "config.json", "tokenizer.json"][file]);
        let mut bytes = std::fs::read(&path).unwrap();
        let length = bytes.len().min(6000);
        flips.iter().for_each(|(at, byte)| bytes[usize::from(*at) % length] = *byte);
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = import(&made.path(), Quantize::Q4KM) {
            prop_assert!(!error.message.is_empty() && error.help.ends_with('.'));
        }
    }

    /// A file that ends too early never becomes a model.
    #[test]
    fn cut_files_are_refused(keep in 0.0..1.0_f64) {
        let made = Made::gptq(CASE);
        made.write();
        let path = made.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
        let error = import(&made.path(), Quantize::Q8_0).err();
        prop_assert_eq!(error.map(|error| error.kind), Some(CheckpointErrorKind::Damaged));
    }
}
