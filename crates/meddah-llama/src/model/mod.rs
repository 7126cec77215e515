//! The sidecar's end: a [`ChatModel`] whose thinking happens in a worker process.

mod session;
mod stream;
mod supervisor;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use meddah_inference::{
    ChatModel, ChatRequest, ChatStream, ErrorKind, ModelError, ModelInfo, ModelState, TokenUsage,
};
use moka::sync::Cache;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::LocalConfig;
use crate::hardware;
use crate::wire::{RawSpeed, Ready, Stats};
use stream::Piece;
use supervisor::Supervisor;

/// Calls that wait for the supervisor.
const CALLS_MAX: usize = 64;
/// Texts whose token counts are remembered, bytes.
const COUNTED_BYTES_MAX: u64 = 8 << 20;
/// How long an orderly end may take before the worker is killed: it saves what it has read.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

/// Something that the worker is asked.
enum Call {
    Chat {
        request: Box<ChatRequest>,
        pieces: mpsc::Sender<Piece>,
        cancel: CancellationToken,
        /// Told when a worker has the request; `None` for one whose first worker died.
        begun: Option<Answer<()>>,
    },
    ReadAhead {
        request: Box<ChatRequest>,
        cancel: CancellationToken,
        answer: Answer<TokenUsage>,
    },
    Count {
        texts: Vec<String>,
        answer: Answer<Vec<u32>>,
        retried: bool,
    },
    Ready {
        answer: Answer<Ready>,
    },
    Stats {
        answer: Answer<Stats>,
    },
    Measure {
        prompt_tokens: u32,
        decode_tokens: u32,
        repetitions: u32,
        answer: Answer<RawSpeed>,
    },
}

type Answer<T> = oneshot::Sender<Result<T, ModelError>>;

/// What everybody may look at without waiting.
struct Shared {
    config: LocalConfig,
    state: watch::Sender<ModelState>,
    /// Of the worker; 0 while there is none.
    pid: AtomicU32,
    shutdown: CancellationToken,
}

/// A local model. Nothing happens before somebody asks it something.
pub struct LocalModel {
    shared: Arc<Shared>,
    calls: mpsc::Sender<Call>,
    /// Taken by the supervisor when it starts.
    unstarted: Mutex<Option<mpsc::Receiver<Call>>>,
    tasks: TaskTracker,
    counts: Cache<String, u32>,
}

impl LocalModel {
    /// A model that will be loaded when it is first needed.
    pub fn new(config: LocalConfig) -> Arc<LocalModel> {
        let (calls, unstarted) = mpsc::channel(CALLS_MAX);
        let (state, _) = watch::channel(ModelState::Unloaded);
        let shutdown = CancellationToken::new();
        let shared = Arc::new(Shared { config, state, pid: AtomicU32::new(0), shutdown });
        Arc::new(LocalModel {
            shared,
            calls,
            unstarted: Mutex::new(Some(unstarted)),
            tasks: TaskTracker::new(),
            counts: Cache::builder()
                .max_capacity(COUNTED_BYTES_MAX)
                .weigher(|text: &String, _| u32::try_from(text.len() + 64).unwrap_or(u32::MAX))
                .build(),
        })
    }

    /// Ends the worker in order: it saves what it has read of each conversation.
    pub async fn shutdown(&self) {
        self.shared.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The worker's process, while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        Some(self.shared.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    /// Follows [`ChatModel::state`].
    pub fn watch_state(&self) -> watch::Receiver<ModelState> {
        self.shared.state.subscribe()
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &LocalConfig {
        &self.shared.config
    }

    /// What the worker says of the loaded model. Loads it.
    pub async fn ready(&self) -> Result<Ready, ModelError> {
        self.ask(|answer| Call::Ready { answer }).await
    }

    /// What the worker keeps for whom. Loads the model.
    pub async fn stats(&self) -> Result<Stats, ModelError> {
        self.ask(|answer| Call::Stats { answer }).await
    }

    /// Speed of the bare model; refused while replies are running.
    pub async fn measure(
        &self,
        prompt_tokens: u32,
        decode_tokens: u32,
        repetitions: u32,
    ) -> Result<RawSpeed, ModelError> {
        self.ask(|answer| Call::Measure { prompt_tokens, decode_tokens, repetitions, answer }).await
    }

    async fn ask<T>(&self, call: impl FnOnce(Answer<T>) -> Call) -> Result<T, ModelError> {
        let (answer, reply) = oneshot::channel();
        self.send(call(answer)).await?;
        reply.await.unwrap_or_else(|_| Err(ended()))
    }

    async fn send(&self, call: Call) -> Result<(), ModelError> {
        let mut unstarted = self.unstarted.lock().await;
        if self.shared.shutdown.is_cancelled() {
            return Err(ended());
        }
        if let Some(calls) = unstarted.take() {
            let supervisor = Supervisor::new(Arc::clone(&self.shared), calls);
            self.tasks.spawn(supervisor.run());
        }
        drop(unstarted);
        self.calls.try_send(call).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ModelError::new(ErrorKind::Overloaded, "too many calls wait for the local model")
            }
            mpsc::error::TrySendError::Closed(_) => ended(),
        })
    }
}

impl Drop for LocalModel {
    fn drop(&mut self) {
        // The supervisor ends, and its worker with it.
        self.shared.shutdown.cancel();
    }
}

fn ended() -> ModelError {
    ModelError::new(ErrorKind::Broken, "the local model was shut down")
}

impl LocalConfig {
    /// File name of the model, for people.
    fn label(&self) -> String {
        self.model_path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn threads_in_use(&self) -> u32 {
        match self.threads {
            0 => hardware::choose_threads(hardware::physical_cores()) as u32,
            threads => threads,
        }
    }

    fn program(&self) -> Option<(&OsString, &[OsString])> {
        self.worker_command.split_first()
    }
}

#[async_trait]
impl ChatModel for LocalModel {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        let ready = self.ready().await?;
        Ok(ModelInfo {
            name: if ready.name.is_empty() { self.shared.config.label() } else { ready.name },
            kind: "local".into(),
            context_tokens: ready.context_tokens,
            message_overhead_tokens: ready.message_overhead_tokens,
            parameters: Some(ready.parameters).filter(|&parameters| parameters > 0),
        })
    }

    fn label(&self) -> (String, String) {
        (self.shared.config.label(), "local".into())
    }

    fn state(&self) -> ModelState {
        *self.shared.state.borrow()
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        let known: Vec<Option<u32>> = texts.iter().map(|text| self.counts.get(*text)).collect();
        let pairs = texts.iter().zip(&known);
        let unknown: Vec<String> =
            pairs.filter(|(_, known)| known.is_none()).map(|(text, _)| (*text).to_owned()).collect();
        let mut fresh = Vec::new();
        if !unknown.is_empty() {
            fresh = self.ask(|answer| Call::Count { texts: unknown.clone(), answer, retried: false }).await?;
            for (text, &count) in unknown.into_iter().zip(&fresh) {
                self.counts.insert(text, count);
            }
        }
        let mut fresh = fresh.into_iter();
        Ok(known.into_iter().filter_map(|count| count.or_else(|| fresh.next())).collect())
    }

    fn reads_ahead(&self) -> bool {
        self.shared.config.read_ahead && self.state() == ModelState::Ready
    }

    async fn read_ahead(&self, request: ChatRequest) -> Result<TokenUsage, ModelError> {
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let request = Box::new(request);
        self.ask(|answer| Call::ReadAhead { request, cancel, answer }).await
    }

    async fn stream(
        &self,
        request: ChatRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let own_cancel = cancel.child_token();
        let (sender, pieces) = mpsc::channel(stream::PIECES_MAX);
        let request = Box::new(request);
        let guard = own_cancel.clone().drop_guard();
        let call =
            |begun| Call::Chat { request, pieces: sender, cancel: own_cancel.clone(), begun: Some(begun) };
        tokio::select! {
            begun = self.ask(call) => begun?,
            () = cancel.cancelled() => return Err(stream::cancelled()),
        }
        Ok(stream::chat_stream(pieces, own_cancel.clone(), guard))
    }
}
