//! The words of a model as bytes, from the files that stand beside the weights.

use std::path::Path;

use serde_json::Value;

use super::error::ModelFileError;

/// The first token that is no text.
const END_OF_TEXT: &str = "<|endoftext|>";
/// No vocabulary of Whisper is larger.
const BYTES_MAX: u64 = 32 << 20;
const TOKENS_MAX: usize = 100_000;

/// The bytes of every token that is text, in order.
pub fn read(folder: &Path) -> Result<Vec<Vec<u8>>, ModelFileError> {
    let tokens = listed(folder)?;
    let texts = tokens.iter().position(|token| token == END_OF_TEXT).filter(|&texts| texts > 0);
    let Some(texts) = texts.filter(|_| tokens.len() <= TOKENS_MAX) else {
        return Err(ModelFileError::damaged(format!("the vocabulary has no {END_OF_TEXT}")));
    };
    Ok(tokens[..texts].iter().map(|token| bytes_of(token)).collect())
}

/// All tokens as their file spells them.
fn listed(folder: &Path) -> Result<Vec<String>, ModelFileError> {
    let bad = |name: &str| ModelFileError::damaged(format!("{name} is no list of words"));
    if let Some(text) = text_of(folder, "vocabulary.txt")? {
        return Ok(text.lines().map(str::to_owned).collect());
    }
    if let Some(text) = text_of(folder, "vocabulary.json")? {
        return serde_json::from_str(&text).map_err(|_| bad("vocabulary.json"));
    }
    let Some(text) = text_of(folder, "tokenizer.json")? else {
        let what = "the folder has no vocabulary.txt, vocabulary.json or tokenizer.json";
        return Err(ModelFileError::missing(what));
    };
    let tokenizer: Value = serde_json::from_str(&text).map_err(|_| bad("tokenizer.json"))?;
    let own = tokenizer["model"]["vocab"].as_object().into_iter().flatten();
    let own = own.map(|(token, id)| (id.as_u64(), token.as_str()));
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let added = added.map(|token| (token["id"].as_u64(), token["content"].as_str().unwrap_or_default()));
    let mut tokens = Vec::new();
    for (id, token) in own.chain(added) {
        let id = id.and_then(|id| usize::try_from(id).ok()).filter(|&id| id < TOKENS_MAX);
        let id = id.ok_or_else(|| bad("tokenizer.json"))?;
        if tokens.len() <= id {
            tokens.resize(id + 1, String::new());
        }
        token.clone_into(&mut tokens[id]);
    }
    Ok(tokens)
}

fn text_of(folder: &Path, name: &str) -> Result<Option<String>, ModelFileError> {
    let path = folder.join(name);
    let Ok(metadata) = path.metadata() else { return Ok(None) };
    if metadata.len() > BYTES_MAX {
        return Err(ModelFileError::damaged(format!("{name} is larger than any vocabulary")));
    }
    std::fs::read_to_string(&path).map(Some).map_err(|error| ModelFileError::storage("read", &path, &error))
}

/// Tokenizers of bytes spell each byte as a letter that can be seen: printable ones as themselves, the others as the
/// letters from 256 on, in their order.
fn bytes_of(token: &str) -> Vec<u8> {
    let byte_of = |letter: char| -> Option<u8> {
        let code = u32::from(letter);
        match u8::try_from(code) {
            Ok(byte) => is_printable(byte).then_some(byte),
            Err(_) => (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth((code - 256) as usize),
        }
    };
    let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_for_bytes() {
        assert_eq!(bytes_of("Ġthe"), b" the");
        assert_eq!(bytes_of("Ċ"), b"\n");
        assert_eq!(bytes_of("Ã¤"), "ä".as_bytes());
        assert_eq!(bytes_of("日"), "日".as_bytes());
    }

    #[test]
    fn every_form_of_the_list_is_read_up_to_the_first_mark() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().kind, super::super::ModelFileErrorKind::Missing);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "tokenizer.json",
            r#"{"model": {"vocab": {"a": 0, "Ġb": 1}}, "added_tokens": [{"id": 2, "content": "<|endoftext|>"}]}"#,
        );
        let words = [b"a".to_vec(), b" b".to_vec()];
        assert_eq!(read(folder.path()).unwrap(), words);
        write("vocabulary.json", r#"["a", "Ġb", "<|endoftext|>", "<|en|>"]"#);
        assert_eq!(read(folder.path()).unwrap(), words);
        write("vocabulary.txt", "a\nĠb\n<|endoftext|>\n");
        assert_eq!(read(folder.path()).unwrap(), words);
        write("vocabulary.txt", "a\nĠb\n");
        assert!(read(folder.path()).is_err());
    }
}
