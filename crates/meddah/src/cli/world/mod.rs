//! `meddah world`: which worlds there are, and what is remembered in them.

mod compact;
mod readable;
mod transfer;
mod tree;

use std::collections::BTreeSet;
use std::path::PathBuf;

use meddah_engine::timeline::TimelineKey;
use meddah_store::{SqliteStore, StoreError, StoreErrorKind, TimelineSize};
use serde_json::{Value, json};

use super::setup::{Common, Setup, block_on};
use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::suggestion::nearest;

#[derive(clap::Args)]
pub struct WorldArguments {
    #[command(subcommand)]
    command: WorldCommand,
}

#[derive(clap::Subcommand)]
enum WorldCommand {
    /// The worlds and their characters, and what is remembered of each player
    List {
        #[command(flatten)]
        common: Common,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Branches, saves, and where the game is now
    Tree {
        #[command(flatten)]
        which: Which,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write everything that is remembered to a file, one line of JSON for each thing
    Export {
        #[command(flatten)]
        which: Which,
        /// The file; without it, standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// For reading, not for `import`: what each character lived through on the present line of time
        #[arg(long)]
        readable: bool,
    },
    /// Read a file that `export` wrote
    Import {
        /// The file
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete lines of time that no save needs: the only deletion there is
    Compact(compact::CompactArguments),
}

/// Which timelines.
#[derive(clap::Args, Clone, Debug, Default)]
struct Which {
    /// Only this world, by its id
    #[arg(long, value_name = "ID")]
    world: Option<String>,
    /// Only this player, by id
    #[arg(long, value_name = "ID")]
    player: Option<String>,
}

pub fn run(arguments: WorldArguments) -> Result<u8, Failure> {
    match arguments.command {
        WorldCommand::List { common, json } => block_on(list(common, json)),
        WorldCommand::Tree { which, json } => block_on(tree::run(which, json)),
        WorldCommand::Export { which, out, readable: false } => block_on(transfer::export(which, out)),
        WorldCommand::Export { which, out, readable: true } => block_on(readable::export(which, out)),
        WorldCommand::Import { file, json } => block_on(transfer::import(file, json)),
        WorldCommand::Compact(arguments) => block_on(compact::run(arguments)),
    }
}

async fn list(common: Common, as_json: bool) -> Result<u8, Failure> {
    let setup = Setup::open(&common)?;
    let worlds = setup.worlds()?;
    let sizes = opened(&setup)?.sizes().await.map_err(failed)?;
    if as_json {
        let world = |world: &meddah_engine::world::World| {
            let characters: Vec<Value> = world
                .characters
                .iter()
                .map(|(id, character)| json!({"id": id, "name": character.name, "role": character.role}))
                .collect();
            json!({"id": world.id, "name": world.name, "characters": characters})
        };
        let worlds: Vec<Value> = worlds.iter().map(world).collect();
        let timelines: Vec<Value> = sizes.iter().map(size_json).collect();
        print::line(&json!({"worlds": worlds, "timelines": timelines}).to_string());
        return Ok(DONE);
    }
    for world in &worlds {
        print::line(&format!("{} ({})", world.id, world.name));
        for (id, character) in &world.characters {
            print::line(&format!("  {id}: {}, {}", character.name, character.role));
        }
    }
    for size in &sizes {
        let TimelineSize { info, entries, bytes, branches, saves } = size;
        print::line(&format!(
            "remembered of player {} in {}: {entries} entries ({} KiB), {branches} branches, {saves} saves",
            info.key.player,
            info.key.world,
            bytes.div_ceil(1024),
        ));
    }
    Ok(DONE)
}

fn size_json(size: &TimelineSize) -> Value {
    json!({
        "world": size.info.key.world, "player": size.info.key.player, "head": size.info.head.to_string(),
        "entries": size.entries, "bytes": size.bytes, "branches": size.branches, "saves": size.saves,
    })
}

/// The memory file.
fn opened(setup: &Setup) -> Result<SqliteStore, Failure> {
    SqliteStore::open(&setup.paths.timeline()).map_err(failed)
}

fn failed(error: StoreError) -> Failure {
    let code = match error.kind {
        StoreErrorKind::NotFound | StoreErrorKind::Invalid | StoreErrorKind::Corrupt => BAD_INPUT,
        _ => 1,
    };
    Failure::new(code, format!("{}\n{}", error.message, error.help))
}

impl Which {
    /// The timelines that are meant; an unknown world or player is an error that lists the known ones.
    async fn find(&self, store: &SqliteStore) -> Result<Vec<TimelineSize>, Failure> {
        let mut all = store.sizes().await.map_err(failed)?;
        let of_world: fn(&TimelineKey) -> &str = |key| &key.world;
        let of_player: fn(&TimelineKey) -> &str = |key| &key.player;
        for (what, wanted, of) in [("world", &self.world, of_world), ("player", &self.player, of_player)] {
            let Some(wanted) = wanted else { continue };
            let known: BTreeSet<String> = all.iter().map(|size| of(&size.info.key).to_owned()).collect();
            if !known.contains(wanted) {
                return Err(unknown(what, wanted, &known));
            }
            all.retain(|size| of(&size.info.key) == wanted);
        }
        Ok(all)
    }
}

fn unknown(what: &str, wanted: &str, known: &BTreeSet<String>) -> Failure {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = match (known.is_empty(), nearest(wanted, known.iter().copied())) {
        (true, _) => "Nothing is remembered yet in this data folder.".to_owned(),
        (false, Some(near)) => format!("Did you mean {near:?}? Remembered are: {}.", known.join(", ")),
        (false, None) => format!("Remembered are: {}.", known.join(", ")),
    };
    Failure::new(WRONG_USAGE, format!("nothing is remembered of {what} {wanted:?}\n{help}"))
}
