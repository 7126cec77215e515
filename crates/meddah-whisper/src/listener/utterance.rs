//! One utterance: its sound is collected, and understood again and again while it grows.
//!
//! Whisper cannot go on where it stopped, so a transcript of the beginning is made anew each time. The last one must
//! not wait for that: when the sound ends, what is under way is aborted.

use std::sync::Arc;

use futures::StreamExt as _;
use meddah_speech::{
    LISTEN_RATE_HZ, ListenRequest, Pcm, SpeechError, SpeechErrorKind, Transcript, UTTERANCE_MAX,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::voice::VoiceSeen;
use super::{Answer, Job, ended};

/// So much new sound is worth another look.
const PARTIAL_EVERY: usize = LISTEN_RATE_HZ as usize / 2;
const SAMPLES_MAX: usize = UTTERANCE_MAX.as_secs() as usize * LISTEN_RATE_HZ as usize;

/// See the top of this file.
pub struct Utterance {
    jobs: mpsc::Sender<Job>,
    request: ListenRequest,
    names: Arc<[String]>,
    samples: Vec<i16>,
    voice: VoiceSeen,
    /// How many of them were looked at.
    looked_at: usize,
    running: Option<Running>,
    told: String,
    over: bool,
}

/// Dropping it aborts the computation.
struct Running {
    answer: oneshot::Receiver<Answer>,
    _guard: DropGuard,
}

/// What happened first.
enum Step {
    Answer(Answer),
    Sound(Option<Pcm>),
}

impl Utterance {
    /// Of which no sound has come yet.
    pub fn new(jobs: mpsc::Sender<Job>, request: ListenRequest) -> Utterance {
        let names = request.names.as_slice().into();
        let samples = Vec::new();
        let (voice, told) = (VoiceSeen::new(), String::new());
        Utterance { jobs, request, names, samples, voice, looked_at: 0, running: None, told, over: false }
    }

    /// The next transcript; none after the final one.
    pub async fn next(&mut self) -> Option<Result<Transcript, SpeechError>> {
        if self.over {
            return None;
        }
        while self.samples.len() < SAMPLES_MAX {
            match self.step().await {
                Step::Answer(Ok(text)) => {
                    self.running = None;
                    let text = text.filter(|text| !text.is_empty() && *text != self.told);
                    if let Some(text) = text {
                        self.told.clone_from(&text);
                        return Some(Ok(Transcript { text, is_final: false }));
                    }
                }
                Step::Answer(Err(error)) => return self.end(Err(error)),
                Step::Sound(None) => break,
                Step::Sound(Some(pcm)) if pcm.sample_rate_hz != LISTEN_RATE_HZ => {
                    return self.end(Err(wrong_rate(pcm.sample_rate_hz)));
                }
                Step::Sound(Some(pcm)) => {
                    self.voice.push(&pcm);
                    self.samples.extend(pcm.to_i16());
                }
            }
            self.look();
        }
        self.samples.truncate(SAMPLES_MAX);
        self.running = None;
        let last = self.last().await;
        self.end(last)
    }

    fn end(&mut self, last: Result<Transcript, SpeechError>) -> Option<Result<Transcript, SpeechError>> {
        self.running = None;
        self.over = true;
        Some(last)
    }

    async fn step(&mut self) -> Step {
        let answered = async {
            match &mut self.running {
                Some(running) => (&mut running.answer).await.unwrap_or_else(|_| Err(ended())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = answered => Step::Answer(answer),
            piece = self.request.sound.next() => Step::Sound(piece),
        }
    }

    /// Asks for a transcript of the beginning, if there is enough that is new. Others go first.
    fn look(&mut self) {
        let is_new = self.samples.len() >= self.looked_at + PARTIAL_EVERY;
        if !self.request.partial || !self.voice.seen() || self.running.is_some() || !is_new {
            return;
        }
        let (job, running) = self.job(self.samples.clone(), false);
        if self.jobs.try_send(job).is_ok() {
            self.running = Some(running);
            self.looked_at = self.samples.len();
        }
    }

    async fn last(&mut self) -> Result<Transcript, SpeechError> {
        let samples = std::mem::take(&mut self.samples);
        // Without any sound the model is only to be loaded.
        if !samples.is_empty() && !self.voice.seen() {
            return Ok(Transcript { text: String::new(), is_final: true });
        }
        let (job, running) = self.job(samples, true);
        self.jobs.send(job).await.map_err(|_| ended())?;
        let text = running.answer.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(Transcript { text: text.ok_or_else(ended)?, is_final: true })
    }

    fn job(&self, samples: Vec<i16>, is_final: bool) -> (Job, Running) {
        let (sender, answer) = oneshot::channel();
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let (language, names) = (self.request.language.clone(), Arc::clone(&self.names));
        let job = Job { samples, language, names, is_final, cancel, answer: sender };
        (job, Running { answer, _guard: guard })
    }
}

fn wrong_rate(rate_hz: u32) -> SpeechError {
    SpeechError::new(
        SpeechErrorKind::BadRequest,
        format!("the sound has {rate_hz} samples per second, not {LISTEN_RATE_HZ}"),
        "Resample the sound before it is listened to.",
    )
}
