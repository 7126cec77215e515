//! Makes the vectors of what was said, in the background: one text after the other, and none while somebody
//! waits for a recall or shortly after, when the processor is needed for the answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use meddah_engine::memory::encode;
use meddah_store::{StoreError, TimelineStore};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::text_hash::TextHash;
use crate::embedder::LateEmbedder;

/// Texts that wait; of more, those that wait the longest are passed by until their timeline is read anew.
const TEXTS_MAX: usize = 200_000;
/// Texts whose vectors are looked for and written together.
const TEXTS_PER_STEP: usize = 64;
/// How long nobody must have asked.
const QUIET: Duration = Duration::from_millis(1500);

/// The work that is left for a quiet moment.
pub(super) struct Background {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    store: Arc<dyn TimelineStore>,
    embedder: LateEmbedder,
    state: Mutex<State>,
    /// Held by whoever makes vectors.
    step: tokio::sync::Mutex<()>,
    added: Notify,
    stop: CancellationToken,
}

struct State {
    texts: VecDeque<String>,
    asking: usize,
    asked: Instant,
}

/// Somebody waits for a recall as long as this lives.
pub(super) struct Pause(Arc<Shared>);

impl Background {
    /// Without work; the worker begins with the first.
    pub(super) fn new(store: Arc<dyn TimelineStore>, embedder: LateEmbedder) -> Background {
        let state = Mutex::new(State { texts: VecDeque::new(), asking: 0, asked: Instant::now() });
        let (added, stop) = (Notify::new(), CancellationToken::new());
        let step = tokio::sync::Mutex::default();
        let shared = Arc::new(Shared { store, embedder, state, step, added, stop });
        Background { shared, worker: Mutex::default() }
    }

    /// Texts that may have no vectors yet.
    #[expect(clippy::disallowed_methods, reason = "its handle is kept, and shutdown waits for it")]
    pub(super) fn add(&self, texts: Vec<String>) {
        if texts.is_empty() {
            return;
        }
        {
            let mut state = self.shared.state();
            state.texts.extend(texts);
            let surplus = state.texts.len().saturating_sub(TEXTS_MAX);
            state.texts.drain(..surplus);
        }
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.is_none() && !self.shared.stop.is_cancelled() {
            *worker = Some(tokio::spawn(self.shared.clone().work()));
        }
        self.shared.added.notify_one();
    }

    /// Nothing is begun as long as the answer lives.
    pub(super) fn pause(&self) -> Pause {
        self.shared.state().asking += 1;
        Pause(self.shared.clone())
    }

    /// Does all that is there, now, and waits for what is being done already.
    pub(super) async fn embed_all(&self) -> Result<(), StoreError> {
        while self.shared.step(|| false).await? {}
        Ok(())
    }

    /// Ends the worker.
    pub(super) async fn shutdown(&self) {
        self.shared.stop.cancel();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            worker.await.ok(); // it panicked, which the log says
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.asking -= 1;
        state.asked = Instant::now();
    }
}

impl Shared {
    async fn work(self: Arc<Self>) {
        let stopped = self.stop.clone();
        let working = async {
            loop {
                if self.state().texts.is_empty() {
                    self.added.notified().await;
                }
                while !self.is_quiet() {
                    tokio::time::sleep(QUIET / 4).await;
                }
                if let Err(error) = self.step(|| !self.is_quiet()).await {
                    debug!(error = error.message, "vectors could not be kept");
                    tokio::time::sleep(QUIET).await;
                }
            }
        };
        tokio::select! {
            () = working => {}
            () = stopped.cancelled() => {}
        }
    }

    /// Makes and keeps the vectors of a few texts; false if there were none. What is left when `enough` says so
    /// waits for the next time.
    async fn step(&self, enough: impl Fn() -> bool) -> Result<bool, StoreError> {
        let _step = self.step.lock().await;
        let Ok(embedder) = self.embedder.get().await else {
            self.state().texts = VecDeque::new(); // none is wanted, or none can be had
            return Ok(false);
        };
        let texts: Vec<String> = {
            let mut state = self.state();
            let number = state.texts.len().min(TEXTS_PER_STEP);
            state.texts.drain(..number).collect()
        };
        if texts.is_empty() {
            return Ok(false);
        }
        let keys: Vec<_> = texts.iter().map(|text| TextHash::of(text).key(embedder.name())).collect();
        let there = self.store.vectors(keys.clone()).await?;
        let mut missing = texts
            .into_iter()
            .zip(keys)
            .zip(there)
            .filter_map(|(text, there)| there.is_none().then_some(text));
        let mut made = Vec::new();
        for (text, key) in missing.by_ref() {
            match embedder.embed(&text).await {
                Ok(embedding) => {
                    made.push((key, encode(embedding.tokens.iter().map(|token| &token.vector[..]))));
                }
                Err(error) => debug!(error = error.message, "a text has no vectors"),
            }
            if enough() {
                break;
            }
        }
        let left: Vec<String> = missing.map(|(text, _)| text).collect();
        self.state().texts.extend(left);
        if !made.is_empty() {
            self.store.put_vectors(made).await?;
        }
        Ok(true)
    }

    fn is_quiet(&self) -> bool {
        let state = self.state();
        state.asking == 0 && state.asked.elapsed() >= QUIET
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
