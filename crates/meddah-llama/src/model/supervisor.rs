//! Keeps one worker alive for as long as it is needed.
//!
//! A worker that dies or hangs costs the replies it was in the middle of; a reply of which nothing was said yet
//! is asked of the next one. It is started again at once, then with growing pauses; whoever asks in the
//! meantime waits. A model that cannot be loaded at all is tried
//! again only when somebody asks again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use meddah_inference::{ErrorKind, ModelError, ModelState};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::session::{End, Session};
use super::{CALLS_MAX, Call, Shared, ended};
use crate::gguf;
use crate::hardware;
use crate::memory::MemoryNeed;
use crate::wire::LoadRequest;
use crate::worker::memory_cells;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// See the top of this file.
pub struct Supervisor {
    shared: Arc<Shared>,
    calls: mpsc::Receiver<Call>,
    /// Came while no worker could answer.
    waiting: VecDeque<Call>,
    pause: Duration,
}

impl Supervisor {
    /// Over these calls.
    pub fn new(shared: Arc<Shared>, calls: mpsc::Receiver<Call>) -> Supervisor {
        Supervisor { shared, calls, waiting: VecDeque::new(), pause: PAUSE_MIN }
    }

    /// Until the model is shut down.
    pub async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        while let Some(end) = shutdown.run_until_cancelled(self.next_start()).await {
            if !end {
                break;
            }
            match self.start().await {
                Ok(session) => {
                    if !self.serve(session).await {
                        break;
                    }
                }
                Err(error) if shutdown.is_cancelled() => {
                    self.fail_waiting(&error);
                    break;
                }
                Err(error) => {
                    tracing::warn!(kind = ?error.kind, %error, "the local model cannot be loaded");
                    self.shared.state.send_replace(ModelState::Failed);
                    self.fail_waiting(&error);
                }
            }
        }
        self.shared.pid.store(0, Ordering::Relaxed);
        self.shared.state.send_replace(ModelState::Unloaded);
        self.fail_waiting(&ended());
    }

    /// Waits for the first call. False when nobody can call any more.
    async fn next_start(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.calls.recv().await {
                Some(call) => self.waiting.push_back(call),
                None => return false,
            }
        }
        true
    }

    fn fail_waiting(&mut self, error: &ModelError) {
        while let Ok(call) = self.calls.try_recv() {
            self.waiting.push_back(call);
        }
        for call in self.waiting.drain(..) {
            call.fail(error.clone());
        }
    }

    /// Everything that can be known to be wrong is found here, before a process is started.
    async fn start(&mut self) -> Result<Session, ModelError> {
        self.shared.state.send_replace(ModelState::Loading(0));
        hardware::check_cpu(hardware::cpu_features())?;
        let config = self.shared.config.clone();
        let path = config.model_path.clone();
        let info = tokio::task::spawn_blocking(move || gguf::inspect(&path)).await;
        let info =
            info.map_err(|_| ModelError::new(ErrorKind::Broken, "reading the model file failed"))??;
        let context_tokens = config.context_tokens.min(info.context_tokens.max(1));
        let cells = memory_cells(context_tokens, config.parallel);
        MemoryNeed::of(&info, cells, config.kv_type).check(hardware::available_memory_bytes())?;
        let request = LoadRequest {
            threads: config.threads_in_use(),
            model_path: config.model_path,
            context_tokens,
            parallel: config.parallel,
            state_memory_bytes: u64::from(config.state_memory_mb) * MIB,
            state_disk_bytes: u64::from(config.state_disk_mb) * MIB,
            state_dir: config.state_dir,
            kv_type: config.kv_type,
            background: config.background,
        };
        Session::load(&self.shared, request).await
    }

    /// Passes calls on until the worker ends. False when the model is to end too.
    async fn serve(&mut self, session: Session) -> bool {
        let mut session = session;
        self.shared.state.send_replace(ModelState::Ready);
        loop {
            let End { reason, replied, shutdown } = session.run(&mut self.calls, &mut self.waiting).await;
            self.shared.pid.store(0, Ordering::Relaxed);
            if shutdown {
                return false;
            }
            if replied {
                self.pause = PAUSE_MIN;
            }
            tracing::warn!(kind = ?reason.kind, %reason, pause = ?self.pause, "the local model's worker ended");
            self.shared.state.send_replace(ModelState::Loading(0));
            if !self.rest().await {
                return false;
            }
            match self.start().await {
                Ok(next) => session = next,
                Err(error) => {
                    self.shared.state.send_replace(ModelState::Failed);
                    self.fail_waiting(&error);
                    return !self.shared.shutdown.is_cancelled();
                }
            }
            self.shared.state.send_replace(ModelState::Ready);
        }
    }

    /// Pauses before the next start, collecting calls; each pause is twice as long as the last. False if the
    /// model is to end.
    async fn rest(&mut self) -> bool {
        let until = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        loop {
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return false,
                call = timeout_at(until, self.calls.recv()) => match call {
                    Err(_) => return true,
                    Ok(None) => return false,
                    Ok(Some(call)) if self.waiting.len() < CALLS_MAX => self.waiting.push_back(call),
                    Ok(Some(call)) => call.fail(ModelError::new(
                        ErrorKind::Overloaded,
                        "the local model is being restarted and too many calls wait",
                    )),
                },
            }
        }
    }
}

impl Call {
    /// Answers it with an error.
    pub fn fail(self, error: ModelError) {
        // Whoever has stopped waiting does not mind.
        match self {
            Call::Chat { begun: Some(begun), .. } => begun.send(Err(error)).ok(),
            Call::Chat { begun: None, pieces, .. } => pieces.try_send(Err(error)).ok(),
            Call::ReadAhead { answer, .. } => answer.send(Err(error)).ok(),
            Call::Count { answer, .. } => answer.send(Err(error)).ok(),
            Call::Ready { answer } => answer.send(Err(error)).ok(),
            Call::Stats { answer } => answer.send(Err(error)).ok(),
            Call::Measure { answer, .. } => answer.send(Err(error)).ok(),
        };
    }
}
