//! `meddah models`: list, download, import and remove.

use std::path::{Path, PathBuf};

use meddah_inference::budget::format_micro;
use meddah_inference::model_table::{Change, ModelTable, Row};
use meddah_llama::checkpoint::Quantize;
use meddah_whisper::Weights;
use tokio_util::sync::CancellationToken;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, INTERRUPTED, WRONG_USAGE, doctor, print};
use crate::ladders::model_table;
use crate::models::{Added, Installed, Kind, Listing, ModelStore, ModelsError, ModelsErrorKind, Placement};
use crate::models::{Progress, ProgressPrinter, PullLimits, Refreshed, Sha256Hash, refresh};
use crate::paths::Paths;

/// Files that are looked at in a folder to import.
const FOLDER_FILES_MAX: usize = 1000;

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
        /// What is known of models elsewhere instead, with dates and sources
        #[arg(long)]
        online: bool,
    },
    /// Take newer prices and abilities of online models from a file or an https address
    Refresh {
        /// The file, or the address
        source: String,
    },
    /// Download a model by its name or address; goes on where an earlier download stopped
    Pull {
        /// A name of the list, or a http(s) address
        source: String,
        /// Refuse anything else
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Take in a file that is on this PC: .gguf; .onnx for an embedder, or for a voice with its .onnx.json beside it;
    /// .bin for a Whisper model that listens; or a folder with a GPTQ or safetensors checkpoint, with a Whisper model of
    /// CTranslate2, or with an .onnx file
    Import(ImportArguments),
    /// Delete an installed model
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(clap::Args)]
struct ImportArguments {
    /// The file, or the folder
    path: PathBuf,
    /// Refuse any other file
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Link a file instead of copying it, where the disk can
    #[arg(long)]
    link: bool,
    /// What floats of a folder become: q8_0, q5_0, q4_0, q4_k_m or f16. GPTQ weights stay what they are
    #[arg(long, value_name = "TYPE")]
    quantize: Option<String>,
    /// What the model of a folder is called here
    #[arg(long)]
    name: Option<String>,
}

pub async fn run(arguments: ModelsArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let store = ModelStore::open(&setup.paths.data).map_err(failure)?.with_inspect(doctor::inspect);
    match arguments.command.unwrap_or(ModelsCommand::List { json: false, online: false }) {
        ModelsCommand::List { json, online: true } => list_online(&setup.paths, json)?,
        ModelsCommand::Refresh { source } => refresh_table(&setup.paths, &source).await?,
        ModelsCommand::List { json: true, online: false } => {
            let listing = store.list().map_err(failure)?;
            print::line(&serde_json::to_string(&listing).map_err(anyhow::Error::from)?);
        }
        ModelsCommand::List { json: false, online: false } => list(&store.list().map_err(failure)?),
        ModelsCommand::Pull { source, sha256 } => pull(&store, &source, hash(sha256)?).await?,
        ModelsCommand::Import(arguments) => match only_onnx(&arguments.path) {
            Some(path) => import_file(&store, ImportArguments { path, ..arguments })?,
            None if is_listener(&arguments.path) => import_listener(store, arguments).await?,
            None if arguments.path.is_dir() => import_folder(store, arguments).await?,
            None => import_file(&store, arguments)?,
        },
        ModelsCommand::Remove { name } => {
            let removed = store.remove(&name).map_err(failure)?;
            print::line(&format!("Removed {removed}"));
        }
    }
    Ok(DONE)
}

/// The file of an embedder or voice in a folder that holds one and no checkpoint.
fn only_onnx(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.take(FOLDER_FILES_MAX).filter_map(Result::ok);
    let files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    let ends =
        |path: &&PathBuf, end: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(end));
    let mut found = files.iter().filter(|path| ends(path, "onnx"));
    let only = found.next().filter(|_| found.next().is_none())?;
    (!files.iter().any(|path| ends(&path, "safetensors"))).then(|| only.clone())
}

fn import_file(store: &ModelStore, arguments: ImportArguments) -> Result<(), Failure> {
    if arguments.quantize.is_some() || arguments.name.is_some() {
        return Err(Failure::new(
            WRONG_USAGE,
            "--quantize and --name are for folders of checkpoints\nA single file is taken as it is, under its own name.",
        ));
    }
    let placement = if arguments.link { Placement::Link } else { Placement::Copy };
    let mut progress = ProgressPrinter::for_stderr();
    let cancel = CancellationToken::new();
    let sha256 = hash(arguments.sha256)?;
    let added = store
        .import(&arguments.path, placement, sha256, |step| progress.show(&step), &cancel)
        .map_err(failure)?;
    progress.finish();
    say_added(&added);
    Ok(())
}

async fn import_folder(store: ModelStore, arguments: ImportArguments) -> Result<(), Failure> {
    refuse_flags_of_files(&arguments)?;
    let quantize = match arguments.quantize.as_deref().map(str::parse::<Quantize>) {
        None => Quantize::default(),
        Some(Ok(quantize)) => quantize,
        Some(Err(())) => {
            return Err(Failure::new(
                WRONG_USAGE,
                "--quantize is not known\nGive q8_0, q5_0, q4_0, q4_k_m or f16.",
            ));
        }
    };
    let (added, report) = in_background(move |progress, cancel| {
        let name = arguments.name.as_deref();
        store.import_checkpoint(&arguments.path, name, quantize, progress, cancel)
    })
    .await?;
    say_added(&added);
    report.lines().iter().for_each(|line| print::line(line));
    Ok(())
}

/// A Whisper model as CTranslate2 has it, beside its vocabulary.
fn is_listener(folder: &Path) -> bool {
    folder.join("model.bin").is_file() && !folder.join("model.safetensors").is_file()
}

async fn import_listener(store: ModelStore, arguments: ImportArguments) -> Result<(), Failure> {
    refuse_flags_of_files(&arguments)?;
    let weights = match arguments.quantize.as_deref() {
        None | Some("q8_0") => Weights::Q8_0,
        Some("f16") => Weights::F16,
        Some(_) => {
            let message = "--quantize is not known for a model that listens\nGive q8_0 or f16.";
            return Err(Failure::new(WRONG_USAGE, message));
        }
    };
    let added = in_background(move |progress, cancel| {
        store.import_listener(&arguments.path, arguments.name.as_deref(), weights, progress, cancel)
    });
    say_added(&added.await?);
    Ok(())
}

fn refuse_flags_of_files(arguments: &ImportArguments) -> Result<(), Failure> {
    if arguments.sha256.is_none() && !arguments.link {
        return Ok(());
    }
    Err(Failure::new(
        WRONG_USAGE,
        "--sha256 and --link are for files\nA folder becomes a new file, so there is nothing to link.",
    ))
}

/// Work that blocks, with its progress shown; Ctrl-C ends it in order.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(Progress), &CancellationToken) -> Result<T, ModelsError> + Send + 'static,
) -> Result<T, Failure> {
    let cancel = CancellationToken::new();
    let worker_cancel = cancel.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        let mut progress = ProgressPrinter::for_stderr();
        let result = work(&mut |step| progress.show(&step), &worker_cancel);
        progress.finish();
        result
    });
    let result = tokio::select! {
        result = &mut working => result,
        _ = tokio::signal::ctrl_c() => {
            cancel.cancel();
            working.await
        }
    };
    result.map_err(anyhow::Error::from)?.map_err(failure)
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
    for Installed { name, kind, bytes, .. } in &listing.installed {
        let what = match kind {
            Kind::Chat => "",
            Kind::Embedder => ", for memories",
            Kind::Voice => ", a voice",
            Kind::Listener => ", listens",
        };
        print::line(&format!("{name}  {} MB, installed{what}", bytes / 1_000_000));
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

fn list_online(paths: &Paths, json: bool) -> Result<(), Failure> {
    let table = model_table(paths)
        .map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))?;
    if json {
        let rows = serde_json::json!({"models": table.rows()});
        print::line(&rows.to_string());
        return Ok(());
    }
    for row in table.rows() {
        print::line(&format!(
            "{} {}: {}; {}; {}",
            row.provider,
            row.model,
            cost(row),
            abilities(row),
            origin(row)
        ));
    }
    print::aside("Prices are US dollars per million tokens; `meddah models refresh` takes in newer rows.");
    Ok(())
}

async fn refresh_table(paths: &Paths, source: &str) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    let file = paths.model_table();
    let taking = refresh(&file, source, PullLimits::default(), &cancel);
    let done = tokio::select! {
        done = taking => done.map_err(failure)?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(INTERRUPTED, "stopped; nothing was changed")),
    };
    say_refreshed(&done);
    Ok(())
}

fn say_refreshed(Refreshed { before, now, older_rows, written }: &Refreshed) {
    say_changes(before, now);
    if *older_rows > 0 {
        print::aside(&format!("{older_rows} rows are older than what is known and were left out."));
    }
    match written {
        Some(file) => {
            print::line(&format!(
                "Written to {}; programs that run read it when they start.",
                file.display()
            ));
        }
        None => print::line("Nothing is newer than what is known already."),
    }
}

fn say_changes(before: &ModelTable, now: &ModelTable) {
    for change in before.changes_to(now) {
        match change {
            Change::New(row) => {
                print::line(&format!("new: {} {}: {} ({})", row.provider, row.model, cost(row), origin(row)));
            }
            Change::Price { before, now } => {
                let (old, new) = (cost(before), cost(now));
                print::line(&format!(
                    "price: {} {}: {new}; was {old} ({})",
                    now.provider,
                    now.model,
                    origin(now)
                ));
            }
            Change::Other(row) => {
                print::line(&format!(
                    "changed: {} {}: {} ({})",
                    row.provider,
                    row.model,
                    abilities(row),
                    origin(row)
                ));
            }
        }
    }
}

fn cost(row: &Row) -> String {
    let price = &row.price;
    let (cached, written) = (format_micro(price.cached_input), format_micro(price.cache_write));
    let (input, output) = (format_micro(price.input), format_micro(price.output));
    format!("{input} in ({cached} cached, {written} written to a cache), {output} out")
}

fn abilities(row: &Row) -> String {
    let can =
        [(row.tools, "tools"), (row.schema, "schema"), (row.vision, "vision"), (row.reasoning, "reasoning")];
    let can = can.into_iter().filter(|(can, _)| *can).map(|(_, name)| name.to_owned());
    let context = row.context.map(|tokens| format!("{tokens} tokens"));
    can.chain(context).collect::<Vec<_>>().join(", ")
}

fn origin(row: &Row) -> String {
    format!("{}, {}", row.date, row.source)
}
