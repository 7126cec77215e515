//! `meddah export`: a character as a card for other programs.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use meddah_cards::export::{Current, Form, export, export_book};
use meddah_engine::world::World;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::card_files::{Kept, kept_book, read_card_file};

#[derive(clap::Args)]
pub struct ExportArguments {
    #[command(flatten)]
    common: Common,
    /// The id of the character, or with `--as book` the name of a lorebook that was imported
    character: String,
    /// The form of the card
    #[arg(long = "as", value_name = "FORM", default_value = "v2")]
    form: CardForm,
    /// The file to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The PNG picture that the card goes into; without it the one that it came in, else a plain one
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CardForm {
    /// JSON of version 2, which most programs read
    V2,
    /// JSON of version 3
    V3,
    /// A picture with the card in it
    Png,
    /// A CHARX archive
    Charx,
    /// A lorebook, in the form in which it came
    Book,
}

pub fn run(arguments: ExportArguments) -> Result<u8, Failure> {
    if arguments.out.exists() {
        let message =
            format!("{} is there already\nName a file that does not exist yet.", arguments.out.display());
        return Err(Failure::new(WRONG_USAGE, message));
    }
    let setup = Setup::open(&arguments.common)?;
    let worlds = setup.worlds()?;
    let folders = &setup.settings.worlds;
    // The built-in tavern has no folder, and no cards that it was made from.
    let places = worlds.iter().enumerate().map(|(n, world)| (world, folders.get(n).map(PathBuf::as_path)));
    let bytes = match arguments.form {
        CardForm::Book => book(&arguments.character, places),
        form => card(&arguments, form, places),
    }?;
    std::fs::write(&arguments.out, bytes).map_err(|error| {
        let message = format!("cannot write {}: {error}\nChoose another folder.", arguments.out.display());
        Failure::new(BAD_INPUT, message)
    })?;
    print::line(&format!("Wrote {}", arguments.out.display()));
    Ok(DONE)
}

fn bad(error: meddah_cards::CardError) -> Failure {
    Failure::new(BAD_INPUT, error.to_string())
}

fn card<'w>(
    arguments: &ExportArguments,
    form: CardForm,
    mut places: impl Iterator<Item = (&'w World, Option<&'w Path>)>,
) -> Result<Vec<u8>, Failure> {
    let id = &arguments.character;
    let Some((world, folder)) = places.find(|(world, _)| world.characters.contains_key(id)) else {
        let message = format!(
            "there is no character `{id}`\nGive its world with --world DIR; `meddah world list --world DIR` names its characters."
        );
        return Err(Failure::new(WRONG_USAGE, message));
    };
    let kept =
        folder.map_or(Ok(Kept { card: None, lore: None }), |folder| Kept::read(folder, id)).map_err(bad)?;
    let picture = arguments.picture.as_deref().map(read_card_file).transpose().map_err(bad)?;
    let current = Current {
        character: &world.characters[id],
        lore: kept.lore.as_deref(),
        original: kept.card.as_ref(),
        known: &|other| world.characters.contains_key(other),
    };
    let form = match form {
        CardForm::V3 => Form::V3,
        CardForm::Png => Form::Png,
        CardForm::Charx => Form::Charx,
        CardForm::V2 | CardForm::Book => Form::V2,
    };
    export(&current, form, picture.as_deref()).map_err(bad)
}

fn book<'w>(
    name: &str,
    places: impl Iterator<Item = (&'w World, Option<&'w Path>)>,
) -> Result<Vec<u8>, Failure> {
    let is_name = meddah_cards::check_id(name).is_ok();
    for (world, folder) in places.filter(|_| is_name) {
        let kept = folder.map_or(Ok(None), |folder| kept_book(folder, name)).map_err(bad)?;
        if let Some((original, lore)) = kept {
            return Ok(export_book(&original, name, &lore, &|other| world.characters.contains_key(other)));
        }
    }
    let message = format!(
        "there is no lorebook `{name}`\nGive its world with --world DIR; its file is lore/{name}.book.toml."
    );
    Err(Failure::new(WRONG_USAGE, message))
}
