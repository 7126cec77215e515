//! `meddah import`: characters that other programs have, made into characters of ours.

use std::path::PathBuf;
use std::sync::Arc;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, print};
use crate::compat::relay::world_files;
use crate::worlds::Worlds;

#[derive(clap::Args)]
pub struct ImportArguments {
    #[command(flatten)]
    common: Common,
    /// A file with characters, or a folder of such files
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// The world that they are added to
    #[arg(long, value_name = "NAME", default_value = world_files::WORLD)]
    into: String,
}

pub fn run(arguments: ImportArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&arguments.common)?;
    let bad = |message: String| Failure::new(BAD_INPUT, message);
    let worlds = Worlds::new(setup.worlds()?)
        .with_overlay(setup.paths.worlds())
        .map_err(|error| bad(error.to_string()))?;
    let imported = world_files::import(&arguments.path, &arguments.into, Arc::new(worlds), &setup.paths.data)
        .map_err(|error| bad(format!("{}\n{}", error.message, error.help)))?;
    for file in &imported.skipped {
        print::warning(&format!("{} is of another kind and was left out", file.display()));
    }
    for name in &imported.characters {
        print::line(name);
    }
    print::line(&format!(
        "World `{}` has {} more characters and {} more pieces of knowledge. If `meddah serve` runs, start it again.",
        arguments.into,
        imported.characters.len(),
        imported.records
    ));
    Ok(DONE)
}
