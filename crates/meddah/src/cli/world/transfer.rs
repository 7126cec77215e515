//! `meddah world export` and `import`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Which, failed, opened};
use crate::cli::setup::{Common, Setup};
use crate::cli::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};

pub(super) async fn export(which: Which, out: Option<PathBuf>) -> Result<u8, Failure> {
    let store = opened(&Setup::open(&Common::default())?)?;
    let found = which.find(&store).await?;
    let mut file = match &out {
        Some(path) => Some(created(path)?),
        None => None,
    };
    for size in &found {
        let key = &size.info.key;
        let counts = match &mut file {
            Some(file) => {
                let file = file.try_clone().map_err(|error| unwritten(out.as_deref(), &error))?;
                store.export(key, BufWriter::new(file)).await
            }
            None => store.export(key, BufWriter::new(io::stdout())).await,
        };
        let counts = counts.map_err(failed)?;
        if out.is_some() {
            print::line(&format!(
                "world {}, player {}: {} entries, {} branches, {} saves",
                key.world, key.player, counts.entries, counts.branches, counts.saves
            ));
        }
    }
    if found.is_empty() {
        print::warning("nothing is remembered yet in this data folder");
    }
    Ok(DONE)
}

pub(super) async fn import(path: PathBuf, as_json: bool) -> Result<u8, Failure> {
    let store = opened(&Setup::open(&Common::default())?)?;
    let file = File::open(&path).map_err(|error| {
        Failure::new(WRONG_USAGE, format!("cannot open {}: {error}\nCheck the path.", path.display()))
    })?;
    let imported = store.import(BufReader::new(file)).await.map_err(failed)?;
    let described = imported.iter().map(|(key, counts)| {
        json!({"world": key.world, "player": key.player, "entries": counts.entries,
               "branches": counts.branches, "saves": counts.saves})
    });
    if as_json {
        print::line(&json!({"timelines": described.collect::<Vec<Value>>()}).to_string());
        return Ok(DONE);
    }
    for (key, counts) in &imported {
        print::line(&format!(
            "world {}, player {}: {} entries, {} branches, {} saves",
            key.world, key.player, counts.entries, counts.branches, counts.saves
        ));
    }
    if imported.is_empty() {
        return Err(Failure::new(
            BAD_INPUT,
            "the file is empty\nUse a file that `meddah world export` wrote.",
        ));
    }
    Ok(DONE)
}

/// A file that did not exist before: an export overwrites nothing.
pub(super) fn created(path: &Path) -> Result<File, Failure> {
    File::create_new(path).map_err(|error| unwritten(Some(path), &error))
}

pub(super) fn unwritten(path: Option<&Path>, error: &io::Error) -> Failure {
    let name = path.map_or("the output".to_owned(), |path| path.display().to_string());
    Failure::new(WRONG_USAGE, format!("cannot write {name}: {error}\nName a file that does not exist yet."))
}

/// Lines to a file, or to standard output.
pub(super) fn write_lines(out: Option<&Path>, lines: &[String]) -> Result<(), Failure> {
    let Some(path) = out else {
        lines.iter().for_each(|line| print::line(line));
        return Ok(());
    };
    let mut file = BufWriter::new(created(path)?);
    let written = lines.iter().try_for_each(|line| writeln!(file, "{line}"));
    written.and_then(|()| file.flush()).map_err(|error| unwritten(Some(path), &error))
}
