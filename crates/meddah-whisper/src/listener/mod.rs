//! The sidecar's end: a [`SpeechToText`] whose listening happens in a worker process.

mod supervisor;
mod utterance;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_speech::{
    ListenRequest, NAMES_MAX, Partial, SpeechError, SpeechErrorKind, SpeechToText, Transcript,
    TranscriptStream,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use supervisor::Supervisor;
use utterance::Utterance;

/// Pieces of sound that wait for the worker; whoever comes later waits for a place.
const JOBS_MAX: usize = 16;

/// What listening needs to know before it starts.
#[derive(Clone, Debug)]
pub struct WhisperConfig {
    /// A file of whisper.cpp, see [`crate::ModelFile`].
    pub model_path: PathBuf,
    /// Program and arguments that run [`crate::worker_main`].
    pub worker_command: Vec<OsString>,
    /// Compute threads. They wait for each other without sleeping, so beside a game one is best.
    pub threads: u32,
    /// A worker that nobody needed for so long is ended, which gives its memory back.
    pub idle: Duration,
}

impl WhisperConfig {
    /// The defaults for this file.
    pub fn new(model_path: impl Into<PathBuf>, worker_command: Vec<OsString>) -> Self {
        let idle = Duration::from_secs(300);
        WhisperConfig { model_path: model_path.into(), worker_command, threads: 1, idle }
    }
}

/// Something to understand.
struct Job {
    samples: Vec<i16>,
    language: Option<String>,
    names: Arc<[String]>,
    /// The whole utterance, not a part of it.
    is_final: bool,
    cancel: CancellationToken,
    answer: oneshot::Sender<Answer>,
}

/// What was said, or nothing if it was not listened to the end.
type Answer = Result<Option<String>, SpeechError>;

struct Shared {
    config: WhisperConfig,
    /// Of the worker; 0 while there is none.
    pid: AtomicU32,
    shutdown: CancellationToken,
}

/// Listens with a Whisper model. Nothing happens before somebody speaks.
pub struct WhisperListener {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    /// Taken by the supervisor when it starts.
    unstarted: Mutex<Option<mpsc::Receiver<Job>>>,
    tasks: TaskTracker,
}

impl WhisperListener {
    /// A listener whose model is loaded when it is first needed.
    pub fn new(config: WhisperConfig) -> WhisperListener {
        let (jobs, unstarted) = mpsc::channel(JOBS_MAX);
        let shared = Shared { config, pid: AtomicU32::new(0), shutdown: CancellationToken::new() };
        WhisperListener {
            shared: Arc::new(shared),
            jobs,
            unstarted: Mutex::new(Some(unstarted)),
            tasks: TaskTracker::new(),
        }
    }

    /// Loads the model, so that the first words are understood as soon as later ones. Says whether it can be used.
    pub async fn warm_up(&self) -> Result<(), SpeechError> {
        self.start().await?;
        let mut nothing = Utterance::new(self.jobs.clone(), silence());
        nothing.next().await.unwrap_or(Ok(Transcript::default())).map(|_| ())
    }

    /// The worker's process, while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        Some(self.shared.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    async fn start(&self) -> Result<(), SpeechError> {
        let mut unstarted = self.unstarted.lock().await;
        if self.shared.shutdown.is_cancelled() {
            return Err(ended());
        }
        if let Some(jobs) = unstarted.take() {
            self.tasks.spawn(Supervisor::new(Arc::clone(&self.shared), jobs).run());
        }
        Ok(())
    }
}

#[async_trait]
impl SpeechToText for WhisperListener {
    async fn listen(&self, mut request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        self.start().await?;
        request.names.truncate(NAMES_MAX);
        let utterance = Utterance::new(self.jobs.clone(), request);
        let next = |mut utterance: Utterance| async { Some((utterance.next().await?, utterance)) };
        Ok(stream::unfold(utterance, next).boxed())
    }

    /// Ends the worker.
    async fn shutdown(&self) {
        self.shared.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for WhisperListener {
    fn drop(&mut self) {
        // The supervisor ends, and its worker with it.
        self.shared.shutdown.cancel();
    }
}

fn silence() -> ListenRequest {
    ListenRequest { sound: stream::empty().boxed(), language: None, names: Vec::new(), partial: Partial::No }
}

fn ended() -> SpeechError {
    broken("it was shut down")
}

fn broken(why: impl std::fmt::Display) -> SpeechError {
    SpeechError::new(
        SpeechErrorKind::Broken,
        format!("listening failed: {why}"),
        "Speak again; if it stays, import the model anew or choose another.",
    )
}
