//! `meddah models`: list, download, import and remove.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, INTERRUPTED, WRONG_USAGE, doctor, print};
use crate::models::{Added, Installed, Listing, ModelStore, ModelsError, ModelsErrorKind, Placement};
use crate::models::{ProgressPrinter, Sha256Hash};

#[derive(clap::Args)]
pub struct ModelsArguments {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
}

#[derive(clap::Subcommand)]
enum ModelsCommand {
    /// What is installed and what can be had
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Download a model by its name or address; goes on where an earlier download stopped
    Pull {
        /// A name of the list, or a http(s) address
        source: String,
        /// Refuse anything else
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Take in a .gguf file that is on this PC
    Import {
        /// The file
        file: PathBuf,
        /// Refuse anything else
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Link instead of copying, where the disk can
        #[arg(long)]
        link: bool,
    },
    /// Delete an installed model
    Remove {
        /// Its name
        name: String,
    },
}

pub async fn run(arguments: ModelsArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let store = ModelStore::open(&setup.paths.data).map_err(failure)?.with_inspect(doctor::inspect);
    match arguments.command.unwrap_or(ModelsCommand::List { json: false }) {
        ModelsCommand::List { json: true } => {
            let listing = store.list().map_err(failure)?;
            print::line(&serde_json::to_string(&listing).map_err(anyhow::Error::from)?);
        }
        ModelsCommand::List { json: false } => list(&store.list().map_err(failure)?),
        ModelsCommand::Pull { source, sha256 } => pull(&store, &source, hash(sha256)?).await?,
        ModelsCommand::Import { file, sha256, link } => {
            let placement = if link { Placement::Link } else { Placement::Copy };
            let mut progress = ProgressPrinter::for_stderr();
            let cancel = CancellationToken::new();
            let added = store
                .import(&file, placement, hash(sha256)?, |step| progress.show(&step), &cancel)
                .map_err(failure)?;
            progress.finish();
            say_added(&added);
        }
        ModelsCommand::Remove { name } => {
            let removed = store.remove(&name).map_err(failure)?;
            print::line(&format!("Removed {removed}"));
        }
    }
    Ok(DONE)
}

async fn pull(store: &ModelStore, source: &str, sha256: Option<Sha256Hash>) -> Result<(), Failure> {
    let mut progress = ProgressPrinter::for_stderr();
    let cancel = CancellationToken::new();
    let added = {
        let pulling = store.pull(source, sha256, |step| progress.show(&step), &cancel);
        tokio::pin!(pulling);
        tokio::select! {
            added = &mut pulling => added,
            _ = tokio::signal::ctrl_c() => {
                cancel.cancel();
                pulling.await
            }
        }
    };
    progress.finish();
    say_added(&added.map_err(failure)?);
    Ok(())
}

fn hash(text: Option<String>) -> Result<Option<Sha256Hash>, Failure> {
    let parsed = text.map(|text| text.parse::<Sha256Hash>()).transpose();
    parsed.map_err(|_| {
        Failure::new(
            WRONG_USAGE,
            "--sha256 is not a SHA-256\nGive 64 hexadecimal digits, as the publisher shows them.",
        )
    })
}

fn failure(error: ModelsError) -> Failure {
    let code = match error.kind {
        ModelsErrorKind::Cancelled => INTERRUPTED,
        _ => BAD_INPUT,
    };
    Failure::new(code, format!("{}\n{}", error.message, error.help))
}

fn say_added(added: &Added) {
    let Installed { name, bytes, record, .. } = &added.model;
    let known = if added.was_installed { "was there already" } else { "is installed" };
    print::line(&format!("{name} {known} ({} MB)", bytes / 1_000_000));
    if let Some(record) = record {
        print::aside(&format!("SHA-256 {} ({:?})", record.sha256, record.verification).to_lowercase());
    }
}

fn list(listing: &Listing) {
    if listing.installed.is_empty() {
        print::line("No model is installed.");
    }
    for Installed { name, bytes, .. } in &listing.installed {
        print::line(&format!("{name}  {} MB, installed", bytes / 1_000_000));
    }
    for unfinished in &listing.unfinished {
        print::line(&format!(
            "{}  {} MB so far; pull again to go on",
            unfinished.name,
            unfinished.bytes / 1_000_000
        ));
    }
    if !listing.available.is_empty() {
        print::line("\nTo be had with `meddah models pull NAME`:");
    }
    for entry in &listing.available {
        print::line(&format!(
            "{}  {} MB download, {} MB memory, {}. {}",
            entry.name, entry.download_mb, entry.memory_mb, entry.licence, entry.note
        ));
    }
}
