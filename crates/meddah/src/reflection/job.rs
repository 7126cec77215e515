//! One talk, thought over: from what a character perceived to the entries that it keeps.

use std::sync::Arc;

use meddah_engine::reflection::{Being, Fact, Kept, Material, Settled, extract, grounded, settle};
use meddah_engine::timeline::{
    Cursor, Entry, EntryKind, MemoryKind, MemoryRecord, SourceRange, recall, valid_memories,
};
use meddah_engine::world::World;
use meddah_inference::ladder::Ladder;
use meddah_store::{EntryFilter, StoreError, StoreErrorKind, StoredEntry};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::asking::{Asking, LOCAL_KINDS};
use super::{Shared, Talk, TalkKey};
use crate::config::ReflectionBy;
use crate::turn::entry;

/// Turns and events of one job. Of a longer time without a summary, the newest count.
const ENTRIES_MAX: usize = 96;
/// Memories that are looked at for the last summary and for what a new fact contradicts.
const MEMORIES_MAX: usize = 256;
/// How much a summary matters.
const SUMMARY_IMPORTANCE: f32 = 0.5;

/// One talk to be thought over.
pub(super) struct Job<'a> {
    shared: &'a Shared,
    key: &'a TalkKey,
    talk: &'a Talk,
    world: Arc<World>,
    who: Being,
    /// Absent if code does it.
    ladder: Option<Arc<Ladder>>,
}

impl<'a> Job<'a> {
    /// `None` if the world or the character is gone.
    pub fn new(shared: &'a Shared, key: &'a TalkKey, talk: &'a Talk) -> Option<Job<'a>> {
        let world = shared.worlds.find(&key.0.world).ok()?;
        let character = world.characters.get(&key.1)?;
        let who = Being { id: key.1.clone(), name: character.name.clone() };
        let ask = shared.settings.by == ReflectionBy::Model;
        let ladder = ask.then(|| shared.ports.ladders.in_background(&world, character));
        Some(Job { shared, key, talk, who, ladder, world })
    }

    /// Whether a turn that begins may need the model that this asks.
    pub fn is_in_the_way(&self) -> bool {
        let rungs = self.ladder.iter().flat_map(|ladder| ladder.rungs());
        rungs.into_iter().any(|rung| LOCAL_KINDS.contains(&rung.label().1.as_str()))
    }

    /// Does it; gives how many entries were kept. Dropping it leaves nothing behind.
    pub async fn run(&self, cancel: &CancellationToken) -> Result<usize, StoreError> {
        let (timeline, character) = self.key;
        let store = &self.shared.ports.store;
        let began_at = store.head(timeline).await?;
        let of_memories = EntryFilter::MemoriesOf(character.clone());
        let memories = store.recent(timeline, of_memories, MEMORIES_MAX, Some(began_at)).await?;
        let last = last_summary(&memories);
        let done_until = last.and_then(|(record, _)| record.source).map_or(0, |source| source.to.seq);
        let perceived = EntryFilter::PerceivedBy(character.clone());
        let mut fresh = store.recent(timeline, perceived, ENTRIES_MAX, Some(began_at)).await?;
        fresh.retain(|stored| stored.cursor.seq > done_until);
        let Some(source) = range(&fresh) else { return Ok(0) };
        let material = self.material(&fresh);
        if !material.is_enough() {
            return Ok(0);
        }
        let before = last.map(|(record, _)| record.text.as_str());
        let kept = self.kept(&material, before, cancel).await;
        let entries = entries(&self.who, &material, kept, source, &memories);
        let count = entries.len();
        match store.append_derived(timeline, began_at, entries).await {
            Ok(_) => Ok(count),
            Err(error) if error.kind == StoreErrorKind::Superseded => {
                debug!("a save was loaded while a talk was thought over");
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn material(&self, fresh: &[StoredEntry]) -> Material {
        let name_of = |id: &str| self.world.name_of(id).to_owned();
        let recalled = recall(fresh.iter().map(|stored| &*stored.entry), &self.who.id);
        let mut material = Material::gather(&recalled, self.who.clone(), name_of);
        material.place = self.talk.place.clone();
        material
    }

    /// By the model, as far as it speaks of what was said; else the most telling sentences.
    async fn kept(&self, material: &Material, before: Option<&str>, cancel: &CancellationToken) -> Kept {
        let language = self.world.language.as_str();
        let english = language.is_empty() || language.starts_with("en");
        let by_code = extract(material, english);
        let Some(ladder) = &self.ladder else { return by_code };
        let settings = &self.shared.settings;
        let asking = Asking { material, before, language, settings };
        match asking.ask(ladder, cancel).await.and_then(|written| grounded(written, material, english)) {
            // A model that was asked for the summary alone has no facts.
            Some(written) if written.facts.is_empty() => Kept { facts: by_code.facts, ..written },
            Some(written) => written,
            None => by_code,
        }
    }
}

/// The newest summary and its place.
fn last_summary(memories: &[StoredEntry]) -> Option<(&MemoryRecord, Cursor)> {
    let records = memories.iter().rev().filter_map(|stored| Some((stored.entry.memory()?, stored.cursor)));
    records.into_iter().find(|(record, _)| record.kind == MemoryKind::Summary && record.source.is_some())
}

fn range(fresh: &[StoredEntry]) -> Option<SourceRange> {
    Some(SourceRange { from: fresh.first()?.cursor, to: fresh.last()?.cursor })
}

fn entries(
    who: &Being,
    material: &Material,
    kept: Kept,
    source: SourceRange,
    memories: &[StoredEntry],
) -> Vec<Entry> {
    let valid: Vec<(&Entry, &MemoryRecord)> =
        valid_memories(memories.iter().map(|stored| &*stored.entry)).collect();
    let known: Vec<(&str, &MemoryRecord)> =
        valid.iter().map(|(entry, record)| (entry.id.as_str(), *record)).collect();
    let base = MemoryRecord {
        place: material.place.clone(),
        emotion: material.emotion.clone(),
        source: Some(source),
        ..MemoryRecord::default()
    };
    let summary = MemoryRecord {
        kind: MemoryKind::Summary,
        text: kept.summary,
        about: material.others().into_iter().map(|other| other.id.clone()).collect(),
        importance: SUMMARY_IMPORTANCE,
        ..base.clone()
    };
    let facts = settle(kept.facts, &known).into_iter().map(|Settled { fact, replaces }| {
        let Fact { text, relation, about, importance } = fact;
        MemoryRecord { kind: MemoryKind::Fact, text, relation, about, importance, replaces, ..base.clone() }
    });
    let records = std::iter::once(summary).chain(facts).filter(|record| !record.text.is_empty());
    let written = records.map(|mut record| {
        record.about.truncate(meddah_engine::timeline::MEMORY_LIST_MAX);
        let mut entry = entry(EntryKind::Memory(record), Some(&who.id), Vec::new());
        entry.game_time = material.game_time;
        entry
    });
    written.collect()
}
