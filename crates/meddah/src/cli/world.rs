//! `meddah world`: which worlds there are, and a world as files.

use std::path::{Path, PathBuf};

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::tavern;

#[derive(clap::Args)]
pub struct WorldArguments {
    #[command(subcommand)]
    command: WorldCommand,
}

#[derive(clap::Subcommand)]
enum WorldCommand {
    /// The worlds and their characters
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Write the built-in tavern to a folder, to read and to change
    Export {
        /// Must not exist yet
        folder: PathBuf,
    },
}

pub fn run(arguments: WorldArguments) -> Result<u8, Failure> {
    match arguments.command {
        WorldCommand::List { common } => {
            for world in Setup::open(&common)?.worlds()? {
                print::line(&format!("{} ({})", world.id, world.name));
                for (id, character) in &world.characters {
                    print::line(&format!("  {id}: {}, {}", character.name, character.role));
                }
            }
        }
        WorldCommand::Export { folder } => write_out(&folder)?,
    }
    Ok(DONE)
}

fn write_out(folder: &Path) -> Result<(), Failure> {
    write_pack(folder, tavern::files())
}

/// Writes the files of a pack to a folder that must not exist yet.
pub fn write_pack<T: AsRef<[u8]>>(
    folder: &Path,
    files: impl IntoIterator<Item = (String, T)>,
) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::new(
            WRONG_USAGE,
            format!("{} is there already\nName a folder that does not exist yet.", folder.display()),
        ));
    }
    for (path, text) in files {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, text)).map_err(|error| {
            Failure::new(
                BAD_INPUT,
                format!("cannot write {}: {error}\nChoose another folder.", file.display()),
            )
        })?;
    }
    print::line(&format!("Wrote {}", folder.display()));
    Ok(())
}
