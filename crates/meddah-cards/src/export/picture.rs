//! A card in a picture.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::spec;
use crate::card::{Container, ContainerKind};
use crate::error::CardError;
use crate::limits::CHUNKS_MAX;
use crate::png_chunks::{Chunk, SIGNATURE, chunks, text_chunk};
use crate::read::Archive;

/// The keyword of a chunk with an asset, before its path.
pub(super) const ASSET: &str = "chara-ext-asset_:";
/// Where the card is.
const KEYWORDS: [&str; 2] = ["chara", "ccv3"];
/// The plain picture, in pixels: the usual shape of cards.
const PLAIN_SIZE: (u32, u32) = (400, 600);
/// Its colour: a quiet slate.
const PLAIN_COLOUR: [u8; 3] = [0x3c, 0x44, 0x55];

/// The picture with both versions of the card. Everything else in it stays byte for byte.
pub(super) fn write(
    file: &str,
    json: Map<String, Value>,
    container: Option<&Container>,
    picture: Option<&[u8]>,
) -> Result<Vec<u8>, CardError> {
    let mut archive = match container {
        Some(container) if container.kind == ContainerKind::Charx => {
            Some(Archive::open(file, &container.bytes)?)
        }
        _ => None,
    };
    let assets = archive.as_mut().map_or(Ok(Vec::new()), Archive::assets)?;
    let came_in =
        container.filter(|container| container.kind == ContainerKind::Png).map(|container| &*container.bytes);
    let icon =
        || assets.iter().find(|asset| asset.path.contains("icon") && asset.bytes.starts_with(&SIGNATURE));
    let plain;
    let base = match picture.or(came_in).or_else(|| icon().map(|asset| &*asset.bytes)) {
        Some(base) => base,
        None => {
            plain = plain_picture(file)?;
            &plain
        }
    };
    let parts = sound_chunks(file, base)?;
    let json = with_asset_paths(json, !assets.is_empty(), "embeded://", "__asset:");
    let v2 = encoded(&spec::to_v2(json.clone()));
    let v3 = encoded(&spec::to_v3(json));
    let mut out = SIGNATURE.to_vec();
    for chunk in &parts {
        if chunk.kind == *b"IEND" {
            break;
        }
        if !is_card(chunk) {
            out.extend_from_slice(chunk.raw);
        }
    }
    // Another picture than the one that the card came in: its assets move over.
    for chunk in
        came_in.filter(|_| picture.is_some()).into_iter().flat_map(|bytes| chunks(bytes, CHUNKS_MAX).0)
    {
        if chunk.text().is_some_and(|(word, _)| word.starts_with("chara-ext-asset_")) {
            out.extend_from_slice(chunk.raw);
        }
    }
    for asset in assets {
        out.extend(text_chunk(&format!("{ASSET}{}", asset.path), &BASE64_STANDARD.encode(asset.bytes)));
    }
    out.extend(text_chunk(KEYWORDS[0], &v2));
    out.extend(text_chunk(KEYWORDS[1], &v3));
    out.extend_from_slice(b"\0\0\0\0IEND\xae\x42\x60\x82");
    Ok(out)
}

fn is_card(chunk: &Chunk<'_>) -> bool {
    chunk.text().is_some_and(|(word, _)| KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)))
}

fn sound_chunks<'b>(file: &str, bytes: &'b [u8]) -> Result<Vec<Chunk<'b>>, CardError> {
    let (parts, _) = chunks(bytes, CHUNKS_MAX);
    let begins = bytes.starts_with(&SIGNATURE) && parts.first().is_some_and(|chunk| chunk.kind == *b"IHDR");
    if begins {
        return Ok(parts);
    }
    Err(CardError::new(
        file,
        "the picture is no PNG",
        "give a .png file; other pictures can be saved as PNG in any paint program",
    ))
}

fn encoded(json: &Map<String, Value>) -> String {
    BASE64_STANDARD.encode(serde_json::to_vec(json).expect("JSON that was read can be written"))
}

fn plain_picture(file: &str) -> Result<Vec<u8>, CardError> {
    let (width, height) = PLAIN_SIZE;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = PLAIN_COLOUR.repeat((width * height) as usize);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| CardError::new(file, error.to_string(), "give a picture with --picture"))?;
    Ok(bytes)
}

/// Where the card says that its assets are. Archives and pictures have different words for it.
pub(super) fn with_asset_paths(
    mut json: Map<String, Value>,
    moved: bool,
    from: &str,
    to: &str,
) -> Map<String, Value> {
    let assets = json.get_mut("data").and_then(|data| data.get_mut("assets")).and_then(Value::as_array_mut);
    for asset in assets.into_iter().flatten().filter(|_| moved) {
        if let Some(path) = asset.get("uri").and_then(Value::as_str).and_then(|uri| uri.strip_prefix(from)) {
            asset["uri"] = format!("{to}{path}").into();
        }
    }
    json
}
