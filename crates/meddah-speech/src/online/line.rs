//! A line on its way from a service to whoever listens: sound and times come in, pieces with marks go out.
//!
//! Times are the service's until here: where a higher pitch plays its sound faster, they are shortened with it.

use std::ops::Range;

use super::fault;
use super::loudness::Loudness;
use super::times::Times;
use super::words::TextWord;
use crate::resample::Resampler;
use crate::{Pcm, SpeechError, SpeechPiece, samples_as_time};

/// The first piece has so much sound, seconds. Each later one has as much as came before it, so that a service that is no
/// slower than speech never leaves a gap, up to the longest: whoever listens makes a file of each.
const FIRST_PIECE: f64 = 0.25;
const PIECE_MAX: f64 = 1.0;
/// So much is held back until the end, seconds, so that the last marks come with sound.
const HELD_BACK: f64 = 0.02;
/// The longest that a text may be spoken: who goes on after this does not stop. Seconds, and seconds for each byte.
const SOUND_BASE: f64 = 15.0;
const SOUND_PER_BYTE: f64 = 0.5;

/// One line.
pub(super) struct Line {
    service: String,
    times: Times,
    volume: f32,
    pitch_ratio: f64,
    resampler: Option<Resampler>,
    loudness: Loudness,
    rate_hz: u32,
    /// Sound that was not given yet.
    waiting: Vec<f32>,
    /// Samples that were given.
    given: usize,
    /// How much has come, in the service's seconds.
    heard: f64,
    heard_max: f64,
    /// Where times of the service begin; some count from each piece.
    times_begin: f64,
    last_time: f64,
}

/// What is to be done to a line beyond what the service does itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes {
    /// 1.0 leaves it.
    pub volume: f32,
    /// By how much it is played faster and higher.
    pub pitch_ratio: f32,
    /// The service tells times.
    pub is_timed: bool,
}

impl Line {
    pub fn new(service: &str, text: &str, words: Vec<TextWord>, changes: Changes) -> Line {
        let pitch_ratio = f64::from(changes.pitch_ratio);
        Line {
            service: service.to_owned(),
            times: Times::new(text, words, changes.is_timed),
            volume: changes.volume,
            pitch_ratio,
            resampler: (changes.pitch_ratio != 1.0).then(|| Resampler::new(1.0 / pitch_ratio)),
            loudness: Loudness::default(),
            rate_hz: 0,
            waiting: Vec::new(),
            given: 0,
            heard: 0.0,
            heard_max: SOUND_BASE + SOUND_PER_BYTE * text.len() as f64,
            times_begin: 0.0,
            last_time: 0.0,
        }
    }

    /// More sound.
    pub fn sound(&mut self, rate_hz: u32, samples: &[f32]) -> Result<(), SpeechError> {
        if samples.is_empty() {
            return Ok(());
        }
        if self.rate_hz == 0 {
            self.rate_hz = rate_hz;
            self.loudness = Loudness::new(rate_hz);
        } else if self.rate_hz != rate_hz {
            return Err(fault::nonsense(&self.service, "sound of two different rates"));
        }
        self.heard += samples_as_time(samples.len(), rate_hz).as_secs_f64();
        if self.heard > self.heard_max {
            return Err(fault::nonsense(&self.service, "it does not stop speaking"));
        }
        match &mut self.resampler {
            Some(resampler) => {
                let samples = resampler.push(samples);
                self.take_in(&samples);
            }
            None => self.take_in(samples),
        }
        Ok(())
    }

    fn take_in(&mut self, samples: &[f32]) {
        self.loudness.push(samples);
        self.waiting.extend(samples.iter().map(|sample| (sample * self.volume).clamp(-1.0, 1.0)));
    }

    /// The sound that comes next has times of its own: if they begin before those that were told, they count from that
    /// sound on. Call it before the sound is taken in.
    pub fn times_from(&mut self, first: f64) {
        // Where one piece alone has come, both ways of counting are the same.
        if self.times_begin + first < self.last_time - 0.05 {
            self.times_begin = self.heard;
        }
    }

    /// The service says this then.
    pub fn said(&mut self, said: &str, begin: f64, end: f64) {
        let time = self.time(begin, end);
        self.times.said(said, time);
    }

    /// The service makes this sound then.
    pub fn sounded(&mut self, ipa: &str, begin: f64, end: f64) {
        let time = self.time(begin, end);
        self.times.sounded(ipa, time);
    }

    fn time(&mut self, begin: f64, end: f64) -> Range<f64> {
        if end.is_finite() {
            self.last_time = self.last_time.max(self.times_begin + end);
        }
        let ours = |time: f64| (self.times_begin + time) / self.pitch_ratio;
        ours(begin)..ours(end)
    }

    /// A piece, if there is enough for one.
    pub fn take(&mut self) -> Option<SpeechPiece> {
        let held = (HELD_BACK * f64::from(self.rate_hz)) as usize;
        let count = self.waiting.len().saturating_sub(held);
        let least = samples_as_time(self.given, self.rate_hz).as_secs_f64().clamp(FIRST_PIECE, PIECE_MAX);
        if self.rate_hz == 0 || (count as f64) < least * f64::from(self.rate_hz) {
            return None;
        }
        let rest = self.waiting.split_off(count);
        let samples = std::mem::replace(&mut self.waiting, rest);
        self.given += samples.len();
        let until = samples_as_time(self.given, self.rate_hz).as_secs_f64();
        let marks = self.times.take(until, &self.loudness);
        Some(SpeechPiece { pcm: Pcm { sample_rate_hz: self.rate_hz, samples }, marks })
    }

    /// The last piece.
    pub fn finish(&mut self) -> Result<SpeechPiece, SpeechError> {
        if let Some(mut resampler) = self.resampler.take() {
            let rest = resampler.finish();
            self.take_in(&rest);
        }
        if self.given + self.waiting.len() == 0 {
            return Err(fault::nonsense(&self.service, "no sound at all"));
        }
        let samples = std::mem::take(&mut self.waiting);
        self.given += samples.len();
        let total = samples_as_time(self.given, self.rate_hz).as_secs_f64();
        let marks = self.times.finish(total, &self.loudness);
        Ok(SpeechPiece { pcm: Pcm { sample_rate_hz: self.rate_hz, samples }, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MarkKind, SpeechErrorKind};

    fn line(changes: Changes) -> Line {
        let word = |bytes| TextWord { bytes, sounds: vec!["a".into()] };
        Line::new("it", "one two", vec![word(0..3), word(4..7)], changes)
    }

    const AS_IT_IS: Changes = Changes { volume: 1.0, pitch_ratio: 1.0, is_timed: true };

    fn words(pieces: &[SpeechPiece]) -> Vec<(u128, u128)> {
        let marks = pieces.iter().flat_map(|piece| &piece.marks);
        let words = marks.filter(|mark| matches!(mark.kind, MarkKind::Word(_)));
        words.map(|mark| (mark.at.as_millis(), mark.duration.as_millis())).collect()
    }

    #[test]
    fn times_that_begin_anew_with_each_piece_are_added_up() {
        for second in [0.0, 0.5] {
            let mut line = line(AS_IT_IS);
            for (word, begin) in [("one", 0.0), ("two", second)] {
                line.times_from(begin);
                line.said(word, begin, begin + 0.4);
                line.sound(1000, &[0.5; 500]).unwrap();
            }
            let pieces = [line.take().unwrap(), line.finish().unwrap()];
            assert_eq!(words(&pieces), [(0, 400), (500, 400)]);
            assert_eq!(pieces[0].pcm.samples.len() + pieces[1].pcm.samples.len(), 1000);
        }
    }

    #[test]
    fn pieces_grow_with_what_was_given() {
        let mut line = line(AS_IT_IS);
        let mut lengths = Vec::new();
        for _ in 0..40 {
            line.sound(1000, &[0.5; 100]).unwrap();
            lengths.extend(line.take().map(|piece| piece.pcm.samples.len()));
        }
        assert_eq!(lengths, [280, 300, 600, 1000, 1000]);
    }

    #[test]
    fn a_higher_pitch_shortens_the_times_with_the_sound_and_volume_is_ours() {
        let mut line = line(Changes { volume: 0.5, pitch_ratio: 1.25, is_timed: true });
        line.said("one", 0.0, 0.5);
        line.said("two", 0.5, 1.0);
        line.sound(1000, &[0.8; 1000]).unwrap();
        let last = line.finish().unwrap();
        assert!(last.pcm.samples.len().abs_diff(800) <= 2);
        assert!((last.pcm.samples[400] - 0.4).abs() < 0.01);
        assert_eq!(words(&[last]), [(0, 400), (400, 400)]);
    }

    #[test]
    fn who_does_not_stop_or_says_nothing_is_an_error() {
        let mut endless = line(AS_IT_IS);
        let error = (0..100).find_map(|_| endless.sound(1000, &[0.1; 1000]).err()).unwrap();
        assert_eq!(error.kind, SpeechErrorKind::Protocol);
        assert_eq!(line(AS_IT_IS).finish().unwrap_err().kind, SpeechErrorKind::Protocol);
        let mut changing = line(AS_IT_IS);
        changing.sound(1000, &[0.1]).unwrap();
        assert!(changing.sound(2000, &[0.1]).is_err());
    }
}
