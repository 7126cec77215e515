//! Imported tokenizers give the tokens of the originals: llama.cpp against the `tokenizers` library, 10,000
//! lines for each kind.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use meddah_llama::checkpoint::Quantize;
use serde_json::{Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};
use unicode_normalization::char::is_combining_mark;

use super::lines::{SPECIALS, lines};
use super::maker::{Made, import};

const LINES: usize = 10_000;
const TRAINED_TOKENS: usize = 3000;

/// Tokens of llama.cpp.
pub fn llama_tokens(model: &Path, lines: &[String]) -> Vec<Vec<u32>> {
    let program = env!("CARGO_BIN_EXE_meddah-llama-tokens");
    let mut input = tempfile::tempfile().unwrap();
    for line in lines {
        serde_json::to_writer(&mut input, line).unwrap();
        input.write_all(b"\n").unwrap();
    }
    std::io::Seek::rewind(&mut input).unwrap();
    let output = Command::new(program).arg(model).stdin(input).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Imports a model with this tokenizer and compares; what the import has to note.
pub fn check_same_tokens(
    tokenizer: &Value,
    settings: &Value,
    expected_model: &str,
    lines: &[String],
) -> Vec<String> {
    let original: Tokenizer = serde_json::from_value(tokenizer.clone()).unwrap();
    let made = Made::floats(original.get_vocab_size(true) + 5);
    made.write_json("tokenizer.json", tokenizer);
    made.write_json("tokenizer_config.json", settings);
    made.write();
    let (file, report) = import(&made.path(), Quantize::Q8_0).unwrap();
    assert!(report.tokenizer.starts_with(expected_model), "{}", report.tokenizer);
    let model = made.path().join("model.gguf");
    std::fs::write(&model, file).unwrap();
    let ours = llama_tokens(&model, lines);
    assert_eq!(ours.len(), lines.len());
    let differing: Vec<_> = lines
        .iter()
        .zip(&ours)
        .filter_map(|(line, ours)| {
            let theirs = original.encode(line.as_str(), false).unwrap();
            (theirs.get_ids() != ours).then(|| format!("{line:?}\n  {:?}\n  {ours:?}", theirs.get_ids()))
        })
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} lines differ:\n{}",
        differing.len(),
        lines.len(),
        differing[..differing.len().min(12)].join("\n")
    );
    report.notes
}

/// A tokenizer with these rules, trained on other lines than it is tested with.
fn trained(frame: Value, trainer: BpeTrainer) -> Tokenizer {
    let mut tokenizer: Tokenizer = serde_json::from_value(frame).unwrap();
    tokenizer.train(&mut TrainerWrapper::BpeTrainer(trainer), lines(99, 4000).into_iter()).unwrap();
    let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(|text| AddedToken::from(text, true));
    tokenizer.add_special_tokens(special).unwrap();
    tokenizer.add_tokens([AddedToken::from("[INST]", false).normalized(false)]).unwrap();
    tokenizer
}

fn trained_over_bytes(normalizer: Value, pre_tokenizer: Value, ignores_merges: bool) -> Value {
    let trainer = BpeTrainer::builder()
        .vocab_size(TRAINED_TOKENS)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let frame = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    });
    let mut tokenizer = serde_json::to_value(trained(frame, trainer)).unwrap();
    tokenizer["model"]["ignore_merges"] = ignores_merges.into();
    tokenizer
}

fn bytes_after(pattern: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
    ]})
}

const LLAMA_3: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const QWEN_2: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const QWEN_3_5: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const TEKKEN: &str = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

#[test]
fn gpt_2() {
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = trained_over_bytes(Value::Null, bytes, false);
    check_same_tokens(&tokenizer, &json!({}), "gpt-2", &lines(1, LINES));
}

#[test]
fn llama_3() {
    let tokenizer = trained_over_bytes(Value::Null, bytes_after(LLAMA_3), true);
    check_same_tokens(&tokenizer, &json!({}), "llama-bpe", &lines(2, LINES));
    let tokenizer = trained_over_bytes(Value::Null, bytes_after(LLAMA_3), false);
    check_same_tokens(&tokenizer, &json!({}), "smaug-bpe", &lines(3, LINES));
}

#[test]
fn qwen_with_composed_accents() {
    let tokenizer = trained_over_bytes(json!({"type": "NFC"}), bytes_after(QWEN_2), false);
    check_same_tokens(&tokenizer, &json!({}), "qwen2", &lines(4, LINES));
}

#[test]
fn qwen_with_combining_marks() {
    let tokenizer = trained_over_bytes(json!({"type": "NFC"}), bytes_after(QWEN_3_5), false);
    check_same_tokens(&tokenizer, &json!({}), "qwen35", &lines(9, LINES));
}

/// llama.cpp's rule for this one knows no marks, and capitals of ASCII only; the import says so.
#[test]
fn tekken_where_its_note_does_not_apply() {
    let plain = |character: char| {
        let cased = character.is_uppercase() || character.is_lowercase();
        !is_combining_mark(character) && (character.is_ascii() || !cased)
    };
    let plain: Vec<_> =
        lines(10, 10 * LINES).into_iter().filter(|line| line.chars().all(plain)).take(LINES).collect();
    assert_eq!(plain.len(), LINES);
    let tokenizer = trained_over_bytes(Value::Null, bytes_after(TEKKEN), true);
    let notes = check_same_tokens(&tokenizer, &json!({}), "tekken", &plain);
    assert!(notes.iter().any(|note| note.contains("combining marks")), "{notes:?}");
}

/// As SentencePiece's vocabularies are turned into tokenizer.json: every way of making a token from two
/// others is a merge, in the order of the tokens.
fn sentence_piece(normalizer: Value, learns_with: Value, pre_tokenizer: Value) -> Value {
    let frame = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": learns_with,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    });
    // Rare characters get no token, so that bytes are needed.
    let trainer =
        BpeTrainer::builder().vocab_size(TRAINED_TOKENS).show_progress(false).limit_alphabet(200).build();
    let mut frame: Tokenizer = serde_json::from_value(frame).unwrap();
    // A word at a time, or the merges would learn the lines by heart. Nor may they learn texts of special
    // tokens as ordinary ones, which llama.cpp takes as special, and zero bytes, which it cannot read.
    let words = lines(99, 4000).into_iter().flat_map(|line| {
        let ordinary = |word: &&str| !word.contains('\0') && !SPECIALS.iter().any(|text| word.contains(text));
        line.split_inclusive(' ').filter(ordinary).map(str::to_owned).collect::<Vec<_>>()
    });
    frame.train(&mut TrainerWrapper::BpeTrainer(trainer), words).unwrap();
    let learned = frame.get_vocab(false);
    let mut ordered: Vec<(&String, &u32)> = learned.iter().collect();
    ordered.sort_by_key(|(_, id)| **id);
    let mut vocabulary: Vec<String> = ["<unk>", "<s>", "</s>", "<end_of_turn>"].map(str::to_owned).to_vec();
    vocabulary.extend((0..=255_u8).map(|byte| format!("<0x{byte:02X}>")));
    vocabulary.extend(ordered.iter().map(|(text, _)| (*text).clone()));
    let ids: HashMap<&str, usize> =
        vocabulary.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
    let mut merges = Vec::new();
    for (text, _) in &ordered {
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if ids.contains_key(left) && ids.contains_key(right) {
                merges.push(json!([left, right]));
            }
        }
    }
    let special = |id: usize| {
        json!({
            "id": id, "content": vocabulary[id], "special": true, "normalized": false, "lstrip": false,
            "rstrip": false, "single_word": false,
        })
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
            "vocab": ids, "merges": merges,
        },
    })
}

fn replace_spaces() -> Value {
    json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"})
}

#[test]
fn sentence_piece_with_a_space_before() {
    let prepend = json!({"type": "Prepend", "prepend": "\u{2581}"});
    let normalizer = json!({"type": "Sequence", "normalizers": [prepend, replace_spaces()]});
    let tokenizer = sentence_piece(normalizer.clone(), normalizer, Value::Null);
    check_same_tokens(&tokenizer, &json!({}), "SentencePiece", &lines(5, LINES));
}

#[test]
fn sentence_piece_with_a_space_before_the_first_words() {
    let metaspace =
        json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": false});
    let tokenizer = sentence_piece(Value::Null, replace_spaces(), metaspace);
    check_same_tokens(&tokenizer, &json!({}), "SentencePiece", &lines(8, LINES));
}

#[test]
fn sentence_piece_as_gemma_has_it() {
    let split = json!({
        "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false,
    });
    let tokenizer = sentence_piece(replace_spaces(), replace_spaces(), split);
    check_same_tokens(&tokenizer, &json!({}), "SentencePiece", &lines(6, LINES));
}
