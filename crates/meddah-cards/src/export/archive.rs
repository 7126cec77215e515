//! A card in a CHARX archive.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;

use super::{picture, spec};
use crate::card::{Container, ContainerKind};
use crate::error::CardError;
use crate::import::pretty;
use crate::limits::CHUNKS_MAX;
use crate::png_chunks::{SIGNATURE, chunks};
use crate::read::{Archive, CARD, Entry, is_inside};

/// Where the picture of the card goes.
const ICON: &str = "assets/icon/images/main.png";

/// The archive: the card, and what was with it.
pub(super) fn write(
    file: &str,
    mut json: Map<String, Value>,
    container: Option<&Container>,
    icon: Option<&[u8]>,
) -> Result<Vec<u8>, CardError> {
    let mut assets = match container {
        Some(container) if container.kind == ContainerKind::Charx => {
            Archive::open(file, &container.bytes)?.assets()?
        }
        Some(container) => {
            json = picture::with_asset_paths(spec::with_data(json), true, "__asset:", "embeded://");
            picture_assets(&container.bytes)
        }
        None => Vec::new(),
    };
    let came_in =
        container.filter(|container| container.kind == ContainerKind::Png).map(|container| &*container.bytes);
    if let Some(icon) = icon.or(came_in) {
        if !icon.starts_with(&SIGNATURE) {
            return Err(CardError::new(file, "the picture is no PNG", "give a .png file"));
        }
        assets.retain(|asset| asset.path != ICON);
        assets.push(Entry { path: ICON.to_owned(), bytes: icon.to_vec() });
        json = with_icon(json);
    }
    let zipped = zip(&pretty(&spec::to_v3(json)), &assets);
    zipped.map_err(|error| {
        CardError::new(file, format!("the CHARX cannot be written: {error}"), "export it as V3")
    })
}

fn zip(card: &[u8], assets: &[Entry]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // No time: the same card is to give the same file. Not packed: pictures are already, and readers (this one too)
    // refuse an archive that packs too well.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    zip.start_file(CARD, options)?;
    zip.write_all(card)?;
    for asset in assets {
        zip.start_file(asset.path.as_str(), options)?;
        zip.write_all(&asset.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The assets in a picture's chunks. Paths that lead out are left behind with the picture.
fn picture_assets(bytes: &[u8]) -> Vec<Entry> {
    let mut assets: Vec<Entry> = Vec::new();
    for chunk in chunks(bytes, CHUNKS_MAX).0 {
        let Some((word, data)) = chunk.text() else { continue };
        let Some(path) = word.strip_prefix(picture::ASSET).or_else(|| word.strip_prefix("chara-ext-asset_"))
        else {
            continue;
        };
        let is_new = path != CARD && !assets.iter().any(|asset| asset.path == path);
        if let (true, true, Ok(bytes)) = (is_new, is_inside(path), BASE64_STANDARD.decode(data.trim_ascii()))
        {
            assets.push(Entry { path: path.to_owned(), bytes });
        }
    }
    assets
}

/// The card with its picture as the main icon.
fn with_icon(json: Map<String, Value>) -> Map<String, Value> {
    let mut json = spec::with_data(json);
    let uri = format!("embeded://{ICON}");
    if let Some(Value::Object(data)) = json.get_mut("data") {
        let assets = data.entry("assets").or_insert_with(|| json!([]));
        let list = assets.as_array_mut().into_iter().flatten();
        let main = list
            .filter(|asset| asset["type"] == "icon")
            .find(|asset| asset["name"] == "main" || asset["uri"] == "ccdefault:");
        match main {
            Some(main) => main["uri"] = uri.into(),
            None => {
                let icon = json!({"type": "icon", "uri": uri, "name": "main", "ext": "png"});
                if let Some(list) = assets.as_array_mut() {
                    list.push(icon);
                }
            }
        }
    }
    json
}
