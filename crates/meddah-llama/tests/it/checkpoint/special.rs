//! Beginnings, ends and chat templates, wherever publishers put them.

use meddah_llama::checkpoint::Quantize;
use serde_json::{Value, json};

use super::gguf_file::{GgufFile, Kv};
use super::maker::Made;

/// A model with six special tokens, numbered from 3 on, and these files beside it.
fn imported(files: &[(&str, Value)]) -> (GgufFile, Vec<String>) {
    let made = Made::floats(16);
    let mut tokenizer = super::maker::small_tokenizer();
    let texts = ["<s>", "</s>", "<pad>", "<|eot_id|>", "<stop>", "<more>"];
    let added =
        texts.iter().enumerate().map(|(i, text)| json!({"id": 3 + i, "content": text, "special": true}));
    tokenizer["added_tokens"] = added.collect();
    for (name, value) in files {
        match name.strip_prefix("tokenizer.") {
            Some(key) if key != "json" => tokenizer[key] = value.clone(),
            _ => match value {
                Value::String(text) => std::fs::write(made.path().join(name), text).unwrap(),
                value => made.write_json(name, value),
            },
        }
    }
    made.write_json("tokenizer.json", &tokenizer);
    let (file, report) = made.import(Quantize::Q8_0).unwrap();
    (file, report.notes)
}

fn id(file: &GgufFile, name: &str) -> Option<u64> {
    match file.values.get(&format!("tokenizer.ggml.{name}_token_id")) {
        Some(Kv::Number(number)) => Some(*number),
        _ => None,
    }
}

#[test]
fn ids_come_from_texts_and_else_from_numbers() {
    let (file, _) = imported(&[
        ("tokenizer_config.json", json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>"})),
        ("special_tokens_map.json", json!({"pad_token": "<pad>"})),
        ("generation_config.json", json!({"bos_token_id": 9, "eos_token_id": [4, 6, 7, 8]})),
    ]);
    let ids = ["bos", "eos", "padding", "eot", "eom"].map(|name| id(&file, name));
    // The turn's end is known by its text; the first end that is left becomes one more.
    assert_eq!(ids, [Some(3), Some(4), Some(5), Some(6), Some(7)]);

    let (file, notes) =
        imported(&[("generation_config.json", json!({"bos_token_id": 3, "eos_token_id": 99}))]);
    assert_eq!((id(&file, "bos"), id(&file, "eos")), (Some(3), None));
    assert!(notes.iter().any(|note| note.contains("base model")), "{notes:?}");
}

#[test]
fn a_beginning_is_added_where_the_original_adds_it() {
    let begins = |files: &[(&str, Value)]| imported(files).0.number("tokenizer.ggml.add_bos_token") == 1;
    let texts = json!({"bos_token": "<s>", "eos_token": "</s>"});
    let template = json!({"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        ]},
    ]});
    assert!(!begins(&[("tokenizer_config.json", texts.clone())]));
    assert!(begins(&[("tokenizer_config.json", texts), ("tokenizer.post_processor", template.clone())]));
    let never = json!({"bos_token": "<s>", "add_bos_token": false});
    assert!(!begins(&[("tokenizer_config.json", never), ("tokenizer.post_processor", template)]));
    let always = json!({"bos_token": "<s>", "add_bos_token": true});
    assert!(begins(&[("tokenizer_config.json", always)]));
    // There is nothing to add.
    assert!(!begins(&[("tokenizer_config.json", json!({"add_bos_token": true}))]));
}

#[test]
fn templates_are_found_in_all_their_places() {
    let template = |files: &[(&str, Value)]| imported(files).0.text("tokenizer.chat_template").to_owned();
    let inside = ("tokenizer_config.json", json!({"chat_template": "inside"}));
    assert_eq!(template(std::slice::from_ref(&inside)), "inside");
    let several =
        json!([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]);
    assert_eq!(template(&[("tokenizer_config.json", json!({"chat_template": several}))]), "plain");
    assert_eq!(template(&[inside.clone(), ("chat_template.jinja", json!("beside"))]), "beside");
    assert_eq!(template(&[("chat_template.json", json!({"chat_template": "in a file"}))]), "in a file");
}
