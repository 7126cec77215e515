//! The model itself: what it means, that it is the same each time, and that a bad file is told.

mod model;
mod thread;

use std::path::PathBuf;

/// The model of the tests. A test without it fails rather than passes by doing nothing.
fn model_file() -> PathBuf {
    let default = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default().join(".cache");
        cache.unwrap_or(home).join("meddah/models/all-MiniLM-L6-v2-int8.onnx")
    };
    let path = std::env::var_os("MEDDAH_TEST_EMBEDDER").map_or_else(default, PathBuf::from);
    assert!(path.exists(), "{path:?} is missing: run scripts/get-embedder, or set MEDDAH_TEST_EMBEDDER");
    path
}
