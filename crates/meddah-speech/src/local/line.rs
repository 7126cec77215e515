//! A line on its way to whoever listens: pitch and volume, times of marks, and pieces that are sent.

use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::resample::Resampler;
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
    listener_wait_max: Duration,
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
            resampler: (settings.pitch != 0.0).then(|| Resampler::new(1.0 / f64::from(pitch_ratio))),
            sentence_at: 0.0,
            marks: Vec::new(),
            stalled: false,
            listener_wait_max: LISTENER_WAIT_MAX,
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
                Err(TrySendError::Full(_)) if began.elapsed() > self.listener_wait_max => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthesiser::Length;

    fn line(places: usize, settings: &VoiceSettings) -> (Line, mpsc::Receiver<Sent>) {
        let (pieces, taken) = mpsc::channel(places);
        let mut line = Line::new(pieces, 1000, settings);
        line.listener_wait_max = Duration::from_millis(20);
        (line, taken)
    }

    #[test]
    fn who_takes_nothing_for_too_long_is_left_alone() {
        let (mut line, taken) = line(1, &VoiceSettings::default());
        assert_eq!(line.sound(&[0.1]), Flow::Go);
        assert_eq!(line.sound(&[0.1]), Flow::Stop);
        assert!(line.is_stalled());
        drop(taken);
    }

    #[test]
    fn who_has_gone_stops_the_line_at_once() {
        let (mut line, taken) = line(8, &VoiceSettings::default());
        drop(taken);
        assert_eq!(line.sound(&[0.1]), Flow::Stop);
        assert!(!line.is_stalled());
    }

    #[test]
    fn the_second_sentence_counts_from_the_end_of_the_first() {
        let (mut line, mut taken) = line(8, &VoiceSettings { volume: 2.0, ..VoiceSettings::default() });
        let sound = |ipa: &str, word, samples| Timed { ipa: ipa.into(), word, length: Length(samples) };
        line.sounds(vec![
            sound("", None, 100.0),
            sound("h", Some(0..2), 50.0),
            sound("aɪ", Some(0..2), 150.0),
        ]);
        line.sound(&[0.3; 300]);
        line.sounds(vec![sound("b", Some(4..5), 80.0)]);
        line.sound(&[0.7; 80]);
        let shown = |piece: SpeechPiece| {
            let marks = piece.marks.into_iter();
            marks.map(|mark| (mark.at.as_millis(), mark.duration.as_millis(), mark.kind)).collect::<Vec<_>>()
        };
        let phoneme = |ipa: &str| MarkKind::Phoneme(ipa.into());
        let first = taken.try_recv().unwrap().unwrap();
        assert!((first.pcm.samples[0] - 0.6).abs() < 1e-6);
        let expected = [
            (0, 100, phoneme("")),
            (100, 200, MarkKind::Word(0..2)),
            (100, 50, phoneme("h")),
            (150, 150, phoneme("aɪ")),
        ];
        assert_eq!(shown(first), expected);
        let second = taken.try_recv().unwrap().unwrap();
        assert_eq!(second.pcm.samples[0], 1.0, "as loud as it can be");
        assert_eq!(shown(second), [(300, 80, MarkKind::Word(4..5)), (300, 80, phoneme("b"))]);
    }
}
