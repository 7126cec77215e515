//! One life of a worker, from its start to its end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use meddah_llama::process::{keep_complaints, worker_command};
use meddah_speech::{SpeechError, SpeechErrorKind};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::supervisor::has_room;
use super::{Job, Shared, broken};
use crate::wire::{HearRequest, LINE_BYTES_MAX, Reply, Request, to_bytes};

/// A model that has not loaded by then is given up.
const LOAD_WAIT: Duration = Duration::from_secs(60);
/// Half a minute of sound takes two or three seconds of a free core; a game may leave a tenth of one.
const HEAR_WAIT: Duration = Duration::from_secs(60);
/// A worker whose input has ended leaves within two seconds.
const LEAVE_WAIT: Duration = Duration::from_secs(3);
/// How much of what it says on standard error is kept, to tell what it died of; bytes.
const COMPLAINTS_BYTES_MAX: usize = 2048;

/// A worker that has loaded its model.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: FramedRead<ChildStdout, LinesCodec>,
    /// Listens to its complaints.
    tasks: JoinSet<()>,
    complaints: Arc<Mutex<Vec<u8>>>,
    next_id: u64,
}

/// What became of a piece of sound.
pub enum Outcome {
    /// What was said; nothing if it was aborted.
    Heard(Option<String>),
    /// The worker is well and cannot do that.
    Refused(SpeechError),
    /// The worker is of no use any more.
    Died(SpeechError),
}

impl Worker {
    /// Starts a worker and waits until it has loaded the model.
    pub async fn start(shared: &Shared) -> Result<Worker, SpeechError> {
        let mut worker = Worker::spawn(shared)?;
        let load = Request::Load {
            model_path: shared.config.model_path.clone(),
            threads: shared.config.threads.max(1),
        };
        worker.send(&load, &[]).await.map_err(broken)?;
        match timeout(LOAD_WAIT, worker.reply()).await {
            Ok(Ok(Reply::Ready)) => Ok(worker),
            Ok(Ok(Reply::LoadFailed { message, help })) => {
                Err(SpeechError::new(SpeechErrorKind::BadModel, message, help))
            }
            Ok(Ok(_)) => Err(broken("its worker talks nonsense")),
            Ok(Err(why)) => Err(broken(why)),
            Err(_) => Err(broken(format!("the model did not load within {LOAD_WAIT:?}"))),
        }
    }

    fn spawn(shared: &Shared) -> Result<Worker, SpeechError> {
        let (program, arguments) =
            shared.config.worker_command.split_first().ok_or_else(|| broken("its command is empty"))?;
        let mut child = worker_command(program, arguments).spawn().map_err(broken)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(broken("its worker has no pipes"));
        };
        shared.pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
        let complaints = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_complaints(stderr, Arc::clone(&complaints), COMPLAINTS_BYTES_MAX));
        let lines = FramedRead::new(stdout, LinesCodec::new_with_max_length(LINE_BYTES_MAX));
        Ok(Worker { child, stdin, lines, tasks, complaints, next_id: 0 })
    }

    /// Lets it understand a piece of sound. What comes meanwhile is put among those that wait; if it is final and this
    /// piece is not, this piece is aborted.
    pub async fn hear(
        &mut self,
        job: &Job,
        jobs: &mut mpsc::Receiver<Job>,
        waiting: &mut VecDeque<Job>,
    ) -> Outcome {
        self.next_id += 1;
        let id = self.next_id;
        let request = HearRequest {
            id,
            samples: job.samples.len(),
            language: job.language.clone(),
            names: job.names.to_vec(),
        };
        if let Err(error) = self.send(&Request::Hear(request), &to_bytes(&job.samples)).await {
            return Outcome::Died(self.last_words(&error.to_string()));
        }
        let until = Instant::now() + HEAR_WAIT;
        let mut is_stopping = false;
        loop {
            let stop = tokio::select! {
                reply = timeout_at(until, self.reply()) => return match reply {
                    Ok(Ok(reply)) => outcome(reply),
                    Ok(Err(why)) => Outcome::Died(self.last_words(&why)),
                    Err(_) => Outcome::Died(broken(format!("no word within {HEAR_WAIT:?}"))),
                },
                () = job.cancel.cancelled(), if !is_stopping => true,
                Some(other) = jobs.recv(), if has_room(waiting) => {
                    let goes_first = other.is_final && !job.is_final;
                    waiting.push_back(other);
                    goes_first
                }
            };
            if stop && !is_stopping {
                is_stopping = true;
                if let Err(error) = self.send(&Request::Cancel { id }, &[]).await {
                    return Outcome::Died(self.last_words(&error.to_string()));
                }
            }
        }
    }

    /// Lets it go.
    pub async fn end(mut self) {
        drop(self.stdin);
        if timeout(LEAVE_WAIT, self.child.wait()).await.is_err() {
            self.child.start_kill().ok(); // gone already is as good
            self.child.wait().await.ok();
        }
        self.tasks.abort_all();
    }

    async fn send(&mut self, request: &Request, sound: &[u8]) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(sound);
        self.stdin.write_all(&bytes).await?;
        self.stdin.flush().await
    }

    async fn reply(&mut self) -> Result<Reply, String> {
        match self.lines.next().await {
            Some(Ok(line)) => serde_json::from_str(&line).map_err(|error| error.to_string()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("its worker ended".into()),
        }
    }

    fn last_words(&self, why: &str) -> SpeechError {
        let complaints = self.complaints.lock().map(|text| String::from_utf8_lossy(&text).into_owned());
        let complaints = complaints.unwrap_or_default();
        if !complaints.is_empty() {
            tracing::debug!(%complaints, "last words of the worker that listens");
        }
        broken(why)
    }
}

fn outcome(reply: Reply) -> Outcome {
    match reply {
        Reply::Heard { text, .. } => Outcome::Heard(Some(text)),
        Reply::Stopped { .. } => Outcome::Heard(None),
        Reply::UnknownLanguage { .. } => Outcome::Refused(SpeechError::new(
            SpeechErrorKind::Language,
            "the model does not understand this language",
            "Import a Whisper model of many languages (one without `.en` in its name), or speak English.",
        )),
        Reply::Failed { message, .. } => Outcome::Refused(broken(message)),
        Reply::Ready | Reply::LoadFailed { .. } => Outcome::Died(broken("its worker talks nonsense")),
    }
}
