//! What characters recall from longer ago than their recent turns: the engine's index, kept up to date with the
//! store, and the vectors of what was said.
//!
//! An index is built when a session begins and catches up before each recall. A recall never delays a turn by
//! more than [`CATCH_UP_MAX`] and [`EMBED_MAX`]: it answers from what is there by then.

mod embedding;
mod known;
mod text_hash;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use meddah_engine::memory::{BY_MEANING, BY_WORDS, Feature, Part, QuestionVectors, Recall};
use meddah_engine::timeline::{Cursor, TimelineKey};
use meddah_engine::world::World;
use meddah_inference::Embedding;
use meddah_protocol::Player;
use meddah_store::{StoreError, StoreErrorKind, TimelineStore, VectorKey};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::embedder::LateEmbedder;
use embedding::Background;
use known::{Entries, Known};

/// How long a recall waits for an index that is being built.
pub const CATCH_UP_MAX: Duration = Duration::from_millis(100);
/// How long a recall waits for the vectors of its question.
pub const EMBED_MAX: Duration = Duration::from_millis(150);
/// Documents that are compared by meaning.
pub const CANDIDATES_MAX: usize = 200;
/// Up to so many documents a question is answered by words within some hundred microseconds, where it is asked.
const ANSWERED_HERE_MAX: usize = 4_000;
/// Indexes kept at once; the one that rests the longest makes room.
const TIMELINES_MAX: usize = 16;
/// Bytes of all indexes; beyond, the one that rests the longest makes room.
const INDEX_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What is remembered. Cheap to clone.
#[derive(Clone)]
pub struct Memories(Arc<Shared>);

struct Shared {
    store: Arc<dyn TimelineStore>,
    embedder: LateEmbedder,
    /// The one used last comes last.
    timelines: Mutex<Vec<(TimelineKey, Arc<AsyncMutex<Known>>)>>,
    background: Background,
    /// Indexes that are being built, and their end.
    building: TaskTracker,
    stop: CancellationToken,
}

/// A question to the memory of one character.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The timeline.
    pub key: TimelineKey,
    /// As seen from where; absent: the head.
    pub at: Option<Cursor>,
    /// The language of the world.
    pub language: String,
    /// Ids and names of the world's people, see [`names`].
    pub names: Vec<(String, String)>,
    /// Who asks.
    pub asker: String,
    /// Who is to remember.
    pub asked: String,
    /// What was said.
    pub text: String,
    /// How many memories are wanted.
    pub limit: usize,
    /// How long to wait for an index that is being built, and for vectors if that is longer than [`EMBED_MAX`].
    pub wait: Duration,
}

/// One thing that comes to mind.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The entry that tells it.
    pub cursor: Cursor,
    /// Which part of that entry.
    pub part: Part,
    /// The higher, the better it answers.
    pub score: f32,
    /// What adds to the score, by name.
    pub parts: Vec<(&'static str, f32)>,
    /// How many of the words that matter it has in common with the question, as a share of the best.
    pub words: f32,
    /// How near its meaning is to the question's, as a share of the candidates' span; 0 without an embedder.
    pub meaning: f32,
    /// Where it was, in the game's words; may be empty.
    pub place: String,
    /// When it was, in the game's words; may be empty.
    pub time: String,
    /// What was heard of it, if that is not what the entry says.
    pub heard: Option<String>,
}

/// How much is kept in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Documents.
    pub documents: usize,
    /// Bytes of indexes and views, about.
    pub bytes: usize,
}

impl Memories {
    /// Nothing is read before somebody asks.
    pub fn new(store: Arc<dyn TimelineStore>, embedder: LateEmbedder) -> Memories {
        let background = Background::new(store.clone(), embedder.clone());
        Memories(Arc::new(Shared {
            store,
            embedder,
            timelines: Mutex::default(),
            background,
            building: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Begins to read a timeline, so that its first recall finds an index.
    pub fn prepare(&self, key: &TimelineKey, world: &World, player: &Player) {
        let known = self.known(key, &world.language);
        self.build(key.clone(), known, names(world, player));
    }

    /// What a question calls to a character's mind, best first.
    pub async fn recall(&self, asking: Asking) -> Result<Vec<Remembered>, StoreError> {
        let _asked = self.0.background.pause();
        let known = self.known(&asking.key, &asking.language);
        let (found, embedded) = tokio::join!(self.caught_up(&asking, known), self.embed(&asking));
        let (mut known, head) = found?;
        if embedded.is_none() && known.index.len() <= ANSWERED_HERE_MAX {
            return answer(&mut known, &asking, head, None, &|_| Ok(Vec::new()));
        }
        let (store, runtime) = (self.0.store.clone(), tokio::runtime::Handle::current());
        // At a hundred thousand memories this is some milliseconds of work.
        let answering = tokio::task::spawn_blocking(move || {
            answer(&mut known, &asking, head, embedded, &|keys| runtime.block_on(store.vectors(keys)))
        });
        answering.await.map_err(|_| StoreError::new(StoreErrorKind::Unavailable, "a recall broke off"))?
    }

    /// The index, as far as it could be brought up to date in time, and the place to look from.
    async fn caught_up(
        &self,
        asking: &Asking,
        shared: Arc<AsyncMutex<Known>>,
    ) -> Result<(OwnedMutexGuard<Known>, Cursor), StoreError> {
        let begun = Instant::now();
        let mut known = shared.clone().lock_owned().await;
        known.name(&asking.names);
        if let Some(at) = asking.at.filter(|at| known.has_read_to(*at)) {
            return Ok((known, at));
        }
        let (mut more, mut head) = known.read_on(&*self.0.store, &asking.key).await?;
        while more && (begun.elapsed() < asking.wait || known.index.is_empty()) {
            (more, head) = known.read_on(&*self.0.store, &asking.key).await?;
        }
        if more {
            self.build(asking.key.clone(), shared, asking.names.clone());
        }
        self.0.background.add(known.take_texts());
        Ok((known, asking.at.unwrap_or(head)))
    }

    /// Reads on in the background until an index is up to date.
    fn build(&self, key: TimelineKey, known: Arc<AsyncMutex<Known>>, names: Vec<(String, String)>) {
        let shared = self.0.clone();
        self.0.building.spawn(async move {
            loop {
                let mut known = known.lock().await;
                known.name(&names);
                let more = tokio::select! {
                    more = known.read_on(&*shared.store, &key) => more,
                    () = shared.stop.cancelled() => return,
                };
                shared.background.add(known.take_texts());
                match more {
                    Ok((true, _)) => {}
                    Ok((false, _)) => return,
                    Err(error) => {
                        debug!(error = error.message, "an index is not built");
                        return;
                    }
                }
            }
        });
    }

    /// Makes the vectors that are missing of all that was read so far, now and not in the background.
    pub async fn embed_all(&self) -> Result<(), StoreError> {
        self.0.background.embed_all().await
    }

    /// How much is kept in memory.
    pub async fn size(&self) -> Size {
        let timelines: Vec<_> = self.timelines().iter().map(|(_, known)| known.clone()).collect();
        let mut size = Size::default();
        for known in timelines {
            let known = known.lock().await;
            size.documents += known.index.len();
            size.bytes += known.bytes();
        }
        size
    }

    /// Ends the work in the background; what is missing is made at another time.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.building.close();
        self.0.building.wait().await;
        self.0.background.shutdown().await;
    }

    async fn embed(&self, asking: &Asking) -> Option<Embedded> {
        let embedder = self.0.embedder.now_or_soon()?;
        let wait = EMBED_MAX.max(asking.wait);
        let embedding = tokio::time::timeout(wait, embedder.embed(&asking.text)).await.ok()?.ok()?;
        Some((embedder.name().to_owned(), embedding))
    }

    fn known(&self, key: &TimelineKey, language: &str) -> Arc<AsyncMutex<Known>> {
        let mut timelines = self.timelines();
        let used = match timelines.iter().position(|(known, _)| known == key) {
            Some(at) => timelines.remove(at),
            None => (key.clone(), Arc::new(AsyncMutex::new(Known::new(language)))),
        };
        let bytes =
            |(_, known): &(TimelineKey, Arc<AsyncMutex<Known>>)| known.try_lock().map_or(0, |k| k.bytes());
        let mut sum: usize = timelines.iter().map(bytes).sum();
        while timelines.len() >= TIMELINES_MAX || sum > INDEX_BYTES_MAX && !timelines.is_empty() {
            sum -= bytes(&timelines.remove(0)).min(sum);
        }
        timelines.push(used.clone());
        used.1
    }

    fn timelines(&self) -> MutexGuard<'_, Vec<(TimelineKey, Arc<AsyncMutex<Known>>)>> {
        self.0.timelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids and names of everybody whose name is known.
pub fn names(world: &World, player: &Player) -> Vec<(String, String)> {
    let people = world.characters.iter().map(|(id, character)| (id.clone(), character.name.clone()));
    people.chain([(player.id.clone(), player.name.clone())]).collect()
}

/// The vectors of the store, for keys in their order.
type Vectors<'a> = dyn Fn(Vec<VectorKey>) -> Result<Vec<Option<Vec<u8>>>, StoreError> + 'a;
/// The vectors of a question, and by which embedder.
type Embedded = (String, Embedding);

fn answer(
    known: &mut Known,
    asking: &Asking,
    head: Cursor,
    embedded: Option<Embedded>,
    vectors: &Vectors<'_>,
) -> Result<Vec<Remembered>, StoreError> {
    let (index, view, entries) = known.view(&asking.asked, head);
    let question = index.question(&asking.asker, &asking.asked, &asking.text);
    let mut recall = Recall::new(index, view, &question, CANDIDATES_MAX);
    let compared = match embedded {
        Some(embedded) => compare(&mut recall, &embedded, entries, vectors)?,
        None => false,
    };
    let weights = if compared { BY_MEANING } else { BY_WORDS };
    let told = recall.best(&weights, asking.limit).into_iter().filter_map(|found| {
        let (place, time) = index.scene_of(found.document);
        Some(Remembered {
            cursor: entries.cursor(found.origin)?,
            part: found.part,
            score: found.score,
            parts: found.parts(&weights),
            words: found.values[Feature::NearWords as usize],
            meaning: found.values[Feature::NearMeaning as usize],
            place: place.to_owned(),
            time: time.to_owned(),
            heard: entries.heard(found.document).map(str::to_owned),
        })
    });
    Ok(told.collect())
}

/// Compares what may be meant by meaning; false if nothing of it has vectors yet.
fn compare(
    recall: &mut Recall<'_>,
    (embedder, asked): &Embedded,
    entries: &Entries,
    vectors: &Vectors<'_>,
) -> Result<bool, StoreError> {
    let documents = recall.documents();
    let keys = documents.iter().map(|document| entries.text(*document).key(embedder));
    let found = vectors(keys.collect())?;
    let words = asked.tokens.iter().map(|token| (&token.vector[..], recall.word_weight(&token.bytes)));
    let asked = QuestionVectors::new(words);
    Ok(recall.compare(&asked, |document| {
        let at = documents.binary_search(&document).ok()?;
        found.get(at)?.as_deref()
    }))
}
