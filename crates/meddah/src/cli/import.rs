//! `meddah import`: characters that other programs have, made into characters of ours.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_cards::import::{Imported, Options, plan};

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::card_files::{CardFolder, read_card_file};
use crate::compat::relay::world_files;
use crate::worlds::Worlds;

/// Files of a folder that are imported together.
const FILES_MAX: usize = 10_000;
/// Lines of one kind that are printed before the rest is only counted.
const SHOWN_MAX: usize = 30;
/// Kinds of files that cards are in.
const ENDINGS: [&str; 6] = ["png", "apng", "json", "charx", "csv", "tsv"];

#[derive(clap::Args)]
pub struct ImportArguments {
    #[command(flatten)]
    common: Common,
    /// A character card (.png, .json, .charx), a lorebook (.json), a table of biographies (.csv), a file of a mod's
    /// relay, or a folder of such files
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// The id that the character gets; without it, it is made from the name
    #[arg(long)]
    id: Option<String>,
    /// Replace the character that has this id
    #[arg(long, requires = "id")]
    replace: bool,
    /// For files of a mod's relay without --world: the world that they are added to
    #[arg(long, value_name = "NAME", default_value = world_files::WORLD)]
    into: String,
}

pub fn run(arguments: ImportArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&arguments.common)?;
    match arguments.common.world.as_slice() {
        [] if arguments.id.is_none() && world_files::is_relay(&arguments.path) => relay(&arguments, &setup),
        [] => cards(&arguments, &setup.paths.data.join("imported")),
        [folder] => cards(&arguments, folder),
        _ => Err(Failure::new(WRONG_USAGE, "an import goes into one world\nGive --world once.")),
    }
}

/// What happened to everything that was read.
#[derive(Default)]
struct Report {
    imported: Vec<Imported>,
    already: usize,
    errors: Vec<String>,
}

fn cards(arguments: &ImportArguments, folder: &Path) -> Result<u8, Failure> {
    let bad = |message: String| Failure::new(BAD_INPUT, message);
    let files = files(&arguments.path)?;
    let name = folder.file_name().map_or("Imported".into(), |name| name.to_string_lossy());
    let mut folder_now = CardFolder::open(folder, &name).map_err(bad)?;
    let options = Options { id: arguments.id.clone(), replace: arguments.replace };
    let mut report = Report::default();
    for file in &files {
        let shown = file.display().to_string();
        match read_card_file(file).and_then(|bytes| meddah_cards::read(&shown, &bytes)) {
            Ok(found) if options.id.is_some() && (found.len() > 1 || files.len() > 1) => {
                return Err(Failure::new(
                    WRONG_USAGE,
                    "--id is for one character\nLeave it out, or give a file with one.",
                ));
            }
            Ok(found) => {
                let planned = plan(&shown, found, &mut folder_now.present, &options);
                report.errors.extend(planned.errors.iter().map(ToString::to_string));
                report.already += planned.already.len();
                for mut imported in planned.imported {
                    folder_now.write(&imported, options.replace).map_err(bad)?;
                    imported.files.clear();
                    report.imported.push(imported);
                }
            }
            Err(error) => report.errors.push(error.to_string()),
        }
    }
    Ok(tell(&report, folder))
}

fn tell(report: &Report, folder: &Path) -> u8 {
    for one in report.imported.iter().take(SHOWN_MAX) {
        let kind = if one.is_character { "" } else { "lorebook " };
        print::line(&format!("{kind}{}: {}, {} pieces of lore", one.id, one.name, one.lore));
        one.remarks.iter().for_each(|remark| print::aside(&format!("  {remark}")));
    }
    for error in report.errors.iter().take(SHOWN_MAX) {
        print::failure(error);
    }
    let count = |wanted: bool| report.imported.iter().filter(|one| one.is_character == wanted).count();
    print::line(&format!(
        "{} has {} more characters and {} more lorebooks; {} were there already, {} could not be read.",
        folder.display(),
        count(true),
        count(false),
        report.already,
        report.errors.len()
    ));
    if let Some(one) = report.imported.iter().find(|one| one.is_character) {
        print::line(&format!("Try it: meddah talk --world \"{}\" --character {}", folder.display(), one.id));
    }
    if report.errors.is_empty() { DONE } else { BAD_INPUT }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| {
        Failure::new(BAD_INPUT, format!("{} cannot be read: {error}\nCheck the path.", path.display()))
    };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let is_card = |file: &PathBuf| {
        let ending = file.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    files.retain(is_card);
    files.sort();
    match files.len() {
        0 => Err(Failure::new(
            BAD_INPUT,
            format!("{} has no cards\nGive a folder with .png, .json, .charx or .csv files.", path.display()),
        )),
        1..=FILES_MAX => Ok(files),
        count => Err(Failure::new(
            BAD_INPUT,
            format!("{} has {count} files, {FILES_MAX} are read at once\nSplit the folder.", path.display()),
        )),
    }
}

/// The files of a mod's relay, into a world that the relay's face serves.
fn relay(arguments: &ImportArguments, setup: &Setup) -> Result<u8, Failure> {
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
