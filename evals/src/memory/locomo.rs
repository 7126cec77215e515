//! `locomo PATH`: recall of the turns that answer the questions of a file in LoCoMo's form, through the store
//! and the memory that turns use. The benchmark itself (CC BY-NC) is no part of this repository.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use meddah::embedder::LateEmbedder;
use meddah::memory::{Asking, Memories};
use meddah_engine::timeline::TimelineKey;
use meddah_store::{SqliteStore, TimelineStore};

use super::measure::{Table, percentile};
use super::told::{Asked, Places, Talks};
use super::{embedder, locomo_file, told};

const USAGE: &str = "locomo PATH [--one-world] [--model FILE.onnx] [--words-only] [--store FILE]";
/// As many are asked for as there are candidates.
const LIMIT: usize = meddah::memory::CANDIDATES_MAX;

/// Runs the evaluation.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let path = arguments.next().context(USAGE)?;
    let (mut one_world, mut words_only, mut model, mut file) = (false, false, None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--one-world" => one_world = true,
            "--words-only" => words_only = true,
            "--model" => model = Some(arguments.next().context(USAGE)?),
            "--store" => file = Some(arguments.next().context(USAGE)?),
            other => anyhow::bail!("unknown argument {other:?}: {USAGE}"),
        }
    }
    let talks = locomo_file::read(&path)?;
    let embedder = if words_only { None } else { embedder(model)? };
    tokio::runtime::Runtime::new()?.block_on(evaluate(talks, embedder, one_world, file))
}

async fn evaluate(
    mut talks: Vec<Talks>,
    embedder: Option<LateEmbedder>,
    one_world: bool,
    file: Option<String>,
) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("meddah-locomo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = file.map_or_else(|| folder.join("timeline.sqlite3"), Into::into);
    let store: Arc<dyn TimelineStore> = Arc::new(SqliteStore::open(&path)?);
    // A file that is used again has the vectors already; its timelines are left alone.
    let run = format!("locomo-{}-{}", std::process::id(), if one_world { "one" } else { "each" });
    if one_world {
        talks = vec![told::in_one_world(talks)];
    }
    let mut told = Vec::new();
    for talks in talks {
        let key = TimelineKey::new(run.clone(), talks.name.clone());
        let places = told::tell(&*store, &key, &talks).await?;
        told.push((key, talks, places));
    }
    for embedder in [Some(LateEmbedder::default()), embedder].into_iter().flatten() {
        let with_model = embedder.now_or_soon().is_some();
        let memories = Memories::new(store.clone(), embedder);
        let mut asked = Outcome::default();
        for (key, talks, places) in &told {
            asked.ask_all(&memories, key, talks, places).await?;
        }
        asked.print(if with_model { "with the embedder" } else { "by words alone" });
        memories.shutdown().await;
    }
    std::fs::remove_dir_all(&folder).ok(); // the system clears it away, else
    Ok(())
}

/// What came of asking.
#[derive(Default)]
struct Outcome {
    table: Table,
    ms: Vec<f64>,
    /// Questions put to somebody who was not there, and what he recalled that he had not witnessed.
    strangers: usize,
    leaked: usize,
}

impl Outcome {
    async fn ask_all(
        &mut self,
        memories: &Memories,
        key: &TimelineKey,
        talks: &Talks,
        places: &Places,
    ) -> anyhow::Result<()> {
        let heard_by: HashMap<&str, &[String]> = talks.heard_by();
        // The index is built and the vectors are made before anything is measured.
        if let Some(first) = talks.questions.first() {
            memories.recall(asking(key, talks, first, &first.asked)).await?;
            memories.embed_all().await?;
        }
        for question in &talks.questions {
            let begun = Instant::now();
            let found = memories.recall(asking(key, talks, question, &question.asked)).await?;
            self.ms.push(begun.elapsed().as_secs_f64() * 1e3);
            let ids: Vec<&str> = found
                .iter()
                .filter_map(|found| Some(places.get(&(found.cursor.seq, found.part))?.as_str()))
                .collect();
            self.table.count(&question.category, &ids, &question.evidence);
            let there =
                |id: &String| question.evidence.iter().any(|said| heard_by[said.as_str()].contains(id));
            let Some((stranger, _)) = talks.people.iter().find(|(id, _)| !there(id)) else { continue };
            let found = memories.recall(asking(key, talks, question, stranger)).await?;
            let ids = found.iter().filter_map(|found| places.get(&(found.cursor.seq, found.part)));
            self.strangers += 1;
            self.leaked += ids.filter(|id| !heard_by[id.as_str()].contains(stranger)).count();
        }
        Ok(())
    }

    fn print(&mut self, title: &str) {
        self.table.print(title);
        let mean = self.ms.iter().sum::<f64>() / self.ms.len().max(1) as f64;
        println!("  ms per query: mean {mean:.2}, p99 {:.2}", percentile(&mut self.ms, 99));
        if self.strangers > 0 {
            println!(
                "  asked of strangers: {} questions, {} turns of others recalled",
                self.strangers, self.leaked
            );
        }
    }
}

fn asking(key: &TimelineKey, talks: &Talks, question: &Asked, asked: &str) -> Asking {
    Asking {
        key: key.clone(),
        at: None,
        language: "en".to_owned(),
        names: talks.people.clone(),
        asker: question.asker.clone(),
        asked: asked.to_owned(),
        text: question.text.clone(),
        limit: LIMIT,
        wait: Duration::from_secs(600),
    }
}
