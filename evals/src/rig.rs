//! What evaluations with a real model share: a whole Meddah in a folder of its own, and a way to print.

use std::path::PathBuf;
use std::sync::Arc;

use meddah::config::Settings;
use meddah::embedder::LateEmbedder;
use meddah::ladders::Ladders;
use meddah::paths::Paths;
use meddah::sidecar::Sidecar;
use meddah::turn::Ports;
use meddah::worlds::Worlds;
use meddah_engine::world::World;
use meddah_store::SqliteStore;

/// A sidecar whose only rung is this GGUF file, with nothing remembered. `MEDDAH_TURN…` variables count. Its models
/// end with `ports.ladders.shutdown()`.
pub(crate) fn sidecar(
    model: &str,
    world: World,
    change: impl FnOnce(&mut Settings),
) -> anyhow::Result<Arc<Sidecar>> {
    let data: PathBuf = std::env::temp_dir().join(format!("meddah-eval-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    let paths = Paths { data };
    let overrides = std::env::vars().filter(|(name, _)| name.starts_with("MEDDAH_TURN"));
    let mut settings = Settings::load(&paths.data, overrides)?;
    settings.model = model.to_owned();
    settings.turn.seed = 1;
    settings.local.background = false;
    settings.local.state_disk_mb = 0;
    change(&mut settings);
    let ladders = Ladders::open(&settings, &paths)?;
    let store = SqliteStore::in_memory()?;
    let ports = Ports::new(ladders, Arc::new(store), LateEmbedder::default());
    Ok(Sidecar::new(Arc::new(Worlds::new(vec![world])), ports, settings))
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "an evaluation prints its result")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
