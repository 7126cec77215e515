//! Keeps one worker for as long as it is needed, and gives it one piece of sound at a time.
//!
//! What is final goes before what is not, also when the latter is under way. A worker that dies is started again for
//! the piece that it died of, once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use meddah_speech::SpeechError;
use tokio::sync::mpsc;

use super::worker::{Outcome, Worker};
use super::{Answer, JOBS_MAX, Job, Shared, broken};

/// A piece of sound is given to so many workers before it is given up.
const TRIES: usize = 2;

/// See the top of this file.
pub struct Supervisor {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    /// Came while another was under way.
    waiting: VecDeque<Job>,
    worker: Option<Worker>,
}

impl Supervisor {
    /// Over these jobs.
    pub fn new(shared: Arc<Shared>, jobs: mpsc::Receiver<Job>) -> Supervisor {
        Supervisor { shared, jobs, waiting: VecDeque::new(), worker: None }
    }

    /// Until the listener is shut down.
    pub async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        shutdown.run_until_cancelled(self.serve()).await;
        self.end_worker().await;
    }

    async fn serve(&mut self) {
        while let Some(job) = self.next_job().await {
            let answer = self.answer(&job).await;
            job.answer.send(answer).ok(); // who asked may have gone
        }
    }

    /// The next job that somebody still waits for. Nothing when nobody can ask any more.
    async fn next_job(&mut self) -> Option<Job> {
        loop {
            self.waiting.retain(|job| !job.cancel.is_cancelled());
            let first = self.waiting.iter().position(|job| job.is_final).unwrap_or(0);
            if let Some(job) = self.waiting.remove(first) {
                return Some(job);
            }
            let idle = tokio::time::sleep(self.shared.config.idle);
            tokio::select! {
                job = self.jobs.recv() => self.waiting.push_back(job?),
                () = idle, if self.worker.is_some() => self.end_worker().await,
            }
        }
    }

    async fn answer(&mut self, job: &Job) -> Answer {
        let mut died: Option<SpeechError> = None;
        for _ in 0..TRIES {
            let worker = match self.worker.take() {
                Some(worker) => worker,
                None => Worker::start(&self.shared).await?,
            };
            let worker = self.worker.insert(worker);
            match worker.hear(job, &mut self.jobs, &mut self.waiting).await {
                Outcome::Heard(text) => return Ok(text),
                Outcome::Refused(error) => return Err(error),
                Outcome::Died(error) => {
                    tracing::warn!(%error, "the worker that listens ended");
                    died = Some(error);
                    self.end_worker().await;
                }
            }
            if job.cancel.is_cancelled() {
                return Ok(None);
            }
        }
        Err(died.unwrap_or_else(|| broken("its worker ended")))
    }

    async fn end_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.end().await;
        }
        self.shared.pid.store(0, Ordering::Relaxed);
    }
}

/// Room for one more that came meanwhile.
pub fn has_room(waiting: &VecDeque<Job>) -> bool {
    waiting.len() < JOBS_MAX
}
