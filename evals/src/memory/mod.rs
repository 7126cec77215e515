//! How well characters recall: on conversations from outside, on worlds of our own, and as memories grow.

mod fit;
mod locomo;
mod locomo_file;
mod measure;
mod published;
mod scale;
mod told;
mod worlds;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use meddah::embedder::LateEmbedder;
use meddah_embedding::MiniLm;

pub(crate) use fit::run as fit;
pub(crate) use locomo::run as locomo;
pub(crate) use scale::run as scale;

/// A file, or where `scripts/get-embedder` puts it if it is there.
fn embedder_file(file: Option<String>) -> Option<PathBuf> {
    let usual = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
        Some(cache.join("meddah/models/all-MiniLM-L6-v2-int8.onnx")).filter(|file| file.exists())
    };
    file.map(PathBuf::from).or_else(usual)
}

/// The embedder of that file; `None` if there is none.
fn embedder(file: Option<String>) -> anyhow::Result<Option<LateEmbedder>> {
    let Some(file) = embedder_file(file) else { return Ok(None) };
    let model = MiniLm::open(&file).with_context(|| format!("{} is no embedder", file.display()))?;
    Ok(Some(LateEmbedder::ready(Arc::new(model))))
}
