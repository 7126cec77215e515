//! `meddah world export --readable`: what each character lived through, as a play.

use std::collections::BTreeSet;
use std::path::PathBuf;

use meddah_engine::timeline::{EntryKind, Recalled, recall, valid_memories};
use meddah_store::{EntryFilter, RECENT_MAX, SqliteStore, TimelineSize, TimelineStore as _};

use super::{Which, failed, opened, transfer};
use crate::cli::setup::{Common, Setup};
use crate::cli::{DONE, Failure};

pub(super) async fn export(which: Which, out: Option<PathBuf>) -> Result<u8, Failure> {
    let store = opened(&Setup::open(&Common::default())?)?;
    let mut lines = Vec::new();
    for size in which.find(&store).await? {
        lines.push(format!("# World {}, player {}", size.info.key.world, size.info.key.player));
        for character in characters(&store, &size).await? {
            lines.push(String::new());
            lines.push(format!("## {character}"));
            lines.extend(told(&store, &size, &character).await?);
        }
        lines.push(String::new());
    }
    transfer::write_lines(out.as_deref(), &lines)?;
    Ok(DONE)
}

/// Everybody who answered or remembers something, on the present line of time.
async fn characters(store: &SqliteStore, size: &TimelineSize) -> Result<BTreeSet<String>, Failure> {
    let all = store.recent(&size.info.key, EntryFilter::All, RECENT_MAX, None).await.map_err(failed)?;
    let is_own = |kind: &EntryKind| matches!(kind, EntryKind::Turn(_) | EntryKind::Memory(_));
    let own = all.into_iter().filter(|stored| is_own(&stored.entry.kind));
    Ok(own.filter_map(|stored| stored.entry.character.clone()).collect())
}

async fn told(store: &SqliteStore, size: &TimelineSize, who: &str) -> Result<Vec<String>, Failure> {
    let key = &size.info.key;
    let read = async |filter| store.recent(key, filter, RECENT_MAX, None).await.map_err(failed);
    let perceived = read(EntryFilter::PerceivedBy(who.to_owned())).await?;
    let memories = read(EntryFilter::MemoriesOf(who.to_owned())).await?;
    let mut lines = Vec::new();
    for recalled in recall(perceived.iter().map(|stored| &*stored.entry), who) {
        match recalled {
            Recalled::Turn(turn) => {
                let record = turn.record;
                if record.speaker.is_empty() {
                    lines.push(format!("({})", record.text));
                } else {
                    lines.push(format!("{}: {}", record.speaker_name, record.text));
                }
                lines.push(format!("{}: {}", turn.character, turn.answer()));
            }
            Recalled::Event { text, .. } => lines.push(format!("({text})")),
            Recalled::Hearsay { text, told_by, .. } => lines.push(format!("({told_by} told {who}: {text})")),
        }
    }
    let kept = valid_memories(memories.iter().map(|stored| &*stored.entry));
    lines.extend(kept.map(|(_, record)| format!("* remembers: {}", record.text)));
    Ok(lines)
}
