//! A line on its way to whoever listens: pitch and volume, times of marks, and pieces that are sent.

use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::resample::Resampler;
use crate::synthesiser::{Flow, Listener, Timed};
use crate::{Mark, MarkKind, Pcm, SpeechError, SpeechPiece, VoiceSettings};

/// Pieces that wait for a listener; a line seldom has more.
pub const PIECES_MAX: usize = 64;
/// Whoever holds a stream and takes nothing would hold up all others.
const LISTENER_WAIT_MAX: Duration = Duration::from_secs(10);
const LISTENER_PAUSE: Duration = Duration::from_millis(10);

/// What is sent.
pub type Sent = Result<SpeechPiece, SpeechError>;

/// One line.
pub struct Line {
    pieces: mpsc::Sender<Sent>,
    sample_rate_hz: u32,
    volume: f32,
    pitch_ratio: f32,
    resampler: Option<Resampler>,
    /// Where the next sentence begins, samples.
    sentence_at: f64,
    /// Marks that go with the next piece.
    marks: Vec<Mark>,
    stalled: bool,
}

impl Line {
    /// Begins one.
    pub fn new(pieces: mpsc::Sender<Sent>, sample_rate_hz: u32, settings: &VoiceSettings) -> Line {
        let pitch_ratio = settings.pitch_ratio();
        Line {
            pieces,
            sample_rate_hz,
            volume: settings.volume,
            pitch_ratio,
            resampler: (settings.pitch != 0.0).then(|| Resampler::new(f64::from(pitch_ratio))),
            sentence_at: 0.0,
            marks: Vec::new(),
            stalled: false,
        }
    }

    /// What is left when the last sentence is spoken.
    pub fn finish(mut self) {
        if let Some(resampler) = &mut self.resampler {
            let rest = resampler.finish();
            if !rest.is_empty() {
                self.send(rest);
            }
        }
    }

    /// Whether a listener held the stream for too long without taking anything.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    fn send(&mut self, mut samples: Vec<f32>) -> Flow {
        for sample in &mut samples {
            *sample = (*sample * self.volume).clamp(-1.0, 1.0);
        }
        let pcm = Pcm { sample_rate_hz: self.sample_rate_hz, samples };
        let mut piece = Ok(SpeechPiece { pcm, marks: std::mem::take(&mut self.marks) });
        let began = Instant::now();
        loop {
            match self.pieces.try_send(piece) {
                Ok(()) => return Flow::Go,
                Err(TrySendError::Closed(_)) => return Flow::Stop,
                Err(TrySendError::Full(_)) if began.elapsed() > LISTENER_WAIT_MAX => {
                    self.stalled = true;
                    return Flow::Stop;
                }
                Err(TrySendError::Full(back)) => piece = back,
            }
            std::thread::sleep(LISTENER_PAUSE);
        }
    }

    fn time(&self, samples: f64) -> Duration {
        Duration::from_secs_f64((samples / f64::from(self.sample_rate_hz)).max(0.0))
    }
}

impl Listener for Line {
    fn slower(&self) -> f32 {
        self.pitch_ratio
    }

    fn sounds(&mut self, sounds: Vec<Timed>) {
        let mut words: Vec<(Range<usize>, f64, f64)> = Vec::new();
        let mut phonemes = Vec::new();
        let mut at = self.sentence_at;
        for sound in sounds {
            let end = at + sound.length.0 / f64::from(self.pitch_ratio);
            if let Some(word) = sound.word {
                match words.last_mut() {
                    Some((earlier, _, until)) if *earlier == word => *until = end,
                    _ => words.push((word, at, end)),
                }
            }
            phonemes.push((MarkKind::Phoneme(sound.ipa), at, end));
            at = end;
        }
        self.sentence_at = at;
        let words = words.into_iter().map(|(word, at, end)| (MarkKind::Word(word), at, end));
        let marks = words.chain(phonemes).map(|(kind, at, end)| {
            let (at, end) = (self.time(at), self.time(end));
            Mark { at, duration: end - at, kind }
        });
        let mut marks: Vec<Mark> = marks.collect();
        // A word before its first sound.
        marks.sort_by_key(|mark| (mark.at, matches!(mark.kind, MarkKind::Phoneme(_))));
        self.marks.append(&mut marks);
    }

    fn sound(&mut self, samples: &[f32]) -> Flow {
        let samples = match &mut self.resampler {
            Some(resampler) => resampler.push(samples),
            None => samples.to_vec(),
        };
        self.send(samples)
    }
}
