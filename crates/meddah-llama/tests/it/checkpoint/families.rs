//! What llama.cpp is told of each family, and that it loads the result.

use meddah_llama::checkpoint::{CheckpointErrorKind, Quantize};
use serde_json::{Value, json};

use super::gguf_file::{GgufFile, Kv};
use super::maker::{HEAD, HEADS, HIDDEN, KV_HEADS, Made, Raw, turned};

const VOCABULARY: usize = 300;

fn vector(name: &str, length: usize, number: f32) -> Raw {
    let numbers: Vec<f32> = (0..length).map(|i| number + i as f32 / 256.0).collect();
    Raw::f32(name, &[length], &numbers)
}

/// A model of this family: `extra` settings, with `tensors` beside those that all families have.
fn made(model_type: &str, extra: Value, tensors: Vec<Raw>) -> Made {
    let mut made = Made::floats(VOCABULARY);
    made.config["model_type"] = model_type.into();
    made.config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    for tensor in tensors {
        made.tensors.retain(|old| old.name != tensor.name);
        made.tensors.push(tensor);
    }
    // A vocabulary with all bytes, so that llama.cpp finds a newline.
    let letters = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let mut letters: Vec<String> = letters.into_iter().map(String::from).collect();
    letters.sort();
    let vocabulary: serde_json::Map<_, _> =
        letters.into_iter().enumerate().map(|(id, letter)| (letter, json!(id))).collect();
    made.write_json(
        "tokenizer.json",
        &json!({
            "added_tokens": [{"id": 256, "content": "<|im_end|>", "special": true}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
        }),
    );
    made.write_json(
        "tokenizer_config.json",
        &json!({"eos_token": "<|im_end|>", "chat_template": "{{ messages }}"}),
    );
    made
}

/// Imports it, and lets llama.cpp compute with it.
async fn run(made: &Made) -> GgufFile {
    let (file, _) = made.import(Quantize::F16).unwrap();
    let bytes = super::maker::import(&made.path(), Quantize::F16).unwrap().0;
    let path = made.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    let mut config = crate::support::config();
    (config.model_path, config.context_tokens) = (path, 256);
    let model = meddah_llama::LocalModel::new(config);
    let heard = crate::support::say(&model, crate::support::request("a", "b", "c")).await;
    assert!(heard.usage.completion_tokens > 0, "{heard:?}");
    model.shutdown().await;
    file
}

fn float(file: &GgufFile, key: &str) -> f32 {
    match file.values.get(key) {
        Some(Kv::Float(number)) => *number,
        other => panic!("{key}: {other:?}"),
    }
}

const LAYER: &str = "model.layers.0";

#[tokio::test]
async fn llama_and_mistral() {
    let tensors = vec![vector(&format!("{LAYER}.self_attn.q_proj.bias"), HEADS * HEAD, 0.25)];
    let file = run(&made("llama", json!({"attention_bias": true}), tensors)).await;
    assert_eq!(file.text("general.architecture"), "llama");
    let bias: Vec<f32> = (0..HEADS * HEAD).map(|i| 0.25 + i as f32 / 256.0).collect();
    // A bias is turned like the rows it belongs to.
    assert_eq!(file.tensors["blk.0.attn_q.bias"].dequantised(), turned(&bias, bias.len(), HEADS));
    assert_eq!(file.number("llama.attention.head_count_kv"), KV_HEADS as u64);
    assert_eq!(file.number("llama.rope.dimension_count"), HEAD as u64);
    assert_eq!(file.number("tokenizer.ggml.eot_token_id"), 256);

    let window = made(
        "mistral",
        json!({"sliding_window": 4096, "tie_word_embeddings": false}),
        vec![Raw::f32("lm_head.weight", &[VOCABULARY, HIDDEN], &[0.01; VOCABULARY * HIDDEN])],
    );
    let file = run(&window).await;
    assert!(file.tensors.contains_key("output.weight"));
    let (_, report) = window.import(Quantize::Q8_0).unwrap();
    assert!(report.notes.iter().any(|note| note.contains("4096")), "{:?}", report.notes);
}

#[tokio::test]
async fn rope_is_stretched() {
    let llama_3 = json!({"rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }});
    let file = run(&made("llama", llama_3, Vec::new())).await;
    let factors = file.tensors["rope_freqs.weight"].dequantised();
    assert_eq!(factors.len(), HEAD / 2);
    assert_eq!((factors[0], factors[HEAD / 2 - 1]), (1.0, 8.0));
    assert!(
        factors.is_sorted() && factors.iter().any(|factor| *factor > 1.0 && *factor < 8.0),
        "{factors:?}"
    );

    let linear = json!({"rope_scaling": {"type": "linear", "factor": 2.0}});
    let file = run(&made("llama", linear, Vec::new())).await;
    assert_eq!(
        (file.text("llama.rope.scaling.type"), float(&file, "llama.rope.scaling.factor")),
        ("linear", 2.0)
    );

    let yarn = json!({
        "rope_parameters": {
            "rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6, "original_max_position_embeddings": 64,
        },
    });
    let file = run(&made("qwen2", yarn, Vec::new())).await;
    assert_eq!(file.text("qwen2.rope.scaling.type"), "yarn");
    assert_eq!(file.number("qwen2.rope.scaling.original_context_length"), 64);
    assert_eq!(float(&file, "qwen2.rope.freq_base"), 1e6);

    let dynamic = json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}});
    let error = made("llama", dynamic, Vec::new()).import(Quantize::F16).err().unwrap();
    assert!(error.kind == CheckpointErrorKind::Unsupported && error.message.contains("dynamic"), "{error:?}");
}

#[tokio::test]
async fn qwen_2_and_3() {
    let biases = ["q_proj", "k_proj", "v_proj"].map(|name| {
        let length = if name == "q_proj" { HEADS * HEAD } else { KV_HEADS * HEAD };
        vector(&format!("{LAYER}.self_attn.{name}.bias"), length, 0.5)
    });
    // GPTQ writers add biases of zeros.
    let zeros = Raw::f32(&format!("{LAYER}.self_attn.o_proj.bias"), &[HIDDEN], &[0.0; HIDDEN]);
    let with_biases = made("qwen2", json!({}), biases.into_iter().chain([zeros]).collect());
    let file = run(&with_biases).await;
    assert_eq!(file.text("general.architecture"), "qwen2");
    // Nothing is turned in this family.
    let bias: Vec<f32> = (0..HEADS * HEAD).map(|i| 0.5 + i as f32 / 256.0).collect();
    assert_eq!(file.tensors["blk.0.attn_q.bias"].dequantised(), bias);
    assert!(!file.tensors.contains_key("blk.0.attn_output.bias"));

    let norms =
        ["q_norm", "k_norm"].map(|name| vector(&format!("{LAYER}.self_attn.{name}.weight"), HEAD, 1.0));
    let file = run(&made("qwen3", json!({"head_dim": HEAD}), norms.into())).await;
    assert_eq!(file.tensors["blk.0.attn_q_norm.weight"].dequantised()[1], 1.0 + 1.0 / 256.0);
    assert_eq!(file.number("qwen3.attention.key_length"), HEAD as u64);

    let nonzero = Raw::f32(&format!("{LAYER}.self_attn.o_proj.bias"), &[HIDDEN], &[0.5; HIDDEN]);
    let error = made("qwen2", json!({}), vec![nonzero]).import(Quantize::F16).err().unwrap();
    assert!(error.message.contains("o_proj.bias"), "{error:?}");
}

fn gemma_norms(more: &[&str]) -> Vec<Raw> {
    more.iter().map(|name| vector(&format!("{LAYER}.{name}.weight"), HIDDEN, 0.5)).collect()
}

#[tokio::test]
async fn gemma_1_2_and_3() {
    let act = json!({"hidden_act": "gelu_pytorch_tanh", "head_dim": HEAD});
    let file = run(&made("gemma", act.clone(), gemma_norms(&["input_layernorm"]))).await;
    // One is added to every norm.
    assert_eq!(file.tensors["blk.0.attn_norm.weight"].dequantised()[0], 1.5);

    let mut gemma_2 = act.clone();
    gemma_2.as_object_mut().unwrap().extend([
        ("sliding_window".into(), json!(64)),
        ("attn_logit_softcapping".into(), json!(50.0)),
        ("final_logit_softcapping".into(), json!(30.0)),
        ("query_pre_attn_scalar".into(), json!(HEAD)),
    ]);
    let four = gemma_norms(&["pre_feedforward_layernorm", "post_feedforward_layernorm"]);
    let file = run(&made("gemma2", gemma_2.clone(), four.clone())).await;
    assert_eq!(float(&file, "gemma2.attn_logit_softcapping"), 50.0);
    assert_eq!(file.number("gemma2.attention.sliding_window"), 64);
    assert!(file.tensors.contains_key("blk.0.post_ffw_norm.weight"));

    gemma_2["query_pre_attn_scalar"] = json!(7);
    let error = made("gemma2", gemma_2, four.clone()).import(Quantize::F16).err().unwrap();
    assert!(error.message.contains("query_pre_attn_scalar of 7"), "{error:?}");

    let mut gemma_3 = act;
    gemma_3.as_object_mut().unwrap().extend([
        ("sliding_window".into(), json!(64)),
        ("rope_local_base_freq".into(), json!(10000.0)),
        ("rope_theta".into(), json!(1e6)),
        ("layer_types".into(), json!(["sliding_attention"])),
    ]);
    let head_norms =
        ["q_norm", "k_norm"].map(|name| vector(&format!("{LAYER}.self_attn.{name}.weight"), HEAD, 0.0));
    let file = run(&made("gemma3_text", gemma_3, four.into_iter().chain(head_norms).collect())).await;
    assert_eq!(file.text("general.architecture"), "gemma3");
    assert_eq!(
        (float(&file, "gemma3.rope.freq_base"), float(&file, "gemma3.rope.freq_base_swa")),
        (1e6, 10000.0)
    );
    assert_eq!(file.tensors["blk.0.attn_k_norm.weight"].dequantised()[0], 1.0);
}

#[test]
fn what_is_unknown_is_named() {
    let error = |model_type: &str, extra: Value| {
        made(model_type, extra, Vec::new()).import(Quantize::F16).err().unwrap()
    };
    for (error, name) in [
        (error("mamba", json!({})), "\"mamba\""),
        (error("llama", json!({"hidden_act": "relu"})), "relu"),
        (error("llama", json!({"num_local_experts": 8})), "num_local_experts"),
        (error("llama", json!({"quantization_config": {"quant_method": "awq", "bits": 4}})), "\"awq\""),
        (error("llama", json!({"quantization_config": {"quant_method": "gptq", "bits": 5}})), "5 bits"),
        (
            error(
                "llama",
                json!({"quantization_config": {"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}}),
            ),
            "marlin",
        ),
    ] {
        assert_eq!(error.kind, CheckpointErrorKind::Unsupported, "{error:?}");
        assert!(error.message.contains(name) && error.help.ends_with('.'), "{error:?}");
    }
    let mut more = made("llama", json!({}), Vec::new());
    more.tensors.push(vector("model.vision.weight", 4, 0.0));
    let error = more.import(Quantize::F16).err().unwrap();
    assert!(error.message.contains("model.vision.weight"), "{error:?}");
}
