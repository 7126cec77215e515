//! What evaluations with a real model share: a sidecar in a folder of its own, and a way to print.

use std::path::PathBuf;
use std::sync::Arc;

use meddah::config::Settings;
use meddah::ladders::Ladders;
use meddah::paths::Paths;
use meddah::sidecar::Sidecar;
use meddah::tavern;
use meddah::turn::Ports;
use meddah::worlds::Worlds;
use meddah_store::SqliteStore;

/// A sidecar with the tavern, this model, and nothing remembered. `MEDDAH_TURN_*` changes the settings of turns.
pub(crate) fn sidecar(
    model: &str,
    change: impl FnOnce(&mut Settings),
) -> anyhow::Result<(Arc<Sidecar>, Ladders)> {
    let data: PathBuf = std::env::temp_dir().join(format!("meddah-eval-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    let paths = Paths { data };
    let overrides = std::env::vars().filter(|(name, _)| name.starts_with("MEDDAH_TURN"));
    let mut settings = Settings::load(&paths.data, overrides)?;
    settings.model = model.to_owned();
    settings.local.background = false;
    settings.local.state_disk_mb = 0;
    change(&mut settings);
    let ladders = Ladders::open(&settings, &paths)?;
    let store = SqliteStore::in_memory()?;
    let ports = Ports { ladders: ladders.clone(), store: Arc::new(store) };
    let worlds = Arc::new(Worlds::new(vec![tavern::world()]));
    Ok((Sidecar::new(worlds, ports, settings), ladders))
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "an evaluation prints its result")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
