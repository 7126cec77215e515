//! An ordered list of listeners: an utterance is understood by the first that does so in time.
//!
//! What was heard is kept until it is understood, so that a listener that fails halfway, or does not answer when the
//! player has finished, costs time and no word: the next one hears all of it from the beginning.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_inference::Notice;
use meddah_inference::ladder::{Breaker, Pass};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{GivenUp, Left, Words, all_failed, resting, step};
use crate::online::for_breaker;
use crate::{
    LISTEN_RATE_HZ, ListenRequest, Pcm, SoundStream, SpeechError, SpeechErrorKind, SpeechToText, Transcript,
    TranscriptStream, UTTERANCE_MAX,
};

/// How long after the last word a listener may think, if there are others below it.
pub const LISTENING_PATIENCE_DEFAULT: Duration = Duration::from_secs(4);

const LISTENER: Words = Words { what: "listener", does: "listens" };

/// A listener of a ladder.
pub struct ListeningRung {
    name: String,
    listener: Arc<dyn SpeechToText>,
    patience: Duration,
    breaker: Arc<Breaker>,
}

impl ListeningRung {
    /// `patience` is how long after the end of the sound the transcript may take. The last rung is waited for.
    pub fn new(
        name: impl Into<String>,
        listener: Arc<dyn SpeechToText>,
        patience: Duration,
    ) -> ListeningRung {
        ListeningRung { name: name.into(), listener, patience, breaker: Arc::default() }
    }
}

/// An ordered list of listeners, itself a listener.
pub struct ListeningLadder {
    rungs: Arc<[ListeningRung]>,
    steps: Arc<Steps>,
}

#[derive(Default)]
struct Steps {
    /// The rung that understood last.
    last: AtomicUsize,
    notice: Mutex<Option<Notice>>,
}

impl ListeningLadder {
    /// The preferred listener first.
    pub fn new(rungs: Vec<ListeningRung>) -> ListeningLadder {
        ListeningLadder { rungs: rungs.into(), steps: Arc::default() }
    }
}

#[async_trait]
impl SpeechToText for ListeningLadder {
    /// The error of the preferred rung comes last if none understands, with those of the others in its message.
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let climb = Climb {
            rungs: self.rungs.clone(),
            steps: self.steps.clone(),
            tape: Arc::new(Tape { pieces: Mutex::default(), progress: watch::Sender::default() }),
            request,
            place: 0,
            attempt: None,
            left: Vec::new(),
            is_over: false,
        };
        Ok(stream::unfold(climb, |mut climb| async { Some((climb.next().await?, climb)) }).boxed())
    }

    fn notice(&self) -> Option<Notice> {
        self.steps.notice.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn shutdown(&self) {
        for rung in self.rungs.iter() {
            rung.listener.shutdown().await;
        }
    }
}

/// An utterance on its way down the ladder.
struct Climb {
    rungs: Arc<[ListeningRung]>,
    steps: Arc<Steps>,
    tape: Arc<Tape>,
    request: ListenRequest,
    place: usize,
    attempt: Option<Attempt>,
    /// The rungs that were left.
    left: Vec<Left>,
    is_over: bool,
}

/// A rung that listens.
struct Attempt {
    transcripts: Option<TranscriptStream>,
    since: Instant,
    _probe: GivenUp,
}

impl Climb {
    async fn next(&mut self) -> Option<Result<Transcript, SpeechError>> {
        while !self.is_over {
            if self.place == self.rungs.len() {
                self.is_over = true;
                let (nobody, help) = ("there is nobody who listens", "Name somebody in `speech.listeners`.");
                return Some(Err(all_failed(std::mem::take(&mut self.left), nobody, help)));
            }
            match self.of_rung().await {
                Ok(transcript) => {
                    if transcript.is_final {
                        self.is_over = true;
                        self.understood();
                    }
                    return Some(Ok(transcript));
                }
                Err(error) => self.leave(error),
            }
        }
        None
    }

    /// What the rung understands next.
    async fn of_rung(&mut self) -> Result<Transcript, SpeechError> {
        let rung = &self.rungs[self.place];
        let is_last = self.place + 1 == self.rungs.len();
        let attempt = match &mut self.attempt {
            Some(attempt) => attempt,
            none => none.insert(rung.begin(is_last)?),
        };
        let (since, tape) = (attempt.since, self.tape.clone());
        let ListenRequest { language, names, partial, .. } = &self.request;
        let request = ListenRequest {
            sound: tape.clone().play(),
            language: language.clone(),
            names: names.clone(),
            partial: *partial,
        };
        let next = async {
            let transcripts = match &mut attempt.transcripts {
                Some(transcripts) => transcripts,
                none => none.insert(rung.listener.listen(request).await?),
            };
            let next = transcripts.next().await;
            next.unwrap_or_else(|| Err(SpeechError::broken("it ended without a transcript")))
        };
        tokio::select! {
            biased;
            next = next => next,
            () = tape.late(since, rung.patience), if !is_last => Err(SpeechError::new(
                SpeechErrorKind::Late,
                format!("nothing was understood within {} ms", rung.patience.as_millis()),
                "Try again, or let another listener understand.",
            )),
            never = tape.record(&mut self.request.sound) => match never {},
        }
    }

    fn leave(&mut self, error: SpeechError) {
        let rung = &self.rungs[self.place];
        if let Some(mut attempt) = self.attempt.take() {
            attempt._probe.0 = None;
            rung.breaker.failed(&for_breaker(&error), Instant::now());
        }
        self.left.push(Left { name: rung.name.clone(), error });
        self.place += 1;
    }

    /// Notes who understood, and what there is to say of it.
    fn understood(&mut self) {
        let rung = &self.rungs[self.place];
        if let Some(mut attempt) = self.attempt.take() {
            attempt._probe.0 = None;
            rung.breaker.succeeded();
        }
        if let Some(notice) = step(&self.steps.last, self.place, &rung.name, &self.left, &LISTENER) {
            *self.steps.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
        }
    }
}

impl ListeningRung {
    fn begin(&self, is_last: bool) -> Result<Attempt, SpeechError> {
        let since = Instant::now();
        // The last one is better tried in vain than not at all.
        let probe = match self.breaker.pass(since) {
            Pass::Resting(wait) | Pass::Told(wait) if !is_last => return Err(resting(wait)),
            Pass::Probe => Some(self.breaker.clone()),
            _ => None,
        };
        Ok(Attempt { transcripts: None, since, _probe: GivenUp(probe) })
    }
}

/// What was heard of an utterance so far, for whoever listens to it next.
struct Tape {
    pieces: Mutex<Vec<Pcm>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    pieces: usize,
    ended: Option<Instant>,
}

impl Tape {
    /// Takes in what is heard. It goes on for ever, because others wait meanwhile.
    async fn record(&self, sound: &mut SoundStream) -> std::convert::Infallible {
        const SAMPLES_MAX: usize = UTTERANCE_MAX.as_secs() as usize * LISTEN_RATE_HZ as usize;
        while self.progress.borrow().ended.is_none() {
            let piece = sound.next().await;
            let (count, samples) = {
                let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
                pieces.extend(piece.clone());
                (pieces.len(), pieces.iter().map(|piece| piece.samples.len()).sum::<usize>())
            };
            let ended = (piece.is_none() || samples >= SAMPLES_MAX).then(Instant::now);
            self.progress.send_replace(Progress { pieces: count, ended });
        }
        std::future::pending().await
    }

    /// All of it from the beginning, as far as it is heard.
    fn play(self: Arc<Self>) -> SoundStream {
        let progress = self.progress.subscribe();
        stream::unfold((self, progress, 0), |(tape, mut progress, place)| async move {
            progress.wait_for(|heard| heard.pieces > place || heard.ended.is_some()).await.ok()?;
            let piece = tape.pieces.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()?;
            Some((piece, (tape, progress, place + 1)))
        })
        .boxed()
    }

    /// Returns when whoever listens since then has had so long since the end.
    async fn late(&self, since: Instant, patience: Duration) {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|heard| heard.ended.is_some()).await.ok().and_then(|heard| heard.ended);
        tokio::time::sleep_until(ended.map_or(since, |ended| ended.max(since)) + patience).await;
    }
}

#[cfg(test)]
#[path = "listening_tests.rs"]
mod tests;
