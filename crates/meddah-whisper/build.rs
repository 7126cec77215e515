//! Compiles whisper.cpp against the ggml that is in the program already, that of llama-cpp-sys-2.
//!
//! Two copies of ggml do not link, or worse, do (decision 0021). The source is cargo's copy of `whisper-rs-sys`, which
//! Cargo.lock pins by its hash; nothing of that crate is built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The package whose whisper.cpp is compiled; its version stands in Cargo.toml.
const SOURCE_PACKAGE: &str = "whisper-rs-sys";

fn main() -> Result<()> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let cmake = PathBuf::from(variable("DEP_LLAMA_GGML_CMAKE_DIR")?);
    // <out>/lib/cmake
    let ggml_headers = cmake.ancestors().nth(2).context("llama-cpp-sys-2 has no folder")?.join("include");
    ensure!(ggml_headers.join("ggml.h").is_file(), "no ggml.h in {}", ggml_headers.display());
    let source = source_folder(&manifest_dir)?;
    let shim = Path::new("src/shim.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        // Without it the log-mel spectrum and sampling take several times as long.
        .opt_level(3)
        .warnings(false)
        .define("NDEBUG", None)
        .define("WHISPER_VERSION", "\"of the program\"")
        .include(source.join("src"))
        .include(source.join("include"))
        .include(&ggml_headers)
        .file(shim)
        .try_compile("meddah_whisper_shim")?;
    println!("cargo:rustc-env=MEDDAH_GGML_VERSION={}", ggml_version(&cmake)?);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", shim.display());
    println!("cargo:rerun-if-changed={}", source.join("src/whisper.cpp").display());
    println!("cargo:rerun-if-changed={}", ggml_headers.display());
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: llama-cpp-sys-2 must be built from source"))
}

/// Where cargo has the package; it downloads it if need be, and only as Cargo.lock says.
fn source_folder(manifest_dir: &Path) -> Result<PathBuf> {
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(manifest_dir)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == SOURCE_PACKAGE)
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("cargo does not know {SOURCE_PACKAGE}"))?;
    let folder = Path::new(manifest).with_file_name("whisper.cpp");
    ensure!(folder.join("src/whisper.cpp").is_file(), "no whisper.cpp in {}", folder.display());
    Ok(folder)
}

/// The version that the headers belong to, from what cmake installed beside them.
fn ggml_version(cmake: &Path) -> Result<String> {
    let file = cmake.join("ggml/ggml-config-version.cmake");
    println!("cargo:rerun-if-changed={}", file.display());
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let version = text.lines().find_map(|line| {
        line.trim().strip_prefix("set(PACKAGE_VERSION \"")?.strip_suffix("\")").map(str::to_owned)
    });
    version.with_context(|| format!("no version in {}", file.display()))
}
