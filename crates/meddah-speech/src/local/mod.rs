//! Speech on this PC: voices of a folder, spoken in a thread of its own.
//!
//! One line is computed at a time, for two at once would both come later. The thread and its helpers run below the
//! usual priority: the game goes first.

mod line;
mod robot;
mod shelf;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use rten::ThreadPool;
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::mpsc;

use crate::phonemes::{Item, Phonemes, sentences};
use crate::piper::PiperVoice;
use crate::synthesiser::{Flow, Listener, Synthesiser as _, Timed};
use crate::{SpeechError, SpeechRequest, SpeechStream, TextToSpeech, Voice, VoiceSettings};
use line::{Line, PIECES_MAX, Sent};
pub use robot::ROBOT;
use shelf::Shelf;

/// Lines that wait. Whoever comes later waits for a place.
const QUEUE_LINES_MAX: usize = 32;
/// Threads that compute a line; more than this makes no sound sooner.
const THREADS_MAX: usize = 4;
/// Of 0 to 99, where 50 is usual: "below normal" on Windows, a nice value of 7 elsewhere.
const PRIORITY: u8 = 30;

/// The voices of this PC. Dropping it ends its thread, after the piece that it is at.
pub struct LocalSpeech {
    folder: PathBuf,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    request: SpeechRequest,
    pieces: mpsc::Sender<Sent>,
}

impl LocalSpeech {
    /// Speaks with the voices of this folder, looked for when they are asked for. Reads nothing yet.
    ///
    /// `threads` compute a line; two are a good number beside a game.
    pub fn new(folder: PathBuf, threads: usize) -> Result<LocalSpeech, SpeechError> {
        let (queue, jobs) = mpsc::channel(QUEUE_LINES_MAX);
        let (threads, of_thread) = (threads.clamp(1, THREADS_MAX), folder.clone());
        let thread = std::thread::Builder::new()
            .name("speech".into())
            .spawn(move || work(of_thread, threads, jobs))
            .map_err(SpeechError::broken)?;
        Ok(LocalSpeech { folder, queue: Some(queue), thread: Some(thread) })
    }

    /// The voices of a folder, without anything to speak with them.
    pub fn voices_in(folder: &std::path::Path) -> Vec<Voice> {
        shelf::voices(folder)
    }
}

/// Whether this file is a voice that can be used: it is read and has to say a word. Blocks for about a second.
pub fn try_voice(file: &std::path::Path) -> Result<(), SpeechError> {
    let mut voice = PiperVoice::open(file, Arc::new(ThreadPool::with_num_threads(1)))?;
    let mut trial = Trial::default();
    let word = [Item::Word { bytes: 0..3, ipa: "jˈɛs".into() }, Item::Pause('.')];
    voice
        .speak(&word, &VoiceSettings::default(), &mut trial)
        .map_err(|error| SpeechError::bad_voice(file, error.message))?;
    // Also false for numbers that are none.
    if trial.loudest > TRIAL_LOUDNESS_MIN {
        return Ok(());
    }
    Err(SpeechError::bad_voice(file, "it is silent"))
}

/// A voice that says "yes" is at least so loud somewhere.
const TRIAL_LOUDNESS_MIN: f32 = 0.02;

#[derive(Default)]
struct Trial {
    loudest: f32,
}

impl Listener for Trial {
    fn slower(&self) -> f32 {
        1.0
    }

    fn sounds(&mut self, _: Vec<Timed>) {}

    fn sound(&mut self, samples: &[f32]) -> Flow {
        self.loudest = samples.iter().fold(self.loudest, |loudest, sample| loudest.max(sample.abs()));
        Flow::Go
    }
}

#[async_trait]
impl TextToSpeech for LocalSpeech {
    async fn voices(&self) -> Vec<Voice> {
        shelf::voices(&self.folder)
    }

    /// A text without a word reads the voice into memory and speaks nothing, so that the first line comes sooner.
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        request.check()?;
        let stopped = || SpeechError::broken("its thread has ended");
        let (pieces, spoken) = mpsc::channel(PIECES_MAX);
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { request, pieces }).await.map_err(|_| stopped())?;
        Ok(stream::unfold(spoken, |mut spoken| async { Some((spoken.recv().await?, spoken)) }).boxed())
    }
}

impl Drop for LocalSpeech {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok(); // a panic of it was told to whoever listened
        }
    }
}

fn work(folder: PathBuf, threads: usize, mut jobs: mpsc::Receiver<Job>) {
    below_usual_priority();
    let threads = Arc::new(ThreadPool::with_num_threads(threads));
    threads.run(|| rayon::broadcast(|_| below_usual_priority()));
    let mut shelf = Shelf::new(folder, threads);
    let mut phonemes = None;
    while let Some(Job { request, pieces }) = jobs.blocking_recv() {
        // Who asked may have gone.
        if pieces.is_closed() {
            continue;
        }
        let phonemes = phonemes.get_or_insert_with(Phonemes::new);
        if let Err(error) = speak(&mut shelf, phonemes, &request, &pieces) {
            pieces.try_send(Err(error)).ok(); // likewise
        }
    }
}

fn below_usual_priority() {
    // Without it speech is only less considerate.
    let value = ThreadPriorityValue::try_from(PRIORITY).ok();
    value.and_then(|value| set_current_thread_priority(ThreadPriority::Crossplatform(value)).ok());
}

fn speak(
    shelf: &mut Shelf,
    phonemes: &Phonemes,
    request: &SpeechRequest,
    pieces: &mpsc::Sender<Sent>,
) -> Result<(), SpeechError> {
    let voice = shelf.take(&request.settings)?;
    let items = phonemes.read(&request.text, &request.lexicon);
    let mut line = Line::new(pieces.clone(), voice.sample_rate_hz(), &request.settings);
    for sentence in sentences(&items) {
        let heard = sentence.iter().any(|item| matches!(item, Item::Word { .. }));
        if heard && voice.speak(sentence, &request.settings, &mut line)? == Flow::Stop {
            return if line.is_stalled() { Err(SpeechError::stalled()) } else { Ok(()) };
        }
    }
    line.finish();
    Ok(())
}

#[cfg(test)]
mod tests;
