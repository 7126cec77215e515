//! Sound that arrives in pieces, at another rate; or faster and higher, which is the same.
//!
//! Band-limited, by rubato's windowed sinc. The delay of the filter is taken off the beginning and given back at the
//! end, so that what comes out begins and ends with what went in.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// Samples that are computed at once; what is less waits for more, at most 16 ms of sound for recognition.
const CHUNK: usize = 256;
/// Length of the filter: what lies above the new half of the rate is damped by more than 80 dB, and the voice is
/// untouched up to nine tenths of it.
const FILTER_LENGTH: usize = 128;
const FILTERS: usize = 128;

/// Changes the rate of one stream of sound.
pub struct Resampler {
    inner: Async<f32>,
    /// Samples of the output for each of the input.
    ratio: f64,
    /// Less than a chunk.
    waiting: Vec<f32>,
    /// Output that is still to be left out at the beginning: the filter's delay.
    delay: usize,
    /// Samples that came in.
    taken: usize,
    /// Samples that went out.
    made: usize,
}

impl Resampler {
    /// Samples of the output for each of the input, which is positive. 0.5 is an octave higher at the same rate.
    pub fn new(ratio: f64) -> Resampler {
        let parameters = SincInterpolationParameters::new(FILTER_LENGTH, WindowFunction::BlackmanHarris2)
            .oversampling_factor(FILTERS)
            .interpolation(SincInterpolationType::Linear);
        let inner = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input)
            .expect("the ratio is positive and finite");
        // The first sample is computed one step after the half of the filter before the beginning.
        let delay = (FILTER_LENGTH as f64 / 2.0 * ratio - 1.0).round().max(0.0) as usize;
        Resampler { inner, ratio, waiting: Vec::new(), delay, taken: 0, made: 0 }
    }

    /// From one rate to another; nothing where they are the same.
    pub fn between(from_hz: u32, to_hz: u32) -> Option<Resampler> {
        (from_hz != to_hz && from_hz > 0 && to_hz > 0)
            .then(|| Resampler::new(f64::from(to_hz) / f64::from(from_hz)))
    }

    /// What can be made with these.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        self.taken += samples.len();
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut made = Vec::with_capacity((waiting.len() as f64 * self.ratio) as usize + 1);
        let chunks = waiting.chunks_exact(CHUNK);
        self.waiting = chunks.remainder().to_vec();
        for chunk in chunks {
            self.chunk(chunk, CHUNK, &mut made);
        }
        self.made += made.len();
        made
    }

    /// The rest, when nothing more arrives.
    pub fn finish(&mut self) -> Vec<f32> {
        let wanted = (self.taken as f64 * self.ratio).round() as usize;
        let missing = wanted.saturating_sub(self.made);
        let mut made = Vec::with_capacity(missing);
        let mut last = std::mem::take(&mut self.waiting);
        while made.len() < missing {
            let length = last.len();
            last.resize(CHUNK, 0.0);
            self.chunk(&last, length, &mut made);
            last.clear();
        }
        made.truncate(missing);
        self.made += made.len();
        made
    }

    fn chunk(&mut self, chunk: &[f32], length: usize, made: &mut Vec<f32>) {
        let input = SequentialSlice::new(chunk, 1, CHUNK).expect("a chunk has its length");
        let part = Indexing::new().partial_len(length);
        let part = (length < CHUNK).then_some(&part);
        let output = self.inner.process(&input, part).expect("one channel, a whole chunk").take_data();
        let skipped = self.delay.min(output.len());
        self.delay -= skipped;
        made.extend_from_slice(&output[skipped..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (std::f64::consts::TAU * frequency * n as f64).sin() as f32).collect()
    }

    fn resampled(ratio: f64, sound: &[f32], piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(ratio);
        let mut made: Vec<f32> = sound.chunks(piece).flat_map(|piece| resampler.push(piece)).collect();
        made.extend(resampler.finish());
        made
    }

    /// How much in a resampled tone is not the tone, in decibels, and how many samples late the tone is.
    fn error_db_and_shift(ratio: f64, frequency: f64) -> (f64, f64) {
        let made = resampled(ratio, &tone(frequency, 10_000), 333);
        assert_eq!(made.len(), (10_000.0 * ratio).round() as usize);
        let inside = &made[300..made.len() - 300];
        let turn = std::f64::consts::TAU * frequency / ratio;
        let place = |n: usize| (turn * (n + 300) as f64).sin_cos();
        let sum = |term: &dyn Fn(usize) -> f64| (0..inside.len()).map(term).sum::<f64>();
        let (ss, cc) = (sum(&|n| place(n).0.powi(2)), sum(&|n| place(n).1.powi(2)));
        let sc = sum(&|n| place(n).0 * place(n).1);
        let (ys, yc) =
            (sum(&|n| f64::from(inside[n]) * place(n).0), sum(&|n| f64::from(inside[n]) * place(n).1));
        let (sine, cosine) =
            ((ys * cc - yc * sc) / (ss * cc - sc * sc), (yc * ss - ys * sc) / (ss * cc - sc * sc));
        let rest = |(n, sample): (usize, &f32)| {
            (f64::from(*sample) - sine * place(n).0 - cosine * place(n).1).powi(2)
        };
        let error = inside.iter().enumerate().map(rest).sum::<f64>() / inside.len() as f64;
        assert!((sine.hypot(cosine) - 1.0).abs() < 0.01, "it is as loud");
        (10.0 * (error / 0.5).log10(), -cosine.atan2(sine) / turn)
    }

    #[test]
    fn a_tone_stays_what_it_is_where_it_is() {
        for ratio in [0.8, 1.25, 16.0 / 22.05, 48.0 / 22.05, 44.1 / 48.0, 1.0 / 3.0] {
            for frequency in [0.01, 0.1] {
                let (error, shift) = error_db_and_shift(ratio, frequency);
                assert!(error < -70.0, "ratio {ratio}, frequency {frequency}: {error} dB");
                assert!(shift.abs() < 0.6, "ratio {ratio}, frequency {frequency}: {shift} samples late");
            }
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_silent_instead_of_folded_down() {
        let made = resampled(1.0 / 3.0, &tone(0.2, 10_000), 480);
        let loudest = made[100..3_000].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }

    #[test]
    fn pieces_make_the_same_as_the_whole() {
        let sound = tone(0.037, 4_000);
        assert_eq!(resampled(0.8, &sound, 4_000), resampled(0.8, &sound, 7));
    }

    #[test]
    fn the_shortest_sounds_are_as_long_as_they_should_be() {
        for samples in [0, 1, 2, 100, 255, 256, 257] {
            assert_eq!(resampled(2.0, &tone(0.01, samples), 50).len(), samples * 2);
        }
    }
}
