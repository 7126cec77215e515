//! One utterance: its sound is collected, and understood again and again while it grows.
//!
//! Whisper cannot go on where it stopped, so a transcript of the beginning is made anew each time. The last one must
//! not wait for that: when the sound ends, what is under way is aborted. But if nobody has spoken since a pause in
//! which all of it was looked at, that was the last one.

use std::sync::Arc;

use futures::StreamExt as _;
use meddah_speech::voice_activity_detection::{Earshot, VoiceActivity, VoiceHeard, VoiceMark};
use meddah_speech::{
    LISTEN_RATE_HZ, ListenRequest, Partial, Pcm, SpeechError, SpeechErrorKind, Transcript, UTTERANCE_MAX,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

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
    voice: VoiceHeard,
    /// How many of them were looked at.
    looked_at: usize,
    running: Option<Running>,
    told: String,
    /// What was understood in a pause.
    in_pause: Option<(String, VoiceMark)>,
    over: bool,
}

/// Dropping it aborts the computation.
struct Running {
    answer: oneshot::Receiver<Answer>,
    /// It is of all that was said before a pause, which began here.
    pause: Option<VoiceMark>,
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
        Utterance::judged_by(Box::new(Earshot::new()), jobs, request)
    }

    fn judged_by(
        judge: Box<dyn VoiceActivity>,
        jobs: mpsc::Sender<Job>,
        request: ListenRequest,
    ) -> Utterance {
        Utterance {
            jobs,
            names: request.names.as_slice().into(),
            request,
            samples: Vec::new(),
            voice: VoiceHeard::new(judge),
            looked_at: 0,
            running: None,
            told: String::new(),
            in_pause: None,
            over: false,
        }
    }

    /// The next transcript; none after the final one.
    pub async fn next(&mut self) -> Option<Result<Transcript, SpeechError>> {
        if self.over {
            return None;
        }
        while self.samples.len() < SAMPLES_MAX {
            match self.step().await {
                Step::Answer(Ok(text)) => {
                    let pause = self.running.take().and_then(|running| running.pause);
                    if let Some(transcript) = text.and_then(|text| self.understood(text, pause)) {
                        return Some(Ok(transcript));
                    }
                }
                Step::Answer(Err(error)) => return self.end(Err(error)),
                Step::Sound(None) => break,
                Step::Sound(Some(pcm)) if pcm.sample_rate_hz != LISTEN_RATE_HZ => {
                    return self.end(Err(wrong_rate(pcm.sample_rate_hz)));
                }
                Step::Sound(Some(pcm)) => {
                    // Once there is a voice, only a look asks for more.
                    if !self.voice.seen() || self.request.partial != Partial::No {
                        self.voice.push(&pcm);
                    }
                    self.samples.extend(pcm.to_i16());
                }
            }
            self.look();
        }
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

    /// What is told of a look.
    fn understood(&mut self, text: String, pause: Option<VoiceMark>) -> Option<Transcript> {
        let pause = pause.filter(|pause| !self.voice.spoke_since(*pause));
        if let Some(pause) = pause {
            self.in_pause = Some((text.clone(), pause));
        }
        let is_new = text != self.told;
        let tell = pause.is_some() || self.request.partial == Partial::Always && is_new;
        (tell && !text.is_empty()).then(|| {
            self.told.clone_from(&text);
            if pause.is_some() { Transcript::in_pause(text) } else { Transcript::so_far(text) }
        })
    }

    /// Asks for a transcript of the beginning: of all of it in a pause, else if there is enough that is new. Others
    /// go first.
    fn look(&mut self) {
        let may_look = self.request.partial != Partial::No && self.voice.seen();
        if !may_look || self.samples.len() > SAMPLES_MAX {
            return;
        }
        // Who goes on had not finished.
        self.running.take_if(|running| running.pause.is_some_and(|pause| self.voice.spoke_since(pause)));
        let is_pause = self.voice.pauses();
        let is_due = match is_pause {
            true => !self.is_looked_at(),
            false => {
                let is_new = self.samples.len() >= self.looked_at + PARTIAL_EVERY;
                self.request.partial == Partial::Always && self.running.is_none() && is_new
            }
        };
        if !is_due {
            return;
        }
        self.running = None; // of less than is there now
        let (job, mut running) = self.job(self.samples.clone(), false);
        if self.jobs.try_send(job).is_ok() {
            running.pause = is_pause.then(|| self.voice.mark());
            self.running = Some(running);
            self.looked_at = self.samples.len();
        }
    }

    /// All that was said is understood already, or about to be.
    fn is_looked_at(&self) -> bool {
        let running = self.running.as_ref().and_then(|running| running.pause);
        let known = self.in_pause.as_ref().map(|(_, pause)| *pause);
        running.into_iter().chain(known).any(|pause| !self.voice.spoke_since(pause))
    }

    async fn last(&mut self) -> Result<Transcript, SpeechError> {
        if let Some(text) = self.text_of_pause().await? {
            return Ok(Transcript::last(text));
        }
        self.running = None;
        let mut samples = std::mem::take(&mut self.samples);
        samples.truncate(SAMPLES_MAX);
        // Without any sound the model is only to be loaded.
        if !samples.is_empty() && !self.voice.seen() {
            return Ok(Transcript::last(""));
        }
        let (job, running) = self.job(samples, true);
        self.jobs.send(job).await.map_err(|_| ended())?;
        let text = running.answer.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(Transcript::last(text.ok_or_else(ended)?))
    }

    /// What was understood in the pause that turned out to be the end. Nothing if there was none, or if others went
    /// first.
    async fn text_of_pause(&mut self) -> Answer {
        if let Some((text, pause)) = self.in_pause.take()
            && !self.voice.spoke_since(pause)
        {
            return Ok(Some(text));
        }
        let Some(running) = self.running.take() else { return Ok(None) };
        match running.pause {
            Some(pause) if !self.voice.spoke_since(pause) => {
                running.answer.await.unwrap_or_else(|_| Err(ended()))
            }
            _ => Ok(None),
        }
    }

    fn job(&self, samples: Vec<i16>, is_final: bool) -> (Job, Running) {
        let (sender, answer) = oneshot::channel();
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let (language, names) = (self.request.language.clone(), Arc::clone(&self.names));
        let job = Job { samples, language, names, is_final, cancel, answer: sender };
        (job, Running { answer, pause: None, _guard: guard })
    }
}

fn wrong_rate(rate_hz: u32) -> SpeechError {
    SpeechError::new(
        SpeechErrorKind::BadRequest,
        format!("the sound has {rate_hz} samples per second, not {LISTEN_RATE_HZ}"),
        "Resample the sound before it is listened to.",
    )
}

#[cfg(test)]
mod tests;
