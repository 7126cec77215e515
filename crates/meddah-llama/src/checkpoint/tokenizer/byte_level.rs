//! Tokenizers over bytes. llama.cpp knows their rules for splitting text by name; the name is found by
//! comparing the rules that tokenizer.json spells out.

use serde_json::Value;

use super::file::{Bpe, TokenizerFile, steps, unknown};
use crate::checkpoint::CheckpointError;

/// How text is split before merging.
pub struct Splitting {
    /// llama.cpp's name for it.
    pub pre: &'static str,
    /// Text has to be composed (NFC) first, which llama.cpp does not do.
    pub composes: bool,
    /// Where llama.cpp is known to differ.
    pub note: Option<&'static str>,
}

struct Known {
    steps: &'static [&'static str],
    /// A word that is a token is taken whole.
    ignores_merges: bool,
    pre: &'static str,
    note: Option<&'static str>,
}

const fn known(steps: &'static [&'static str], ignores_merges: bool, pre: &'static str) -> Known {
    Known { steps, ignores_merges, pre, note: None }
}

/// Rules as the publishers of these models write them.
const KNOWN: &[Known] = &[
    known(&["bytes and words"], false, "gpt-2"),
    known(&["single digits", "bytes and words"], false, "smollm"),
    known(&[LLAMA_3, "bytes"], true, "llama-bpe"),
    known(&[LLAMA_3, "bytes"], false, "smaug-bpe"),
    known(&[QWEN_2, "bytes"], false, "qwen2"),
    known(&[QWEN_3_5, "bytes"], false, "qwen35"),
    Known {
        steps: &[TEKKEN, "bytes"],
        ignores_merges: true,
        pre: "tekken",
        note: Some(
            "llama.cpp splits words with combining marks (Arabic vowels, Hindi) or with capitals beside letters \
                    outside ASCII differently, as in all .gguf files of this kind",
        ),
    },
];

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_3_5: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Works over bytes.
pub fn is_byte_level(file: &TokenizerFile) -> bool {
    steps(&file.pre_tokenizer, "pretokenizers").iter().any(|step| step["type"] == "ByteLevel")
}

/// Finds llama.cpp's name for the rules.
pub fn splitting(file: &TokenizerFile, bpe: &Bpe) -> Result<Splitting, CheckpointError> {
    let mut composes = false;
    for step in steps(&file.normalizer, "normalizers") {
        match step["type"].as_str() {
            Some("NFC") => composes = true,
            other => return Err(unknown(&format!("its normalizer {} is not known", other.unwrap_or("?")))),
        }
    }
    if file.model.byte_fallback {
        return Err(unknown("it works over bytes and falls back to bytes, which cannot be"));
    }
    let rules: Vec<String> =
        steps(&file.pre_tokenizer, "pretokenizers").into_iter().map(rule).collect::<Result<_, _>>()?;
    let found = KNOWN
        .iter()
        .find(|known| known.steps == rules && known.ignores_merges == file.model.ignore_merges)
        .ok_or_else(|| {
            unknown(&format!("its rules for splitting text are not known: {}", rules.join(", then ")))
        })?;
    if let Some((left, right)) =
        bpe.merges.iter().find(|(left, right)| left.contains(' ') || right.contains(' '))
    {
        return Err(unknown(&format!("merge {left:?} {right:?} has a space, which bytes have not")));
    }
    check_bytes(file, bpe)?;
    Ok(Splitting { pre: found.pre, composes, note: found.note })
}

/// A step in words that [`KNOWN`] is written in.
fn rule(step: &Value) -> Result<String, CheckpointError> {
    let flag = |key: &str, default: bool| step[key].as_bool().unwrap_or(default);
    let name = step["type"].as_str().unwrap_or("?");
    match name {
        "ByteLevel" if flag("add_prefix_space", true) => {
            Err(unknown("it puts a space before every text, which llama.cpp does not do for bytes"))
        }
        "ByteLevel" if flag("use_regex", true) => Ok("bytes and words".into()),
        "ByteLevel" => Ok("bytes".into()),
        "Digits" if flag("individual_digits", false) => Ok("single digits".into()),
        "Split" => {
            let pattern = step["pattern"]["Regex"].as_str().unwrap_or("a fixed text");
            // Two ways of saying that the matches are the words.
            match (step["behavior"].as_str(), flag("invert", false)) {
                (Some("Isolated"), false) | (Some("Removed"), true) => Ok(pattern.into()),
                (behavior, _) => {
                    Err(unknown(&format!("it splits text in the way {behavior:?}, which is not known")))
                }
            }
        }
        _ => Err(unknown(&format!("its step {name} is not known"))),
    }
}

/// A byte without a token would be an unknown token there and nothing at all in llama.cpp.
fn check_bytes(file: &TokenizerFile, bpe: &Bpe) -> Result<(), CheckpointError> {
    if file.model.unk_token.is_none() {
        return Ok(());
    }
    let missing =
        byte_letters().find(|letter| !bpe.ids.contains_key(letter.encode_utf8(&mut [0; 4]) as &str));
    match missing {
        Some(letter) => Err(unknown(&format!("byte {letter:?} has no token"))),
        None => Ok(()),
    }
}

/// GPT-2's letters for the bytes that occur in UTF-8: printable ones stand for themselves, others follow from 256 on.
fn byte_letters() -> impl Iterator<Item = char> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 256_u32;
    (0..=u8::MAX).filter_map(move |byte| {
        let letter = if printable(byte) {
            u32::from(byte)
        } else {
            next += 1;
            next - 1
        };
        let occurs = !matches!(byte, 0xC0 | 0xC1 | 0xF5..=0xFF);
        occurs.then(|| char::from_u32(letter)).flatten()
    })
}
