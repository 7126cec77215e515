//! The card in a picture: `ccv3` before `chara`, in any of the three kinds of chunks with text.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::json;
use crate::error::CardError;
use crate::limits::{CHUNKS_MAX, JSON_BYTES_MAX};
use crate::png_chunks::{Chunk, chunks};

/// Some programs leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The chunks that hold a card, the better first.
const KEYWORDS: [&str; 2] = ["ccv3", "chara"];
const AGAIN: &str =
    "download the original card again; a chat program or a website may have taken parts of it away";

/// The JSON of the card.
pub(super) fn card_json(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, CardError> {
    let (chunks, cut_off) = chunks(bytes, CHUNKS_MAX);
    let mut first_error = None;
    for keyword in KEYWORDS {
        let named = chunks.iter().filter_map(|chunk| Some((chunk, chunk.text()?)));
        // Where a program added a second one, the last is the newest.
        let found = named.filter(|(_, (word, _))| word.eq_ignore_ascii_case(keyword)).last();
        let Some((chunk, (_, data))) = found else { continue };
        match value(name, chunk, data) {
            Ok(Value::Object(fields)) => return Ok(fields),
            Ok(_) => {
                let error = CardError::new(name, "the JSON in it is no character card", AGAIN);
                first_error.get_or_insert(error.at(format!("chunk `{keyword}`")));
            }
            Err(mut error) => {
                if !chunk.is_sound() {
                    error.message.push_str(" (its checksum is wrong too: the file is damaged)");
                }
                first_error.get_or_insert(error.at(format!("chunk `{keyword}`")));
            }
        }
    }
    Err(first_error.unwrap_or_else(|| match cut_off {
        true => {
            CardError::new(name, "the picture ends before its end, and no card was found up to there", AGAIN)
        }
        false => CardError::new(name, "there is no character card in this picture", AGAIN),
    }))
}

/// What a chunk says. A wrong checksum alone is no reason to refuse what can be read.
fn value(name: &str, chunk: &Chunk<'_>, data: &[u8]) -> Result<Value, CardError> {
    let error = |message: &str| CardError::new(name, message, AGAIN);
    let text = match &chunk.kind {
        b"zTXt" => inflated(data.get(1..).unwrap_or_default())
            .ok_or_else(|| error("the packed text cannot be unpacked"))?,
        b"iTXt" => international(data).ok_or_else(|| error("the text cannot be unpacked"))?,
        _ => data.to_vec(),
    };
    if text.len() > JSON_BYTES_MAX / 3 * 4 {
        return Err(error("the card in the picture is too large"));
    }
    if text.trim_ascii_start().starts_with(b"{") {
        return json::parse(name, json::decode(name, &text)?);
    }
    let packed: Vec<u8> = text.into_iter().filter(|byte| !byte.is_ascii_whitespace() && *byte != 0).collect();
    let bytes = BASE64.decode(packed).map_err(|_| error("the text is not base64"))?;
    json::parse(name, json::decode(name, &bytes)?)
}

/// Flag, method, language, translated keyword, then the text.
fn international(data: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = data.split_first_chunk::<2>()?;
    let mut parts = rest.splitn(3, |byte| *byte == 0).skip(2);
    let text = parts.next()?;
    if head[0] == 1 { inflated(text) } else { Some(text.to_vec()) }
}

fn inflated(packed: &[u8]) -> Option<Vec<u8>> {
    let limit = JSON_BYTES_MAX / 3 * 4 + 1;
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(packed).take(limit as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
