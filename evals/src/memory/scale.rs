//! `memory-scale`: how long appending and recalling take, and what a memory costs, as memories grow.
//!
//! One character perceives all of it, which is the worst case. What is said is put together from clauses of the
//! worlds of `evals/memory/`; vectors come from the words alone, as many and as long as a real embedder's.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use meddah::embedder::LateEmbedder;
use meddah::memory::{Asking, Memories};
use meddah_engine::memory::Words;
use meddah_engine::timeline::{Entry, EntryKind, SpokenLine, TimelineKey, TurnRecord};
use meddah_inference::{Embedder, Embedding, ModelError, TokenVector};
use meddah_protocol::{Finish, Scene};
use meddah_store::{SqliteStore, TimelineStore};

use super::measure::percentile;
use super::worlds;

/// Memories at which it is measured.
const STEPS: [usize; 4] = [1_000, 10_000, 30_000, 100_000];
const QUESTIONS: usize = 300;
const APPENDS: usize = 200;
const TURNS_PER_SCENE: usize = 12;
const BATCH: usize = 500;
const DIMENSIONS: usize = 96;

/// Runs the measurement.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let most = arguments.next().and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    tokio::runtime::Runtime::new()?.block_on(measure(most))
}

async fn measure(most: usize) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("meddah-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("timeline.sqlite3");
    let store: Arc<dyn TimelineStore> = Arc::new(SqliteStore::open(&path)?);
    let key = TimelineKey::new("scale", "player");
    store.open(&key).await?;
    let embedder = Arc::new(WordVectors(Words::of("en")));
    let memories = Memories::new(store.clone(), LateEmbedder::ready(embedder));
    let mut talk = Talk::read()?;
    let mut turns = 0;
    for memories_wanted in STEPS.into_iter().filter(|step| *step <= most) {
        // A turn is two memories.
        while turns + APPENDS < memories_wanted / 2 {
            let number = BATCH.min(memories_wanted / 2 - APPENDS - turns);
            let entries = (turns..turns + number).flat_map(|number| talk.entries(number)).collect();
            store.append(&key, entries).await?;
            turns += number;
        }
        let mut append_ms = Vec::new();
        for number in turns..memories_wanted / 2 {
            let begun = Instant::now();
            store.append(&key, talk.entries(number)).await?;
            append_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        turns = memories_wanted / 2;
        let begun = Instant::now();
        memories.recall(talk.asking(&key)).await?;
        let caught_up_ms = begun.elapsed().as_secs_f64() * 1e3;
        memories.embed_all().await?;
        let mut recall_ms = Vec::new();
        for _ in 0..QUESTIONS {
            let asking = talk.asking(&key);
            let begun = Instant::now();
            memories.recall(asking).await?;
            recall_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let size = memories.size().await;
        let disk: u64 =
            std::fs::read_dir(&folder)?.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum();
        println!(
            "{:>7} memories: recall p50 {:>6.2} ms, p99 {:>6.2} ms; append p99 {:>5.2} ms; catching up {:>7.0} ms; \
             {:>5.0} bytes in memory and {:>5.0} on disk per memory",
            size.documents,
            percentile(&mut recall_ms, 50),
            percentile(&mut recall_ms, 99),
            percentile(&mut append_ms, 99),
            caught_up_ms,
            size.bytes as f64 / size.documents as f64,
            disk as f64 / size.documents as f64,
        );
    }
    memories.shutdown().await;
    std::fs::remove_dir_all(&folder).ok(); // the system clears it away, else
    Ok(())
}

/// Talk without end.
struct Talk {
    clauses: Vec<String>,
    questions: Vec<String>,
    seed: u64,
}

impl Talk {
    fn read() -> anyhow::Result<Talk> {
        let worlds = worlds::read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/memory")))?;
        let told =
            worlds.iter().flat_map(|world| &world.talks.encounters).flat_map(|encounter| &encounter.told);
        let clauses =
            told.flat_map(|said| said.text.split_inclusive(['.', '?', '!', ';', ','])).map(str::trim);
        let clauses = clauses.filter(|clause| clause.len() > 12).map(str::to_owned).collect();
        let asked = worlds.iter().flat_map(|world| &world.talks.questions);
        Ok(Talk { clauses, questions: asked.map(|asked| asked.text.clone()).collect(), seed: 1 })
    }

    /// Knuth's linear congruential generator: the same talk in each run.
    fn any(&mut self, of: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % of
    }

    /// Three clauses, and now and then a word that nobody else says.
    fn said(&mut self) -> String {
        let one = |talk: &mut Talk| {
            let place = talk.any(talk.clauses.len());
            talk.clauses[place].clone()
        };
        let mut clauses: Vec<String> = (0..3).map(|_| one(self)).collect();
        if self.any(3) == 0 {
            clauses.push(format!("That was at Post {}.", self.any(1_000_000)));
        }
        clauses.join(" ")
    }

    fn entries(&mut self, number: usize) -> Vec<Entry> {
        let at_ms = number as i64 * 30_000;
        let entry = |kind, character: Option<&str>| Entry {
            id: format!("e{number}"),
            kind,
            character: character.map(str::to_owned),
            witnesses: vec!["guard".into(), "player".into()],
            game_time: None,
            wall_time_ms: at_ms,
        };
        let turn = EntryKind::Turn(TurnRecord {
            turn: format!("t{number}"),
            req_id: String::new(),
            speaker: "player".into(),
            speaker_name: "Ann".into(),
            text: self.said(),
            told: String::new(),
            lines: vec![SpokenLine::spoken(self.said())],
            emotion: None,
            decisions: Vec::new(),
            actions: Vec::new(),
            finish: Finish::Complete,
        });
        let mut entries = vec![entry(turn, Some("guard"))];
        if number.is_multiple_of(TURNS_PER_SCENE) {
            let time = Some(format!("day {}", number / TURNS_PER_SCENE));
            let scene = Scene { place: Some("the gate".into()), time, ..Scene::default() };
            entries.insert(0, entry(EntryKind::Scene(scene), None));
        }
        entries
    }

    fn asking(&mut self, key: &TimelineKey) -> Asking {
        let question = self.any(self.questions.len());
        Asking {
            key: key.clone(),
            at: None,
            language: "en".to_owned(),
            names: vec![("guard".into(), "Bert".into()), ("player".into(), "Ann".into())],
            asker: "player".to_owned(),
            asked: "guard".to_owned(),
            text: self.questions[question].clone(),
            limit: 24,
            wait: Duration::from_secs(600),
        }
    }
}

/// A vector per word, from its letters.
struct WordVectors(Words);

#[async_trait]
impl Embedder for WordVectors {
    fn name(&self) -> &str {
        "words"
    }

    fn token_dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(&self, text: &str) -> Result<Embedding, ModelError> {
        let words = self.0.read(text).into_iter().filter(|word| !word.stop);
        let tokens =
            words.map(|word| TokenVector { vector: vector(&word.stem), bytes: word.bytes }).collect();
        Ok(Embedding { whole: Vec::new(), tokens })
    }
}

fn vector(stem: &str) -> Vec<f32> {
    let mut seed = stem.bytes().fold(14_695_981_039_346_656_037u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    let numbers = (0..DIMENSIONS).map(|_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    });
    let numbers: Vec<f32> = numbers.collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| number / length).collect()
}
