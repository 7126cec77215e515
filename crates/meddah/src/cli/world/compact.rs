//! `meddah world compact`: deletes lines of time that nobody can come back to.

use meddah_engine::timeline::Cursor;
use meddah_store::{Compacted, SqliteStore, TimelineSize};
use serde_json::{Value, json};

use super::{Which, failed, opened};
use crate::cli::setup::{Common, Setup};
use crate::cli::{DONE, Failure, WRONG_USAGE, print};

#[derive(clap::Args)]
pub(super) struct CompactArguments {
    #[command(flatten)]
    which: Which,
    /// Keep what leads to this moment: a cursor from a save file of the game; may be given several times
    #[arg(long, value_name = "CURSOR")]
    keep: Vec<String>,
    /// Keep what leads to any moment that was saved
    #[arg(long)]
    keep_saves: bool,
    /// Do it; without this, only say what would be deleted
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: CompactArguments) -> Result<u8, Failure> {
    let CompactArguments { which, keep, keep_saves, yes, json: as_json } = arguments;
    if keep.is_empty() && !keep_saves {
        return Err(Failure::new(
            WRONG_USAGE,
            "it is not said what to keep\nGive `--keep-saves`, or the cursors of all saves that the game still has \
             with `--keep`. The moment where the game is now is always kept.",
        ));
    }
    let keep: Vec<Cursor> = keep.iter().map(|text| parsed(text)).collect::<Result<_, _>>()?;
    let store = opened(&Setup::open(&Common::default())?)?;
    let found = which.find(&store).await?;
    // Cursors name their timeline: only those are touched that one was given for.
    let meant =
        |size: &&TimelineSize| keep_saves || keep.iter().any(|cursor| cursor.timeline == size.info.id);
    let meant: Vec<&TimelineSize> = found.iter().filter(meant).collect();
    if let Some(foreign) =
        keep.iter().find(|cursor| !meant.iter().any(|size| size.info.id == cursor.timeline))
    {
        let message =
            format!("the cursor {foreign} belongs to none of these timelines\nSee `meddah world tree`.");
        return Err(Failure::new(WRONG_USAGE, message));
    }
    let mut done = Vec::new();
    for size in meant {
        let compacted = one(&store, size, &keep, keep_saves, yes).await?;
        if as_json {
            done.push(to_json(size, compacted, yes));
        } else {
            to_person(size, compacted, yes);
        }
    }
    if as_json {
        print::line(&json!({"timelines": done}).to_string());
    } else if !yes {
        print::aside("Nothing was changed. Give `--yes` to do it; `meddah world export` makes a copy first.");
    }
    Ok(DONE)
}

fn parsed(text: &str) -> Result<Cursor, Failure> {
    let message = "Give it exactly as the `saved` event did.";
    text.parse().map_err(|error| Failure::new(WRONG_USAGE, format!("{error}\n{message}")))
}

async fn one(
    store: &SqliteStore,
    size: &TimelineSize,
    keep: &[Cursor],
    keep_saves: bool,
    yes: bool,
) -> Result<Compacted, Failure> {
    let own = keep.iter().copied().filter(|cursor| cursor.timeline == size.info.id).collect();
    store.compact(&size.info.key, own, keep_saves, !yes).await.map_err(failed)
}

fn to_json(size: &TimelineSize, compacted: Compacted, yes: bool) -> Value {
    let Compacted { entries, branches, saves, vectors } = compacted;
    json!({"world": size.info.key.world, "player": size.info.key.player, "deleted": yes, "entries": entries,
           "branches": branches, "saves": saves, "vectors": vectors})
}

fn to_person(size: &TimelineSize, compacted: Compacted, yes: bool) {
    let Compacted { entries, branches, saves, vectors } = compacted;
    let verb = if yes { "deleted" } else { "would delete" };
    let key = &size.info.key;
    print::line(&format!(
        "world {}, player {}: {verb} {entries} of {} entries, {branches} branches, {saves} saves that cannot be \
         loaded then, {vectors} vectors (made anew when needed)",
        key.world, key.player, size.entries
    ));
}
