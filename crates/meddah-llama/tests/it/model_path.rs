//! Where the small model is that all tests use, those of the program too.

use std::path::PathBuf;

pub fn model_path() -> PathBuf {
    let default = || {
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).unwrap_or_default();
        PathBuf::from(home).join(".cache/meddah/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    };
    let path = std::env::var_os("MEDDAH_TEST_MODEL").map_or_else(default, PathBuf::from);
    assert!(path.exists(), "{path:?} is missing: run scripts/get-model, or set MEDDAH_TEST_MODEL");
    path
}
