//! The model in a thread of its own: texts wait in a short queue and are done one after the other.
//!
//! The thread has the usual priority. The question of a player is embedded while he waits, and a thread of low
//! priority would not be given the processor beside a game that uses all of it. One text is a few milliseconds
//! on one core; who has many waits for each before the next.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use meddah_inference::{Embedder, Embedding, ModelError};
use tokio::sync::{mpsc, oneshot};

use crate::{EmbeddingError, Encoder, TOKEN_DIMENSIONS};

/// Texts that wait. Further callers wait for a place.
const QUEUE_TEXTS_MAX: usize = 16;

/// The embedder of the program. Dropping it ends its thread, after the text that it is at.
pub struct MiniLm {
    name: String,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    counting: Arc<Encoder>,
}

struct Job {
    text: String,
    answer: oneshot::Sender<Result<Embedding, EmbeddingError>>,
}

impl MiniLm {
    /// Reads the model file. Takes a fraction of a second and blocks.
    pub fn open(file: &Path) -> Result<MiniLm, EmbeddingError> {
        let encoder = Arc::new(Encoder::open(file)?);
        let (queue, jobs) = mpsc::channel(QUEUE_TEXTS_MAX);
        let working = Arc::clone(&encoder);
        let thread = std::thread::Builder::new()
            .name("embedder".into())
            .spawn(move || work(&working, jobs))
            .map_err(EmbeddingError::broken)?;
        Ok(MiniLm {
            name: encoder.name().to_owned(),
            queue: Some(queue),
            thread: Some(thread),
            counting: encoder,
        })
    }
}

fn work(encoder: &Encoder, mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { text, answer }) = jobs.blocking_recv() {
        // Who asked may have gone.
        if !answer.is_closed() {
            answer.send(encoder.embed(&text)).ok(); // likewise
        }
    }
}

#[async_trait]
impl Embedder for MiniLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn token_dimensions(&self) -> usize {
        TOKEN_DIMENSIONS
    }

    async fn embed(&self, text: &str) -> Result<Embedding, ModelError> {
        let stopped = || EmbeddingError::broken("its thread has ended");
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { text: text.to_owned(), answer }).await.map_err(|_| stopped())?;
        Ok(answered.await.map_err(|_| stopped())??)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.counting.count_tokens(text)
    }
}

impl Drop for MiniLm {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok(); // a panic of it was told to whoever asked
        }
    }
}
