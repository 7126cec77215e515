//! One life of a worker: from its start to its end.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use meddah_inference::{ChatRequest, Chunk, ErrorKind, ModelError, ModelState, Notice, TokenUsage};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;

use super::stream::{Piece, cancelled};
use super::{Answer, Call, SHUTDOWN_WAIT, Shared};
use crate::hardware;
use crate::process::{keep_complaints, worker_command};
use crate::wire::{LINE_BYTES_MAX, LoadRequest, RawSpeed, Ready, Reply, Request, Stats};

/// Lines that wait to be written to the worker.
const LINES_MAX: usize = 256;
/// How much of what llama.cpp says is kept, to tell what it died of; bytes.
const COMPLAINTS_BYTES_MAX: usize = 4096;
/// How long a killed process may take to be gone.
const REAP_WAIT: Duration = Duration::from_secs(5);

/// How a session ended.
pub struct End {
    /// What the replies that were running are told.
    pub reason: ModelError,
    /// At least one reply was completed.
    pub replied: bool,
    /// It was asked to end.
    pub shutdown: bool,
}

/// Somebody who waits for an answer. `again` is what to ask the next worker, should this one die before it
/// says anything: once, because it may have died of the question.
enum Pending {
    Chat { pieces: mpsc::Sender<Piece>, again: Option<(Box<ChatRequest>, CancellationToken)> },
    ReadAhead(Answer<TokenUsage>),
    Count { answer: Answer<Vec<u32>>, again: Option<Vec<String>> },
    Stats(Answer<Stats>),
    Measure(Answer<RawSpeed>),
}

fn game_busy() -> Notice {
    Notice {
        code: "game_busy".into(),
        message: "other programs leave the model hardly any processor time; it takes a little more now"
            .into(),
        help: "Lower the game's settings or limit its frame rate, or use an online model.".into(),
    }
}

impl Pending {
    fn fail(self, error: ModelError) {
        match self {
            Pending::Chat { pieces, .. } => pieces.try_send(Err(error)).ok(),
            Pending::ReadAhead(answer) => answer.send(Err(error)).ok(),
            Pending::Count { answer, .. } => answer.send(Err(error)).ok(),
            Pending::Stats(answer) => answer.send(Err(error)).ok(),
            Pending::Measure(answer) => answer.send(Err(error)).ok(),
        };
    }

    /// The call to ask the next worker, or who has to be told that it failed.
    fn ask_again(self) -> Result<Call, Pending> {
        match self {
            Pending::Chat { pieces, again: Some((request, cancel)) } => {
                Ok(Call::Chat { request, pieces, cancel, begun: None })
            }
            Pending::Count { answer, again: Some(texts) } => Ok(Call::Count { texts, answer, retried: true }),
            other => Err(other),
        }
    }
}

/// A worker that has loaded the model.
pub struct Session {
    shared: Arc<Shared>,
    child: Child,
    lines: FramedRead<ChildStdout, LinesCodec>,
    to_worker: mpsc::Sender<Vec<u8>>,
    /// Writes to the worker and listens to its complaints.
    tasks: JoinSet<()>,
    complaints: Arc<std::sync::Mutex<Vec<u8>>>,
    kills_before: Option<u64>,
    ready: Ready,
    pending: BTreeMap<u64, Pending>,
    cancels: FuturesUnordered<BoxFuture<'static, u64>>,
    next_id: u64,
    last_sign: Instant,
    replied: bool,
}

/// What a session woke up for.
enum Wake {
    Call(Option<Call>),
    Line(Option<Result<String, tokio_util::codec::LinesCodecError>>),
    Cancel(u64),
    Shutdown,
    Hang,
}

impl Session {
    /// Starts a worker and waits until it has loaded the model.
    pub async fn load(shared: &Arc<Shared>, request: LoadRequest) -> Result<Session, ModelError> {
        let mut session = Session::spawn(shared)?;
        if !session.send(&Request::Load(request)) {
            session.kill().await;
            return Err(ModelError::new(ErrorKind::NotFound, "the path of the model is not valid text")
                .with_help("move the model to a folder whose name has no unusual characters"));
        }
        let until = Instant::now() + shared.config.load_timeout;
        let shutdown = shared.shutdown.clone();
        loop {
            let line = tokio::select! {
                line = timeout_at(until, session.lines.next()) => line,
                () = shutdown.cancelled() => {
                    session.kill().await;
                    return Err(super::ended());
                }
            };
            let reply = match line {
                Ok(Some(Ok(line))) => serde_json::from_str(&line),
                Ok(_) => return Err(session.bury("while loading").await),
                Err(_) => {
                    session.kill().await;
                    let message = format!("the model did not load within {:?}", shared.config.load_timeout);
                    return Err(ModelError::new(ErrorKind::Timeout, message)
                        .with_help("a smaller model loads faster; or raise load_timeout"));
                }
            };
            match reply {
                Ok(Reply::Loading { percent }) => {
                    shared.state.send_replace(ModelState::Loading(percent.min(99)));
                }
                Ok(Reply::Ready(ready)) => {
                    session.ready = ready;
                    session.last_sign = Instant::now();
                    return Ok(session);
                }
                Ok(Reply::LoadFailed { error }) => {
                    session.kill().await;
                    return Err(error.into());
                }
                _ => {}
            }
        }
    }

    fn spawn(shared: &Arc<Shared>) -> Result<Session, ModelError> {
        let no_worker = |why: &str| ModelError::new(ErrorKind::Broken, format!("no worker: {why}"));
        let (program, arguments) =
            shared.config.program().ok_or_else(|| no_worker("its command is empty"))?;
        let kills_before = hardware::out_of_memory_kills();
        let mut child =
            worker_command(program, arguments).spawn().map_err(|error| no_worker(&error.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(no_worker("it has no pipes"));
        };
        shared.pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
        let (to_worker, from_us) = mpsc::channel(LINES_MAX);
        let complaints = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(write_lines(stdin, from_us));
        tasks.spawn(keep_complaints(stderr, Arc::clone(&complaints), COMPLAINTS_BYTES_MAX));
        Ok(Session {
            shared: Arc::clone(shared),
            child,
            lines: FramedRead::new(stdout, LinesCodec::new_with_max_length(LINE_BYTES_MAX)),
            to_worker,
            tasks,
            complaints,
            kills_before,
            ready: Ready {
                name: String::new(),
                context_tokens: 0,
                message_overhead_tokens: 0,
                parameters: 0,
                load_ms: 0,
                threads: 0,
            },
            pending: BTreeMap::new(),
            cancels: FuturesUnordered::new(),
            next_id: 0,
            last_sign: Instant::now(),
            replied: false,
        })
    }

    /// Passes calls on, first those that waited, until the worker ends or is to end.
    pub async fn run(mut self, calls: &mut mpsc::Receiver<Call>, waiting: &mut VecDeque<Call>) -> End {
        for call in waiting.drain(..) {
            self.pass_on(call);
        }
        loop {
            match self.wake(calls).await {
                Wake::Call(Some(call)) => self.pass_on(call),
                Wake::Line(Some(Ok(line))) => self.hear(&line),
                Wake::Cancel(id) => self.cancel(id),
                Wake::Call(None) | Wake::Shutdown => {
                    self.leave().await;
                    return self.end(super::ended(), true);
                }
                Wake::Line(_) => {
                    let reason = self.bury("in the middle of its work").await;
                    if reason.kind == ErrorKind::Broken {
                        self.put_back_unanswered(waiting);
                    }
                    return self.end(reason, false);
                }
                Wake::Hang => {
                    self.kill().await;
                    let message = format!(
                        "the local model gave no sign of life for {:?}",
                        self.shared.config.hang_timeout
                    );
                    return self.end(ModelError::new(ErrorKind::Broken, message), false);
                }
            }
        }
    }

    async fn wake(&mut self, calls: &mut mpsc::Receiver<Call>) -> Wake {
        let hang_at = self.last_sign + self.shared.config.hang_timeout;
        tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => Wake::Shutdown,
            Some(id) = self.cancels.next(), if !self.cancels.is_empty() => Wake::Cancel(id),
            line = self.lines.next() => Wake::Line(line),
            call = calls.recv() => Wake::Call(call),
            () = tokio::time::sleep_until(hang_at), if !self.pending.is_empty() => Wake::Hang,
        }
    }

    /// What the dead worker had not begun to answer waits for the next one: nobody notices more than a pause.
    fn put_back_unanswered(&mut self, waiting: &mut VecDeque<Call>) {
        for (id, pending) in std::mem::take(&mut self.pending) {
            match pending.ask_again() {
                Ok(call) => waiting.push_back(call),
                Err(pending) => {
                    self.pending.insert(id, pending);
                }
            }
        }
    }

    fn end(mut self, reason: ModelError, shutdown: bool) -> End {
        for (_, pending) in std::mem::take(&mut self.pending) {
            pending.fail(reason.clone());
        }
        End { reason, replied: self.replied, shutdown }
    }

    fn send(&self, request: &Request) -> bool {
        let Ok(mut line) = serde_json::to_vec(request) else { return false };
        line.push(b'\n');
        line.len() <= LINE_BYTES_MAX && self.to_worker.try_send(line).is_ok()
    }

    fn pass_on(&mut self, call: Call) {
        self.next_id += 1;
        let id = self.next_id;
        let (request, pending) = match call {
            Call::Ready { answer } => {
                answer.send(Ok(self.ready.clone())).ok(); // nobody waits any more
                return;
            }
            Call::Chat { request, pieces, cancel, begun } => {
                if cancel.is_cancelled() {
                    return Call::Chat { request, pieces, cancel, begun }.fail(cancelled());
                }
                let again = begun.is_some().then(|| (request.clone(), cancel.clone()));
                if let Some(begun) = begun {
                    begun.send(Ok(())).ok(); // its drop guard cancels what nobody waits for
                }
                self.cancels.push(Box::pin(when_cancelled(cancel, id)));
                (Request::Chat { id, request }, Pending::Chat { pieces, again })
            }
            Call::ReadAhead { request, cancel, answer } => {
                self.cancels.push(Box::pin(when_cancelled(cancel, id)));
                (Request::ReadAhead { id, request }, Pending::ReadAhead(answer))
            }
            Call::Count { texts, answer, retried } => {
                let again = (!retried).then(|| texts.clone());
                (Request::Count { id, texts }, Pending::Count { answer, again })
            }
            Call::Stats { answer } => (Request::Stats { id }, Pending::Stats(answer)),
            Call::Measure { prompt_tokens, decode_tokens, repetitions, answer } => {
                let request = Request::Measure { id, prompt_tokens, decode_tokens, repetitions };
                (request, Pending::Measure(answer))
            }
        };
        if self.pending.is_empty() {
            // Silence while there was nothing to do was no hang.
            self.last_sign = Instant::now();
        }
        if self.send(&request) {
            self.pending.insert(id, pending);
        } else {
            pending.fail(ModelError::new(ErrorKind::Overloaded, "the request is too long or too many wait"));
        }
    }

    fn cancel(&mut self, id: u64) {
        if let Some(pending) = self.pending.remove(&id) {
            self.send(&Request::Cancel { id });
            pending.fail(cancelled());
        }
    }

    fn hear(&mut self, line: &str) {
        self.last_sign = Instant::now();
        let Ok(reply) = serde_json::from_str::<Reply>(line) else {
            tracing::warn!(bytes = line.len(), "the worker said something that is no reply");
            return;
        };
        match reply {
            Reply::Counted { id, tokens } => {
                if let Some(Pending::Count { answer, .. }) = self.pending.remove(&id) {
                    answer.send(Ok(tokens)).ok(); // nobody waits any more
                }
            }
            Reply::Stats { id, stats } => {
                if let Some(Pending::Stats(answer)) = self.pending.remove(&id) {
                    answer.send(Ok(stats)).ok(); // nobody waits any more
                }
            }
            Reply::Measured { id, speed } => {
                if let Some(Pending::Measure(answer)) = self.pending.remove(&id) {
                    answer.send(Ok(speed)).ok(); // nobody waits any more
                }
            }
            Reply::Crowded => self.tell_all(&game_busy()),
            reply => {
                if let Some((id, piece)) = reply.into_chunk() {
                    self.hand_over(id, piece);
                }
            }
        }
    }

    /// Tells it to everybody who waits for a reply.
    fn tell_all(&self, notice: &Notice) {
        for pending in self.pending.values() {
            if let Pending::Chat { pieces, .. } = pending {
                pieces.try_send(Ok(Chunk::Notice(notice.clone()))).ok(); // it can be missed
            }
        }
    }

    fn hand_over(&mut self, id: u64, piece: Piece) {
        let over = matches!(piece, Err(_) | Ok(Chunk::Done { .. }));
        self.replied |= matches!(piece, Ok(Chunk::Done { .. }));
        match self.pending.get_mut(&id) {
            Some(Pending::Chat { pieces, again }) => {
                *again = None; // from here on it would be said twice
                let taken = pieces.try_send(piece).is_ok();
                if !taken && !over {
                    // The reader has gone or sleeps: think no further for it.
                    self.send(&Request::Cancel { id });
                }
                if over || !taken {
                    self.pending.remove(&id);
                }
            }
            // What is decided ahead is told to nobody.
            Some(Pending::ReadAhead(_)) if !over => {}
            Some(_) => match (self.pending.remove(&id), piece) {
                (Some(pending), Err(error)) => pending.fail(error),
                (Some(Pending::ReadAhead(answer)), Ok(Chunk::Done { usage, .. })) => {
                    answer.send(Ok(usage)).ok(); // nobody waits any more
                }
                _ => {}
            },
            None => {}
        }
    }

    /// Lets the worker save what it has and leave.
    async fn leave(&mut self) {
        self.send(&Request::Shutdown);
        if timeout(SHUTDOWN_WAIT, self.child.wait()).await.is_err() {
            self.kill().await;
        }
        self.tasks.abort_all();
    }

    async fn kill(&mut self) {
        self.child.start_kill().ok(); // gone already is as good
        timeout(REAP_WAIT, self.child.wait()).await.ok();
        self.tasks.abort_all();
    }

    /// The worker is gone or talks nonsense: what happened?
    async fn bury(&mut self, when: &str) -> ModelError {
        let status = match timeout(Duration::from_millis(200), self.child.wait()).await {
            Ok(Ok(status)) => Some(status),
            _ => None,
        };
        self.kill().await;
        let complaints = self.complaints.lock().map(|text| String::from_utf8_lossy(&text).into_owned());
        let complaints = complaints.unwrap_or_default();
        let kills_now = hardware::out_of_memory_kills();
        if died_of_memory(status, &complaints) || (kills_now > self.kills_before && was_killed(status)) {
            return ModelError::new(ErrorKind::OutOfMemory, "the local model ran out of memory")
                .with_help("close other programs, choose a smaller model, or lower context_tokens");
        }
        let status = status.map_or_else(|| "no exit status".into(), |status| status.to_string());
        if !complaints.is_empty() {
            tracing::debug!(%complaints, "last words of the worker");
        }
        ModelError::new(ErrorKind::Broken, format!("the local model's worker ended {when} ({status})"))
            .with_help("it is being restarted; if this goes on, choose another model")
    }
}

#[cfg(unix)]
fn was_killed(status: Option<ExitStatus>) -> bool {
    use std::os::unix::process::ExitStatusExt;
    const SIGKILL: i32 = 9;
    status.and_then(|status| status.signal()) == Some(SIGKILL)
}

#[cfg(not(unix))]
fn was_killed(_: Option<ExitStatus>) -> bool {
    false
}

fn died_of_memory(status: Option<ExitStatus>, complaints: &str) -> bool {
    const STATUS_NO_MEMORY: i32 = 0xC000_0017_u32.cast_signed();
    let told = ["bad_alloc", "failed to allocate", "not enough memory"];
    cfg!(windows) && status.and_then(|status| status.code()) == Some(STATUS_NO_MEMORY)
        || told.iter().any(|told| complaints.contains(told))
}

async fn when_cancelled(cancel: CancellationToken, id: u64) -> u64 {
    cancel.cancelled().await;
    id
}

async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            return; // the end of its output tells the rest
        }
    }
}
